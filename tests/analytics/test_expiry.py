"""What ends and what is wasted, against the plain ledger rule spent hour by hour."""

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from analytics import expiry
from analytics.frames import EXPIRING
from ledger.core.burn import plan_consumption
from ledger.core.records import Batch, CreditType

AT = datetime(2026, 3, 10, tzinfo=UTC)
CREDIT = 1_000_000


def batch(number: int, left: int, ends_in: int | None, *, starts_in: int = 0, priority: int = 0) -> Batch:
    ends = None if ends_in is None else AT + timedelta(days=ends_in)
    starts = AT + timedelta(days=starts_in)
    return Batch(number, CreditType.PROMOTIONAL, left * CREDIT, 0, priority, starts, ends)


def wasted(*batches: Batch, a_day: int) -> dict[int, int]:
    found = expiry.wasted(batches, at=AT, used_micro=a_day * 28 * CREDIT)
    return {number: amount // CREDIT for number, amount in found.items()}


def test_one_batch_wastes_what_its_days_cannot_use() -> None:
    assert wasted(batch(1, 100, 10), a_day=3) == {1: 70}
    assert wasted(batch(1, 30, 10), a_day=3) == {1: 0}
    assert wasted(batch(1, 100, 10), a_day=0) == {1: 100}
    assert wasted(batch(1, 100, None), a_day=3) == {}
    assert wasted(a_day=3) == {}


def test_soonest_expiry_is_used_first_and_priority_before_that() -> None:
    assert wasted(batch(1, 50, 20), batch(2, 20, 10), a_day=3) == {1: 10, 2: 0}
    assert wasted(batch(1, 50, 20, priority=-1), batch(2, 20, 10), a_day=3) == {1: 0, 2: 20}


def test_scheduled_batch_is_not_touched_before_its_time() -> None:
    assert wasted(batch(1, 100, 10, starts_in=8), a_day=3) == {1: 94}


def test_expired_batch_is_not_in_it() -> None:
    assert wasted(batch(1, 100, -1, starts_in=-5), batch(2, 9, 3), a_day=3) == {2: 0}


batches = st.lists(
    st.builds(
        batch,
        number=st.integers(1, 10**6),
        left=st.integers(1, 60),
        ends_in=st.none() | st.integers(9, 30),
        starts_in=st.integers(-3, 8),
        priority=st.integers(-1, 1),
    ),
    max_size=6,
    unique_by=lambda found: found.id,
)


@given(batches, st.integers(0, 12))
def test_it_equals_the_ledger_charging_day_by_day(shelf: list[Batch], a_day: int) -> None:
    left = {found.id: found.remaining_micro for found in shelf}
    for day in range(30):
        at = AT + timedelta(days=day)
        now = [Batch(b.id, b.credit_type, left[b.id], 0, b.priority, b.effective_at, b.expires_at) for b in shelf]
        if a_day:
            for take in plan_consumption(now, a_day * CREDIT, at=at).takes:
                left[take.batch_id] -= take.amount_micro
    expected = {found.id: left[found.id] for found in shelf if found.expires_at is not None}
    assert expiry.wasted(shelf, at=AT, used_micro=a_day * 28 * CREDIT) == expected


def frame(*rows: tuple[str, int, str, int, int]) -> pd.DataFrame:
    """Rows of account, batch id, type, credits left, days left."""
    names = dict.fromkeys(EXPIRING.names)
    values = {
        "account": [row[0] for row in rows],
        "batch_id": [row[1] for row in rows],
        "credit_type": [row[2] for row in rows],
        "left_micro": [row[3] * CREDIT for row in rows],
        "granted_micro": [row[3] * CREDIT for row in rows],
        "days_left": [row[4] for row in rows],
        "effective_at": [AT for _ in rows],
        "expires_at": [AT + timedelta(days=row[4]) for row in rows],
    }
    return EXPIRING.frame({name: values.get(name, [None] * len(rows)) for name in names})


@given(shelf=batches, a_day=st.integers(0, 20), days=st.integers(0, 31))
def test_what_ends_soon_does_not_depend_on_what_ends_later(shelf: list[Batch], a_day: int, days: int) -> None:
    until = AT + timedelta(days=days)
    everything = expiry.wasted(shelf, at=AT, used_micro=a_day * 28 * CREDIT)
    soon = {one.id for one in shelf if one.expires_at is not None and one.expires_at <= until}
    found = expiry.wasted(shelf, at=AT, used_micro=a_day * 28 * CREDIT, until=until)
    assert found == {number: amount for number, amount in everything.items() if number in soon}


def test_buckets_hold_each_batch_once() -> None:
    rows = frame(("a", 1, "promotional", 10, 3), ("a", 2, "purchased", 20, 4), ("b", 3, "promotional", 5, 91))
    found = expiry.with_waste(rows, {"a": [batch(1, 10, 3), batch(2, 20, 4)]}, {"a": 28 * 5 * CREDIT}, at=AT)
    assert (found["wasted_micro"] // CREDIT).tolist() == [0, 10, 0]
    assert (found["needed_micro"] // CREDIT).tolist() == [10, 10, 5]
    table = expiry.by_bucket(found)
    assert len(table) == 25
    full = table[table["batches"] > 0]
    assert full["bucket"].tolist() == ["0–3 days", "4–14 days"]
    assert (full["left_micro"] // CREDIT).tolist() == [10, 20]
    assert full["credit_type"].tolist() == ["promotional", "purchased"]


def test_empty_company_has_all_buckets_at_zero() -> None:
    table = expiry.by_bucket(expiry.with_waste(EXPIRING.empty(), {}, {}, at=AT))
    assert len(table) == 25
    assert table["left_micro"].sum() == 0

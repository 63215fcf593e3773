"""Billing periods and what they give: a table of awkward calendars, and properties over all of them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import MICRO
from ledger.core.plans import (
    Period,
    PlanTerms,
    is_upgrade,
    on_anchor,
    period_around,
    period_from,
    prorated_micro,
    rollover_micro,
    terms_in_force,
    upgrade_micro,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = st.dates(date(1999, 1, 1), date(2120, 1, 1))
ANCHORS = st.integers(1, 31)
MONTHS = st.integers(1, 12)


def make_terms(credits: int = 100, **changes: object) -> PlanTerms:
    good = {
        "id": 1,
        "code": "basic",
        "credits_micro": credits * MICRO,
        "months": 1,
        "rollover_cap_micro": 50 * MICRO,
        "rollover_share_ppm": 500_000,
        "rollover_periods": 1,
        "effective_at": START,
    }
    return PlanTerms(**(good | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "anchor_day", "months", "ends"),
    [
        pytest.param("2027-01-31", 31, 1, ["2027-02-28", "2027-03-31", "2027-04-30", "2027-05-31"], id="31-january"),
        pytest.param("2028-01-31", 31, 1, ["2028-02-29", "2028-03-31"], id="leap-year"),
        pytest.param("2100-01-29", 29, 1, ["2100-02-28", "2100-03-29"], id="2100-is-no-leap-year"),
        pytest.param("2027-01-30", 30, 1, ["2027-02-28", "2027-03-30"], id="30-january"),
        pytest.param("2027-02-28", 28, 1, ["2027-03-28", "2027-04-28"], id="28-february-stays-28"),
        pytest.param("2027-11-30", 31, 3, ["2028-02-29", "2028-05-31"], id="quarters"),
        pytest.param("2028-02-29", 29, 12, ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"], id="leap-day"),
        pytest.param("2026-12-15", 15, 1, ["2027-01-15"], id="new-year"),
    ],
)
def test_periods_begin_on_the_anchor_day_or_the_last_day_of_a_shorter_month(
    start: str, anchor_day: int, months: int, ends: list[str]
) -> None:
    day, found = date.fromisoformat(start), []
    for _ in ends:
        day = period_from(day, anchor_day=anchor_day, months=months).end
        found.append(day.isoformat())
    assert found == ends


@given(DAYS, ANCHORS, MONTHS, st.integers(1, 24))
def test_periods_follow_each_other_without_gap_or_overlap(day: date, anchor: int, months: int, count: int) -> None:
    first = period_around(day, anchor_day=anchor, months=months)
    assert first.start <= day < first.end
    at = first.start
    for _ in range(count):
        period = period_from(at, anchor_day=anchor, months=months)
        assert period.start == at < period.end == on_anchor(period.end, anchor)
        assert 28 * months <= period.days <= 31 * months + 1
        at = period.end
    assert at == period_from(first.start, anchor_day=anchor, months=months, count=count).end


@given(DAYS, ANCHORS, MONTHS)
def test_the_period_around_its_own_first_day_is_itself(day: date, anchor: int, months: int) -> None:
    period = period_around(day, anchor_day=anchor, months=months)
    assert period_around(period.start, anchor_day=anchor, months=months) == period


@pytest.mark.parametrize(
    ("today", "credits"),
    [("2026-04-01", 400), ("2026-04-02", "386.666667"), ("2026-04-16", 200), ("2026-04-30", "13.333333")],
)
def test_an_upgrade_gives_the_difference_for_the_days_that_are_left(today: str, credits: object) -> None:
    period = Period(date(2026, 4, 1), date(2026, 5, 1))
    day = date.fromisoformat(today)
    given = upgrade_micro(make_terms(100), make_terms(500), period=period, today=day, anchor_day=1)
    assert given == round(float(str(credits)) * MICRO)


def test_an_upgrade_in_a_first_period_that_began_in_the_middle_is_prorated_by_a_whole_one() -> None:
    period = Period(date(2026, 4, 16), date(2026, 5, 1))
    given = upgrade_micro(make_terms(100), make_terms(400), period=period, today=date(2026, 4, 16), anchor_day=1)
    assert given == 150 * MICRO


@given(st.integers(1, 10**15), st.integers(1, 365), st.data())
def test_proration_never_gives_more_than_the_whole(amount: int, of_days: int, data: st.DataObject) -> None:
    days = data.draw(st.integers(0, of_days))
    part = prorated_micro(amount, days=days, of_days=of_days)
    assert 0 <= part <= amount
    assert abs(part + prorated_micro(amount, days=of_days - days, of_days=of_days) - amount) <= 1


@pytest.mark.parametrize(
    ("unused", "given", "changes", "rolled"),
    [
        pytest.param(30, 100, {}, 30, id="all-that-is-left"),
        pytest.param(90, 100, {}, 50, id="share-and-cap-agree"),
        pytest.param(90, 100, {"rollover_cap_micro": 20 * MICRO}, 20, id="cap"),
        pytest.param(90, 100, {"rollover_share_ppm": 100_000}, 10, id="share"),
        pytest.param(90, 100, {"rollover_cap_micro": 0}, 0, id="nothing-rolls-over"),
        pytest.param(0, 100, {}, 0, id="nothing-left"),
        pytest.param(90, 180, {"rollover_cap_micro": 80 * MICRO}, 80, id="share-of-all-that-was-given"),
    ],
)
def test_rollover_is_capped(unused: int, given: int, changes: dict[str, object], rolled: int) -> None:
    terms = make_terms(**changes)  # type: ignore[arg-type]
    assert rollover_micro(unused * MICRO, given_micro=given * MICRO, terms=terms) == rolled * MICRO


def test_a_share_of_a_rollover_is_rounded_down() -> None:
    assert rollover_micro(9, given_micro=3, terms=make_terms()) == 1


def test_the_version_in_force_is_the_newest_that_has_come() -> None:
    old, new = make_terms(id=1), make_terms(id=2, effective_at=START + timedelta(days=10))
    other = make_terms(id=3, code="pro")
    versions = [new, other, old]
    assert terms_in_force(versions, "basic", at=START - timedelta(microseconds=1)) is None
    assert terms_in_force(versions, "basic", at=START + timedelta(days=10, microseconds=-1)) == old
    assert terms_in_force(versions, "basic", at=START + timedelta(days=10)) == new
    assert terms_in_force(versions, "gold", at=START + timedelta(days=10)) is None


def test_only_more_credits_for_a_period_of_the_same_length_come_at_once() -> None:
    assert is_upgrade(make_terms(100), make_terms(101))
    assert not is_upgrade(make_terms(100), make_terms(100))
    assert not is_upgrade(make_terms(100), make_terms(99))
    assert not is_upgrade(make_terms(100), make_terms(500, months=3))

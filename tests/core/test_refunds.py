"""Refund arithmetic: parts add up to the price, and time left never gives more than unused credits are worth."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import MICRO, share_of_cost_cents
from ledger.core.refunds import Paid, RefundPolicy, plan_refund, time_left_cents
from tests.kit.factories import NOW

UNUSED, TIME = RefundPolicy.UNUSED_SHARE, RefundPolicy.TIME_LEFT


def paid(*, granted: int = 100, left: int = 100, free: int | None = None, cents: int = 1000, given: int = 0) -> Paid:
    """A hundred credits for 10.00, half of their hundred days gone."""
    return Paid(
        granted * MICRO,
        left * MICRO,
        (left if free is None else free) * MICRO,
        cents,
        NOW - timedelta(days=50),
        NOW + timedelta(days=50),
        given,
    )


@pytest.mark.parametrize(
    ("batch", "credits", "policy", "cents"),
    [
        pytest.param(paid(), 100, UNUSED, 1000, id="nothing-used"),
        pytest.param(paid(left=40), 40, UNUSED, 400, id="the-rest"),
        pytest.param(paid(left=40), 10, UNUSED, 100, id="a-part"),
        pytest.param(paid(granted=3, left=3), 1, UNUSED, 333, id="first-third"),
        pytest.param(paid(granted=3, left=2), 1, UNUSED, 334, id="second-third"),
        pytest.param(paid(granted=3, left=1), 1, UNUSED, 333, id="last-third"),
        pytest.param(paid(), 100, TIME, 500, id="half-of-the-time-is-gone"),
        pytest.param(paid(left=40), 40, TIME, 400, id="less-left-than-time"),
        pytest.param(paid(left=80), 80, TIME, 500, id="less-time-than-left"),
        pytest.param(paid(left=40, given=300), 40, TIME, 200, id="time-counts-what-was-given-back"),
        pytest.param(paid(left=40, given=500), 40, TIME, 0, id="all-of-the-time-was-given-back"),
        pytest.param(replace(paid(), expires_at=None), 100, TIME, 1000, id="never-expires"),
        pytest.param(replace(paid(), effective_at=NOW), 100, TIME, 1000, id="begins-now"),
        pytest.param(replace(paid(), effective_at=NOW + timedelta(days=9)), 100, TIME, 1000, id="begins-later"),
    ],
)
def test_refund(batch: Paid, credits: int, policy: RefundPolicy, cents: int) -> None:
    assert plan_refund(batch, credits * MICRO, policy=policy, at=NOW) == cents


def test_time_left_counts_every_instant() -> None:
    # 36 hours and half a second of life, 9 hours and an eighth of a second left: a quarter.
    span = timedelta(hours=36, milliseconds=500)
    batch = replace(paid(cents=4_000_000_000), effective_at=NOW, expires_at=NOW + span)
    assert time_left_cents(batch, at=NOW + span * 3 / 4) == 1_000_000_000


def test_nothing_is_left_of_the_time_at_the_end() -> None:
    batch = paid()
    assert batch.expires_at is not None
    assert time_left_cents(batch, at=batch.expires_at) == 0
    assert time_left_cents(batch, at=batch.expires_at + timedelta(days=1)) == 0


@pytest.mark.parametrize("amount", [0, -1, 40 * MICRO + 1])
def test_more_than_is_free_is_a_mistake_of_the_caller(amount: int) -> None:
    with pytest.raises(ValueError, match="no more than is free"):
        plan_refund(paid(left=60, free=40), amount, policy=UNUSED, at=NOW)


PARTS = st.lists(st.tuples(st.booleans(), st.integers(1, 10**9)), max_size=12)


@given(granted=st.integers(1, 10**9), cents=st.integers(1, 10**9), parts=PARTS)
def test_uses_and_refunds_add_up_to_the_price(granted: int, cents: int, parts: list[tuple[bool, int]]) -> None:
    """In whatever order and sizes: refunds, the cost of what was used, and the cost of the rest make the price."""
    batch = Paid(granted, granted, granted, cents, NOW, None)
    refunded = used = 0
    for is_refund, wanted in parts:
        amount = min(wanted, batch.free_micro)
        if not amount:
            break
        cost = plan_refund(batch, amount, policy=UNUSED, at=NOW)
        assert cost >= 0
        refunded, used = (refunded + cost, used) if is_refund else (refunded, used + cost)
        left = batch.remaining_micro - amount
        batch = replace(batch, remaining_micro=left, free_micro=left)
    rest = share_of_cost_cents(cents, part_micro=batch.remaining_micro, whole_micro=granted)
    assert refunded + used + rest == cents


@given(
    granted=st.integers(1, 10**9),
    cents=st.integers(1, 10**9),
    parts=st.lists(st.tuples(st.booleans(), st.integers(1, 10**9), st.integers(0, 30)), max_size=12),
)
def test_time_left_gives_no_more_than_unused_credits_or_the_time(
    granted: int, cents: int, parts: list[tuple[bool, int, int]]
) -> None:
    """Splitting a refund gains nothing: all together give at most the time left when the last one is made."""
    batch = Paid(granted, granted, granted, cents, NOW, NOW + timedelta(days=100))
    at = NOW
    for is_refund, wanted, days in parts:
        at += timedelta(days=days)
        amount = min(wanted, batch.free_micro)
        if not amount:
            break
        left = batch.remaining_micro - amount
        if is_refund:
            by_use = plan_refund(batch, amount, policy=UNUSED, at=at)
            by_time = plan_refund(batch, amount, policy=TIME, at=at)
            assert 0 <= by_time <= by_use
            assert by_time == 0 or batch.refunded_cents + by_time <= time_left_cents(batch, at=at)
            batch = replace(batch, refunded_cents=batch.refunded_cents + by_time)
        batch = replace(batch, remaining_micro=left, free_micro=left)

"""When a rule is due and what it buys: the gap in one charge, within the caps, and nothing while it rests."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import MICRO
from ledger.core.payments import RechargeTerms
from ledger.core.recharge import Standing, cap_windows, line_micro, pace_micro, plan_recharge

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
TERMS = RechargeTerms("team", 50 * MICRO, None, 30_000, 90_000)
LOW = Standing(0, None, 0, 0)


def plan(standing: Standing, terms: RechargeTerms = TERMS) -> tuple[int, str]:
    """Packages of 20 credits for 100.00 and why not more."""
    found = plan_recharge(terms, standing, credits_micro=20 * MICRO, price_cents=10_000, at=AT)
    return found.quantity, found.why


PLANS = [
    pytest.param(LOW, 3, "", id="the-whole-gap"),
    pytest.param(replace(LOW, net_micro=-40 * MICRO), 3, "the cap of the day is reached", id="debt-and-the-cap"),
    pytest.param(replace(LOW, net_micro=50 * MICRO), 0, "the line of 50 credits is not crossed", id="on-the-line"),
    pytest.param(replace(LOW, net_micro=50 * MICRO - 1), 1, "", id="just-below"),
    pytest.param(replace(LOW, day_cents=20_001), 0, "the cap of the day is reached", id="no-room-in-the-day"),
    pytest.param(replace(LOW, month_cents=80_000), 1, "the cap of the month is reached", id="room-in-the-month"),
    pytest.param(replace(LOW, day_cents=99_000), 0, "the cap of the day is reached", id="a-lowered-cap"),
    pytest.param(replace(LOW, has_one_in_flight=True), 0, "a recharge is in flight", id="in-flight"),
    pytest.param(
        replace(LOW, rests_until=AT + timedelta(seconds=1)), 0, "the rule rests after the last try", id="resting"
    ),
    pytest.param(replace(LOW, rests_until=AT), 3, "", id="rested"),
]


@pytest.mark.parametrize(("standing", "quantity", "why"), PLANS)
def test_what_is_charged(standing: Standing, quantity: int, why: str) -> None:
    assert plan(standing) == (quantity, why)


def test_the_higher_line_counts_and_days_need_a_forecast() -> None:
    both = replace(TERMS, runway_days=7)
    assert line_micro(both, 80 * MICRO) == 80 * MICRO
    assert line_micro(both, 30 * MICRO) == 50 * MICRO
    assert line_micro(both, None) == 50 * MICRO
    days = replace(both, threshold_micro=None)
    assert line_micro(days, None) is None
    assert plan(LOW, days) == (0, "there is no forecast yet that says how long the credits last")


@given(
    st.integers(-(10**12), 10**12),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.integers(1, 10**10),
    st.integers(1, 10**6),
)
def test_no_cap_is_ever_passed_and_no_package_too_many_bought(
    net: int, day: int, month: int, day_cap: int, more: int, credits_micro: int, price: int
) -> None:
    terms = RechargeTerms("team", 10**10, None, day_cap, day_cap + more)
    found = plan_recharge(terms, Standing(net, None, day, month), credits_micro=credits_micro, price_cents=price, at=AT)
    cost = found.quantity * price
    assert not cost or (day + cost <= terms.day_cap_cents and month + cost <= terms.month_cap_cents)
    if found.quantity:
        assert net + (found.quantity - 1) * credits_micro < 10**10
    if found.gap_micro > 0 and not found.why:
        assert net + found.quantity * credits_micro >= 10**10


PACES = [
    pytest.param([1.0] * 90, date(2026, 3, 9), 10, 10, id="of-yesterday"),
    pytest.param([5.0, *[1.0] * 9], date(2026, 3, 8), 2, 2, id="days-that-are-over-do-not-count"),
    pytest.param([1.0, 2.0], date(2026, 3, 9), 4, 6, id="beyond-it-the-mean-day"),
    pytest.param([0.1] * 3, date(2026, 3, 9), 3, 1, id="rounded-up"),
    pytest.param([1.0] * 90, date(2026, 1, 22), 3, None, id="too-old"),
    pytest.param([1.0] * 90, date(2026, 3, 10), 3, None, id="of-a-day-that-is-not-over"),
    pytest.param([], date(2026, 3, 9), 3, None, id="empty"),
]


@pytest.mark.parametrize(("daily", "as_of", "days", "credits"), PACES)
def test_the_pace_of_the_days_ahead(daily: list[float], as_of: date, days: int, credits: int | None) -> None:
    found = pace_micro(daily, as_of=as_of, today=date(2026, 3, 10), days=days)
    assert found == (None if credits is None else credits * MICRO)


def test_caps_are_counted_in_the_customers_days() -> None:
    late = datetime(2026, 3, 31, 23, tzinfo=UTC)
    day, month = cap_windows(late, ZoneInfo("Asia/Tokyo"))
    assert (day.isoformat(), month.isoformat()) == ("2026-04-01T00:00:00+09:00", "2026-04-01T00:00:00+09:00")
    # The day on which summer time begins has 23 hours, and begins at its own midnight.
    day, _ = cap_windows(datetime(2026, 3, 29, 20, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert day.astimezone(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)

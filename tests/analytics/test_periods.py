"""Periods as people pick them, on days where calendars bite."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from analytics.periods import Comparison, Period, PeriodChoice, compared, cuts, months_back, period

P = PeriodChoice


def days(*ends: str) -> Period:
    first, after = (date.fromisoformat(end) for end in ends)
    return Period(first, after)


@pytest.mark.parametrize(
    ("choice", "today", "fiscal", "since", "until"),
    [
        (P.MONTH_TO_DATE, "2026-11-21", 1, "2026-11-01", "2026-11-22"),
        (P.LAST_MONTH, "2026-03-31", 1, "2026-02-01", "2026-03-01"),
        (P.LAST_MONTH, "2026-01-01", 1, "2025-12-01", "2026-01-01"),
        (P.QUARTER_TO_DATE, "2026-11-21", 1, "2026-10-01", "2026-11-22"),
        (P.QUARTER_TO_DATE, "2026-11-21", 2, "2026-11-01", "2026-11-22"),
        (P.LAST_QUARTER, "2026-01-15", 1, "2025-10-01", "2026-01-01"),
        (P.LAST_QUARTER, "2026-01-15", 2, "2025-08-01", "2025-11-01"),
        (P.YEAR_TO_DATE, "2026-03-15", 4, "2025-04-01", "2026-03-16"),
        (P.YEAR_TO_DATE, "2026-04-01", 4, "2026-04-01", "2026-04-02"),
        (P.LAST_30_DAYS, "2026-03-30", 1, "2026-03-01", "2026-03-31"),
        (P.LAST_90_DAYS, "2026-03-31", 1, "2026-01-01", "2026-04-01"),
    ],
)
def test_choice_means_these_days(choice: P, today: str, fiscal: int, since: str, until: str) -> None:
    assert period(choice, today=date.fromisoformat(today), fiscal_year_start=fiscal) == days(since, until)


def test_custom_includes_both_ends_in_either_order() -> None:
    ends = (date(2026, 3, 9), date(2026, 3, 1))
    found = period(P.CUSTOM, today=date(2026, 5, 1), custom=ends)
    assert found == days("2026-03-01", "2026-03-10")
    assert (found.days, found.last) == (9, date(2026, 3, 9))
    with pytest.raises(ValueError, match="custom"):
        period(P.CUSTOM, today=date(2026, 5, 1))
    with pytest.raises(ValueError, match="at least one day"):
        days("2026-03-01", "2026-03-01")


@pytest.mark.parametrize(
    ("choice", "now", "comparison", "other"),
    [
        (P.MONTH_TO_DATE, ("2026-11-01", "2026-11-22"), Comparison.PREVIOUS, ("2026-10-01", "2026-10-22")),
        (P.MONTH_TO_DATE, ("2026-03-01", "2026-04-01"), Comparison.PREVIOUS, ("2026-02-01", "2026-03-01")),
        (P.QUARTER_TO_DATE, ("2026-10-01", "2026-11-22"), Comparison.PREVIOUS, ("2026-07-01", "2026-08-22")),
        (P.YEAR_TO_DATE, ("2026-01-01", "2026-11-22"), Comparison.PREVIOUS, ("2025-01-01", "2025-11-22")),
        (P.LAST_MONTH, ("2026-10-01", "2026-11-01"), Comparison.PREVIOUS, ("2026-08-31", "2026-10-01")),
        (P.LAST_30_DAYS, ("2026-03-01", "2026-03-31"), Comparison.PREVIOUS, ("2026-01-30", "2026-03-01")),
        (P.CUSTOM, ("2026-03-05", "2026-03-06"), Comparison.PREVIOUS, ("2026-03-04", "2026-03-05")),
        (P.MONTH_TO_DATE, ("2028-02-01", "2028-03-01"), Comparison.LAST_YEAR, ("2027-02-01", "2027-03-01")),
        (P.LAST_MONTH, ("2026-10-01", "2026-11-01"), Comparison.LAST_YEAR, ("2025-10-01", "2025-11-01")),
    ],
)
def test_compared_with(choice: P, now: tuple[str, str], comparison: Comparison, other: tuple[str, str]) -> None:
    assert compared(days(*now), choice, comparison) == days(*other)


def test_no_comparison_and_cuts() -> None:
    now = days("2026-11-01", "2026-11-22")
    assert compared(now, P.MONTH_TO_DATE, Comparison.NONE) is None
    before = days("2026-10-15", "2026-11-10")
    assert [cut.day for cut in cuts(now, None, before)] == [15, 1, 10, 22]


def test_midnights_are_local_when_clocks_change() -> None:
    change = days("2026-03-29", "2026-03-30")
    berlin = ZoneInfo("Europe/Berlin")
    assert change.starts_at(berlin).astimezone(UTC) == datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert change.ends_at(berlin).astimezone(UTC) == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_months_back_end_with_this_month_to_date() -> None:
    found = months_back(date(2026, 3, 31), 3)
    assert found == [
        days("2026-01-01", "2026-02-01"),
        days("2026-02-01", "2026-03-01"),
        days("2026-03-01", "2026-04-01"),
    ]
    assert months_back(date(2026, 3, 10), 1) == [days("2026-03-01", "2026-03-11")]

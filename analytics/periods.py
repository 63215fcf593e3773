"""Periods of local days: what people pick, and what they compare it with.

They are half open: ``until`` is the day after the last. A period to date ends with today, which is not over yet.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ledger.core.lifecycle import add_months

_DAY = timedelta(days=1)


class PeriodChoice(StrEnum):
    """The periods that can be picked; the values stand in addresses."""

    MONTH_TO_DATE = "month_to_date"
    LAST_MONTH = "last_month"
    QUARTER_TO_DATE = "quarter_to_date"
    LAST_QUARTER = "last_quarter"
    YEAR_TO_DATE = "year_to_date"
    LAST_30_DAYS = "last_30_days"
    LAST_90_DAYS = "last_90_days"
    CUSTOM = "custom"

    @property
    def label(self) -> str:
        """The words on the picker."""
        return _LABELS[self]


class Comparison(StrEnum):
    """What a period can be compared with."""

    PREVIOUS = "previous"
    LAST_YEAR = "last_year"
    NONE = "none"

    @property
    def label(self) -> str:
        """The words on the picker."""
        return _COMPARISON_LABELS[self]


_LABELS = {
    PeriodChoice.MONTH_TO_DATE: "This month to date",
    PeriodChoice.LAST_MONTH: "Last month",
    PeriodChoice.QUARTER_TO_DATE: "Quarter to date",
    PeriodChoice.LAST_QUARTER: "Last quarter",
    PeriodChoice.YEAR_TO_DATE: "Year to date",
    PeriodChoice.LAST_30_DAYS: "Last 30 days",
    PeriodChoice.LAST_90_DAYS: "Last 90 days",
    PeriodChoice.CUSTOM: "Custom",
}
_COMPARISON_LABELS = {
    Comparison.PREVIOUS: "Previous period",
    Comparison.LAST_YEAR: "Same period last year",
    Comparison.NONE: "Nothing",
}
_MONTHS_TO_DATE = {
    PeriodChoice.MONTH_TO_DATE: 1,
    PeriodChoice.QUARTER_TO_DATE: 3,
    PeriodChoice.YEAR_TO_DATE: 12,
}


@dataclass(frozen=True, slots=True)
class Period:
    """The local days from ``since`` up to, not including, ``until``; at least one."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.until <= self.since:
            raise ValueError(f"a period must have at least one day, not {self.since} to {self.until}")

    @property
    def last(self) -> date:
        """The last day in it."""
        return self.until - _DAY

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.until - self.since).days

    def starts_at(self, zone: ZoneInfo) -> datetime:
        """The first instant of it, as that zone's midnight."""
        return datetime.combine(self.since, time(), tzinfo=zone)

    def ends_at(self, zone: ZoneInfo) -> datetime:
        """The first instant after it, as that zone's midnight."""
        return datetime.combine(self.until, time(), tzinfo=zone)


def period(
    choice: PeriodChoice, *, today: date, fiscal_year_start: int = 1, custom: tuple[date, date] | None = None
) -> Period:
    """The days that a choice means today.

    Args: fiscal_year_start is the month, 1 to 12, in which years and quarters begin; custom is the first and the last
    day, both included, in either order, and is needed for CUSTOM only.

    >>> period(PeriodChoice.LAST_QUARTER, today=date(2026, 5, 20))
    Period(since=datetime.date(2026, 1, 1), until=datetime.date(2026, 4, 1))
    """
    month = today.replace(day=1)
    quarter = _start(today, fiscal_year_start, 3)
    match choice:
        case PeriodChoice.MONTH_TO_DATE:
            return Period(month, today + _DAY)
        case PeriodChoice.LAST_MONTH:
            return Period(add_months(month, -1), month)
        case PeriodChoice.QUARTER_TO_DATE:
            return Period(quarter, today + _DAY)
        case PeriodChoice.LAST_QUARTER:
            return Period(add_months(quarter, -3), quarter)
        case PeriodChoice.YEAR_TO_DATE:
            return Period(_start(today, fiscal_year_start, 12), today + _DAY)
        case PeriodChoice.LAST_30_DAYS:
            return Period(today - timedelta(days=29), today + _DAY)
        case PeriodChoice.LAST_90_DAYS:
            return Period(today - timedelta(days=89), today + _DAY)
        case PeriodChoice.CUSTOM:
            if custom is None:
                raise ValueError("a custom period needs its first and last day")
            return Period(min(custom), max(custom) + _DAY)


def compared(chosen: Period, choice: PeriodChoice, comparison: Comparison) -> Period | None:
    """The other period, or None for no comparison.

    The previous period of a period to date is the same days of the month, quarter or year before, cut off at its end
    (1 to 31 March: 1 to 28 February); of any other it is as many days right before it. Last year moves both ends by
    twelve months; 29 February becomes the 28th.
    """
    match comparison:
        case Comparison.NONE:
            return None
        case Comparison.LAST_YEAR:
            return Period(add_months(chosen.since, -12), add_months(chosen.last, -12) + _DAY)
        case Comparison.PREVIOUS:
            months = _MONTHS_TO_DATE.get(choice)
            if months is None:
                return Period(chosen.since - timedelta(days=chosen.days), chosen.since)
            since = add_months(chosen.since, -months)
            return Period(since, min(since + timedelta(days=chosen.days), chosen.since))


def months_back(today: date, count: int = 12) -> list[Period]:
    """The last ``count`` calendar months, oldest first; the last one is this month to date."""
    this_month = today.replace(day=1)
    starts = [add_months(this_month, -back) for back in range(count - 1, -1, -1)]
    return [Period(start, min(add_months(start, 1), today + _DAY)) for start in starts]


def cuts(*wanted: Period | None) -> tuple[date, ...]:
    """The sorted first days and ends of some periods: between two of them lies no border of any."""
    return tuple(sorted({day for one in wanted if one is not None for day in (one.since, one.until)}))


def _start(today: date, fiscal_year_start: int, months: int) -> date:
    """The first day of the fiscal month, quarter or year (``months`` long) that a day lies in."""
    if not 1 <= fiscal_year_start <= 12:
        raise ValueError("the fiscal year starts in a month from 1 to 12")
    into = (today.month - fiscal_year_start) % months
    return add_months(today.replace(day=1), -into)

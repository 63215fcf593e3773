"""Plans that a provider bills: which days a paid invoice pays for, and the share of an allowance that they are.

A provider counts from instant to instant, a plan from day to day. Where a period of the provider ends in the middle of
a day, the plan's period lasts until that day is over and the next one begins with the next day, so that nobody is
without credits between the end of a period and the payment of the next. Source: docs/accounting.md, rule 36.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ledger.core.lifecycle import add_months, end_of_day
from ledger.core.plans import Period

# Months differ by three days, and days by the hours in which a provider counts: so much shorter is still whole.
WHOLE_WITHIN_DAYS = 3


@dataclass(frozen=True, slots=True)
class PaidPeriod:
    """What a paid invoice pays for: a plan in [starts_at, ends_at), by the provider's clock."""

    ref: str
    plan_code: str
    starts_at: datetime
    ends_at: datetime
    paid_at: datetime

    def first_day(self, zone: ZoneInfo) -> date:
        """The day on which it begins there."""
        return self.starts_at.astimezone(zone).date()

    def end(self, zone: ZoneInfo) -> date:
        """The first day after it."""
        return next_midnight(self.ends_at, zone)

    def follows(self, period: Period, zone: ZoneInfo) -> bool:
        """Whether it begins where that period ends."""
        return next_midnight(self.starts_at, zone) == period.end < self.end(zone)

    def days(self, zone: ZoneInfo) -> Period:
        """Its days when it follows none: from the day on which it begins."""
        return Period(self.first_day(zone), self.end(zone))

    def days_between(self, zone: ZoneInfo) -> Period:
        """Its days between a period before and one after it, where it has any of its own."""
        start = next_midnight(self.starts_at, zone)
        return Period(start, self.end(zone)) if start < self.end(zone) else self.days(zone)


def next_midnight(at: datetime, zone: ZoneInfo) -> date:
    """The first day that begins there at that instant or later."""
    day = at.astimezone(zone).date()
    return day if end_of_day(day - timedelta(days=1), zone) == at else day + timedelta(days=1)


def whole_days(period: Period, *, months: int) -> int:
    """The days of a whole period of so many months with this end; this one's own days where it is as good as whole.

    >>> whole_days(Period(date(2027, 1, 31), date(2027, 2, 28)), months=1)
    28
    >>> whole_days(Period(date(2027, 2, 18), date(2027, 2, 28)), months=1)
    31
    """
    days = (period.end - add_months(period.end, -months)).days
    return period.days if period.days >= days - WHOLE_WITHIN_DAYS else days

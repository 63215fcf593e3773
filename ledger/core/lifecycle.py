"""From grant to expiry: default dates per credit type and which dates are allowed."""

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from ledger.core.records import CreditType

PROMOTIONAL_DAYS_MIN = 30
PROMOTIONAL_DAYS_MAX = 90


def add_months(day: date, months: int) -> date:
    """The same day of a later month, or that month's last day when it is shorter.

    >>> add_months(date(2027, 1, 31), 1)
    datetime.date(2027, 2, 28)
    """
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def month_end(day: date) -> date:
    """The last day of that month."""
    return date(day.year, day.month, calendar.monthrange(day.year, day.month)[1])


def end_of_day(day: date, zone: ZoneInfo) -> datetime:
    """The first instant after a local day: the exclusive end of credits that may be used through that day.

    Returns it in UTC. Source: docs/accounting.md, rule 4.
    """
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)


def last_day(expires_at: datetime, zone: ZoneInfo) -> date:
    """The last local day on which credits expiring at that instant can be used; undoes `end_of_day`."""
    return (expires_at - timedelta(microseconds=1)).astimezone(zone).date()


def default_expiry(credit_type: CreditType, effective_on: date) -> date:
    """Last usable day of credits that become effective on a local day and carry no date of their own.

    purchased and compensation 12 months · promotional 90 days · referral 6 months · rollover the end of the
    next calendar month. Source: docs/accounting.md, rule 4.
    """
    match credit_type:
        case CreditType.PURCHASED | CreditType.COMPENSATION:
            return add_months(effective_on, 12)
        case CreditType.PROMOTIONAL:
            return effective_on + timedelta(days=PROMOTIONAL_DAYS_MAX)
        case CreditType.REFERRAL:
            return add_months(effective_on, 6)
        case CreditType.ROLLOVER:
            return month_end(add_months(effective_on.replace(day=1), 1))


@dataclass(frozen=True, slots=True)
class ExpiryRange:
    """Last usable days a grant may carry; ``latest`` None means any later day, or never, is allowed."""

    earliest: date
    latest: date | None

    def allows(self, day: date | None) -> bool:
        """Whether that last usable day (None: never expires) is inside the range."""
        if day is None:
            return self.latest is None
        return self.earliest <= day and (self.latest is None or day <= self.latest)


def allowed_expiry(credit_type: CreditType, effective_on: date) -> ExpiryRange:
    """Which last usable days are allowed. Promotional credits live 30 to 90 days, all others at least that day."""
    if credit_type is CreditType.PROMOTIONAL:
        return ExpiryRange(
            effective_on + timedelta(days=PROMOTIONAL_DAYS_MIN), effective_on + timedelta(days=PROMOTIONAL_DAYS_MAX)
        )
    return ExpiryRange(effective_on, None)

"""Subscription plans: when billing periods begin and end, and what each of them gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from ledger.core.amounts import MICRO, divide_rounding_half_up
from ledger.core.lifecycle import add_months
from ledger.core.pricing import PPM

# What every lead gets, once. Source: docs/accounting.md, rule 25.
LEAD_CREDITS_MICRO = 20 * MICRO


class AllocationKind(StrEnum):
    """Why a plan gave credits for a billing period."""

    ALLOWANCE = "allowance"
    UPGRADE = "upgrade"
    ROLLOVER = "rollover"


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """One version of a plan. ``months`` is the length of its billing period."""

    id: int
    code: str
    credits_micro: int
    months: int
    rollover_cap_micro: int
    rollover_share_ppm: int
    rollover_periods: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Period:
    """A billing period: local days [start, end), ``end`` being the first day of the next one."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """How many local days it has."""
        return (self.end - self.start).days


def on_anchor(day: date, anchor_day: int) -> date:
    """The anchor day in the month of that day, or the month's last day when it is shorter.

    >>> on_anchor(date(2027, 2, 10), 31)
    datetime.date(2027, 2, 28)
    """
    return add_months(date(2000, 1, anchor_day), (day.year - 2000) * 12 + day.month - 1)


def period_from(start: date, *, anchor_day: int, months: int, count: int = 1) -> Period:
    """``count`` billing periods in a row that begin on a day, as one.

    A short month does not move the anchor: from 31 January on, periods begin on 28 February and on 31 March.
    """
    return Period(start, on_anchor(add_months(start.replace(day=1), months * count), anchor_day))


def period_around(day: date, *, anchor_day: int, months: int) -> Period:
    """The whole billing period that a plan started on that day would be in: it began on the last anchor day."""
    this_month = on_anchor(day, anchor_day)
    start = this_month if this_month <= day else on_anchor(add_months(day.replace(day=1), -1), anchor_day)
    return period_from(start, anchor_day=anchor_day, months=months)


def prorated_micro(amount_micro: int, *, days: int, of_days: int) -> int:
    """The part of an allowance that belongs to some days of its period, to the nearest micro-credit.

    Source: docs/accounting.md, rule 24.

    >>> prorated_micro(400_000_000, days=15, of_days=30)
    200000000
    """
    return divide_rounding_half_up(amount_micro * days, of_days)


def rollover_micro(unused_micro: int, *, given_micro: int, terms: PlanTerms) -> int:
    """What rolls over of the allowance of an ended period: the unused rest, at most the cap, at most the share.

    The share is taken of all that the plan gave for the period, and rounded down. Source: docs/accounting.md, rule 24.
    """
    return min(unused_micro, terms.rollover_cap_micro, given_micro * terms.rollover_share_ppm // PPM)


def terms_in_force(versions: Iterable[PlanTerms], code: str, *, at: datetime) -> PlanTerms | None:
    """The newest version of a plan that was in force at an instant; None when there was none."""
    known = [one for one in versions if one.code == code and one.effective_at <= at]
    return max(known, key=lambda one: one.effective_at, default=None)


class Offer(Protocol):
    """What a comparison of two plans looks at."""

    @property
    def months(self) -> int: ...

    @property
    def credits_micro(self) -> int: ...


def is_upgrade(old: Offer, new: Offer) -> bool:
    """Whether a change of plan happens at once: more credits for a period of the same length.

    Every other change waits for the next period. Source: docs/accounting.md, rule 24.
    """
    return new.months == old.months and new.credits_micro > old.credits_micro


def upgrade_micro(old: PlanTerms, new: PlanTerms, *, period: Period, today: date, anchor_day: int) -> int:
    """What an upgrade adds: the difference of the allowances, for what is left of the period, today included.

    Prorated by the days of a whole period, also when the running one began in the middle of it.
    """
    whole = period_around(period.start, anchor_day=anchor_day, months=old.months)
    left = (period.end - today).days
    return prorated_micro(new.credits_micro - old.credits_micro, days=left, of_days=whole.days)

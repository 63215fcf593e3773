"""Limits of the members of a pool: how much one may use in an hour, a day, a month, and which limit binds.

Source: docs/accounting.md, rule 22.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from ledger.core.lifecycle import end_of_day, month_end

_HOUR = timedelta(hours=1)


class Period(StrEnum):
    """What a limit counts by."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Window:
    """One hour, day or month as [starts_at, resets_at), in UTC."""

    period: Period
    starts_at: datetime
    resets_at: datetime


def window(period: Period, at: datetime, zone: ZoneInfo) -> Window:
    """The hour, day or month of a zone in which an instant lies.

    >>> window(Period.DAY, datetime(2026, 3, 29, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin")).starts_at
    datetime.datetime(2026, 3, 28, 23, 0, tzinfo=datetime.timezone.utc)
    """
    local = at.astimezone(zone)
    if period is Period.HOUR:
        starts_at = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        resets_at = starts_at + _HOUR
        # Where clocks change by half an hour, one hour of that night is half an hour longer.
        return Window(period, starts_at, resets_at if at < resets_at else resets_at + _HOUR / 2)
    first = local.date() if period is Period.DAY else local.date().replace(day=1)
    last = first if period is Period.DAY else month_end(first)
    return Window(period, _start_of_day(first, zone), end_of_day(last, zone))


def windows(at: datetime, zone: ZoneInfo) -> tuple[Window, ...]:
    """The hour, the day and the month of a zone in which an instant lies."""
    return tuple(window(period, at, zone) for period in Period)


def _start_of_day(day: date, zone: ZoneInfo) -> datetime:
    return end_of_day(day - timedelta(days=1), zone)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a member may use in a window and has used in it; ``limit_micro`` None: no limit."""

    window: Window
    limit_micro: int | None
    used_micro: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a pool at an instant. ``held_micro`` is what open holds keep for the member: it counts as used."""

    name: str
    label: str
    is_active: bool
    allowances: tuple[Allowance, ...]
    held_micro: int = 0

    def with_used(self, amount_micro: int, within: Collection[Window] | None = None) -> "Member":
        """The same member after another use, or after one was returned; counted in those windows only, if given."""
        counted = tuple(
            replace(one, used_micro=one.used_micro + amount_micro) if within is None or one.window in within else one
            for one in self.allowances
        )
        return replace(self, allowances=counted)


@dataclass(frozen=True, slots=True)
class Binding:
    """The limit that leaves a member least; ``left_micro`` is what it leaves, ``used_micro`` includes holds."""

    window: Window
    limit_micro: int
    used_micro: int

    @property
    def left_micro(self) -> int:
        return max(0, self.limit_micro - self.used_micro)


def binding_limit(member: Member) -> Binding | None:
    """The limit that leaves a member least, of equal ones the one that lasts longest; None: no limit at all."""
    limits = [
        Binding(one.window, one.limit_micro, one.used_micro + member.held_micro)
        for one in member.allowances
        if one.limit_micro is not None
    ]
    return min(limits, key=_by_least_left, default=None)


def limit_reached(member: Member, amount_micro: int, *, available_micro: int) -> Binding | None:
    """The limit that forbids a use, or None.

    None also when the balance of the pool leaves less than the limit does: then it is the balance that forbids it.
    """
    binding = binding_limit(member)
    if binding is None or amount_micro <= binding.left_micro or available_micro < binding.left_micro:
        return None
    return binding


def stopped_by(limits: Mapping[Period, int | None], used_micro: Mapping[Period, Iterable[int]]) -> Period | None:
    """Which limit use would have passed; the use of each window of a period; None: no limit. The shortest first."""
    for period in Period:
        limit = limits.get(period)
        if limit is not None and any(used > limit for used in used_micro.get(period, ())):
            return period
    return None


def _by_least_left(one: Binding) -> tuple[int, float]:
    return (one.left_micro, -one.window.resets_at.timestamp())

"""Figures on tiles: a value, or the reason why there is none; with what it was computed from."""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """What a figure counts. Shares are 0 to 1 and compared in percentage points."""

    SHARE = "share"
    MICRO = "micro"
    MICRO_PER_DAY = "micro_per_day"
    DAYS = "days"
    COUNT = "count"
    CENTS = "cents"


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure for people: ``value`` None always comes with a ``reason``; never 0 for want of data.

    Ratios carry their two numbers, in the unit named by ``parts``.
    """

    value: float | int | None
    unit: Unit
    reason: str | None = None
    numerator: int | float | None = None
    denominator: int | float | None = None
    parts: Unit | None = None

    def __post_init__(self) -> None:
        if (self.value is None) != (self.reason is not None):
            raise ValueError("a figure has either a value or a reason")

    @property
    def is_known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


def ratio(numerator: int | float, denominator: int | float, *, unit: Unit, parts: Unit, reason_if_zero: str) -> Figure:
    """numerator ÷ denominator, absent with the given reason when there is nothing to divide by."""
    if denominator == 0:
        return Figure(None, unit, reason_if_zero, numerator, denominator, parts)
    return Figure(numerator / denominator, unit, None, numerator, denominator, parts)


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure moved against another period.

    ``value`` is a share (0.12 is +12 %), or for shares a difference of shares (0.02 is +2 percentage points; then
    ``is_points``). ``is_new``: the other period was zero, so no percentage exists. None comes with a reason or is new.
    """

    value: float | None
    is_points: bool = False
    is_new: bool = False
    reason: str | None = None


def change(now: Figure, before: Figure | None) -> Change:
    """The change of a figure against the same figure of another period; from 0 to 0 is 0, from 0 to more is new."""
    if before is None:
        return Change(None, reason="no period to compare with")
    if now.value is None or before.value is None:
        return Change(None, reason=now.reason or before.reason)
    if now.unit is Unit.SHARE:
        return Change(now.value - before.value, is_points=True)
    if before.value == 0:
        return Change(0.0) if now.value == 0 else Change(None, is_new=True)
    return Change(now.value / before.value - 1)

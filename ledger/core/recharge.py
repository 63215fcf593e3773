"""Auto-recharge: whether a rule is due, how many packages close the gap, and what the caps leave. Arithmetic alone.

Source: docs/accounting.md, rule 34.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from zoneinfo import ZoneInfo

from ledger.core.amounts import MICRO, micro_to_text
from ledger.core.payments import RechargeTerms

# A forecast that is older says nothing about the present pace.
FORECAST_DAYS_MAX = 45
STOP_AFTER_ALLOWED = range(1, 11)
COOL_DOWN_MIN, COOL_DOWN_MAX = timedelta(minutes=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands to its rule at an instant.

    ``net_micro``: what can be used, less what is owed. ``pace_micro``: what the days of the rule's runway will
    probably take, None when there is no usable forecast. The sums are those of recharges that did not fail, begun on
    this day and in this month of the customer's zone.
    """

    net_micro: int
    pace_micro: int | None
    day_cents: int
    month_cents: int
    has_one_in_flight: bool = False
    rests_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RechargePlan:
    """What is to be charged: so many packages (0: nothing) and why not more, in words, or empty.

    ``line_micro`` is the line in credits, ``gap_micro`` what is missing to it; None and 0 when it is not crossed.
    """

    quantity: int
    gap_micro: int = 0
    line_micro: int | None = None
    why: str = ""


def plan_recharge(
    terms: RechargeTerms, standing: Standing, *, credits_micro: int, price_cents: int, at: datetime
) -> RechargePlan:
    """How many packages one charge buys now: as many as close the whole gap, and no more than the caps allow.

    Args: the package's credits and price, both > 0. Nothing is charged while the line is not crossed, while a recharge
    is in flight, or while the rule rests.
    """
    line = line_micro(terms, standing.pace_micro)
    if line is None:
        return RechargePlan(0, why="there is no forecast yet that says how long the credits last")
    gap = line - standing.net_micro
    if gap <= 0:
        return RechargePlan(0, line_micro=line, why=f"the line of {micro_to_text(line)} credits is not crossed")
    if standing.has_one_in_flight:
        return RechargePlan(0, gap, line, "a recharge is in flight")
    if standing.rests_until is not None and at < standing.rests_until:
        return RechargePlan(0, gap, line, "the rule rests after the last try")
    needed = -(-gap // credits_micro)
    of_day = max(0, terms.day_cap_cents - standing.day_cents) // price_cents
    of_month = max(0, terms.month_cap_cents - standing.month_cents) // price_cents
    quantity = min(needed, of_day, of_month)
    why = ""
    if quantity < needed:
        why = "the cap of the month is reached" if of_month <= of_day else "the cap of the day is reached"
    return RechargePlan(quantity, gap, line, why)


def line_micro(terms: RechargeTerms, pace_micro: int | None) -> int | None:
    """The higher of the rule's two lines, in credits; None when it has the runway alone and there is no forecast."""
    lines = [terms.threshold_micro] if terms.threshold_micro is not None else []
    if terms.runway_days is not None and pace_micro is not None:
        lines.append(pace_micro)
    return max(lines, default=None)


def pace_micro(daily_credits: Sequence[float], *, as_of: date, today: date, days: int) -> int | None:
    """What so many days from ``today`` on will probably take, by a forecast; rounded up to the whole credit.

    Args: credits a day, the first of the day after ``as_of``. Days beyond the forecast count as its mean day. None for
    a forecast that is too old or empty.
    """
    skipped = (today - as_of).days - 1
    if not daily_credits or not 0 <= skipped <= FORECAST_DAYS_MAX:
        return None
    known = [Decimal(repr(one)) for one in daily_credits]
    ahead = known[skipped : skipped + days]
    mean = sum(known, Decimal(0)) / len(known)
    needed = sum(ahead, Decimal(0)) + mean * (days - len(ahead))
    return int(needed.to_integral_value(ROUND_CEILING)) * MICRO


def cap_windows(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """When the day and the month began, in the customer's zone, in which the caps are counted at that instant."""
    day = at.astimezone(zone).date()
    return datetime.combine(day, datetime.min.time(), zone), datetime(day.year, day.month, 1, tzinfo=zone)

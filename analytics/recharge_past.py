"""What a rule of auto-recharge would have done in the past: the same arithmetic, on the balances that there were.

What was really bought stays bought, and what the rule would have bought is added to it. So it is a picture of the cost,
not a second history: use that was refused for lack of credits is not in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from ledger.core.amounts import MICRO, Money
from ledger.core.packages import Package
from ledger.core.payments import RechargeTerms
from ledger.core.recharge import Standing, cap_windows, line_micro, plan_recharge

PAST_DAYS = 90
# The pace of a past day is the mean of so many days before it: what a forecast said then is not kept for ever.
PACE_DAYS = 28


@dataclass(frozen=True, slots=True)
class Fired:
    """One charge that a rule would have made."""

    at: datetime
    quantity: int
    price: Money
    # The caps allowed less than what closes the gap.
    is_capped: bool


def would_have_fired(
    steps: pd.DataFrame,
    terms: RechargeTerms,
    package: Package,
    *,
    until: datetime,
    zone: ZoneInfo,
    pace_by_day: Mapping[date, int],
) -> list[Fired]:
    """The charges that a rule would have made, oldest first.

    Args:
        steps: what the customer could use less what it owed: see frames.BALANCE_STEPS, sorted by time.
        package: what it buys, at its present price.
        until: the end of the past, aware.
        zone: of the customer, in which caps are counted.
        pace_by_day: use in the rule's days of runway from a day on, micro-credits; days without one have none.
    """
    fired: list[Fired] = []
    bought, rests_until = 0, None
    times = [at.to_pydatetime() for at in steps["at"]]
    for place, (at, net) in enumerate(zip(times, steps["net_micro"].tolist(), strict=True)):
        end = times[place + 1] if place + 1 < len(times) else until
        moment = at
        while moment < end:
            pace = pace_by_day.get(moment.astimezone(zone).date())
            line = line_micro(terms, pace)
            if terms.runway_days is None and (line is None or net + bought >= line):
                break
            standing = _standing(fired, net + bought, pace, rests_until, moment, zone)
            plan = plan_recharge(
                terms, standing, credits_micro=package.credits_micro, price_cents=package.price.cents, at=moment
            )
            if plan.quantity:
                price = Money(plan.quantity * package.price.cents, package.price.currency)
                fired.append(Fired(moment, plan.quantity, price, bool(plan.why)))
                bought += plan.quantity * package.credits_micro
                rests_until = moment + terms.cool_down
            # Nothing else moves before the rest is over or the next day begins, when caps and pace are others.
            moment = _next_moment(moment, rests_until, zone)
    return fired


def paces(used_by_day: Mapping[date, int], days: Sequence[date], *, runway_days: int | None) -> dict[date, int]:
    """Use in so many days at the pace of the weeks before, for each of some days; empty without a runway.

    Args: micro-credits used by day; days that are not in it had no use.
    """
    if runway_days is None:
        return {}
    found = {}
    for day in days:
        past = [used_by_day.get(day - timedelta(days=back), 0) for back in range(1, PACE_DAYS + 1)]
        # As in the ledger, rounded up to the whole credit.
        found[day] = -(-sum(past) * runway_days // (PACE_DAYS * MICRO)) * MICRO
    return found


def _standing(
    fired: Sequence[Fired], net_micro: int, pace: int | None, rests_until: datetime | None, at: datetime, zone: ZoneInfo
) -> Standing:
    day, month = cap_windows(at, zone)
    return Standing(
        net_micro,
        pace,
        sum(one.price.cents for one in fired if one.at >= day),
        sum(one.price.cents for one in fired if one.at >= month),
        rests_until=rests_until,
    )


def _next_moment(at: datetime, rests_until: datetime | None, zone: ZoneInfo) -> datetime:
    tomorrow = at.astimezone(zone).date() + timedelta(days=1)
    midnight = datetime.combine(tomorrow, datetime.min.time(), zone).astimezone(at.tzinfo)
    return min(midnight, rests_until) if rests_until is not None and at < rests_until else midnight

"""A customer's plan against another one: what its last billing periods cost, and would have cost there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import pandas as pd

from analytics.frames.catalog import PlanVersion
from ledger.core.amounts import MICRO, divide_rounding_half_up

# An allowance of which this share was used counts as used up.
USED_UP = Fraction(9, 10)


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What some billing periods cost on one plan: its price, and the use beyond its allowance at a price of a credit.

    Credits that roll over are left out, so a plan that lets them roll over may cost less than this.
    """

    plan_cents: int
    beyond_micro: int
    beyond_cents: int

    @property
    def cents(self) -> int:
        """The plan and the use beyond it."""
        return self.plan_cents + self.beyond_cents


def next_tier(plans: Iterable[PlanVersion], current: PlanVersion) -> PlanVersion | None:
    """The plan that gives least of those that give more a month than the current one; None above the largest."""
    larger = [one for one in plans if _a_month(one) > _a_month(current)]
    return min(larger, key=_a_month, default=None)


def used_by_period(usage: pd.DataFrame, periods: Iterable[tuple[date, date]]) -> list[int]:
    """Micro-credits used in each [start, end); ``usage`` is frames.DAILY_USAGE that covers them."""
    return [
        int(usage.loc[(usage["day"] >= pd.Timestamp(start)) & (usage["day"] < pd.Timestamp(end)), "used_micro"].sum())
        for start, end in periods
    ]


def used_up(used_micro: Iterable[int], plan: PlanVersion) -> int:
    """In how many periods the use came to at least nine tenths of the plan's allowance."""
    return sum(used >= plan.credits_micro * USED_UP for used in used_micro)


def cost(
    used_micro: Iterable[int], plan: PlanVersion, *, months: int, cents_per_credit: Fraction | None
) -> PlanCost | None:
    """What periods of so many ``months`` with that use cost on a plan, rounded half up to a cent.

    A plan of another length counts with its share: a year's allowance and price twelve times in a year. Returns None
    when use beyond the allowance has no price, because the customer bought no credits and none are for sale.

    >>> from datetime import datetime, UTC
    >>> from ledger.core.amounts import Money
    >>> since = datetime(2026, 1, 1, tzinfo=UTC)
    >>> basic = PlanVersion("basic", "Basic", 100 * MICRO, Money(999, "USD"), 1, 0, 0, 1, since)
    >>> cost([150 * MICRO, 80 * MICRO], basic, months=1, cents_per_credit=Fraction(2))
    PlanCost(plan_cents=1998, beyond_micro=50000000, beyond_cents=100)
    """
    share = Fraction(months, plan.months)
    used = list(used_micro)
    beyond = sum((max(Fraction(0), one - plan.credits_micro * share) for one in used), Fraction(0))
    if beyond and cents_per_credit is None:
        return None
    return PlanCost(
        plan_cents=_rounded(plan.price.cents * share * len(used)),
        beyond_micro=_rounded(beyond),
        beyond_cents=_rounded(beyond / MICRO * (cents_per_credit or 0)),
    )


def _a_month(plan: PlanVersion) -> Fraction:
    return Fraction(plan.credits_micro, plan.months)


def _rounded(value: Fraction) -> int:
    return divide_rounding_half_up(value.numerator, value.denominator)

"""A plan against another one: the next tier, the use of each period, and what periods cost."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pandas as pd
import pytest

from analytics.frames import PlanVersion
from analytics.plan_comparison import PlanCost, cost, next_tier, used_by_period, used_up
from ledger.core.amounts import MICRO, Money


def plan(code: str, credits: int, cents: int, months: int = 1) -> PlanVersion:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return PlanVersion(code, code.capitalize(), credits * MICRO, Money(cents, "USD"), months, 0, 0, 1, since)


BASIC, PRO, ENTERPRISE = plan("basic", 100, 999), plan("pro", 500, 3_999), plan("enterprise", 5_000, 29_900)
YEARLY = plan("yearly", 2_400, 9_600, months=12)


def credits(*amounts: int) -> list[int]:
    return [amount * MICRO for amount in amounts]


@pytest.mark.parametrize(
    ("current", "expected"), [(BASIC, "yearly"), (YEARLY, "pro"), (PRO, "enterprise"), (ENTERPRISE, None)]
)
def test_the_next_tier_gives_least_of_those_that_give_more_a_month(current: PlanVersion, expected: str | None) -> None:
    found = next_tier([ENTERPRISE, BASIC, YEARLY, PRO], current)
    assert (found.code if found else None) == expected


def test_use_belongs_to_the_period_of_its_day() -> None:
    days = pd.to_datetime(["2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01"])
    usage = pd.DataFrame({"day": days, "used_micro": [1, 2, 4, 8]})
    periods = [(date(2026, 1, 1), date(2026, 2, 1)), (date(2026, 2, 1), date(2026, 3, 1))]
    assert used_by_period(usage, periods) == [1, 6]


def test_nine_tenths_of_an_allowance_count_as_used_up() -> None:
    assert used_up(credits(89, 90, 200), BASIC) == 2


def test_what_one_period_leaves_does_not_pay_for_another() -> None:
    found = cost(credits(0, 150), BASIC, months=1, cents_per_credit=Fraction(1))
    assert found == PlanCost(plan_cents=1_998, beyond_micro=50 * MICRO, beyond_cents=50)
    assert found.cents == 2_048


def test_a_yearly_plan_counts_by_the_month() -> None:
    # 200 credits and 8 dollars a month.
    found = cost(credits(150, 260), YEARLY, months=1, cents_per_credit=Fraction(1))
    assert found == PlanCost(plan_cents=1_600, beyond_micro=60 * MICRO, beyond_cents=60)


def test_without_a_price_of_a_credit_only_use_within_the_allowance_has_a_cost() -> None:
    assert cost(credits(150), BASIC, months=1, cents_per_credit=None) is None
    assert cost(credits(50), BASIC, months=1, cents_per_credit=None) == PlanCost(999, 0, 0)

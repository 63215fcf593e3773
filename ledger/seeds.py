"""What a new company has for sale to begin with; all of it versions, so an admin can change it the next day."""

from datetime import date, datetime, timedelta

import sqlalchemy as sa

from ledger.commands import Command
from ledger.core.amounts import MICRO, Money
from ledger.core.lifecycle import end_of_day
from ledger.core.packages import STANDARD_LIST
from ledger.core.policy import Actor
from ledger.facade import Ledger
from ledger.models import feature_price, package
from ledger.operations.catalog import DefinePackage, SetFeaturePrice
from ledger.operations.plans import DefinePlan
from ledger.receipt import Receipt

# Code, name, unit, credits per unit.
FEATURES = (
    ("basic_api_call", "Basic API call", "call", 1),
    ("advanced_api_call", "Advanced API call", "call", 5),
    ("image_generation", "Image generation", "image", 10),
    ("export", "Data export", "export", 15),
    ("ai_analysis", "AI analysis", "analysis", 25),
    ("large_file", "Large file processing", "file", 50),
)
# A use without a word costs the standard price.
COMPLEXITIES = {"simple": MICRO // 2, "standard": MICRO, "complex": 2 * MICRO}
SMALL_LIST = "small"
# Code, name, credits, price in cents, price list.
PACKAGES = (
    ("starter", "Starter", 1_000, 1_000, STANDARD_LIST),
    ("professional", "Professional", 5_000, 4_000, STANDARD_LIST),
    ("business", "Business", 15_000, 10_500, STANDARD_LIST),
    ("enterprise", "Enterprise", 50_000, 30_000, STANDARD_LIST),
    ("credits_100", "100 Credits", 100, 999, SMALL_LIST),
    ("credits_500", "500 Credits", 500, 3_999, SMALL_LIST),
    ("credits_2000", "2,000 Credits", 2_000, 9_999, SMALL_LIST),
)
HOLIDAY = ("holiday_bonus", "Holiday Bonus", 7_500, 4_000)
HOLIDAY_DAYS = 45
HOLIDAY_PER_CUSTOMER = 1

# Code, name, credits a month, price in cents, most that rolls over, for how many periods. Half of an allowance may.
PLANS = (
    ("free", "Free", 10, 0, 0, 1),
    ("basic", "Basic", 100, 999, 50, 1),
    ("pro", "Pro", 500, 3_999, 250, 1),
    ("enterprise", "Enterprise", 5_000, 29_900, 2_500, 3),
)
ROLLOVER_SHARE_PPM = 500_000


def seed_plans(ledger: Ledger, *, actor: Actor, currency: str = "USD") -> list[Receipt]:
    """Define the four plans; run again it answers as before and changes nothing."""
    return [
        ledger.execute(
            DefinePlan(
                code,
                label,
                credits * MICRO,
                Money(cents, currency),
                rollover_cap_micro=cap * MICRO,
                rollover_share_ppm=ROLLOVER_SHARE_PPM,
                rollover_periods=periods,
            ),
            actor=actor,
            key=f"seed-plan-{code}",
        )
        for code, label, credits, cents, cap, periods in PLANS
    ]


def seed_catalogue(
    ledger: Ledger, *, actor: Actor, currency: str = "USD", holiday_on: date | None = None
) -> list[Receipt]:
    """Price the features and define the packages that have no version yet; answers what was defined now.

    The holiday package is for sale for 45 days, once per customer, from ``holiday_on`` (None: from now on).
    """
    with ledger.database.reading() as connection:
        known = set(connection.scalars(sa.select(feature_price.c.feature).union(sa.select(package.c.code))))
    commands: list[tuple[str, Command]] = [
        (feature, SetFeaturePrice(feature, price * MICRO, label, unit, factors=COMPLEXITIES))
        for feature, label, unit, price in FEATURES
    ]
    commands += [
        (code, DefinePackage(code, label, credits * MICRO, Money(cents, currency), price_list))
        for code, label, credits, cents, price_list in PACKAGES
    ]
    commands.append((HOLIDAY[0], _holiday(ledger, currency, holiday_on)))
    return [
        ledger.execute(command, actor=actor, key=f"seed-catalogue-{code}")
        for code, command in commands
        if code not in known
    ]


def _holiday(ledger: Ledger, currency: str, on: date | None) -> DefinePackage:
    code, label, credits, cents = HOLIDAY
    zone = ledger.company_zone
    first = on or ledger.clock.now().astimezone(zone).date()
    starts: datetime | None = None if on is None else end_of_day(on - timedelta(days=1), zone)
    return DefinePackage(
        code,
        label,
        credits * MICRO,
        Money(cents, currency),
        per_customer_limit=HOLIDAY_PER_CUSTOMER,
        effective_at=starts,
        ends_at=end_of_day(first + timedelta(days=HOLIDAY_DAYS - 1), zone),
    )

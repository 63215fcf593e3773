"""The cast of the demo company: who uses how much of what, and how they buy."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from ledger import seeds
from ledger.core.records import AccountType, CreditType

ZONE = "Europe/Berlin"
DAYS = 548

# Credits per unit, as `ledger.seeds` sells them.
FEATURES = {feature: price for feature, _, _, price in seeds.FEATURES}
Level = Callable[[int, date], float]
# Credits given on a day of the demo's life: day, type, credits, reason code.
Gift = tuple[int, CreditType, int, str]


@dataclass(frozen=True, slots=True)
class Customer:
    """One character: how much it uses on a day of its life (0 = the first demo day), of what, and how it buys."""

    account: str
    name: str
    tier: str
    account_type: AccountType
    level: Level
    mix: tuple[str, ...]
    joins: int = 0
    stops_buying: int = DAYS
    zone: str = ZONE
    trial: int = 500
    buys_ahead: float = 45.0
    # The last purchase, three weeks before the end, leaves credits for so many days of the present.
    left_at_end_days: int | None = None
    # Credits that it may owe in the last three weeks.
    overdraft: int = 0
    extra: tuple[Gift, ...] = ()
    # The subscription plan, and how many days after joining it starts.
    plan: str = ""
    plan_day: int = 0


def steady(base: float) -> Level:
    """The same level every week."""
    return lambda _day, _date: base


def growing(base: float, *, per_month: float) -> Level:
    """A level that grows by a share every thirty days."""
    return lambda day, _date: base * (1 + per_month) ** (day / 30)


def seasonal(base: float, *, peak_month: int, swing: float) -> Level:
    """A level that swings over the year around a peak month."""
    return lambda _day, at: (
        base * (1 + swing * math.cos(2 * math.pi * (at.timetuple().tm_yday / 30.4 - peak_month) / 12))
    )


def until_day(level: Level, last: int) -> Level:
    """A level that stops for good."""
    return lambda day, at: level(day, at) if day <= last else 0.0


def with_spike(level: Level, *, first: int, days: int, factor: float) -> Level:
    """A level with a burst of some days."""
    return lambda day, at: level(day, at) * (factor if first <= day < first + days else 1)


_FILLERS = (
    "Alder Analytics", "Basalt Maps", "Cobalt Care", "Dune Media", "Ember Legal", "Fjord Freight", "Garnet Games",
    "Hazel Health", "Iris Insurance", "Juniper Jobs", "Kite Commerce", "Lagoon Learning", "Maple Mobility",
    "Nimbus News", "Onyx Optics", "Prairie Power", "Quartz Quality", "Raven Retail", "Sable Security", "Tundra Travel",
    "Umber Utilities", "Vega Ventures", "Willow Works", "Xenon Labs", "Yarrow Youth", "Zephyr Zoo", "Birch Bank",
    "Cedar Chemicals", "Delta Dental",
)  # fmt: skip


def characters(dice: random.Random) -> list[Customer]:
    """The whole cast: twelve with a story, the rest ordinary."""
    prepaid, hybrid, subscription = AccountType.PREPAID, AccountType.HYBRID, AccountType.SUBSCRIPTION
    every = tuple(FEATURES)
    outage = (DAYS - 75, CreditType.COMPENSATION, 600, "outage")
    cast = [
        Customer(
            "cus_aurora",
            "Aurora Translate",
            "enterprise",
            prepaid,
            growing(420, per_month=0.06),
            every,
            extra=(outage, (DAYS - 30, CreditType.PROMOTIONAL, 6_000, "ai launch")),
        ),
        Customer("cus_semester", "Semester Labs", "pro", hybrid, seasonal(260, peak_month=11, swing=0.7), every[:4]),
        Customer(
            "cus_pixelforge",
            "Pixelforge Studio",
            "pro",
            prepaid,
            with_spike(steady(150), first=DAYS - 24, days=6, factor=5),
            ("image_generation", "large_file", "basic_api_call"),
            extra=(outage, (DAYS - 140, CreditType.PROMOTIONAL, 1_500, "summer boost")),
        ),
        Customer(
            "cus_hobbyhorse",
            "Hobbyhorse (trial)",
            "free",
            AccountType.LEAD,
            until_day(steady(6), DAYS - 130),
            ("basic_api_call",),
            joins=DAYS - 160,
            stops_buying=0,
        ),
        Customer(
            "cus_northwind",
            "Northwind Robotics",
            "pro",
            prepaid,
            growing(190, per_month=0.03),
            ("ai_analysis", "advanced_api_call", "basic_api_call"),
            left_at_end_days=6,
        ),
        Customer(
            "cus_harbor",
            "Quiet Harbor",
            "basic",
            prepaid,
            until_day(steady(60), DAYS - 60),
            ("export", "basic_api_call"),
            stops_buying=DAYS - 90,
            buys_ahead=150,
            extra=((DAYS - 80, CreditType.PROMOTIONAL, 2_400, "spring campaign"),),
        ),
        Customer(
            "cus_tidepool",
            "Tidepool Tutors",
            "basic",
            hybrid,
            steady(22),
            ("advanced_api_call", "basic_api_call"),
            extra=((DAYS - 62, CreditType.PROMOTIONAL, 3_000, "summer boost"), outage),
            plan="basic",
            plan_day=DAYS - 200,
        ),
        Customer(
            "cus_lantern",
            "Lantern Library",
            "basic",
            prepaid,
            steady(5),
            ("export", "basic_api_call"),
            buys_ahead=600,
            extra=((DAYS - 72, CreditType.PROMOTIONAL, 1_000, "summer boost"),),
        ),
        Customer(
            "cus_fresh",
            "Fresh Start GmbH",
            "free",
            AccountType.LEAD,
            steady(0),
            ("basic_api_call",),
            joins=DAYS - 3,
            trial=0,
        ),
        Customer(
            "cus_meridian",
            "Meridian Cloud",
            "enterprise",
            subscription,
            growing(300, per_month=0.02),
            every,
            zone="America/New_York",
            extra=(outage,),
            plan="enterprise",
            plan_day=40,
        ),
        Customer(
            "cus_copper",
            "Copper Kettle Catering",
            "basic",
            prepaid,
            # Its credits have run out in a rush, and it goes on within its overdraft.
            with_spike(steady(40), first=DAYS - 10, days=10, factor=2),
            ("basic_api_call", "export"),
            stops_buying=DAYS - 28,
            buys_ahead=10,
            overdraft=1_200,
        ),
        Customer(
            "cus_bluebell",
            "Bluebell & Sons",
            "basic",
            hybrid,
            steady(45),
            ("basic_api_call", "export"),
            zone="Asia/Tokyo",
            plan="basic",
            plan_day=300,
            extra=(
                (DAYS - 100, CreditType.REFERRAL, 750, "referral"),
                (DAYS - 35, CreditType.REFERRAL, 750, "referral"),
            ),
        ),
        Customer(
            "cus_sundial",
            "Sundial Weather",
            "pro",
            subscription,
            steady(9),
            ("basic_api_call", "export"),
            joins=DAYS - 230,
            stops_buying=0,
            trial=0,
            plan="pro",
        ),
    ]
    for name in _FILLERS:
        base = dice.lognormvariate(4.3, 0.8)
        level = dice.choice((steady(base), growing(base, per_month=0.03), growing(base * 1.5, per_month=-0.02),
                             seasonal(base, peak_month=dice.randint(1, 12), swing=0.4)))  # fmt: skip
        account = "cus_" + name.split()[0].lower()
        extra: tuple[Gift, ...] = ()
        if dice.random() < 0.3:
            extra = (
                (
                    dice.randint(60, DAYS - 20),
                    CreditType.PROMOTIONAL,
                    dice.choice((500, 1_000, 2_000)),
                    "spring campaign",
                ),
            )
        cast.append(
            Customer(
                account,
                name,
                dice.choice(("basic", "basic", "pro", "enterprise")),
                dice.choice((prepaid, prepaid, hybrid)),
                level,
                tuple(dice.sample(every, dice.randint(2, 4))),
                joins=dice.choice((0, 0, dice.randint(0, DAYS - 60))),
                buys_ahead=dice.uniform(30, 120),
                extra=extra,
            )
        )
    return [c if c.joins == 0 or not c.extra else _from_joining(c) for c in cast]


def _from_joining(customer: Customer) -> Customer:
    return replace(customer, extra=tuple(gift for gift in customer.extra if gift[0] > customer.joins))

"""A seeded company with a story, built only through `Ledger.execute` on a clock of its own.

About forty customers over eighteen months: seasons, growth, a spike, an outage with compensation, a lapsed trial, a
customer about to run out, one whose credits are about to expire unused, an empty one. Same day, same company.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from ledger.clock import FixedClock
from ledger.core.amounts import MICRO, Money
from ledger.core.policy import SYSTEM, Actor, Role
from ledger.core.records import AccountType, CreditType
from ledger.database import Database
from ledger.facade import Ledger
from ledger.operations.base import Command, Reason
from ledger.operations.corrections import AdjustBalance
from ledger.operations.grants import IssueGrant
from ledger.operations.payments import RecordTopUp
from ledger.operations.setup import OpenAccount, SetFeaturePrice
from ledger.operations.usage import RecordUsageBulk, UsageEvent
from ledger.receipt import Receipt
from ledger.sweep import expire_due_everywhere

NAME, ZONE, CURRENCY = "Lumen AI (demo)", "Europe/Berlin", "USD"
DAYS = 548
SEED = 20_260

ADMIN = Actor("ada.admin@demo.example", Role.ADMIN)
MANAGERS = ("max.berger@demo.example", "mia.costa@demo.example")

# By feature: label, unit, credits per unit.
FEATURES = {
    "api_basic": ("Basic API call", "call", 1),
    "api_advanced": ("Advanced API call", "call", 5),
    "image": ("Image processing", "image", 10),
    "export": ("Data export", "export", 15),
    "ai_analysis": ("AI analysis", "analysis", 25),
    "large_file": ("Large file processing", "file", 50),
}
# name: (credits, price in cents)
PACKAGES = {
    "Starter": (1_000, 1_000),
    "Professional": (5_000, 4_000),
    "Business": (15_000, 10_500),
    "Enterprise": (50_000, 30_000),
}
# Relative daily use by weekday, Monday first: most customers work in weeks.
WEEK = (1.1, 1.2, 1.15, 1.1, 1.0, 0.35, 0.3)

Level = Callable[[int, date], float]


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
    extra: tuple[tuple[int, CreditType, int, str], ...] = ()


@dataclass(slots=True)
class _Company:
    ledger: Ledger
    clock: FixedClock
    first: date
    random: random.Random
    keys: int = 0
    spent: dict[str, list[float]] = field(default_factory=dict)

    def run(self, command: Command, *, actor: Actor = ADMIN) -> Receipt:
        self.keys += 1
        return self.ledger.execute(command, actor=actor, key=f"demo-{self.keys}")


def load(
    database: Database, *, until: datetime, on_progress: Callable[[int, int], None] = lambda _i, _n: None
) -> Ledger:
    """Build the demo company in a freshly migrated database, its last whole day being the day before ``until``.

    Progress is reported as (weeks done, weeks in all). Answers a ledger on the demo's clock.
    """
    clock = FixedClock(until - timedelta(days=DAYS))
    company = _Company(Ledger(database, clock), clock, (until - timedelta(days=DAYS)).date(), random.Random(SEED))
    _price_features(company)
    cast = characters(company.random)
    weeks = math.ceil(DAYS / 7)
    for week in range(weeks):
        first, last = week * 7, min(week * 7 + 7, DAYS)
        for customer in cast:
            _live(company, customer, first, last)
        expire_due_everywhere(company.ledger)
        on_progress(week + 1, weeks)
    clock.set(until)
    expire_due_everywhere(company.ledger)
    _correct_something(company)
    return company.ledger


def _price_features(company: _Company) -> None:
    for feature, (label, unit, price) in FEATURES.items():
        company.run(SetFeaturePrice(feature, price * MICRO, label=label, unit=unit))


def _live(company: _Company, customer: Customer, first: int, last: int) -> None:
    """One week of one customer: open the account if it is time, give and buy credits, use some."""
    if customer.joins >= last:
        return
    if first <= customer.joins < last:
        _join(company, customer)
    for day, credit_type, amount, why in customer.extra:
        if first <= day < last:
            _set_clock(company, day, 10)
            company.run(
                IssueGrant(customer.account, credit_type, amount * MICRO, Reason(why, _NOTES[why]), campaign=why)
            )
    days = range(max(first, customer.joins), last)
    use = {day: customer.level(day, company.first + timedelta(days=day)) for day in days}
    _buy(company, customer, first, use)
    events = [event for day, level in use.items() for event in _events(company, customer, day, level)]
    _set_clock(company, last - 1, 23)
    if events:
        company.run(RecordUsageBulk(customer.account, tuple(events)), actor=SYSTEM)


_NOTES = {
    "welcome trial": "Welcome trial for a new customer",
    "spring campaign": "Spring campaign, agreed with marketing",
    "summer boost": "Summer boost for the photo season",
    "outage": "Compensation for the outage of image processing",
    "referral": "Thank-you for a referred customer who bought",
    "allowance": "Unused plan allowance carried into the next month",
}


def _join(company: _Company, customer: Customer) -> None:
    _set_clock(company, customer.joins, 9)
    company.run(
        OpenAccount(
            customer.account,
            customer.name,
            email=f"billing@{customer.account.removeprefix('cus_')}.example",
            zone=customer.zone,
            account_type=customer.account_type,
            tier=customer.tier,
            owner=MANAGERS[sum(map(ord, customer.account)) % len(MANAGERS)],
        )
    )
    if customer.trial:
        reason = Reason("welcome trial", _NOTES["welcome trial"])
        company.run(
            IssueGrant(
                customer.account, CreditType.PROMOTIONAL, customer.trial * MICRO, reason, campaign="welcome trial"
            )
        )


def _buy(company: _Company, customer: Customer, first: int, use: dict[int, float]) -> None:
    """Buy packages when what is left would not last ten days, unless this customer has stopped buying."""
    spent = company.spent.setdefault(customer.account, [])
    spent += use.values()
    pace = sum(spent[-28:]) / len(spent[-28:]) if spent else 0.0
    if first >= customer.stops_buying or pace <= 0 or first < customer.joins:
        return
    _set_clock(company, max(first, customer.joins), 11)
    available = company.ledger.preview(
        IssueGrant(customer.account, CreditType.REFERRAL, MICRO, Reason("preview", "how much is available")),
        actor=ADMIN,
    ).available_before_micro
    if available > 10 * pace * MICRO:
        return
    wanted = pace * customer.buys_ahead
    name, (amount, cents) = next(
        ((name, package) for name, package in PACKAGES.items() if package[0] >= wanted),
        ("Enterprise", PACKAGES["Enterprise"]),
    )
    count = max(1, round(wanted / amount))
    company.run(
        RecordTopUp(
            customer.account,
            count * amount * MICRO,
            Money(count * cents, CURRENCY),
            f"INV-{company.keys + 1:05d}",
            Reason("bank transfer", f"{count} x {name} package, paid by bank transfer"),
            campaign=name,
        )
    )


def _events(company: _Company, customer: Customer, day: int, level: float) -> list[UsageEvent]:
    """One event per feature of a day: the level in credits spread over the customer's mix, with some noise."""
    if level <= 0:
        return []
    when = company.first + timedelta(days=day)
    level *= WEEK[when.weekday()] * company.random.lognormvariate(0, 0.18)
    events = []
    for rank, feature in enumerate(customer.mix):
        share = 0.55 if rank == 0 else 0.45 / (len(customer.mix) - 1)
        units = round(level * (1.0 if len(customer.mix) == 1 else share) / FEATURES[feature][2])
        if units > 0:
            at = datetime.combine(when, time(12), tzinfo=UTC)
            events.append(UsageEvent(f"{when.isoformat()}-{feature}", feature, at, units * MICRO))
    return events


def _set_clock(company: _Company, day: int, hour: int) -> None:
    at = datetime.combine(company.first + timedelta(days=day), time(hour), tzinfo=UTC)
    company.clock.set(max(company.clock.now(), at) if day else at)


def _correct_something(company: _Company) -> None:
    """Two corrections of the last days, so that the ledger shows what one looks like."""
    company.run(
        AdjustBalance(
            "cus_pixelforge", 250 * MICRO, Reason("service quality", "Blurred renders, agreed on the phone", "SUP-311")
        )
    )
    company.run(
        AdjustBalance("cus_aurora", -40 * MICRO, Reason("booking error", "Test calls of ours charged twice", "SUP-318"))
    )


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
    "Cedar Chemicals", "Delta Dental", "Elm Energy",
)  # fmt: skip


def characters(dice: random.Random) -> list[Customer]:
    """The whole cast: ten with a story, the rest ordinary."""
    prepaid, hybrid, subscription = AccountType.PREPAID, AccountType.HYBRID, AccountType.SUBSCRIPTION
    every = tuple(FEATURES)
    outage = (DAYS - 75, CreditType.COMPENSATION, 600, "outage")
    allowance = tuple((day, CreditType.ROLLOVER, 400, "allowance") for day in range(40, DAYS, 30))
    cast = [
        Customer(
            "cus_aurora",
            "Aurora Translate",
            "enterprise",
            prepaid,
            growing(420, per_month=0.06),
            every,
            extra=(outage,),
        ),
        Customer("cus_semester", "Semester Labs", "pro", hybrid, seasonal(260, peak_month=11, swing=0.7), every[:4]),
        Customer(
            "cus_pixelforge",
            "Pixelforge Studio",
            "pro",
            prepaid,
            with_spike(steady(150), first=DAYS - 24, days=6, factor=5),
            ("image", "large_file", "api_basic"),
            extra=(outage, (DAYS - 140, CreditType.PROMOTIONAL, 1_500, "summer boost")),
        ),
        Customer(
            "cus_hobbyhorse",
            "Hobbyhorse (trial)",
            "free",
            AccountType.LEAD,
            until_day(steady(6), DAYS - 130),
            ("api_basic",),
            joins=DAYS - 160,
            stops_buying=0,
        ),
        Customer(
            "cus_northwind",
            "Northwind Robotics",
            "pro",
            prepaid,
            growing(190, per_month=0.03),
            ("ai_analysis", "api_advanced", "api_basic"),
            stops_buying=DAYS - 14,
            buys_ahead=17,
        ),
        Customer(
            "cus_harbor",
            "Quiet Harbor",
            "basic",
            prepaid,
            until_day(steady(60), DAYS - 60),
            ("export", "api_basic"),
            stops_buying=DAYS - 90,
            buys_ahead=150,
            extra=((DAYS - 80, CreditType.PROMOTIONAL, 2_400, "spring campaign"),),
        ),
        Customer(
            "cus_lantern", "Lantern Library", "basic", prepaid, steady(5), ("export", "api_basic"), buys_ahead=600
        ),
        Customer(
            "cus_fresh",
            "Fresh Start GmbH",
            "free",
            AccountType.LEAD,
            steady(0),
            ("api_basic",),
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
            extra=(*allowance, outage),
        ),
        Customer(
            "cus_bluebell",
            "Bluebell & Sons",
            "basic",
            hybrid,
            steady(45),
            ("api_basic", "export"),
            zone="Asia/Tokyo",
            extra=(
                (DAYS - 100, CreditType.REFERRAL, 750, "referral"),
                (DAYS - 35, CreditType.REFERRAL, 750, "referral"),
            ),
        ),
    ]
    for name in _FILLERS:
        base = dice.lognormvariate(4.3, 0.8)
        level = dice.choice((steady(base), growing(base, per_month=0.03), growing(base * 1.5, per_month=-0.02),
                             seasonal(base, peak_month=dice.randint(1, 12), swing=0.4)))  # fmt: skip
        account = "cus_" + name.split()[0].lower()
        extra: tuple[tuple[int, CreditType, int, str], ...] = ()
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
                account, name, dice.choice(("basic", "basic", "pro", "enterprise")), dice.choice((prepaid, prepaid, hybrid)),
                level, tuple(dice.sample(every, dice.randint(2, 4))), joins=dice.choice((0, 0, dice.randint(0, DAYS - 60))),
                buys_ahead=dice.uniform(30, 120), extra=extra,
            )
        )  # fmt: skip
    return [c if c.joins == 0 or not c.extra else _from_joining(c) for c in cast]


def _from_joining(customer: Customer) -> Customer:
    return replace(customer, extra=tuple(gift for gift in customer.extra if gift[0] > customer.joins))

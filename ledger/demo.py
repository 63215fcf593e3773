"""A seeded company with a story, built only through `Ledger.execute` on a clock of its own.

About forty customers over eighteen months: seasons, growth, a spike, an outage with compensation, a lapsed trial, a
customer about to run out, one whose credits are about to expire unused, an empty one. Same day, same company.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial

from ledger import demo_billing, demo_payments, demo_plans, demo_sharing, seeds
from ledger.clock import FixedClock
from ledger.commands import Command, Reason
from ledger.core.amounts import MICRO, Money
from ledger.core.lifecycle import add_months
from ledger.core.packages import STANDARD_LIST
from ledger.core.policy import SYSTEM, Actor, Role
from ledger.core.records import CreditType
from ledger.database import Database
from ledger.demo_cast import DAYS, FEATURES, Customer, Gift, characters
from ledger.facade import Ledger
from ledger.operations.approvals import AskApproval, DecideApproval
from ledger.operations.catalog import DefineBundle, SetFeaturePrice
from ledger.operations.corrections import AdjustBalance
from ledger.operations.grants import IssueGrant
from ledger.operations.overdraft import ApproveOverdraft
from ledger.operations.payments import RecordTopUp
from ledger.operations.refunds import RefundPurchase
from ledger.operations.setup import OpenAccount
from ledger.operations.usage import RecordUsageBulk, UsageEvent
from ledger.queries import refundable
from ledger.receipt import Receipt
from ledger.sweep import expire_due_everywhere

NAME, CURRENCY = "Lumen AI (demo)", "USD"
SEED = 20_260
_LAST_PURCHASE_DAY = DAYS // 7 * 7 - 21

ADMIN = Actor("ada.admin@demo.example", Role.ADMIN)
# Decides about what ada asks for.
OTHER_ADMIN = Actor("bruno.boss@demo.example", Role.ADMIN)
# The first is the account manager of the development identity, who so finds customers of his own.
MANAGERS = ("max@example.com", "mia@example.com")
# The last key that the load uses: without it the load was interrupted.
LAST_KEY = "demo-complete"

# The packages of the standard list: code by name, credits, price in cents.
PACKAGES = {
    label: (code, amount, cents)
    for code, label, amount, cents, price_list in seeds.PACKAGES
    if price_list == STANDARD_LIST
}
# The holiday package is for sale while the demo is looked at.
HOLIDAY_FROM_DAY = DAYS - 20
# Relative daily use by weekday, Monday first: most customers work in weeks.
WEEK = (1.1, 1.2, 1.15, 1.1, 1.0, 0.35, 0.3)


@dataclass(slots=True)
class _Company:
    ledger: Ledger
    clock: FixedClock
    first: date
    random: random.Random
    keys: int = 0
    spent: dict[str, list[float]] = field(default_factory=dict)
    # Who bought the holiday package, which is sold once to each.
    on_holiday: set[str] = field(default_factory=set)

    def run(self, command: Command, *, actor: Actor = ADMIN, key: str = "") -> Receipt:
        self.keys += 1
        return self.ledger.execute(command, actor=actor, key=key or f"demo-{self.keys}")


def load(
    database: Database, *, until: datetime, on_progress: Callable[[int, int], None] = lambda _i, _n: None
) -> Ledger:
    """Build the demo company in a freshly migrated database, its last whole day being the day before ``until``.

    Progress is reported as (weeks done, weeks in all). Answers a ledger on the demo's clock.
    """
    opens = (until - timedelta(days=DAYS)).date()
    # The shop opens at midnight, whatever time of day it is now: people buy on the first day.
    clock = FixedClock(datetime.combine(opens, time(), tzinfo=UTC))
    company = _Company(Ledger(database, clock), clock, opens, random.Random(SEED))
    _open_shop(company)
    cast = characters(company.random)
    weeks = math.ceil(DAYS / 7)
    for week in range(weeks):
        first, last = week * 7, min(week * 7 + 7, DAYS)
        # In order of time over all customers, because the clock of the ledger only goes forward.
        for day, hour, act in sorted(_acts(company, cast, first, last), key=lambda act: act[:2]):
            _set_clock(company, day, hour)
            act()
        expire_due_everywhere(company.ledger)
        on_progress(week + 1, weeks)
    clock.set(until)
    expire_due_everywhere(company.ledger)
    demo_payments.leave_open(company.ledger)
    _correct_something(company)
    return company.ledger


def is_complete(ledger: Ledger) -> bool:
    """Whether the load ran to its end: one that was stopped half-way left a company without its last weeks."""
    return ledger.receipt(actor=ADMIN, key=LAST_KEY) is not None


def _open_shop(company: _Company) -> None:
    """The seeded catalogue, an export that was cheaper once, a bundle of now, a price of next month."""

    def day(number: int) -> datetime:
        return datetime.combine(company.first + timedelta(days=number), time(), tzinfo=company.ledger.company_zone)

    holiday = company.first + timedelta(days=HOLIDAY_FROM_DAY)
    seeds.seed_plans(company.ledger, actor=ADMIN, currency=CURRENCY)
    seeds.seed_catalogue(company.ledger, actor=ADMIN, currency=CURRENCY, holiday_on=holiday)
    next_month = add_months((company.first + timedelta(days=DAYS)).replace(day=1), 1)
    for feature, label, unit, price, at in (
        ("export", "Data export", "export", 12, day(1)),
        ("export", "Data export", "export", 15, day(DAYS - 50)),
        ("large_file", "Large file processing", "file", 45, day((next_month - company.first).days)),
    ):
        company.run(SetFeaturePrice(feature, price * MICRO, label, unit, at, factors=seeds.COMPLEXITIES))
    company.run(
        DefineBundle(
            "creative_weeks",
            "Creative weeks",
            ("image_generation", "export"),
            100_000,
            ends_at=day(DAYS + 35),
            effective_at=day(DAYS - 10),
        )
    )


def _acts(
    company: _Company, cast: list[Customer], first: int, last: int
) -> Iterator[tuple[int, int, Callable[[], object]]]:
    """What happens in one week: day, hour and act. Accounts open, credits are given, bought, and used up to its end."""
    for customer in cast:
        if customer.joins >= last:
            continue
        if first <= customer.joins:
            yield customer.joins, 9, partial(_join, company, customer)
        for gift in customer.extra:
            if first <= gift[0] < last:
                yield gift[0], 10, partial(_give, company, customer, gift)
        if customer.overdraft and first <= _LAST_PURCHASE_DAY < last:
            yield _LAST_PURCHASE_DAY, 10, partial(_allow_overdraft, company, customer)
        begin = max(first, customer.joins)
        use = {day: customer.level(day, company.first + timedelta(days=day)) for day in range(begin, last)}
        yield begin, 11, partial(_buy, company, customer, first, use)
        yield last - 1, 23, partial(_use, company, customer, use)
    yield from demo_sharing.acts(company.run, company.clock, first, last)
    yield from demo_payments.acts(company.ledger, first, last)
    yield from demo_billing.acts(company.run, company.ledger, first, last)
    yield from demo_plans.acts(company.run, company.ledger, cast, first, last)


def _give(company: _Company, customer: Customer, gift: Gift) -> None:
    _, credit_type, amount, why = gift
    reason, only_for = Reason(why, _NOTES[why]), _ONLY_FOR.get(why, ())
    company.run(IssueGrant(customer.account, credit_type, amount * MICRO, reason, campaign=why, features=only_for))


def _allow_overdraft(company: _Company, customer: Customer) -> None:
    until = company.clock.now() + timedelta(days=60)
    reason = Reason("contract", "New contract is being signed, the order follows", "SALES-77")
    command = ApproveOverdraft(customer.account, customer.overdraft * MICRO, until, reason)
    request = company.run(AskApproval(command)).approval_id
    assert request is not None
    company.run(DecideApproval(request, True, "Agreed with sales, order is on its way"), actor=OTHER_ADMIN)


def _use(company: _Company, customer: Customer, use: dict[int, float]) -> None:
    events = [event for day, level in use.items() for event in _events(company, customer, day, level)]
    if events:
        company.run(RecordUsageBulk(customer.account, tuple(events)), actor=SYSTEM)


_NOTES = {
    "welcome trial": "Welcome trial for a new customer",
    "spring campaign": "Spring campaign, agreed with marketing",
    "summer boost": "Summer boost for the photo season",
    "outage": "Compensation for the outage of image processing",
    "ai launch": "Launch of AI analysis: credits to try it",
    "referral": "Thank-you for a referred customer who bought",
}


# Campaigns whose credits pay for some features only.
_ONLY_FOR = {"ai launch": ("ai_analysis",)}


def _join(company: _Company, customer: Customer) -> None:
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
    if customer.left_at_end_days is not None and first >= _LAST_PURCHASE_DAY + 7:
        return
    available = company.ledger.preview(
        IssueGrant(customer.account, CreditType.REFERRAL, MICRO, Reason("preview", "how much is available")),
        actor=ADMIN,
    ).available_before_micro
    if customer.left_at_end_days is not None and first >= _LAST_PURCHASE_DAY:
        rest = pace * (DAYS - first + customer.left_at_end_days) - available / MICRO
        _pay(company, customer, "Made to measure", max(round(rest, -2), 100), round(max(rest, 100) * 0.9))
    elif available <= 10 * pace * MICRO:
        ahead = customer.buys_ahead
        if customer.left_at_end_days is not None:
            # No more than lasts until the last purchase, which is made to measure.
            ahead = min(ahead, max(_LAST_PURCHASE_DAY - first, 7))
        wanted = pace * ahead
        name = next((name for name, (_, amount, _) in PACKAGES.items() if amount >= wanted), "Enterprise")
        code, amount, cents = PACKAGES[name]
        if first > HOLIDAY_FROM_DAY and name == "Professional" and customer.account not in company.on_holiday:
            company.on_holiday.add(customer.account)
            code, name, amount, cents = seeds.HOLIDAY
        for _ in range(max(1, round(wanted / amount))):
            _pay(company, customer, name, amount, cents, code=code)


def _pay(company: _Company, customer: Customer, package: str, amount: float, cents: int, *, code: str = "") -> None:
    reason = Reason("bank transfer", f"{package} package, {int(amount):,} credits, paid by bank transfer")
    reference = f"INV-{company.keys + 1:05d}"
    paid = Money(cents, CURRENCY)
    company.run(
        RecordTopUp(customer.account, int(amount) * MICRO, paid, reference, reason, campaign=package, package=code)
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
        units = round(level * (1.0 if len(customer.mix) == 1 else share) / FEATURES[feature])
        if units > 0:
            at = datetime.combine(when, time(12), tzinfo=UTC)
            events.append(UsageEvent(f"{when.isoformat()}-{feature}", feature, at, units * MICRO))
    return events


def _set_clock(company: _Company, day: int, hour: int) -> None:
    at = datetime.combine(company.first + timedelta(days=day), time(hour), tzinfo=UTC)
    company.clock.set(max(company.clock.now(), at) if day else at)


def _correct_something(company: _Company) -> None:
    """Corrections of the last days, so that the ledger shows what they look like: a refund, two by hand, a request."""
    _refund_some(company, "cus_lantern", 100)
    request = IssueGrant(
        "cus_semester",
        CreditType.COMPENSATION,
        1_500 * MICRO,
        Reason("service_problem", "Exams week: three hours of slow answers", "SUP-322"),
    )
    company.run(AskApproval(request), actor=Actor(MANAGERS[0], Role.ACCOUNT_MANAGER))
    company.run(
        AdjustBalance(
            "cus_pixelforge", 250 * MICRO, Reason("service quality", "Blurred renders, agreed on the phone", "SUP-311")
        )
    )
    company.run(
        AdjustBalance(
            "cus_aurora", -40 * MICRO, Reason("booking error", "Test calls of ours charged twice", "SUP-318")
        ),
        key=LAST_KEY,
    )


def _refund_some(company: _Company, account: str, credits: int) -> None:
    with company.ledger.database.reading() as connection:
        bought = connection.execute(refundable(account, at=company.clock.now())).all()
    newest = bought[-1]
    reason = Reason("contract", "Ordered too much, part of it goes back", "SUP-320")
    company.run(RefundPurchase(account, newest.batch_id, credits * MICRO, reason))

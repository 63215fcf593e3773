"""Subscriptions at the mock provider with safe defaults, and the days that pass for them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ledger import DefinePlan, Ledger, LinkPlanPrice, Money, Provider
from ledger.clock import FixedClock
from ledger.core.amounts import MICRO
from ledger.gateways.mock import MockGateway
from ledger.renewals import renew_due
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import run


@dataclass
class Shop:
    """Plans of a company, each with its price at the mock provider."""

    ledger: Ledger
    mock: MockGateway
    prices: dict[str, str] = field(default_factory=dict)

    def plan(self, code: str, credits: int, *, rollover: int = 0, months: int = 1, per_thousand: int = 0) -> str:
        """A plan that rolls over so many credits at most, a cent a credit; ``per_thousand`` cents beyond that."""
        price = Money(credits, "EUR")
        rolls = rollover * MICRO
        run(self.ledger, DefinePlan(code, code.title(), credits * MICRO, price, months, rolls))
        ref = self.mock.make_price(code, price, months=months, metered_cents_per_thousand=per_thousand)
        run(self.ledger, LinkPlanPrice(Provider.MOCK, ref, code))
        self.prices[code] = ref
        return ref


def night(ledger: Ledger) -> None:
    """What the nightly jobs do to credits."""
    expire_due_everywhere(ledger)
    renew_due(ledger)


def pass_time(ledger: Ledger, clock: FixedClock, until: datetime) -> None:
    """Let days pass, with the jobs of each night."""
    while clock.now() < until:
        clock.set(min(until, clock.now() + timedelta(days=1)))
        night(ledger)

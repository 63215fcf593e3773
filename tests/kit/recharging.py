"""Auto-recharge for tests: a customer with a saved card and a rule, and what its recharges came to."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from ledger import MICRO, Ledger, Provider, RechargeTerms, SetRechargeRule
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.models import payment, recharge_rule
from ledger.selling.follow import follow
from tests.kit.factories import ADMIN, REASON, fresh_key
from tests.kit.paying import open_checkout, start


def save_card(
    ledger: Ledger, mock: MockGateway, card: str = GOOD_CARD, *, account: str = "acme", package: str = "team"
) -> str:
    """Buy one package with a card that is kept; answers our name of that payment."""
    name = start(ledger, account, package)
    mock.pay(open_checkout(ledger, mock, name, account=account, saves_card=True), card)
    follow(ledger, name)
    return name


def set_rule(
    ledger: Ledger,
    account: str = "acme",
    *,
    package: str = "team",
    below: int | None = 50,
    days: int | None = None,
    day_cap: int = 100_000,
    month_cap: int = 300_000,
    cool_down: timedelta = timedelta(hours=1),
    stop_after: int = 3,
) -> None:
    """A rule; ``below`` in whole credits, caps in cents."""
    threshold = None if below is None else below * MICRO
    terms = RechargeTerms(package, threshold, days, day_cap, month_cap, cool_down, stop_after)
    command = SetRechargeRule(account, terms, Provider.MOCK, REASON)
    ledger.execute(command, actor=ADMIN, key=fresh_key("rule"))


def recharges(ledger: Ledger) -> list[Any]:
    """Rows of all payments that rules began, oldest first."""
    statement = sa.select(payment).where(payment.c.purpose == "recharge").order_by(payment.c.id)
    with ledger.database.reading() as connection:
        return list(connection.execute(statement).all())


def rule_row(ledger: Ledger) -> Any:
    """The row of the one rule."""
    with ledger.database.reading() as connection:
        return connection.execute(sa.select(recharge_rule)).one()

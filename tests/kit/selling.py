"""Selling in tests: a shop with packages, a customer who pays at the mock provider, messages as it would send them."""

from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.testclient import TestClient

from ledger import MICRO, DefinePackage, Ledger, Money
from ledger.clock import SystemClock
from ledger.gateways.mock import GOOD_CARD, SIGNING_KEY, MockGateway
from ledger.gateways.standard_webhooks import sign
from ledger.selling.checkout import Sale, sell
from ledger.selling.settling import settle_due
from service.opened import Opened
from service.public import create_public
from tests.kit.factories import ADMIN, fresh_key, open_account

CREDITS, CENTS, CURRENCY = 1_000, 9_000, "EUR"


def open_shop(ledger: Ledger, *, limit: int | None = None, ends_at: datetime | None = None) -> None:
    """A package "large" of 1,000 credits for 90 EUR."""
    ledger.execute(
        DefinePackage(
            "large",
            "Large",
            CREDITS * MICRO,
            Money(CENTS, CURRENCY),
            per_customer_limit=limit,
            ends_at=ends_at,
        ),
        actor=ADMIN,
        key=fresh_key("package"),
    )


def open_customer_and_shop(ledger: Ledger, account: str = "acme", *, limit: int | None = None) -> None:
    """A customer, and something to buy."""
    open_account(ledger, account)
    open_shop(ledger, limit=limit)


def sold(ledger: Ledger, account: str = "acme", *, quantity: int = 1, key: str | None = None) -> Sale:
    """A sale whose checkout is open."""
    return sell(ledger, account, "large", actor=ADMIN, key=key or fresh_key("sale"), quantity=quantity)


def paid(ledger: Ledger, mock: MockGateway, account: str = "acme", *, card: str = GOOD_CARD) -> Sale:
    """A sale that was paid at the mock, and settled by the message about it."""
    sale = sold(ledger, account)
    assert sale.checkout_ref is not None
    mock.pay(sale.checkout_ref, card)
    settle_due(ledger)
    return sale


class Outside:
    """Who reaches the product without signing in: providers and customers."""

    def __init__(self, ledger: Ledger) -> None:
        app: Starlette = create_public(Opened(ledger))
        self.client = TestClient(app, raise_server_exceptions=False, follow_redirects=False)

    def deliver(self, body: bytes, headers: dict[str, str], provider: str = "mock") -> Any:
        """A message by HTTP, as it came."""
        return self.client.post(f"/webhooks/{provider}", content=body, headers=headers)


def message(
    body: str, *, id: str = "evt_1", at: datetime | None = None, secret: str = SIGNING_KEY
) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a signed message of the mock."""
    return body.encode(), sign(body, id=id, secret=secret, at=at or SystemClock().now())

"""Payments at the mock provider for tests: put a package up for sale, begin a payment, pay, follow."""

from datetime import datetime

import sqlalchemy as sa

from ledger import MICRO, SYSTEM, DefinePackage, Ledger, Money, NoteCheckout, Provider, StartPurchase
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.gateways.provider import CheckoutRequest, Offer
from ledger.models import payment
from ledger.selling.follow import follow
from tests.kit.factories import ADMIN, fresh_key


def define_package(
    ledger: Ledger,
    code: str = "team",
    *,
    credits: int = 100,
    cents: int = 10_000,
    limit: int | None = None,
    ends_at: datetime | None = None,
) -> None:
    """Put a package up for sale."""
    command = DefinePackage(
        code, code.title(), credits * MICRO, Money(cents, "EUR"), per_customer_limit=limit, ends_at=ends_at
    )
    ledger.execute(command, actor=ADMIN, key=fresh_key("package"))


def start(ledger: Ledger, account: str = "acme", package: str = "team", *, quantity: int = 1) -> str:
    """Begin a payment; answers its name."""
    command = StartPurchase(account, package, Provider.MOCK, quantity)
    receipt = ledger.execute(command, actor=ADMIN, key=fresh_key("start"))
    return str(row_of(ledger, id=receipt.subject_id).name)


def open_checkout(
    ledger: Ledger, mock: MockGateway, name: str, *, account: str = "acme", saves_card: bool = False
) -> str:
    """Make the checkout page of a payment and note it; answers the provider's name of it."""
    row = row_of(ledger, name=name)
    price = Money(row.price_cents, row.currency)
    request = CheckoutRequest(
        name,
        account,
        Offer("team", "Team", row.credits_micro, row.quantity, price),
        "https://credits.example/ok",
        "https://credits.example/no",
        saves_card=saves_card,
    )
    page = mock.open_checkout(request)
    ledger.execute(NoteCheckout(name, page.ref, page.url, page.ends_at), actor=SYSTEM, key=f"checkout:{name}")
    return page.ref


def buy(
    ledger: Ledger, mock: MockGateway, account: str = "acme", package: str = "team", *, quantity: int = 1
) -> tuple[str, str]:
    """A purchase from its beginning until its credits are there; answers our name and the provider's."""
    name = start(ledger, account, package, quantity=quantity)
    ref = open_checkout(ledger, mock, name, account=account)
    mock.pay(ref, GOOD_CARD)
    follow(ledger, name)
    return name, str(row_of(ledger, name=name).payment_ref)


def row_of(ledger: Ledger, **wanted: object) -> sa.Row[tuple[object, ...]]:
    """The row of one payment."""
    with ledger.database.reading() as connection:
        return connection.execute(sa.select(payment).filter_by(**wanted)).one()

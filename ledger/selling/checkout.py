"""Selling a package on the provider's page: the payment is written down, then the page is made, then its address noted.

Nothing is called while rows are locked, and each of the three may be repeated: the payment by the caller's key, the
page by the payment's name, the note by the payment's name. A crash in between is mended by asking again with the same
key; a payment whose page nobody asks for again is found by the job (ledger/selling/follow.py).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.commands import text_faults
from ledger.core.amounts import Money
from ledger.core.payments import IN_FLIGHT, PaymentState, Provider, Purpose
from ledger.core.policy import SYSTEM, Actor, Permission
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import CheckoutRequest, Gateway, Offer
from ledger.mail.words import web_address
from ledger.models import account, batch, customer, package, payment, provider_price, transaction
from ledger.operations.purchases import NoteCheckout, StartPurchase
from ledger.operations.setup import ChangeCustomer
from ledger.receipt import Receipt
from ledger.selling.follow import follow
from ledger.settings import settings

# Where a customer comes back to: a page of ours that needs no sign-in.
RETURN_PAGE = "pay"
# Providers keep a checkout for a day at most, and for half an hour at least.
LIFE = timedelta(hours=23)
LIFE_LEAST = timedelta(hours=1)
ADDRESS_MAX_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Sale:
    """A payment on its way, as it stands here. ``price`` is without tax, ``total_cents`` with it once it was paid.

    ``url`` is where the customer pays, or confirms, while that is possible; else empty. ``transaction_id`` is that of
    the credits.
    """

    payment: str
    account: str
    provider: Provider
    purpose: Purpose
    state: PaymentState
    package: str | None
    label: str
    quantity: int
    credits_micro: int
    price: Money
    url: str
    ends_at: datetime | None
    created_at: datetime
    paid_at: datetime | None
    total_cents: int | None
    error: str
    refunded_cents: int
    credited_at: datetime | None
    transaction_id: int | None
    checkout_ref: str | None
    saves_card: bool

    @property
    def is_final(self) -> bool:
        """Whether it will not move any more by itself."""
        return self.state not in IN_FLIGHT


def sell(
    ledger: Ledger,
    account: str,
    package: str,
    *,
    actor: Actor,
    key: str,
    quantity: int = 1,
    success_url: str | None = None,
    cancel_url: str | None = None,
    saves_card: bool = False,
) -> Sale:
    """Sell a package: answers the address at which the customer pays. The same key again answers the same sale.

    Without addresses of the caller's own the customer comes back to `return_page`. Raises as StartPurchase does, and
    ProviderNotSetUp, ProviderUnavailable (ask again with the same key), ProviderRefused.
    """
    _check_addresses(success_url=success_url, cancel_url=cancel_url)
    provider = registry.selling(ledger)
    # Before anything is written: a provider without keys sells nothing.
    registry.gateway(ledger, provider)
    command = StartPurchase(account, package, provider, quantity=quantity, saves_card=saves_card)
    sale = sale_of(ledger, ledger.execute(command, actor=actor, key=key))
    return finish(ledger, sale, success_url=success_url, cancel_url=cancel_url)


def finish(ledger: Ledger, sale: Sale, *, success_url: str | None = None, cancel_url: str | None = None) -> Sale:
    """Make the checkout page of a sale that has none yet: what is left to do after `StartPurchase`."""
    if sale.state is not PaymentState.CREATED or sale.checkout_ref is not None or sale.purpose is not Purpose.CHECKOUT:
        return sale
    gateway = registry.gateway(ledger, sale.provider)
    name, email, customer_ref = _payer(ledger, gateway, sale)
    request = CheckoutRequest(
        sale.payment,
        sale.account,
        _offer(ledger, sale),
        success_url or return_page(sale.payment),
        cancel_url or return_page(sale.payment, cancelled="1"),
        email=email,
        name=name,
        customer_ref=customer_ref,
        ends_at=_ends_at(ledger, sale),
        saves_card=sale.saves_card,
    )
    made = gateway.open_checkout(request)
    note = NoteCheckout(sale.payment, made.ref, made.url, made.ends_at)
    ledger.execute(note, actor=SYSTEM, key=f"checkout:{sale.payment}")
    return load_sale(ledger, sale.payment)


def cancel(ledger: Ledger, payment_name: str, *, actor: Actor) -> Sale:
    """Make a checkout unpayable, and say how the payment ended; the same again answers the same.

    Raises NotPermitted, NotFound, NotAllowedNow when it was paid, ProviderUnavailable, ProviderRefused.
    """
    ledger.require(actor, Permission.SELL)
    sale = load_sale(ledger, payment_name)
    if sale.purpose is not Purpose.CHECKOUT:
        raise NotAllowedNow(f"{payment_name} has no checkout page; only payments that a customer makes there end so.")
    # One whose page was never noted gets it first: the provider may have made it.
    sale = finish(ledger, sale)
    if not sale.is_final and sale.checkout_ref is not None:
        registry.gateway(ledger, sale.provider).close_checkout(sale.checkout_ref)
        follow(ledger, payment_name)
        sale = load_sale(ledger, payment_name)
    if sale.state not in (PaymentState.EXPIRED, PaymentState.FAILED):
        said = sale.state.replace("_", " ")
        raise NotAllowedNow(f"{payment_name} is {said}; what was paid is given back by a refund.")
    return sale


def load_sale(ledger: Ledger, payment_name: str) -> Sale:
    """A payment by its name (pay_…). Raises NotFound."""
    found = _load(ledger, payment.c.name == payment_name) if not text_faults("payment", payment_name) else None
    if found is None:
        raise NotFound(what="payment", id=payment_name)
    return found


def load_sales(ledger: Ledger, name: str, *, before: int | None, limit: int) -> list[tuple[int, Sale]]:
    """Payments of an account with the numbers of their rows, newest first; only those before a row. Raises NotFound."""
    with ledger.database.reading() as connection:
        id_ = connection.execute(sa.select(account.c.id).where(account.c.external_id == name)).scalar_one_or_none()
        if id_ is None:
            raise NotFound(what="account", id=name)
        wanted = _SALES.where(payment.c.account_id == id_).order_by(payment.c.id.desc()).limit(limit)
        if before is not None:
            wanted = wanted.where(payment.c.id < before)
        return [(row.id, _sale(row)) for row in connection.execute(wanted)]


def sale_of(ledger: Ledger, receipt: Receipt) -> Sale:
    """The sale that a receipt of StartPurchase began."""
    found = _load(ledger, payment.c.id == receipt.subject_id)
    if found is None:
        raise NotFound(what="payment", id=str(receipt.subject_id))
    return found


def return_page(payment_name: str, **query: str) -> str:
    """The address of the page that says how a payment stands, for who has its name."""
    return settings().page_address(f"{RETURN_PAGE}/{payment_name}", **query)


def _check_addresses(**given: str | None) -> None:
    faults = []
    for name, address in given.items():
        if address is None:
            continue
        if len(address) > ADDRESS_MAX_CHARS:
            faults.append(Fault(name, f"has {len(address)} characters, at most {ADDRESS_MAX_CHARS:,} are allowed"))
            continue
        try:
            web_address(address)
        except ValueError as error:
            faults.append(Fault(name, str(error)))
    if faults:
        raise InvalidCommand(faults)


def _payer(ledger: Ledger, gateway: Gateway, sale: Sale) -> tuple[str, str, str | None]:
    """Name, e-mail and the provider's name of who pays; made there when a card is to be kept for that customer."""
    statement = (
        sa.select(customer.c.name, customer.c.email, customer.c.stripe_id)
        .join(account, account.c.id == customer.c.account_id)
        .where(account.c.external_id == sale.account)
    )
    with ledger.database.reading() as connection:
        row = connection.execute(statement).one_or_none()
    # A pool has no customer row: the provider asks for an address on its page.
    name, email, stripe_id = (sale.account, "", None) if row is None else row
    ref: str | None = stripe_id if sale.provider is Provider.STRIPE and stripe_id else None
    if ref is not None:
        known = gateway.customer(ref)
        # One that somebody deleted at the provider can buy nothing there any more.
        ref = None if known is None or known.is_deleted else ref
    if sale.saves_card and ref is None:
        ref = gateway.make_customer(account=sale.account, name=name, email=email).ref
        if sale.provider is Provider.STRIPE and row is not None:
            ledger.execute(ChangeCustomer(sale.account, stripe_id=ref), actor=SYSTEM, key=f"customer:{ref}")
    return name, email, ref


def _offer(ledger: Ledger, sale: Sale) -> Offer:
    statement = (
        sa.select(provider_price.c.product_ref, provider_price.c.price_ref)
        .join(payment, payment.c.package_id == provider_price.c.package_id)
        .where(payment.c.name == sale.payment, provider_price.c.provider == sale.provider.value)
    )
    with ledger.database.reading() as connection:
        row = connection.execute(statement).one_or_none()
    made = Offer(sale.package or "", sale.label, sale.credits_micro, sale.quantity, sale.price)
    return made if row is None else replace(made, product_ref=row.product_ref, price_ref=row.price_ref)


def _ends_at(ledger: Ledger, sale: Sale) -> datetime:
    """A day, or as long as the package is sold; whether it still was when it was paid is asked then.

    Counted from when the payment was begun, so that asking for the page again asks for the same page.
    """
    with ledger.database.reading() as connection:
        statement = sa.select(package.c.ends_at).join(payment, payment.c.package_id == package.c.id)
        last = connection.execute(statement.where(payment.c.name == sale.payment)).scalar_one_or_none()
    longest = sale.created_at + LIFE
    return longest if last is None else max(min(longest, last), sale.created_at + LIFE_LEAST)


def _load(ledger: Ledger, condition: sa.ColumnElement[bool]) -> Sale | None:
    with ledger.database.reading() as connection:
        row = connection.execute(_SALES.where(condition)).one_or_none()
    return None if row is None else _sale(row)


_SALES: sa.Select[Any] = (
    sa.select(
        payment,
        account.c.external_id.label("account"),
        package.c.code,
        package.c.label,
        batch.c.made_by_id.label("batch_made_by_id"),
        transaction.c.recorded_at.label("credited_at"),
    )
    .select_from(payment)
    .join(account, account.c.id == payment.c.account_id)
    .outerjoin(package, package.c.id == payment.c.package_id)
    .outerjoin(batch, batch.c.id == payment.c.batch_id)
    .outerjoin(transaction, transaction.c.id == batch.c.made_by_id)
)


def _sale(row: Any) -> Sale:
    state = PaymentState(row.state)
    return Sale(
        row.name,
        row.account,
        Provider(row.provider),
        Purpose(row.purpose),
        state,
        row.code,
        row.label or "Credits",
        row.quantity,
        row.credits_micro,
        Money(row.price_cents, row.currency),
        row.url if state in IN_FLIGHT else "",
        row.ends_at,
        row.created_at,
        row.paid_at,
        row.total_cents,
        row.error,
        row.refunded_cents,
        row.credited_at,
        row.batch_made_by_id,
        row.checkout_ref,
        row.saves_card,
    )

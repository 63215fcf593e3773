"""What every payment provider can do, in our words: the seam behind which Stripe, Polar and the mock stand.

All money is whole cents with its currency, all instants are aware UTC. Nothing here is called while rows are locked:
commands write down what is meant, jobs or pages make the call with our key, and what the provider then says is
followed (docs/decisions/0009). Every call may raise ProviderUnavailable (no answer, or an error of theirs: the outcome
is unknown, the same call with the same key is safe) and ProviderRefused (they say no, for good, and why).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from ledger.core.amounts import Money, micro_to_text
from ledger.core.payments import Provider


class Progress(StrEnum):
    """How far a payment has come at the provider."""

    OPEN = "open"
    PROCESSING = "processing"
    NEEDS_ACTION = "needs_action"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


class AboutKind(StrEnum):
    """What an event is about."""

    PAYMENT = "payment"
    CHECKOUT = "checkout"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    INVOICE = "invoice"
    # Known, and of no consequence for us, or of a kind that we do not know.
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What is sold at a checkout. ``price`` is for all of it, without tax; ``price_ref`` is the provider's price.

    Without a ``price_ref`` the provider is told label and price as they are.
    """

    package: str
    label: str
    credits_micro: int
    quantity: int
    price: Money
    product_ref: str | None = None
    price_ref: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutRequest:
    """A page of the provider on which a customer pays once. ``payment`` is our name of it (pay_…), and the key."""

    payment: str
    account: str
    offer: Offer
    success_url: str
    cancel_url: str
    email: str = ""
    name: str = ""
    customer_ref: str | None = None
    ends_at: datetime | None = None
    # Keep the card, so that it can be charged without the customer later.
    saves_card: bool = False


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout page that stands: where it is, and until when it can be paid."""

    ref: str
    url: str
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class ChargeRequest:
    """A charge of a saved card while the customer is away. ``payment`` is our name of it, and the key."""

    payment: str
    account: str
    offer: Offer
    customer_ref: str
    card_ref: str


@dataclass(frozen=True, slots=True)
class Card:
    """A saved card: the provider's name of it, and how people know it."""

    ref: str
    words: str


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """One refund of a payment, as the provider tells it. ``ours`` is our name of it (ref_…) when we asked for it."""

    ref: str
    cents: int
    # pending and done count as money that left, failed and cancelled do not.
    state: str
    at: datetime
    ours: str | None = None

    @property
    def counts(self) -> bool:
        """Whether the money left, or is on its way."""
        return self.state in ("pending", "done")


@dataclass(frozen=True, slots=True)
class DisputeFacts:
    """One dispute of a payment. ``state``: inquiry (a question, no money moved), open, won or lost."""

    ref: str
    cents: int
    state: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """A payment as it stands at the provider when asked at ``asked_at`` (the clock that asked), whole.

    ``payment`` and ``account`` are our names of them, from the provider's metadata; None when it knows none.
    ``price`` is what was asked without tax, ``total`` what the customer pays. ``raw`` is the provider's record as plain
    JSON values, to be shown to people.
    """

    provider: Provider
    progress: Progress
    asked_at: datetime
    created_at: datetime
    total: Money
    tax_cents: int = 0
    payment_ref: str | None = None
    checkout_ref: str | None = None
    payment: str | None = None
    account: str | None = None
    customer_ref: str | None = None
    # As the metadata names it; of payments that this product did not begin.
    package: str | None = None
    quantity: int = 1
    paid_at: datetime | None = None
    # Why it failed, in the provider's words; and where the customer can confirm it.
    failure: str = ""
    failure_code: str = ""
    action_url: str = ""
    refunds: tuple[RefundFacts, ...] = ()
    disputes: tuple[DisputeFacts, ...] = ()
    card: Card | None = None
    # The invoice that it pays, where the provider bills subscriptions: followed with the invoice, not as a purchase.
    invoice_ref: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def refunded_cents(self) -> int:
        """All refunds that count, with tax."""
        return sum(one.cents for one in self.refunds if one.counts)

    @property
    def own_refunds_cents(self) -> int:
        """Of them those that this product asked for."""
        return sum(one.cents for one in self.refunds if one.counts and one.ours)


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to be given back. ``refund`` is our name of it (ref_…), and the key."""

    refund: str
    payment_ref: str
    money: Money
    # As credit on the customer's balance at the provider instead of to the card, where the provider has one.
    to_balance: bool = False
    customer_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A signed message of a provider: a hint that something moved, and what to ask about."""

    id: str
    kind: str
    happened_at: datetime
    about: AboutKind
    ref: str = ""


@dataclass(frozen=True, slots=True)
class ProviderCustomer:
    """A customer as the provider has it. ``account`` is our name from its metadata."""

    ref: str
    name: str
    email: str
    account: str | None
    is_deleted: bool = False
    card: Card | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """A package as the provider sells it. ``credits`` is what its metadata says, as text, because people edit it there.

    ``product_ref`` and ``price_ref`` are None for one that is yet to be made.
    """

    package: str
    label: str
    price: Money
    credits: str
    is_active: bool = True
    product_ref: str | None = None
    price_ref: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


def sold_words(payment: str, account: str, offer: Offer, *, purpose: str) -> dict[str, str]:
    """What travels with a payment, so that it can be told what it was, by us and by people at the provider."""
    return {
        "type": "credit_purchase",
        "purpose": purpose,
        "payment": payment,
        "account": account,
        "package": offer.package,
        "quantity": str(offer.quantity),
        "credits": micro_to_text(offer.credits_micro),
    }


class SignatureRefused(Exception):
    """The message is not of the provider, or too old, or of the future: answered 400, nothing is kept."""


class EventUnreadable(Exception):
    """The message is of the provider, but it cannot be read; it is kept and shown."""


class Gateway(Protocol):
    """One provider with its keys."""

    @property
    def provider(self) -> Provider: ...

    @property
    def is_test(self) -> bool:
        """Whether no real money moves."""
        ...

    def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make a checkout page; the same payment again answers the same page."""
        ...

    def close_checkout(self, ref: str) -> None:
        """Make a checkout page unpayable; does nothing when it was paid or closed before."""
        ...

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        """Charge a card now; a decline is an answer (FAILED with the reason), not an error."""
        ...

    def close_payment(self, ref: str) -> None:
        """End a charge that waits for the customer's confirmation; does nothing when it was paid or ended before."""
        ...

    def look(self, *, payment_ref: str | None = None, checkout_ref: str | None = None) -> PaymentFacts | None:
        """A payment as it stands now; None when the provider knows none of that name. Give one of the two names."""
        ...

    def refund(self, request: RefundRequest) -> RefundFacts:
        """Give money back; the same refund again answers the same."""
        ...

    def payments(self, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        """Every payment with money in it that was begun in [since, until), oldest first or last, each once."""
        ...

    def customer(self, ref: str) -> ProviderCustomer | None:
        """One customer; None when there is none."""
        ...

    def customers(self) -> Iterator[ProviderCustomer]:
        """All customers that are not deleted."""
        ...

    def make_customer(self, *, account: str, name: str, email: str) -> ProviderCustomer:
        """A customer for one of our accounts; the same account again answers the same."""
        ...

    def products(self) -> Iterator[Product]:
        """All products that sell credits by their metadata, those no longer sold included.

        ``package`` is empty where the metadata names credits but no package: made by hand over there.
        """
        ...

    def put_product(self, product: Product, *, key: str) -> Product:
        """Make a product, or change the one it names; a new price is a new price_ref. Answers it with its names."""
        ...

    def read_event(self, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Event:
        """Check the signature of a message and read it. Header names are lower case.

        Raises SignatureRefused (also when the time in it is more than five minutes before or after ``at``), and
        EventUnreadable.
        """
        ...

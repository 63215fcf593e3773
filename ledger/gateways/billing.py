"""What a provider can do beyond payments, where it can: balances, subscriptions, meters. Stripe and the mock do.

As in `ledger.gateways.provider`: money in cents, instants aware UTC, ProviderUnavailable and ProviderRefused.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ledger.core.amounts import Money
from ledger.gateways.provider import Gateway


@dataclass(frozen=True, slots=True)
class BalanceMove:
    """One customer balance transaction. ``money`` less than 0 is to the customer's credit, as Stripe counts."""

    ref: str
    at: datetime
    money: Money
    ending_cents: int
    description: str
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CustomerBalance:
    """A customer's balance at the provider, with its newest transactions first."""

    customer_ref: str
    money: Money
    moves: tuple[BalanceMove, ...]


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription as it stands. ``status`` is active, past_due, trialing, canceled, unpaid, incomplete, paused.

    ``price_ref`` is the licensed price that stands for a plan; ``[period_start, period_end)`` the running period.
    """

    ref: str
    customer_ref: str
    account: str | None
    status: str
    price_ref: str
    period_start: datetime
    period_end: datetime
    asked_at: datetime
    ends_at_period_end: bool = False
    ended_at: datetime | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice as it stands. The period is that of the licensed line: what the payment is for, ahead.

    Of an upgrade in the middle of a period that is the line with the higher price: from the change to the period's end.
    ``metered`` is what was billed for use beyond the credits: micro-credits and their money.
    """

    ref: str
    customer_ref: str
    is_paid: bool
    total: Money
    created_at: datetime
    asked_at: datetime
    subscription_ref: str | None = None
    price_ref: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    paid_at: datetime | None = None
    payment_ref: str | None = None
    metered_micro: int = 0
    metered_cents: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeterSummary:
    """What a meter has counted for one customer in [since, until), in whole credits as text of a decimal."""

    since: datetime
    until: datetime
    value: str


@dataclass(frozen=True, slots=True)
class InvoicePreview:
    """The next invoice as it would be now: lines in words with their cents."""

    total: Money
    due_at: datetime | None
    lines: tuple[tuple[str, int], ...]


class Billing(Gateway, Protocol):
    """A provider with balances, subscriptions and meters."""

    def balance(self, customer_ref: str, *, limit: int = 100) -> CustomerBalance:
        """A customer's balance with its newest transactions."""
        ...

    def move_balance(
        self, customer_ref: str, money: Money, *, key: str, description: str, metadata: Mapping[str, str]
    ) -> BalanceMove:
        """Book a customer balance transaction; the same key again answers the same."""
        ...

    def subscription(self, ref: str) -> SubscriptionFacts | None:
        """One subscription; None when there is none."""
        ...

    def subscriptions(self) -> Iterator[SubscriptionFacts]:
        """All subscriptions, ended ones included."""
        ...

    def invoice(self, ref: str) -> InvoiceFacts | None:
        """One invoice; None when there is none."""
        ...

    def invoices(self, subscription_ref: str) -> Iterator[InvoiceFacts]:
        """All invoices of a subscription that were finalised, paid or not, oldest first or last."""
        ...

    def make_meter(self, *, event_name: str, label: str, key: str) -> str:
        """A meter that sums what it is told; answers its name at the provider. One of that event name is reused."""
        ...

    def send_meter_event(
        self, *, event_name: str, customer_ref: str, value: str, identifier: str, at: datetime
    ) -> None:
        """Tell a meter of use; the same identifier again counts once."""
        ...

    def meter_summary(self, meter_ref: str, customer_ref: str, *, since: datetime, until: datetime) -> MeterSummary:
        """What a meter has counted for a customer."""
        ...

    def next_invoice(self, customer_ref: str, subscription_ref: str) -> InvoicePreview | None:
        """The next invoice of a subscription as it would be now; None when there will be none."""
        ...

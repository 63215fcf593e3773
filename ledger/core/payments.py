"""Words of payments: where money comes from, how far it has come, and what a rule of auto-recharge says."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Provider(StrEnum):
    """Who takes the money. MOCK is the pretended one of the demo company."""

    STRIPE = "stripe"
    POLAR = "polar"
    MOCK = "mock"


class Purpose(StrEnum):
    """Why a payment was begun."""

    # Somebody pays on the provider's page.
    CHECKOUT = "checkout"
    # The product charges a saved card by the customer's rule.
    RECHARGE = "recharge"
    # The provider billed what was used beyond the credits.
    INVOICE = "invoice"
    # Paid at the provider without this product having begun it.
    EXTERNAL = "external"


class PaymentState(StrEnum):
    """How far a payment has come here. The order is that of a payment that goes well, then how it may end otherwise."""

    # Written down; the provider may not know it yet.
    CREATED = "created"
    # The provider waits for the customer.
    OPEN = "open"
    # The provider waits for a bank.
    PROCESSING = "processing"
    # The card's bank wants the customer to confirm.
    NEEDS_ACTION = "needs_action"
    # Paid, and its credits are on the shelf.
    CREDITED = "credited"
    # Paid, but its credits may not be given: somebody has to decide (limit per customer, package no longer sold).
    BLOCKED = "blocked"
    FAILED = "failed"
    EXPIRED = "expired"


# A payment in one of these may still be paid; of recharges of one account there is one such at a time.
IN_FLIGHT = (PaymentState.CREATED, PaymentState.OPEN, PaymentState.PROCESSING, PaymentState.NEEDS_ACTION)


class ClawBackCause(StrEnum):
    """Why the provider's money left again, or came back."""

    REFUND = "refund"
    DISPUTE = "dispute"
    REFUND_FAILED = "refund_failed"
    DISPUTE_WON = "dispute_won"


class RefundTo(StrEnum):
    """Where the money of a refund goes. OUTSIDE: whoever handles payments gives it back by hand."""

    OUTSIDE = "outside"
    CARD = "card"
    BALANCE = "balance"


@dataclass(frozen=True, slots=True)
class RechargeTerms:
    """When a saved card is charged by itself, and how much at most. At least one of the two lines is given.

    ``threshold_micro``: available credits fall below it; ``runway_days``: they last fewer days at the present pace.
    The caps are money in the package's currency, in any day and in any month of the customer's zone.
    """

    package: str
    threshold_micro: int | None
    runway_days: int | None
    day_cap_cents: int
    month_cap_cents: int
    cool_down: timedelta = timedelta(hours=1)
    stop_after: int = 3

"""Polar's records in our words. An order is a payment; amounts with tax are the sum of two fields there."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from polar.v2026_10 import outputs

from ledger.core.amounts import Money
from ledger.core.payments import Provider
from ledger.gateways.provider import Card, DisputeFacts, PaymentFacts, Product, Progress, ProviderCustomer, RefundFacts

_REFUND_STATES = {"succeeded": "done", "failed": "failed", "canceled": "cancelled"}
# An early warning moved no money; what was prevented ended in a refund, which is told as one.
_DISPUTE_STATES = {"needs_response": "open", "under_review": "open", "won": "won", "lost": "lost"}
_CHECKOUT_PROGRESS = {
    "open": Progress.OPEN,
    # Somebody clicked on Pay.
    "confirmed": Progress.PROCESSING,
    "expired": Progress.EXPIRED,
    "failed": Progress.FAILED,
    # Paid; its order comes a moment later.
    "succeeded": Progress.PROCESSING,
}


def instant(text: str) -> datetime:
    """Polar's instants are ISO texts in UTC."""
    return datetime.fromisoformat(text)


def words_of(*metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata as texts; the first that has a word has the last word."""
    found: dict[str, str] = {}
    for words in metadata:
        for name, word in (words or {}).items():
            found.setdefault(name, str(word))
    return found


def plain(thing: Any) -> dict[str, Any]:
    """A record as plain JSON values, to be shown to people. What lets somebody act for the customer is left out."""
    return {name: value for name, value in dataclasses.asdict(thing).items() if name != "client_secret"}


def card_of(method: Any) -> Card:
    """A saved means of payment as people know it."""
    known = getattr(method, "method_metadata", None)
    if method.type != "card" or known is None:
        return Card(method.id, method.type.replace("_", " "))
    return Card(method.id, f"{known.brand} •••• {known.last4}, {known.exp_month:02}/{known.exp_year % 100:02}")


def customer_facts(customer: outputs.Customer, card: Card | None = None) -> ProviderCustomer:
    """A customer. Our name of the account is Polar's external id."""
    return ProviderCustomer(
        customer.id,
        customer.name or "",
        customer.email or "",
        customer.external_id or words_of(customer.metadata).get("account"),
        is_deleted=customer.deleted_at is not None,
        card=card,
        raw=plain(customer),
    )


def product_facts(product: outputs.Product) -> Product | None:
    """A product that sells credits once at a fixed price; None for any other."""
    words = words_of(product.metadata)
    is_ours = "package" in words or "credits_amount" in words or words.get("package_type") == "credit_package"
    fixed = (one for one in product.prices if isinstance(one, outputs.ProductPriceFixed) and not one.is_archived)
    price = next(fixed, None)
    if not is_ours or price is None or product.is_recurring:
        return None
    return Product(
        words.get("package", ""),
        product.name,
        Money(price.price_amount, price.price_currency.upper()),
        words.get("credits") or words.get("credits_amount", ""),
        is_active=not product.is_archived,
        product_ref=product.id,
        price_ref=price.id,
        metadata=words,
    )


def refund_facts(refund: outputs.Refund) -> RefundFacts:
    """One refund; the cents are with tax."""
    return RefundFacts(
        refund.id,
        refund.amount + refund.tax_amount,
        _REFUND_STATES.get(refund.status, "pending"),
        instant(refund.created_at),
        words_of(refund.metadata).get("refund"),
    )


def dispute_facts(dispute: outputs.Dispute) -> DisputeFacts:
    """One dispute; the cents are with tax."""
    return DisputeFacts(
        dispute.id,
        dispute.amount + dispute.tax_amount,
        _DISPUTE_STATES.get(dispute.status, "inquiry"),
        (dispute.reason or "").replace("_", " "),
        instant(dispute.created_at),
    )


def payment_facts(
    order: outputs.Order,
    *,
    asked_at: datetime,
    refunds: Iterable[outputs.Refund] = (),
    disputes: Iterable[outputs.Dispute] = (),
    failure: tuple[str, str] = ("", ""),
    card: Card | None = None,
) -> PaymentFacts:
    """An order with everything that hangs on it. ``failure`` is why a charge of it failed: sentence and code."""
    words = words_of(order.metadata, order.product.metadata if order.product else None)
    progress = Progress.PAID if order.paid else Progress.PROCESSING
    if order.status == "void" or (order.status == "draft" and any(failure)):
        progress = Progress.FAILED
    elif order.status == "draft":
        progress = Progress.OPEN
    return PaymentFacts(
        Provider.POLAR,
        progress,
        asked_at,
        instant(order.created_at),
        Money(order.total_amount, order.currency.upper()),
        tax_cents=order.tax_amount,
        payment_ref=order.id,
        checkout_ref=order.checkout_id,
        payment=words.get("payment"),
        account=words.get("account") or order.customer.external_id,
        customer_ref=order.customer_id,
        package=words.get("package"),
        quantity=_whole(words.get("quantity")),
        # An order of a checkout is made when it was paid; Polar tells no other time.
        paid_at=instant(order.created_at) if progress is Progress.PAID else None,
        failure=failure[0],
        failure_code=failure[1],
        refunds=tuple(map(refund_facts, refunds)),
        disputes=tuple(map(dispute_facts, disputes)),
        card=card,
        invoice_ref=order.id if order.subscription_id else None,
        raw=plain(order),
    )


def unpaid_facts(checkout: outputs.Checkout, *, asked_at: datetime) -> PaymentFacts:
    """A checkout page that has no order yet."""
    words = words_of(checkout.metadata)
    progress = _CHECKOUT_PROGRESS[checkout.status]
    return PaymentFacts(
        Provider.POLAR,
        progress,
        asked_at,
        instant(checkout.created_at),
        Money(checkout.total_amount, checkout.currency.upper()),
        tax_cents=checkout.tax_amount or 0,
        checkout_ref=checkout.id,
        payment=words.get("payment"),
        account=words.get("account") or checkout.external_customer_id,
        customer_ref=checkout.customer_id,
        package=words.get("package"),
        quantity=_whole(words.get("quantity")),
        failure="the checkout failed" if progress is Progress.FAILED else "",
        raw=plain(checkout),
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else 1

"""Stripe's records in our words. Nothing here asks Stripe: what is needed was asked for and expanded before."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import stripe

from ledger.core.amounts import Money
from ledger.core.payments import Provider
from ledger.gateways.provider import Card, DisputeFacts, PaymentFacts, Product, Progress, ProviderCustomer, RefundFacts

# Of refunds: what waits for an account number of the customer has left as well.
_REFUND_STATES = {"succeeded": "done", "failed": "failed", "canceled": "cancelled"}
# Of disputes: an appeal is another round about the same money. What was prevented never became one: the money, if any
# moved, is a refund.
_DISPUTE_STATES = {
    "needs_response": "open",
    "under_review": "open",
    "appeal_needs_response": "open",
    "appeal_under_review": "open",
    "won": "won",
    "lost": "lost",
}
# With these somebody can act in the customer's place.
_SECRETS = ("client_secret",)
_PROGRESS = {
    "succeeded": Progress.PAID,
    "processing": Progress.PROCESSING,
    "requires_capture": Progress.PROCESSING,
    "requires_action": Progress.NEEDS_ACTION,
    "canceled": Progress.FAILED,
}


def instant(seconds: int) -> datetime:
    """Stripe's instants are whole seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def money(cents: int, currency: str) -> Money:
    """Stripe writes currencies in lower case."""
    return Money(cents, currency.upper())


def ref_of(thing: Any) -> str | None:
    """The name of what Stripe gives as a name, or whole where it was expanded."""
    if thing is None or isinstance(thing, str):
        return thing
    return str(thing.id)


def expanded(thing: Any) -> Any:
    """What was expanded, or None where Stripe gave its name only."""
    return None if isinstance(thing, str) else thing


def plain(thing: stripe.StripeObject) -> dict[str, Any]:
    """A record as plain JSON values, to be shown to people. What lets somebody act for the customer is left out."""
    return {name: _without_secrets(one) for name, one in thing.to_dict().items() if name not in _SECRETS}


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_secrets(one) for name, one in value.items() if name not in _SECRETS}
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def metadata_of(*things: Any) -> dict[str, str]:
    """The metadata of records that speak of the same; the first that has a word has the last word."""
    found: dict[str, str] = {}
    for thing in things:
        words = getattr(thing, "metadata", None)
        for name, word in (words.to_dict() if words else {}).items():
            found.setdefault(name, word)
    return found


def card_of(method: Any) -> Card | None:
    """A saved card as people know it; None for other means of payment and for what was not expanded."""
    method = expanded(method)
    card = getattr(method, "card", None)
    if card is None:
        return None
    return Card(str(method.id), f"{card.brand} •••• {card.last4}, {card.exp_month:02}/{card.exp_year % 100:02}")


def customer_facts(customer: stripe.Customer, card: Card | None = None) -> ProviderCustomer:
    """A customer; of a deleted one its name is all that is left."""
    if getattr(customer, "deleted", False):
        return ProviderCustomer(customer.id, "", "", None, is_deleted=True, raw=plain(customer))
    settings = getattr(customer, "invoice_settings", None)
    default = card_of(getattr(settings, "default_payment_method", None))
    return ProviderCustomer(
        customer.id,
        customer.name or "",
        customer.email or "",
        metadata_of(customer).get("account"),
        card=default or card,
        raw=plain(customer),
    )


def product_facts(product: stripe.Product) -> Product | None:
    """A product that sells credits; None for any other, and for one without a price."""
    words = metadata_of(product)
    price = expanded(product.default_price)
    is_ours = "package" in words or "credits" in words or words.get("package_type") == "credit_package"
    if not is_ours or price is None or price.unit_amount is None:
        return None
    return Product(
        words.get("package", ""),
        product.name,
        money(price.unit_amount, price.currency),
        words.get("credits") or words.get("credits_amount", ""),
        is_active=product.active and price.active,
        product_ref=product.id,
        price_ref=price.id,
        metadata=words,
    )


def payment_facts(
    intent: stripe.PaymentIntent,
    *,
    asked_at: datetime,
    session: stripe.checkout.Session | None = None,
    refunds: Iterable[stripe.Refund] = (),
    disputes: Iterable[stripe.Dispute] = (),
    invoice_ref: str | None = None,
) -> PaymentFacts:
    """A payment intent with everything that hangs on it, as it was when asked at ``asked_at``."""
    words = metadata_of(intent, session)
    charge = expanded(intent.latest_charge)
    progress = _progress(intent, session)
    said = intent.last_payment_error
    return PaymentFacts(
        Provider.STRIPE,
        progress,
        asked_at,
        instant(intent.created),
        money(intent.amount, intent.currency),
        tax_cents=_tax(session),
        payment_ref=intent.id,
        checkout_ref=session.id if session else None,
        payment=words.get("payment"),
        account=words.get("account") or (session.client_reference_id if session else None),
        customer_ref=ref_of(intent.customer),
        package=words.get("package"),
        quantity=_whole(words.get("quantity")),
        paid_at=instant(charge.created if charge else intent.created) if progress is Progress.PAID else None,
        failure=_word(said, "message") or _word(intent, "cancellation_reason").replace("_", " "),
        failure_code=_word(said, "decline_code") or _word(said, "code") or _word(intent, "cancellation_reason"),
        action_url=_action_url(intent),
        refunds=tuple(map(_refund, refunds)),
        disputes=tuple(map(_dispute, disputes)),
        card=card_of(intent.payment_method) if _keeps_card(intent, words) else None,
        invoice_ref=invoice_ref,
        raw=plain(intent),
    )


def unpaid_facts(session: stripe.checkout.Session, *, asked_at: datetime) -> PaymentFacts:
    """A checkout page on which nobody has paid yet: there is no payment intent before somebody tries."""
    words = metadata_of(session)
    progress = Progress.OPEN
    if session.status == "expired":
        progress = Progress.EXPIRED
    elif session.status == "complete":
        # Nothing was to be paid (a discount of all of it): no money came, and none will.
        progress = Progress.FAILED
    return PaymentFacts(
        Provider.STRIPE,
        progress,
        asked_at,
        instant(session.created),
        money(session.amount_total or 0, session.currency or "usd"),
        tax_cents=_tax(session),
        checkout_ref=session.id,
        payment=words.get("payment"),
        account=words.get("account") or session.client_reference_id,
        customer_ref=ref_of(session.customer),
        package=words.get("package"),
        quantity=_whole(words.get("quantity")),
        failure="nothing was to be paid on this checkout" if progress is Progress.FAILED else "",
        raw=plain(session),
    )


def refund_facts(refund: stripe.Refund) -> RefundFacts:
    """One refund."""
    return _refund(refund)


def _progress(intent: stripe.PaymentIntent, session: stripe.checkout.Session | None) -> Progress:
    known = _PROGRESS.get(intent.status)
    if session is not None and known is not Progress.PAID:
        # A card that was declined on the page may be followed by another one until the page ends.
        if session.status == "expired":
            return Progress.EXPIRED
        if session.status == "open":
            return Progress.OPEN
    if known is not None:
        return known
    return Progress.FAILED if intent.last_payment_error else Progress.OPEN


def _word(thing: Any, name: str) -> str:
    """A text of a record; Stripe leaves out fields of errors that it has nothing to say in."""
    return str(getattr(thing, name, None) or "")


def _tax(session: stripe.checkout.Session | None) -> int:
    details = session.total_details if session else None
    return details.amount_tax if details else 0


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and int(text) > 0 else 1


def _action_url(intent: stripe.PaymentIntent) -> str:
    step = intent.next_action if intent.status == "requires_action" else None
    redirect = getattr(step, "redirect_to_url", None)
    return (redirect and redirect.url) or ""


def _keeps_card(intent: stripe.PaymentIntent, words: Mapping[str, str]) -> bool:
    """Whether the card of a payment may be charged again: it was kept with it, or had been before."""
    kept = getattr(intent, "setup_future_usage", None) == "off_session"
    return intent.status == "succeeded" and (kept or words.get("purpose") == "recharge")


def _refund(refund: stripe.Refund) -> RefundFacts:
    return RefundFacts(
        refund.id,
        refund.amount,
        _REFUND_STATES.get(refund.status or "", "pending"),
        instant(refund.created),
        metadata_of(refund).get("refund"),
    )


def _dispute(dispute: stripe.Dispute) -> DisputeFacts:
    return DisputeFacts(
        dispute.id,
        dispute.amount,
        _DISPUTE_STATES.get(dispute.status, "inquiry"),
        dispute.reason.replace("_", " "),
        instant(dispute.created),
    )

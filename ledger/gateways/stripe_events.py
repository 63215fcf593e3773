"""Messages of Stripe's webhook: whether they are Stripe's, and what to ask about because of them."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import stripe

from ledger.gateways.provider import AboutKind, Event, EventUnreadable, SignatureRefused
from ledger.gateways.stripe_facts import instant

TOLERANCE = timedelta(minutes=5)
HEADER = "stripe-signature"
# What each event is about, and which field of its object names that. Of one payment a checkout and a payment intent
# tell; either leads to the whole. Everything else is of no consequence here.
_ABOUT: dict[str, tuple[AboutKind, str]] = {
    "checkout.session.completed": (AboutKind.CHECKOUT, "id"),
    "checkout.session.expired": (AboutKind.CHECKOUT, "id"),
    "checkout.session.async_payment_succeeded": (AboutKind.CHECKOUT, "id"),
    "checkout.session.async_payment_failed": (AboutKind.CHECKOUT, "id"),
    "payment_intent.succeeded": (AboutKind.PAYMENT, "id"),
    "payment_intent.payment_failed": (AboutKind.PAYMENT, "id"),
    "payment_intent.processing": (AboutKind.PAYMENT, "id"),
    "payment_intent.requires_action": (AboutKind.PAYMENT, "id"),
    "payment_intent.canceled": (AboutKind.PAYMENT, "id"),
    "charge.refunded": (AboutKind.PAYMENT, "payment_intent"),
    "charge.refund.updated": (AboutKind.PAYMENT, "payment_intent"),
    "refund.created": (AboutKind.PAYMENT, "payment_intent"),
    "refund.updated": (AboutKind.PAYMENT, "payment_intent"),
    "refund.failed": (AboutKind.PAYMENT, "payment_intent"),
    "charge.dispute.created": (AboutKind.PAYMENT, "payment_intent"),
    "charge.dispute.updated": (AboutKind.PAYMENT, "payment_intent"),
    "charge.dispute.closed": (AboutKind.PAYMENT, "payment_intent"),
    "charge.dispute.funds_withdrawn": (AboutKind.PAYMENT, "payment_intent"),
    "charge.dispute.funds_reinstated": (AboutKind.PAYMENT, "payment_intent"),
    "invoice.paid": (AboutKind.INVOICE, "id"),
    "invoice.payment_failed": (AboutKind.INVOICE, "id"),
    "invoice.voided": (AboutKind.INVOICE, "id"),
    "invoice.marked_uncollectible": (AboutKind.INVOICE, "id"),
    "customer.updated": (AboutKind.CUSTOMER, "id"),
    "customer.deleted": (AboutKind.CUSTOMER, "id"),
    "payment_method.attached": (AboutKind.CUSTOMER, "customer"),
    "payment_method.updated": (AboutKind.CUSTOMER, "customer"),
    "payment_method.automatically_updated": (AboutKind.CUSTOMER, "customer"),
    "customer.subscription.created": (AboutKind.SUBSCRIPTION, "id"),
    "customer.subscription.updated": (AboutKind.SUBSCRIPTION, "id"),
    "customer.subscription.deleted": (AboutKind.SUBSCRIPTION, "id"),
    "customer.subscription.paused": (AboutKind.SUBSCRIPTION, "id"),
    "customer.subscription.resumed": (AboutKind.SUBSCRIPTION, "id"),
}
# What the webhook has to be subscribed to, for who sets it up.
EVENT_KINDS = tuple(_ABOUT)


def check_signature(body: bytes, headers: Mapping[str, str], *, secrets: Iterable[str], at: datetime) -> None:
    """Check that one of the secrets signed a message, not more than five minutes before or after ``at``.

    The SDK refuses old messages only, by the machine's clock; one of the future would pass for ever. Raises
    SignatureRefused.
    """
    header = headers.get(HEADER, "")
    if not any(_is_signed(body, header, secret) for secret in secrets):
        raise SignatureRefused("the signature is missing or not of a secret that is set up")
    # The header is signed with one of our secrets, so it has a time in whole seconds.
    sent = next(part[2:] for part in header.split(",") if part.startswith("t="))
    try:
        sent_at = instant(int(sent))
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureRefused("the time in the signature cannot be read") from error
    if abs(at - sent_at) > TOLERANCE:
        raise SignatureRefused("the time in it is more than five minutes away")


def _is_signed(body: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def read(body: bytes) -> Event:
    """A message as an event. Raises EventUnreadable."""
    try:
        told = json.loads(body)
        kind, about = str(told["type"]), told["data"]["object"]
        event = Event(str(told["id"]), kind, instant(told["created"]), *_about(kind, about))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, OSError, RecursionError) as error:
        raise EventUnreadable(f"{type(error).__name__}: {error}") from error
    return event


def _about(kind: str, thing: Mapping[str, Any]) -> tuple[AboutKind, str]:
    about, field = _ABOUT.get(kind, (AboutKind.NOTHING, "id"))
    ref = thing.get(field) if about else None
    if isinstance(ref, Mapping):
        ref = ref.get("id")
    # A refund or dispute of a charge that is no payment intent, a card of nobody: nothing that is kept here.
    return (about, str(ref)) if ref else (AboutKind.NOTHING, "")

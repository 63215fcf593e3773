"""What a checkout page at Stripe is asked for with."""

from datetime import datetime, timedelta

import stripe

from ledger.gateways.provider import CheckoutRequest, Offer, sold_words
from ledger.gateways.stripe_facts import instant

# Stripe keeps a checkout page open no shorter and no longer than this.
SHORTEST, LONGEST = timedelta(minutes=30), timedelta(hours=24)


def session_params(
    request: CheckoutRequest, *, now: datetime, automatic_tax: bool
) -> "stripe.params.checkout.SessionCreateParams":
    """The parameters of a checkout page; the same for the same request a moment later."""
    words = sold_words(request.payment, request.account, request.offer, purpose="checkout")
    params: stripe.params.checkout.SessionCreateParams = {
        "mode": "payment",
        "line_items": [_line(request.offer)],
        "success_url": request.success_url,
        "cancel_url": request.cancel_url,
        "client_reference_id": request.account,
        "metadata": words,
        "payment_intent_data": {"metadata": words},
    }
    if request.saves_card:
        params["payment_intent_data"]["setup_future_usage"] = "off_session"
    if request.customer_ref:
        params["customer"] = request.customer_ref
    else:
        params["customer_creation"] = "always"
        if request.email:
            params["customer_email"] = request.email
    if automatic_tax:
        params["automatic_tax"] = {"enabled": True}
        if request.customer_ref:
            params["customer_update"] = {"address": "auto"}
    ends_at = _page_ends_at(request.ends_at, now)
    if ends_at is not None:
        params["expires_at"] = int(ends_at.timestamp())
    return params


def _page_ends_at(wanted: datetime | None, now: datetime) -> datetime | None:
    """When the page ends, within what Stripe allows; None: after its 24 hours.

    An end that is too near is moved to the next half hour but one, so that the same request sent again a moment
    later is the same. Who pays after the wanted end is found out when the payment is followed.
    """
    if wanted is None or wanted >= now + LONGEST:
        return None
    step = SHORTEST.total_seconds()
    earliest = instant(int((now.timestamp() // step + 2) * step))
    return max(wanted, earliest)


def _line(offer: Offer) -> "stripe.params.checkout.SessionCreateParamsLineItem":
    if offer.price_ref:
        return {"price": offer.price_ref, "quantity": offer.quantity}
    each, rest = divmod(offer.price.cents, offer.quantity)
    # A price that cannot be divided is asked for in one piece.
    quantity, label = (offer.quantity, offer.label) if not rest else (1, f"{offer.quantity} × {offer.label}")
    data: stripe.params.checkout.SessionCreateParamsLineItemPriceData = {
        "currency": offer.price.currency.lower(),
        "unit_amount": each if not rest else offer.price.cents,
        "tax_behavior": "exclusive",
    }
    if offer.product_ref:
        data["product"] = offer.product_ref
    else:
        data["product_data"] = {"name": label}
    return {"quantity": quantity, "price_data": data}

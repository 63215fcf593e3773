"""Polar behind the seam: checkouts and orders of packages, refunds, customers, products, webhooks.

Polar keeps no keys of calls. What may be asked for twice is therefore looked for by our name in its metadata before it
is made, and nothing is tried again by itself. It sells products only, so a package has to be there (`catalog sync`).
"""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, TypeVar, cast

from polar.base import PolarClientError
from polar.v2026_10 import inputs, outputs
from polar.v2026_10.errors import OrdersFinalize402Error

from ledger.clock import Clock
from ledger.core.amounts import divide_rounding_half_up
from ledger.core.payments import Provider
from ledger.errors import ProviderRefused
from ledger.gateways import polar_facts, standard_webhooks
from ledger.gateways.polar_client import asking, client_for, sentence
from ledger.gateways.provider import (
    AboutKind,
    Card,
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    Event,
    EventUnreadable,
    PaymentFacts,
    Product,
    ProviderCustomer,
    RefundFacts,
    RefundRequest,
    sold_words,
)

Found = TypeVar("Found")
OfOrder = TypeVar("OfOrder", outputs.Refund, outputs.Dispute)
PAGE = 100
# What each event is about, and which field of its data names that. Everything else is of no consequence here. Of
# disputes Polar tells nothing: they are seen when the order is asked about, at the latest by the nightly comparison.
_ABOUT: dict[str, tuple[AboutKind, str]] = {
    "checkout.updated": (AboutKind.CHECKOUT, "id"),
    "checkout.expired": (AboutKind.CHECKOUT, "id"),
    "order.created": (AboutKind.PAYMENT, "id"),
    "order.paid": (AboutKind.PAYMENT, "id"),
    "order.updated": (AboutKind.PAYMENT, "id"),
    "order.refunded": (AboutKind.PAYMENT, "id"),
    "refund.created": (AboutKind.PAYMENT, "order_id"),
    "refund.updated": (AboutKind.PAYMENT, "order_id"),
    "customer.updated": (AboutKind.CUSTOMER, "id"),
    "customer.deleted": (AboutKind.CUSTOMER, "id"),
}
EVENT_KINDS = tuple(_ABOUT)
_MONEY_CAME = ("paid", "refunded", "partially_refunded")


class PolarGateway:
    """Polar with an access token. ``is_test`` is told from the address: its sandbox is another machine."""

    provider = Provider.POLAR

    def __init__(self, token: str, clock: Clock, *, webhook_secrets: tuple[str, ...] = (), address: str = "") -> None:
        self._client = client_for(token, address)
        self._clock = clock
        self._keys = tuple(key for secret in webhook_secrets for key in _signing_keys(secret))
        self.is_test = bool(address) and address.rstrip("/") != "https://api.polar.sh"

    def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make a checkout page; the same payment again answers the same page."""
        offer = request.offer
        if offer.product_ref is None:
            raise ProviderRefused(
                provider="polar", detail=f"it does not sell {offer.label} yet; push the catalogue to it first"
            )
        with asking("open a checkout"):
            made_before = self._client.checkouts.iter_list(external_customer_id=request.account, limit=PAGE)
            for one in takewhile(lambda one: self._is_recent(one.created_at), made_before):
                if polar_facts.words_of(one.metadata).get("payment") == request.payment:
                    return _page(one)
            return _page(self._client.checkouts.create(**_checkout_params(request, offer.product_ref)))

    def close_checkout(self, ref: str) -> None:
        """Polar closes no page early: raises ProviderRefused while it is open, does nothing when it has ended."""
        with asking("close a checkout"):
            checkout = self._client.checkouts.get(ref)
        if checkout.status == "open":
            ends_at = f"{polar_facts.instant(checkout.expires_at):%Y-%m-%d %H:%M} UTC"
            raise ProviderRefused(provider="polar", detail=f"it closes no page early; this one ends at {ends_at}")

    def close_payment(self, ref: str) -> None:
        """Polar's charges wait for nobody: an order that is not paid at once has failed."""

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        """Charge a card now, as an order drafted and finalised; a decline is an answer.

        Raises ProviderRefused where Polar has not allowed this organisation to charge customers who are away.
        """
        offer = request.offer
        if offer.product_ref is None:
            raise ProviderRefused(
                provider="polar", detail=f"it does not sell {offer.label} yet; push the catalogue to it first"
            )
        failure = ("", "")
        with asking("charge a card"):
            order = self._drafted_before(request) or self._client.orders.create(
                customer_id=request.customer_ref,
                product_id=offer.product_ref,
                currency=offer.price.currency.lower(),
                amount=offer.price.cents,
                metadata=dict(sold_words(request.payment, request.account, offer, purpose="recharge")),
            )
            if order.status == "draft" and not any(self._failure_of(order)):
                try:
                    self._client.orders.finalize(order.id, payment_method_id=request.card_ref)
                except OrdersFinalize402Error as error:
                    failure = (sentence(error), str(getattr(error.error, "error", "declined")))
        found = self._look_at_order(order.id, failure=failure)
        if found is None:
            raise ProviderRefused(provider="polar", detail=f"it made the order {order.id} and does not know it")
        return found

    def look(self, *, payment_ref: str | None = None, checkout_ref: str | None = None) -> PaymentFacts | None:
        """A payment as it stands now; None when Polar knows none of that name."""
        if payment_ref is not None:
            return self._look_at_order(payment_ref)
        asked_at = self._clock.now()
        with asking("look up a checkout"):
            checkout = _found(lambda: self._client.checkouts.get(checkout_ref or ""))
            if checkout is None:
                return None
            order = next(iter(self._client.orders.list(checkout_id=checkout.id, limit=1).items), None)
        if order is None:
            return polar_facts.unpaid_facts(checkout, asked_at=asked_at)
        return self._look_at_order(order.id)

    def refund(self, request: RefundRequest) -> RefundFacts:
        """Give money back; the same refund again answers the same.

        Polar is told the sum without tax and gives the tax back in proportion, so a cent may be rounded away.
        """
        if request.to_balance:
            raise ProviderRefused(provider="polar", detail="it has no balance for credit of customers; use the card")
        with asking("give money back"):
            for one in self._client.refunds.iter_list(order_id=request.payment_ref, limit=PAGE):
                if polar_facts.words_of(one.metadata).get("refund") == request.refund:
                    return polar_facts.refund_facts(one)
            order = self._client.orders.get(request.payment_ref)
            net = divide_rounding_half_up(request.money.cents * order.net_amount, max(order.total_amount, 1))
            made = self._client.refunds.create(
                order_id=order.id,
                reason="customer_request",
                amount=min(net, order.refundable_amount) if order.refundable_amount else net,
                metadata={"refund": request.refund},
            )
            return polar_facts.refund_facts(made)

    def payments(self, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        """Every payment with money in it that was begun in [since, until)."""
        asked_at = self._clock.now()
        with asking("list orders"):
            newest = self._client.refunds.iter_list(limit=PAGE)
            refunds = _by_order(takewhile(lambda one: polar_facts.instant(one.created_at) >= since, newest))
            disputes = _by_order(self._client.disputes.iter_list(limit=PAGE))
            orders = self._client.orders.iter_list(
                status=["paid", "refunded", "partially_refunded"],
                created_after=since.isoformat(),
                created_before=until.isoformat(),
                limit=PAGE,
            )
            for order in orders:
                begun_at = polar_facts.instant(order.created_at)
                if order.total_amount > 0 and since <= begun_at < until:
                    yield polar_facts.payment_facts(
                        order,
                        asked_at=asked_at,
                        refunds=refunds.get(order.id, ()),
                        disputes=disputes.get(order.id, ()),
                    )

    def customer(self, ref: str) -> ProviderCustomer | None:
        """One customer with the card that can be charged; None when there is none."""
        with asking("look up a customer"):
            found = _found(lambda: self._client.customers.get(ref))
            if found is None:
                return None
            return polar_facts.customer_facts(found, self._card_of(found.id, found.default_payment_method_id))

    def customers(self) -> Iterator[ProviderCustomer]:
        """All customers that are not deleted, without their cards."""
        with asking("list customers"):
            for one in self._client.customers.iter_list(limit=PAGE):
                if one.deleted_at is None:
                    yield polar_facts.customer_facts(one)

    def make_customer(self, *, account: str, name: str, email: str) -> ProviderCustomer:
        """A customer for one of our accounts; the same account again answers the same."""
        if not email:
            raise ProviderRefused(provider="polar", detail=f"it needs an e-mail address, and {account} has none")
        with asking("make a customer"):
            known = _found(lambda: self._client.customers.get_external(account))
            made = known or self._client.customers.create(
                type="individual", email=email, name=name, external_id=account, metadata={"account": account}
            )
            return polar_facts.customer_facts(made)

    def products(self) -> Iterator[Product]:
        """All products that sell credits by their metadata, those no longer sold included."""
        with asking("list products"):
            for one in self._client.products.iter_list(limit=PAGE):
                facts = polar_facts.product_facts(one)
                if facts is not None:
                    yield facts

    def put_product(self, product: Product, *, key: str) -> Product:  # noqa: ARG002
        """Make a product, or change the one it names; a new price is a new price_ref.

        Polar keeps no keys; a product is known by the package in its metadata.
        """
        with asking("change a product"):
            before = self._product_before(product)
            made = self._make_product(product) if before is None else self._change_product(before, product)
        facts = polar_facts.product_facts(made)
        # What was just written has a fixed price and our metadata.
        assert facts is not None
        return facts

    def read_event(self, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Event:
        """Check the signature (Standard Webhooks) of a message and read it.

        Raises SignatureRefused, EventUnreadable.
        """
        standard_webhooks.verify(body, headers, secrets=self._keys, at=at)
        try:
            told = json.loads(body)
            kind, data = str(told["type"]), told["data"]
            happened_at = polar_facts.instant(told["timestamp"])
            about, name = _ABOUT.get(kind, (AboutKind.NOTHING, ""))
            ref = str(data[name]) if about else ""
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise EventUnreadable(f"{type(error).__name__}: {error}") from error
        if happened_at.tzinfo is None:
            raise EventUnreadable(f"its time {told['timestamp']!r} has no zone")
        return Event(headers["webhook-id"], kind, happened_at, about, ref)

    def _look_at_order(self, ref: str, *, failure: tuple[str, str] = ("", "")) -> PaymentFacts | None:
        asked_at = self._clock.now()
        with asking("look up an order"):
            order = _found(lambda: self._client.orders.get(ref))
            if order is None:
                return None
            refunds: list[outputs.Refund] = []
            disputes: list[outputs.Dispute] = []
            if order.status in _MONEY_CAME:
                refunds = list(self._client.refunds.iter_list(order_id=ref, limit=PAGE))
                disputes = list(self._client.disputes.iter_list(order_id=ref, limit=PAGE))
            elif order.status == "draft" and not any(failure):
                failure = self._failure_of(order)
            return polar_facts.payment_facts(
                order,
                asked_at=asked_at,
                refunds=refunds,
                disputes=disputes,
                failure=failure,
                card=self._card_of(order.customer_id, order.customer.default_payment_method_id),
            )

    def _card_of(self, customer_ref: str, card_ref: str | None) -> Card | None:
        if card_ref is None:
            return None
        methods = self._client.customers.iter_list_payment_methods(customer_ref, limit=PAGE)
        return next((polar_facts.card_of(one) for one in methods if one.id == card_ref), None)

    def _drafted_before(self, request: ChargeRequest) -> outputs.Order | None:
        found = self._client.orders.iter_list(
            customer_id=request.customer_ref, metadata={"payment": request.payment}, limit=PAGE
        )
        return next(
            (one for one in found if polar_facts.words_of(one.metadata).get("payment") == request.payment), None
        )

    def _failure_of(self, order: outputs.Order) -> tuple[str, str]:
        """Why the last charge of a draft failed: sentence and code; empty when none did."""
        for tried in self._client.payments.list(order_id=order.id, limit=1).items:
            if tried.status == "failed":
                return tried.decline_message or "the card was declined", tried.decline_reason or "declined"
        return "", ""

    def _product_before(self, product: Product) -> outputs.Product | None:
        if product.product_ref is not None:
            return self._client.products.get(product.product_ref)
        # The answer to the call that made it may have been lost.
        found = self._client.products.iter_list(metadata={"package": product.package}, limit=PAGE)
        return next((one for one in found if str(one.metadata.get("package")) == product.package), None)

    def _make_product(self, product: Product) -> outputs.Product:
        made = self._client.products.create(
            name=product.label, prices=[_fixed(product)], metadata=dict(product.metadata)
        )
        return made if product.is_active else self._client.products.update(made.id, is_archived=True)

    def _change_product(self, before: outputs.Product, product: Product) -> outputs.Product:
        known = polar_facts.product_facts(before)
        is_same_price = known is not None and known.price == product.price
        kept: list[Any] = [{"id": known.price_ref}] if known and is_same_price else [_fixed(product)]
        return self._client.products.update(
            before.id,
            name=product.label,
            metadata=dict(product.metadata),
            is_archived=not product.is_active,
            prices=kept,
        )

    def _is_recent(self, created_at: str) -> bool:
        """Whether a checkout may still be open; Polar ends them sooner."""
        return polar_facts.instant(created_at) > self._clock.now() - timedelta(days=7)


def _checkout_params(request: CheckoutRequest, product_ref: str) -> inputs.CheckoutCreate:
    offer = request.offer
    params: inputs.CheckoutCreate = {
        "products": [product_ref],
        "metadata": dict(sold_words(request.payment, request.account, offer, purpose="checkout")),
        "success_url": request.success_url,
        "return_url": request.cancel_url,
        "allow_discount_codes": False,
        "currency": cast(Any, offer.price.currency.lower()),
    }
    if offer.quantity > 1:
        price: inputs.ProductPriceFixedCreate = {
            "amount_type": "fixed",
            "price_amount": offer.price.cents,
            "price_currency": cast(Any, offer.price.currency.lower()),
        }
        params["prices"] = {product_ref: [price]}
    if request.customer_ref:
        params["customer_id"] = request.customer_ref
        return params
    params["external_customer_id"] = request.account
    if request.email:
        params["customer_email"] = request.email
    if request.name:
        params["customer_name"] = request.name
    return params


def _fixed(product: Product) -> inputs.ProductPriceFixedCreate:
    return {
        "amount_type": "fixed",
        "price_amount": product.price.cents,
        "price_currency": cast(Any, product.price.currency.lower()),
        "tax_behavior": "exclusive",
    }


def _page(checkout: outputs.Checkout) -> Checkout:
    return Checkout(checkout.id, checkout.url, polar_facts.instant(checkout.expires_at))


def _found(ask: Callable[[], Found]) -> Found | None:
    """What Polar knows, or None when it says that there is no such thing."""
    try:
        return ask()
    except PolarClientError as error:
        if error.status_code == 404:
            return None
        raise


def _by_order(found: Iterable[OfOrder]) -> dict[str, list[OfOrder]]:
    grouped: dict[str, list[OfOrder]] = {}
    for one in found:
        grouped.setdefault(one.order_id, []).append(one)
    return grouped


def _signing_keys(secret: str) -> tuple[str, ...]:
    """A secret as keys of Standard Webhooks: Polar signs with its characters, the convention with what they encode."""
    characters = "whsec_" + base64.b64encode(secret.encode()).decode()
    try:
        base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        return (characters,)
    return characters, secret

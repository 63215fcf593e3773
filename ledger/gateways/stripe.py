"""Stripe behind the seam: Checkout sessions, charges of saved cards, refunds, customers, products, webhooks.

Every POST carries our key, so that Stripe does it once however often it is asked within a day; what may be asked for
again later than that (charges, refunds, customers) is looked for before it is made.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import stripe

from ledger.clock import Clock
from ledger.core.amounts import Money
from ledger.core.payments import Provider
from ledger.errors import ProviderRefused
from ledger.gateways import stripe_events, stripe_facts
from ledger.gateways.provider import (
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    Event,
    PaymentFacts,
    ProviderCustomer,
    RefundFacts,
    RefundRequest,
    sold_words,
)
from ledger.gateways.stripe_billing import StripeBilling
from ledger.gateways.stripe_catalog import StripeCatalog
from ledger.gateways.stripe_checkout import LONGEST, session_params
from ledger.gateways.stripe_client import asking, client_for, is_missing

_log = logging.getLogger(__name__)
PAGE = 100
# How many of a customer's newest payments are looked through for one that was begun before.
_RECENT = 300
_WITH_CHARGE = ["payment_method", "latest_charge", "latest_charge.refunds"]


class StripeGateway(StripeCatalog, StripeBilling):
    """Stripe with a key. ``pay_page`` is our address below which each payment has its page: …/pay_…."""

    provider = Provider.STRIPE

    def __init__(
        self,
        key: str,
        clock: Clock,
        *,
        webhook_secrets: tuple[str, ...] = (),
        pay_page: str,
        automatic_tax: bool = False,
        address: str = "",
    ) -> None:
        super().__init__(client_for(key, address), clock)
        self.is_test = "_test_" in key
        self._secrets = webhook_secrets
        self._pay_page = pay_page.rstrip("/")
        self._automatic_tax = automatic_tax

    def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make a checkout page; the same payment again answers the same page."""
        with asking("open a checkout"):
            try:
                session = self._client.v1.checkout.sessions.create(
                    session_params(request, now=self._clock.now(), automatic_tax=self._automatic_tax),
                    {"idempotency_key": f"checkout:{request.payment}"},
                )
            except stripe.IdempotencyError:
                # The same payment, but the customer's address or our prices changed since the call whose answer was
                # lost: the page that was made then stands.
                session = self._made_before(request.payment)
        if not session.url:
            raise ProviderRefused(
                provider="stripe", detail=f"the checkout of {request.payment} is {session.status}; start another one"
            )
        return Checkout(session.id, session.url, stripe_facts.instant(session.expires_at))

    def close_checkout(self, ref: str) -> None:
        """Make a checkout page unpayable; does nothing when it was paid or closed before."""
        with asking("close a checkout"):
            session = self._client.v1.checkout.sessions.retrieve(ref)
            if session.status == "open":
                self._expire(ref)

    def close_payment(self, ref: str) -> None:
        """End a charge that waits for the customer's confirmation; does nothing when it was paid or ended before."""
        waits = ("requires_action", "requires_confirmation", "requires_payment_method")
        with asking("end a charge"):
            intents = self._client.v1.payment_intents
            if intents.retrieve(ref).status not in waits:
                return
            try:
                intents.cancel(ref, {"cancellation_reason": "abandoned"}, {"idempotency_key": f"end:{ref}"})
            except stripe.InvalidRequestError:
                # Confirmed between our look and our call.
                if intents.retrieve(ref).status in waits:
                    raise

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        """Charge a card now; a decline is an answer.

        Where the bank wants the customer, the payment is made ready for that: it then has an address where the
        customer confirms it.
        """
        with asking("charge a card"):
            known = self._begun_before(request)
            ref = known.id if known else self._charge(request)
            if known is not None and _wants_customer(known):
                self._ask_customer(ref, request)
        found = self.look(payment_ref=ref)
        if found is None:
            raise ProviderRefused(provider="stripe", detail=f"it made the payment {ref} and does not know it")
        return found

    def look(self, *, payment_ref: str | None = None, checkout_ref: str | None = None) -> PaymentFacts | None:
        """A payment as it stands now; None when Stripe knows none of that name."""
        asked_at = self._clock.now()
        with asking("look up a payment"):
            try:
                if payment_ref is not None:
                    intent = self._client.v1.payment_intents.retrieve(payment_ref, {"expand": _WITH_CHARGE})
                    return self._whole(intent, self._session_of(intent), asked_at)
                session = self._client.v1.checkout.sessions.retrieve(
                    checkout_ref or "", {"expand": [f"payment_intent.{one}" for one in _WITH_CHARGE]}
                )
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            begun = stripe_facts.expanded(session.payment_intent)
            if begun is None:
                return stripe_facts.unpaid_facts(session, asked_at=asked_at)
            return self._whole(begun, session, asked_at)

    def refund(self, request: RefundRequest) -> RefundFacts:
        """Give money back; the same refund again answers the same."""
        with asking("give money back"):
            if request.to_balance:
                return self._credit_balance(request)
            for one in self._refunds_of(request.payment_ref):
                if stripe_facts.metadata_of(one).get("refund") == request.refund:
                    return stripe_facts.refund_facts(one)
            made = self._client.v1.refunds.create(
                {
                    "payment_intent": request.payment_ref,
                    "amount": request.money.cents,
                    "metadata": {"refund": request.refund},
                },
                {"idempotency_key": f"refund:{request.refund}"},
            )
            return stripe_facts.refund_facts(made)

    def payments(self, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        """Every payment with money in it that was begun in [since, until)."""
        asked_at = self._clock.now()
        with asking("list payments"):
            sessions = self._sessions_between(since - LONGEST, until)
            disputes = self._disputes_since(since)
            invoices = self._invoice_refs(since, until)
            begun = self._client.v1.payment_intents.list(
                {
                    "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
                    "limit": PAGE,
                    "expand": [f"data.{one}" for one in _WITH_CHARGE],
                }
            )
            for intent in begun.auto_paging_iter():
                if intent.status != "succeeded":
                    continue
                yield stripe_facts.payment_facts(
                    intent,
                    asked_at=asked_at,
                    session=sessions.get(intent.id),
                    refunds=self._all_refunds(intent),
                    disputes=disputes.get(intent.id, ()),
                    invoice_ref=invoices.get(intent.id),
                )

    def customer(self, ref: str) -> ProviderCustomer | None:
        """One customer with the card that can be charged; None when there is none."""
        with asking("look up a customer"):
            try:
                found = self._client.v1.customers.retrieve(ref, {"expand": ["invoice_settings.default_payment_method"]})
            except stripe.InvalidRequestError as error:
                if is_missing(error):
                    return None
                raise
            facts = stripe_facts.customer_facts(found)
            if facts.card is not None or facts.is_deleted:
                return facts
            cards = self._client.v1.customers.payment_methods.list(ref, {"type": "card", "limit": 1})
            return stripe_facts.customer_facts(found, next(map(stripe_facts.card_of, cards.data), None))

    def customers(self) -> Iterator[ProviderCustomer]:
        """All customers that are not deleted; of cards, the one that is the customer's default."""
        with asking("list customers"):
            pages = self._client.v1.customers.list(
                {"limit": PAGE, "expand": ["data.invoice_settings.default_payment_method"]}
            )
            for one in pages.auto_paging_iter():
                yield stripe_facts.customer_facts(one)

    def make_customer(self, *, account: str, name: str, email: str) -> ProviderCustomer:
        """A customer for one of our accounts; the same account again answers the same."""
        with asking("make a customer"):
            if email:
                for one in self._client.v1.customers.list({"email": email, "limit": PAGE}).auto_paging_iter():
                    if stripe_facts.metadata_of(one).get("account") == account:
                        return stripe_facts.customer_facts(one)
            params: stripe.params.CustomerCreateParams = {"name": name, "metadata": {"account": account}}
            if email:
                params["email"] = email
            made = self._client.v1.customers.create(params, {"idempotency_key": f"customer:{account}:{email}:{name}"})
            return stripe_facts.customer_facts(made)

    def read_event(self, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Event:
        """Check the signature of a message and read it. Raises SignatureRefused, EventUnreadable."""
        stripe_events.check_signature(body, headers, secrets=self._secrets, at=at)
        return stripe_events.read(body)

    def _made_before(self, payment: str) -> "stripe.checkout.Session":
        since = self._clock.now() - LONGEST
        pages = self._client.v1.checkout.sessions.list({"created": {"gte": int(since.timestamp())}, "limit": PAGE})
        for one in pages.auto_paging_iter():
            if stripe_facts.metadata_of(one).get("payment") == payment:
                return one
        raise ProviderRefused(
            provider="stripe", detail=f"a checkout of {payment} was asked for with other content; start another one"
        )

    def _expire(self, ref: str) -> None:
        try:
            self._client.v1.checkout.sessions.expire(ref, {}, {"idempotency_key": f"expire:{ref}"})
        except stripe.InvalidRequestError:
            # Paid or ended between our look and our call: then there is nothing to close.
            if self._client.v1.checkout.sessions.retrieve(ref).status == "open":
                raise

    def _begun_before(self, request: ChargeRequest) -> stripe.PaymentIntent | None:
        pages = self._client.v1.payment_intents.list({"customer": request.customer_ref, "limit": PAGE})
        for one in islice(pages.auto_paging_iter(), _RECENT):
            if stripe_facts.metadata_of(one).get("payment") == request.payment:
                return one
        return None

    def _charge(self, request: ChargeRequest) -> str:
        """Charge, and answer the name of the payment intent, whatever became of it."""
        try:
            made = self._client.v1.payment_intents.create(
                {
                    "amount": request.offer.price.cents,
                    "currency": request.offer.price.currency.lower(),
                    "customer": request.customer_ref,
                    "payment_method": request.card_ref,
                    "allowed_payment_method_types": ["card"],
                    "off_session": True,
                    "confirm": True,
                    "metadata": sold_words(request.payment, request.account, request.offer, purpose="recharge"),
                },
                {"idempotency_key": f"charge:{request.payment}"},
            )
        except stripe.CardError as error:
            ref = _declined_intent(error)
            if ref is None:
                # Refused before there was a payment (an unknown card): asked again, it is looked for and not there.
                made_anyway = self._begun_before(request)
                if made_anyway is None:
                    raise
                ref = made_anyway.id
            if error.code == "authentication_required":
                self._ask_customer(ref, request)
            return ref
        return made.id

    def _ask_customer(self, ref: str, request: ChargeRequest) -> None:
        """Make a payment ready to be confirmed by the customer, on the bank's page that Stripe leads to."""
        try:
            self._client.v1.payment_intents.confirm(
                ref,
                {"payment_method": request.card_ref, "return_url": f"{self._pay_page}/{request.payment}"},
                {"idempotency_key": f"confirm:{request.payment}"},
            )
        except stripe.CardError:
            # The bank says no after all: the payment tells so itself when it is looked at.
            _log.info("the card of %s was declined while its customer was to be asked", request.payment)

    def _whole(
        self, intent: stripe.PaymentIntent, session: "stripe.checkout.Session | None", asked_at: datetime
    ) -> PaymentFacts:
        disputes: tuple[stripe.Dispute, ...] = ()
        if intent.latest_charge is not None and intent.status == "succeeded":
            disputes = tuple(
                self._client.v1.disputes.list({"payment_intent": intent.id, "limit": PAGE}).auto_paging_iter()
            )
        return stripe_facts.payment_facts(
            intent,
            asked_at=asked_at,
            session=session,
            refunds=self._all_refunds(intent),
            disputes=disputes,
            invoice_ref=self._invoice_ref(intent),
        )

    def _session_of(self, intent: stripe.PaymentIntent) -> "stripe.checkout.Session | None":
        """The checkout page that a payment was made on: it alone knows the tax. A recharge had none."""
        if stripe_facts.metadata_of(intent).get("purpose") == "recharge":
            return None
        found = self._client.v1.checkout.sessions.list({"payment_intent": intent.id, "limit": 1})
        return next(iter(found.data), None)

    def _all_refunds(self, intent: stripe.PaymentIntent) -> Iterator[stripe.Refund]:
        charge = stripe_facts.expanded(intent.latest_charge)
        # A charge shows its ten newest refunds.
        shown = getattr(charge, "refunds", None)
        if charge is None or (shown is not None and not shown.has_more):
            return iter(shown.data if shown else ())
        return self._refunds_of(intent.id)

    def _refunds_of(self, payment_ref: str) -> Iterator[stripe.Refund]:
        return self._client.v1.refunds.list({"payment_intent": payment_ref, "limit": PAGE}).auto_paging_iter()

    def _credit_balance(self, request: RefundRequest) -> RefundFacts:
        if request.customer_ref is None:
            raise ProviderRefused(
                provider="stripe", detail="the customer is not linked, so there is no balance to give the money to"
            )
        moved = self.move_balance(
            request.customer_ref,
            Money(-request.money.cents, request.money.currency),
            key=f"refund:{request.refund}",
            description="Refund of credits",
            metadata={"refund": request.refund, "payment": request.payment_ref},
        )
        return RefundFacts(moved.ref, request.money.cents, "done", moved.at, request.refund)

    def _sessions_between(self, since: datetime, until: datetime) -> dict[str, "stripe.checkout.Session"]:
        pages = self._client.v1.checkout.sessions.list(
            {
                "created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())},
                "status": "complete",
                "limit": PAGE,
            }
        )
        found = ((stripe_facts.ref_of(one.payment_intent), one) for one in pages.auto_paging_iter())
        return {ref: session for ref, session in found if ref is not None}

    def _disputes_since(self, since: datetime) -> dict[str, list[stripe.Dispute]]:
        pages = self._client.v1.disputes.list({"created": {"gte": int(since.timestamp())}, "limit": PAGE})
        found: dict[str, list[stripe.Dispute]] = {}
        for one in pages.auto_paging_iter():
            found.setdefault(stripe_facts.ref_of(one.payment_intent) or "", []).append(one)
        return found


def _wants_customer(intent: stripe.PaymentIntent) -> bool:
    """Whether the bank wanted the customer, and the call that makes the payment ready for that broke off."""
    said = intent.last_payment_error
    is_idle = intent.status == "requires_payment_method"
    return is_idle and getattr(said, "code", None) == "authentication_required"


def _declined_intent(error: stripe.CardError) -> str | None:
    """The payment intent that a decline speaks of."""
    told: Any = error.error.payment_intent if error.error else None
    return stripe_facts.ref_of(told)

"""The mock provider: sells, declines, refunds and disputes like a real one, with no keys and no money.

Its checkout page is served by the product itself, in a demo company only. Cards are known by their numbers, as at
Stripe: 4242… pays, …0002 is declined, …0341 pays at the checkout and is declined later, …3155 wants a confirmation
when the customer is away. From `pay` on come the acts of people: on the page, at their bank, and of somebody at the
provider behind our back.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from ledger.clock import Clock, SystemClock
from ledger.core.payments import Provider
from ledger.errors import ProviderRefused
from ledger.gateways.mock_billing import MockBilling
from ledger.gateways.mock_facts import (
    customer_of,
    instant,
    new_customer,
    offer_of,
    payment_facts,
    product_of,
    refund_of,
    unpaid_facts,
)
from ledger.gateways.mock_store import Document, MockStore, Turn, new_ref
from ledger.gateways.provider import (
    AboutKind,
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
)
from ledger.gateways.standard_webhooks import sign, verify

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"
LATER_DECLINED_CARD = "4000000000000341"
CONFIRMED_CARD = "4000002500003155"
CARDS = {
    GOOD_CARD: "Pays",
    DECLINED_CARD: "Is declined",
    LATER_DECLINED_CARD: "Pays now, is declined when charged later",
    CONFIRMED_CARD: "Pays now, wants a confirmation when charged later",
}
# No secret: it signs pretended messages about pretended money.
SIGNING_KEY = "whsec_" + "bW9jayBwcm92aWRlciBvZiBhIGRlbW8gY29tcGFueQ=="
LIFE = timedelta(hours=24)


class MockGateway(MockBilling):
    """The mock provider on its file; the clock is that of the ledger, so that a sandbox agrees with itself."""

    provider = Provider.MOCK
    is_test = True

    def __init__(self, store: MockStore, clock: Clock, *, page_url: str) -> None:
        self.store = store
        self._clock = clock
        # Its checkout pages are below this address.
        self._page_url = page_url.rstrip("/")

    def open_checkout(self, request: CheckoutRequest) -> Checkout:
        """Make a checkout page; the same payment again answers the same page."""
        with self.store.turn() as turn:
            known = next((one for one in turn.all("checkout") if one["payment"] == request.payment), None)
            if known is None:
                at = self._clock.now()
                ref = new_ref("cs")
                known = {
                    "ref": ref,
                    "payment": request.payment,
                    "account": request.account,
                    "offer": offer_of(request.offer),
                    "success_url": request.success_url,
                    "cancel_url": request.cancel_url,
                    "email": request.email,
                    "name": request.name,
                    "customer": request.customer_ref,
                    "saves_card": request.saves_card,
                    "created_at": at.isoformat(),
                    "ends_at": min(request.ends_at or at + LIFE, at + LIFE).isoformat(),
                    "state": "open",
                    "payment_ref": None,
                }
                turn.put("checkout", ref, known)
        return Checkout(known["ref"], f"{self._page_url}/{known['ref']}", instant(known["ends_at"]))

    def close_checkout(self, ref: str) -> None:
        """Make a checkout page unpayable; does nothing when it was paid or closed before."""
        with self.store.turn() as turn:
            known = turn.get("checkout", ref)
            if known is not None and known["state"] == "open":
                self._end_checkout(turn, known)

    def close_payment(self, ref: str) -> None:
        """End a charge that waits for a confirmation; does nothing when it was paid or ended before."""
        with self.store.turn() as turn:
            known = turn.get("payment", ref)
            if known is not None and known["progress"] == "needs_action":
                self._end_payment(turn, known, "abandoned")

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        """Charge a card now; a decline is an answer."""
        with self.store.turn() as turn:
            known = next((one for one in turn.all("payment") if one["payment"] == request.payment), None)
            if known is None:
                card = turn.get("card", request.card_ref)
                if card is None:
                    raise ProviderRefused(provider="mock", detail=f"there is no card {request.card_ref!r}")
                known = self._new_payment(
                    request.payment, request.account, offer_of(request.offer), customer=request.customer_ref, card=card
                )
                self._charge(turn, known, is_away=True)
            return self._facts(turn, known)

    def look(self, *, payment_ref: str | None = None, checkout_ref: str | None = None) -> PaymentFacts | None:
        """A payment as it stands now; None when there is none."""
        with self.store.turn() as turn:
            if payment_ref is not None:
                known = turn.get("payment", payment_ref)
                return None if known is None else self._facts(turn, known)
            checkout = turn.get("checkout", checkout_ref or "")
            if checkout is None:
                return None
            if checkout["state"] == "open" and instant(checkout["ends_at"]) <= self._clock.now():
                self._end_checkout(turn, checkout)
            paid = checkout["payment_ref"] and turn.get("payment", checkout["payment_ref"])
            return self._facts(turn, paid) if paid else unpaid_facts(checkout, at=self._clock.now())

    def refund(self, request: RefundRequest) -> RefundFacts:
        """Give money back; the same refund again answers the same."""
        with self.store.turn() as turn:
            known = turn.get("payment", request.payment_ref)
            if known is None:
                raise ProviderRefused(provider="mock", detail=f"there is no payment {request.payment_ref!r}")
            same = next((one for one in known["refunds"] if one["ours"] == request.refund), None)
            return refund_of(same or self._give_back(turn, known, request.money.cents, ours=request.refund))

    def payments(self, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        """Every payment with money in it that was begun in [since, until)."""
        with self.store.turn() as turn:
            found = [
                self._facts(turn, one)
                for one in turn.all("payment")
                if one["paid_at"] is not None and since <= instant(one["created_at"]) < until
            ]
        yield from found

    def customer(self, ref: str) -> ProviderCustomer | None:
        """One customer; None when there is none."""
        with self.store.turn() as turn:
            known = turn.get("customer", ref)
            return None if known is None else customer_of(turn, known)

    def customers(self) -> Iterator[ProviderCustomer]:
        """All customers that are not deleted."""
        with self.store.turn() as turn:
            found = [customer_of(turn, one) for one in turn.all("customer") if not one["is_deleted"]]
        yield from found

    def make_customer(self, *, account: str, name: str, email: str) -> ProviderCustomer:
        """A customer for one of our accounts; the same account again answers the same."""
        with self.store.turn() as turn:
            known = next((one for one in turn.all("customer") if one["account"] == account), None)
            if known is None:
                known = new_customer(account, name, email)
                turn.put("customer", known["ref"], known)
            return customer_of(turn, known)

    def products(self) -> Iterator[Product]:
        """All products, those no longer sold included."""
        with self.store.turn() as turn:
            found = [product_of(one) for one in turn.all("product")]
        yield from found

    def put_product(self, product: Product, *, key: str) -> Product:
        """Make a product, or change the one it names."""
        with self.store.turn() as turn:
            made = turn.get("product key", key)
            ref = product.product_ref or (made and made["ref"]) or new_ref("prod")
            before = turn.get("product", ref)
            is_same_price = before and (before["cents"], before["currency"]) == (
                product.price.cents,
                product.price.currency,
            )
            body = {
                "ref": ref,
                "price_ref": before["price_ref"] if before and is_same_price else new_ref("price"),
                "package": product.package,
                "label": product.label,
                "cents": product.price.cents,
                "currency": product.price.currency,
                "credits": product.credits,
                "is_active": product.is_active,
                "metadata": dict(product.metadata),
            }
            turn.put("product", ref, body)
            turn.put("product key", key, {"ref": ref})
            return product_of(body)

    def read_event(self, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Event:
        """Check the signature (Standard Webhooks) of a message and read it."""
        verify(body, headers, secrets=(SIGNING_KEY,), at=at)
        try:
            told = json.loads(body)
            return Event(
                str(told["id"]), str(told["type"]), instant(told["at"]), AboutKind(told["about"]), str(told["ref"])
            )
        except (ValueError, KeyError, TypeError) as error:
            raise EventUnreadable(f"{type(error).__name__}: {error}") from error

    def sign(self, event: Document) -> tuple[bytes, dict[str, str]]:
        """An outgoing event as body and headers; lower-case names."""
        body = json.dumps(event)
        # The time of a signature is the machine's, also in a sandbox with a clock of its own.
        clock = SystemClock()
        return body.encode(), sign(body, id=event["id"], secret=SIGNING_KEY, at=clock.now())

    def checkout_page(self, ref: str) -> Document | None:
        """What the checkout page shows; None when there is none."""
        self.look(checkout_ref=ref)
        with self.store.turn() as turn:
            return turn.get("checkout", ref)

    def pay(self, checkout_ref: str, card_number: str) -> PaymentFacts:
        """What the customer does on the page. Raises ProviderRefused when the page cannot be paid (any more)."""
        with self.store.turn() as turn:
            checkout = turn.get("checkout", checkout_ref)
            if checkout is None or checkout["state"] != "open":
                raise ProviderRefused(provider="mock", detail="this checkout was paid or has ended")
            if instant(checkout["ends_at"]) <= self._clock.now():
                raise ProviderRefused(provider="mock", detail="this checkout has ended")
            if card_number not in CARDS:
                raise ProviderRefused(provider="mock", detail=f"no card of ours; choose one of {', '.join(CARDS)}")
            customer = self._payer(turn, checkout)
            card = {"ref": new_ref("card"), "number": card_number, "words": f"visa •••• {card_number[-4:]}, 12/30"}
            turn.put("card", card["ref"], card)
            known = self._new_payment(
                checkout["payment"], checkout["account"], checkout["offer"], customer=customer["ref"], card=card
            )
            known["checkout_ref"] = checkout["ref"]
            self._charge(turn, known, is_away=False)
            if known["paid_at"] is not None:
                checkout |= {"state": "paid", "payment_ref": known["ref"], "customer": customer["ref"]}
                turn.put("checkout", checkout["ref"], checkout)
                if checkout["saves_card"]:
                    turn.put("customer", customer["ref"], customer | {"card": card["ref"]})
                self._tell(turn, "checkout.completed", AboutKind.CHECKOUT, checkout["ref"])
            return self._facts(turn, known)

    def confirm(self, payment_ref: str, *, is_ok: bool = True) -> None:
        """What the customer does when the bank wants a confirmation."""
        with self.store.turn() as turn:
            known = self._known(turn, payment_ref)
            if known["progress"] == "needs_action":
                self._end_payment(turn, known, "" if is_ok else "authentication_failed")

    def give_back(self, payment_ref: str, cents: int) -> RefundFacts:
        """Somebody refunds at the provider, behind our back."""
        with self.store.turn() as turn:
            return refund_of(self._give_back(turn, self._known(turn, payment_ref), cents, ours=None))

    def fail_refund(self, payment_ref: str, refund_ref: str) -> None:
        """A refund comes back: the bank did not take it."""
        with self.store.turn() as turn:
            known = self._known(turn, payment_ref)
            for one in known["refunds"]:
                if one["ref"] == refund_ref:
                    one["state"] = "failed"
            turn.put("payment", known["ref"], known)
            self._tell(turn, "refund.failed", AboutKind.PAYMENT, known["ref"])

    def dispute(self, payment_ref: str, cents: int | None = None) -> str:
        """The customer's bank takes the money back for now; answers the name of the dispute."""
        with self.store.turn() as turn:
            known = self._known(turn, payment_ref)
            ref = new_ref("dp")
            at = self._clock.now().isoformat()
            known["disputes"].append(
                {"ref": ref, "cents": cents or known["cents"], "state": "open", "reason": "fraudulent", "at": at}
            )
            turn.put("payment", known["ref"], known)
            self._tell(turn, "dispute.created", AboutKind.PAYMENT, known["ref"])
            return ref

    def close_dispute(self, payment_ref: str, dispute_ref: str, *, is_won: bool) -> None:
        """The bank decides."""
        with self.store.turn() as turn:
            known = self._known(turn, payment_ref)
            for one in known["disputes"]:
                if one["ref"] == dispute_ref:
                    one["state"] = "won" if is_won else "lost"
            turn.put("payment", known["ref"], known)
            self._tell(turn, "dispute.closed", AboutKind.PAYMENT, known["ref"])

    def _known(self, turn: Turn, payment_ref: str) -> Document:
        known = turn.get("payment", payment_ref)
        if known is None or known["progress"] not in ("paid", "needs_action"):
            raise ProviderRefused(provider="mock", detail=f"there is no paid payment {payment_ref!r}")
        return known

    def _payer(self, turn: Turn, checkout: Document) -> Document:
        known = checkout["customer"] and turn.get("customer", checkout["customer"])
        known = known or next((one for one in turn.all("customer") if one["account"] == checkout["account"]), None)
        if not known:
            known = new_customer(checkout["account"], checkout["name"], checkout["email"])
            turn.put("customer", known["ref"], known)
        return known

    def _new_payment(self, payment: str, account: str, offer: Document, *, customer: str, card: Document) -> Document:
        return {
            "ref": new_ref("pi"),
            "checkout_ref": None,
            "payment": payment,
            "account": account,
            "customer": customer,
            "card": card["ref"],
            "number": card["number"],
            "offer": offer,
            "cents": offer["cents"],
            "currency": offer["currency"],
            "created_at": self._clock.now().isoformat(),
            "paid_at": None,
            "progress": "open",
            "failure": "",
            "refunds": [],
            "disputes": [],
        }

    def _charge(self, turn: Turn, known: Document, *, is_away: bool) -> None:
        number = known["number"]
        if number == CONFIRMED_CARD and is_away:
            known["progress"] = "needs_action"
            turn.put("payment", known["ref"], known)
            self._tell(turn, "payment.requires_action", AboutKind.PAYMENT, known["ref"])
            return
        is_declined = number == DECLINED_CARD or (number == LATER_DECLINED_CARD and is_away)
        self._end_payment(turn, known, "card_declined" if is_declined else "")

    def _end_payment(self, turn: Turn, known: Document, failure: str) -> None:
        known |= {"progress": "failed" if failure else "paid", "failure": failure}
        if not failure:
            known["paid_at"] = self._clock.now().isoformat()
        turn.put("payment", known["ref"], known)
        kind = "payment.failed" if failure else "payment.succeeded"
        self._tell(turn, kind, AboutKind.PAYMENT, known["ref"])

    def _end_checkout(self, turn: Turn, checkout: Document) -> None:
        checkout["state"] = "expired"
        turn.put("checkout", checkout["ref"], checkout)
        self._tell(turn, "checkout.expired", AboutKind.CHECKOUT, checkout["ref"])

    def _give_back(self, turn: Turn, known: Document, cents: int, *, ours: str | None) -> Document:
        left = known["cents"] - sum(one["cents"] for one in known["refunds"] if one["state"] != "failed")
        if not 0 < cents <= left:
            raise ProviderRefused(provider="mock", detail=f"{cents} cents are not in 1 to {left}")
        at = self._clock.now().isoformat()
        made = {"ref": new_ref("re"), "cents": cents, "state": "done", "at": at, "ours": ours}
        known["refunds"].append(made)
        turn.put("payment", known["ref"], known)
        self._tell(turn, "charge.refunded", AboutKind.PAYMENT, known["ref"])
        return made

    def _tell(self, turn: Turn, kind: str, about: AboutKind, ref: str) -> None:
        at = self._clock.now().isoformat()
        turn.tell({"id": new_ref("evt"), "type": kind, "at": at, "about": about.value, "ref": ref})

    def _facts(self, turn: Turn, known: Document) -> PaymentFacts:
        return payment_facts(turn, known, at=self._clock.now(), page_url=self._page_url)

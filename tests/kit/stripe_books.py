"""What the stand-in for Stripe knows: objects with the fields of the SDK's own classes, and what befalls them.

A field that the SDK's class does not have cannot be answered; one that it has and nobody gave is null. Only what the
gateway needs is here.
"""

import itertools
import json
from collections.abc import Iterable
from functools import cache
from inspect import get_annotations
from typing import Any

import stripe

from ledger.clock import Clock

Object = dict[str, Any]
GOOD, DECLINED, CONFIRMED = "4242", "0341", "3155"


class Refused(Exception):
    """Stripe's error: HTTP status and the body's fields."""

    def __init__(self, status: int, message: str, **fields: Any) -> None:
        self.status = status
        self.body = {"type": "invalid_request_error", "message": message} | fields
        super().__init__(message)


class Books:
    """All objects by name, oldest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = itertools.count(1)
        self.objects: dict[str, Object] = {}
        # Events in the order in which they happened.
        self.told: list[Object] = []

    def make(self, kind: type[stripe.StripeObject], prefix: str, **given: Any) -> Object:
        given.pop("expand", None)  # said of every answer, kept in none
        fields = _fields(kind)
        assert set(given) <= fields, f"{kind.__name__} has no {set(given) - fields}"
        own: Object = {"id": f"{prefix}_{next(self._count)}", "created": self.now()}
        if "object" in fields:
            own["object"] = getattr(kind, "OBJECT_NAME", kind.__name__.lower())
        if "livemode" in fields:
            own["livemode"] = False
        made = dict.fromkeys(fields - {"deleted"}) | {name: own[name] for name in own if name in fields} | given
        self.objects[own["id"]] = made
        return made

    def now(self) -> int:
        return int(self._clock.now().timestamp())

    def get(self, ref: str) -> Object:
        if ref not in self.objects:
            raise Refused(404, f"No such object: '{ref}'", code="resource_missing")
        return self.objects[ref]

    def all(self, kind: str) -> Iterable[Object]:
        """All of a kind, newest first, as Stripe lists them."""
        return [one for one in reversed(self.objects.values()) if one.get("object") == kind]

    def tell(self, kind: str, about: Object) -> None:
        self.told.append(
            {
                "id": f"evt_{next(self._count)}",
                "object": "event",
                "type": kind,
                "created": self.now(),
                "data": {"object": json.loads(json.dumps(about))},
            }
        )

    def card(self, number: str = GOOD, *, customer: str | None = None) -> str:
        shown = {"brand": "visa", "last4": number, "exp_month": 12, "exp_year": 2030}
        return str(self.make(stripe.PaymentMethod, "pm", type="card", card=shown, customer=customer)["id"])

    def pay(self, session_ref: str, number: str = GOOD) -> Object:
        """What the customer does on the page."""
        session = self.get(session_ref)
        assert session["status"] == "open"
        data = session["_intent_data"]
        customer = session["customer"] or self.make(stripe.Customer, "cus", email=session["customer_email"])["id"]
        intent = self.objects.get(session["payment_intent"] or "") or self.make(
            stripe.PaymentIntent,
            "pi",
            amount=session["amount_total"],
            currency=session["currency"],
            customer=customer,
            metadata=data.get("metadata", {}),
            setup_future_usage=data.get("setup_future_usage"),
            status="requires_payment_method",
        )
        session["payment_intent"] = intent["id"]
        intent["payment_method"] = self.card(number, customer=customer)
        self.charge(intent, number)
        if intent["status"] == "succeeded":
            session |= {"status": "complete", "payment_status": "paid", "customer": customer, "url": None}
            self.tell("checkout.session.completed", session)
        return intent

    def charge(self, intent: Object, number: str) -> None:
        is_declined = number == DECLINED
        charge = self.make(
            stripe.Charge,
            "ch",
            amount=intent["amount"],
            currency=intent["currency"],
            payment_intent=intent["id"],
            status="failed" if is_declined else "succeeded",
        )
        intent["latest_charge"] = charge["id"]
        if is_declined:
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "message": "Your card has insufficient funds.",
            }
            self.tell("payment_intent.payment_failed", intent)
        else:
            intent |= {"status": "succeeded", "last_payment_error": None, "next_action": None}
            self.tell("payment_intent.succeeded", intent)

    def expire(self, session_ref: str) -> Object:
        session = self.get(session_ref)
        if session["status"] != "open":
            raise Refused(400, f"This session is {session['status']}")
        session |= {"status": "expired", "url": None}
        self.tell("checkout.session.expired", session)
        return session

    def refund(
        self, intent_ref: str, cents: int, *, metadata: Object | None = None, status: str = "succeeded"
    ) -> Object:
        intent = self.get(intent_ref)
        given = sum(
            one["amount"]
            for one in self.all("refund")
            if one["payment_intent"] == intent_ref and one["status"] != "failed"
        )
        if cents > intent["amount"] - given:
            raise Refused(
                400, f"Refund amount ({cents}) is greater than unrefunded amount", code="charge_already_refunded"
            )
        made = self.make(
            stripe.Refund,
            "re",
            amount=cents,
            currency=intent["currency"],
            charge=intent["latest_charge"],
            payment_intent=intent_ref,
            metadata=metadata or {},
            status=status,
        )
        self.tell("charge.refunded", self.get(intent["latest_charge"]))
        return made

    def dispute(self, intent_ref: str, cents: int, status: str = "needs_response") -> Object:
        intent = self.get(intent_ref)
        made = self.make(
            stripe.Dispute,
            "du",
            amount=cents,
            currency=intent["currency"],
            charge=intent["latest_charge"],
            payment_intent=intent_ref,
            reason="product_not_received",
            status=status,
        )
        self.tell("charge.dispute.created", made)
        return made


@cache
def _fields(kind: type[stripe.StripeObject]) -> set[str]:
    return {name for name in get_annotations(kind) if not name.startswith("_") and name != "OBJECT_NAME"}

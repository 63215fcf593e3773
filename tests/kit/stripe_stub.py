"""A stand-in for Stripe on a free port of this machine, for what localstripe does not know.

It holds every request against the SDK's own types of parameters, wants our pin of the API's version and a key of ours
with every POST, and keeps those keys as Stripe does. It can be told to break in the ways in which networks break.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import stripe

from ledger.clock import Clock
from ledger.gateways.stripe_client import API_VERSION
from tests.kit.stripe_books import CONFIRMED, Books, Object, Refused
from tests.kit.stripe_forms import WrongParameter, check, parse

SECRET = "whsec_stub"
Act = Callable[["Stub", dict[str, Any], str], Object]
# How each call may go wrong: see `Stub.faults`.
FAULTS = ("500", "429", "drop", "lose", "slow")


class Stub:
    """The books, what was asked, and what will go wrong with the next requests, one after the other.

    "500" and "429" answer so and do nothing; "drop" hangs up before anything is done, "lose" after it; "slow" takes a
    second.
    """

    def __init__(self, clock: Clock) -> None:
        self.books = Books(clock)
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.address = ""
        self._answers: dict[str, tuple[str, int, Object]] = {}
        self._lock = threading.Lock()

    def event(self, number: int = -1, *, at: int | None = None, secret: str = SECRET) -> tuple[bytes, dict[str, str]]:
        """An event as body and headers, signed with the SDK's own function."""
        body = json.dumps(self.books.told[number])
        sent_at = self.books.now() if at is None else at
        return body.encode(), {
            "stripe-signature": stripe.WebhookSignature.generate_signature_header(body, secret, sent_at)
        }

    def answer(self, method: str, path: str, given: dict[str, Any], headers: Any) -> tuple[int, Object]:
        with self._lock:
            self.asked.append(f"{method} {path}")
            key = headers.get("Idempotency-Key") if method == "POST" else None
            if headers.get("Stripe-Version") != API_VERSION:
                return 400, {"error": {"message": "not the version that the gateway is written for"}}
            is_read = path == "/v1/invoices/create_preview"
            if method == "POST" and not is_read and (key is None or ":" not in key):
                return 400, {"error": {"message": f"a POST without a key of ours: {key}"}}
            what = json.dumps([path, given], sort_keys=True)
            if key in self._answers:
                before, status, body = self._answers[key]
                if before != what:
                    return 400, {
                        "error": {
                            "type": "idempotency_error",
                            "message": "Keys can only be used with the same parameters",
                        }
                    }
                return status, body
            status, body = self._carry_out(method, path, given)
            if key is not None:
                self._answers[key] = what, status, json.loads(json.dumps(body))
            return status, body

    def _carry_out(self, method: str, path: str, given: dict[str, Any]) -> tuple[int, Object]:
        found = [
            (kind, act, match.groups())
            for verb, pattern, kind, act in ROUTES
            if verb == method and (match := re.fullmatch(pattern, path))
        ]
        if not found:
            return 404, {"error": {"type": "invalid_request_error", "message": f"Unrecognized request URL ({path})"}}
        kind, act, names = found[0]
        try:
            params = check(given, kind)
            made = act(self, dict(params), *names)
            if made.get("object") == "list":
                made["url"] = path
            return 200, self._expanded(made, params.get("expand", []))
        except WrongParameter as error:
            return 400, {"error": {"type": "invalid_request_error", "message": str(error)}}
        except Refused as error:
            return error.status, {"error": error.body}

    def _expanded(self, made: Object, paths: list[str]) -> Object:
        made = json.loads(json.dumps({name: one for name, one in made.items() if not name.startswith("_")}))
        for path in [] if made.get("deleted") else paths:
            assert path.count(".") < 4, f"{path} is more than four levels deep"
            self._expand(made, path.split("."))
        return made

    def _expand(self, place: Any, path: list[str]) -> None:
        if isinstance(place, list):
            for one in place:
                self._expand(one, path)
            return
        if not path or not isinstance(place, dict):
            return
        name, *rest = path
        assert name in place, f"{place.get('object')} has no {name} to expand"
        value = place[name]
        if name == "refunds":
            of = [one for one in self.books.all("refund") if one["charge"] == place["id"]]
            place[name] = {"object": "list", "data": of[:10], "has_more": len(of) > 10, "url": "/v1/refunds"}
        elif isinstance(value, str):
            place[name] = json.loads(json.dumps(self.books.get(value)))
        self._expand(place[name], rest)


def _listed(kind: str, *names: str) -> Act:
    """A list of a kind, narrowed by fields of those names, in pages."""

    def act(stub: Stub, params: dict[str, Any], *_: str) -> Object:
        found = [
            one
            for one in stub.books.all(kind)
            if all(name not in params or one[name] == params[name] for name in names)
        ]
        span = params.get("created", {})
        found = [one for one in found if span.get("gte", 0) <= one["created"] < span.get("lt", 1 << 40)]
        if "starting_after" in params:
            refs = [one["id"] for one in found]
            found = found[refs.index(params["starting_after"]) + 1 :]
        limit = params.get("limit", 10)
        shown = [{name: value for name, value in one.items() if not name.startswith("_")} for one in found[:limit]]
        return {"object": "list", "data": shown, "has_more": len(found) > limit, "url": "/v1/list"}

    return act


def _one(stub: Stub, _params: dict[str, Any], ref: str) -> Object:
    return stub.books.get(ref)


def _make_customer(stub: Stub, params: dict[str, Any]) -> Object:
    return stub.books.make(
        stripe.Customer, "cus", **params, invoice_settings={"default_payment_method": None}, balance=0
    )


def _make_session(stub: Stub, params: dict[str, Any]) -> Object:
    (line,) = params["line_items"]
    data = line.get("price_data") or stub.books.get(line["price"])
    if "customer" in params:
        stub.books.get(params["customer"])
        assert "customer_email" not in params
        assert "customer_creation" not in params
    ends_at = params.get("expires_at", stub.books.now() + 86_400)
    if not 1_800 <= ends_at - stub.books.now() <= 86_400:
        raise Refused(400, "The `expires_at` timestamp must be between 30 minutes and 24 hours from now.")
    net = data["unit_amount"] * line["quantity"]
    tax = net * 19 // 100 if params.get("automatic_tax", {}).get("enabled") else 0
    made = stub.books.make(
        stripe.checkout.Session,
        "cs_test",
        mode=params["mode"],
        status="open",
        payment_status="unpaid",
        url="https://checkout.invalid/c",
        expires_at=ends_at,
        amount_subtotal=net,
        amount_total=net + tax,
        total_details={"amount_tax": tax, "amount_discount": 0, "amount_shipping": 0},
        currency=data["currency"],
        customer=params.get("customer"),
        customer_email=params.get("customer_email"),
        client_reference_id=params["client_reference_id"],
        metadata=params["metadata"],
    )
    made["_intent_data"] = params["payment_intent_data"]
    return made


def _make_intent(stub: Stub, params: dict[str, Any]) -> Object:
    books = stub.books
    card = books.get(params["payment_method"])
    if card["customer"] != params["customer"]:
        raise Refused(400, "The payment method does not belong to the customer")
    made = books.make(
        stripe.PaymentIntent,
        "pi",
        amount=params["amount"],
        currency=params["currency"],
        customer=params["customer"],
        payment_method=card["id"],
        metadata=params["metadata"],
        status="requires_confirmation",
    )
    number = card["card"]["last4"]
    if number == CONFIRMED:
        made |= {"status": "requires_payment_method", "last_payment_error": {"code": "authentication_required"}}
        raise Refused(
            402, "It wants the customer", type="card_error", code="authentication_required", payment_intent=made
        )
    books.charge(made, number)
    if made["status"] != "succeeded":
        said = made["last_payment_error"]
        raise Refused(402, said["message"], type="card_error", code="card_declined", payment_intent=made)
    return made


def _confirm_intent(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    made = stub.books.get(ref)
    page = {"url": f"https://hooks.invalid/3ds/{ref}", "return_url": params["return_url"]}
    made |= {"status": "requires_action", "next_action": {"type": "redirect_to_url", "redirect_to_url": page}}
    stub.books.tell("payment_intent.requires_action", made)
    return made


def _make_refund(stub: Stub, params: dict[str, Any]) -> Object:
    return stub.books.refund(params["payment_intent"], params["amount"], metadata=params["metadata"])


def _make_product(stub: Stub, params: dict[str, Any]) -> Object:
    price = params.pop("default_price_data")
    made = stub.books.make(stripe.Product, "prod", **params, updated=stub.books.now())
    made["default_price"] = _make_price(stub, price | {"product": made["id"]})["id"]
    return made


def _change_product(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    made = stub.books.get(ref)
    words = made["metadata"] | params["metadata"]
    given = {name: one for name, one in params.items() if name != "expand"}
    made |= given | {"metadata": {name: word for name, word in words.items() if word}, "updated": made["updated"] + 1}
    return made


def _make_price(stub: Stub, params: dict[str, Any]) -> Object:
    return stub.books.make(stripe.Price, "price", **params, active=True, type="one_time")


def _change(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    made = stub.books.get(ref)
    made |= {name: one for name, one in params.items() if name != "expand"}
    return made


def _move_balance(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    customer = stub.books.get(ref)
    customer["balance"] += params["amount"]
    customer["currency"] = params["currency"]
    return stub.books.make(
        stripe.CustomerBalanceTransaction,
        "cbtxn",
        **params,
        customer=ref,
        ending_balance=customer["balance"],
        type="adjustment",
    )


def _moves(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    return _listed("customer_balance_transaction", "customer")(stub, params | {"customer": ref})


def _make_meter(stub: Stub, params: dict[str, Any]) -> Object:
    return stub.books.make(stripe.billing.Meter, "mtr", **params, status="active")


def _meter_event(stub: Stub, params: dict[str, Any]) -> Object:
    known = [one for one in stub.books.all("billing.meter_event") if one["identifier"] == params["identifier"]]
    if known:
        raise Refused(400, f"An event already exists with identifier {params['identifier']}.")
    return stub.books.make(stripe.billing.MeterEvent, "mev", **params)


def _summaries(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    assert params["start_time"] % 60 == params["end_time"] % 60 == 0
    value = sum(
        float(one["payload"]["value"])
        for one in stub.books.all("billing.meter_event")
        if one["payload"]["stripe_customer_id"] == params["customer"]
    )
    summary = {
        "id": "s",
        "object": "billing.meter_event_summary",
        "aggregated_value": value,
        "meter": ref,
        "start_time": params["start_time"],
        "end_time": params["end_time"],
        "livemode": False,
    }
    return {"object": "list", "data": [summary], "has_more": False, "url": "/v1/list"}


def _cards(stub: Stub, params: dict[str, Any], ref: str) -> Object:
    return _listed("payment_method", "customer")(stub, {"limit": params["limit"], "customer": ref})


def _preview(stub: Stub, params: dict[str, Any]) -> Object:
    if stub.books.get(params["subscription"])["status"] == "canceled":
        raise Refused(404, "No upcoming invoices for customer", code="invoice_upcoming_none")
    return next(iter(stub.books.all("invoice")))


_P, _REF = stripe.params, r"/([^/]+)"
ROUTES: list[tuple[str, str, Any, Any]] = [
    ("POST", "/v1/customers", _P.CustomerCreateParams, _make_customer),
    ("GET", "/v1/customers", _P.CustomerListParams, _listed("customer", "email")),
    ("GET", f"/v1/customers{_REF}", _P.CustomerRetrieveParams, _one),
    ("GET", f"/v1/customers{_REF}/payment_methods", _P.CustomerPaymentMethodListParams, _cards),
    ("POST", f"/v1/customers{_REF}/balance_transactions", _P.CustomerBalanceTransactionCreateParams, _move_balance),
    ("GET", f"/v1/customers{_REF}/balance_transactions", _P.CustomerBalanceTransactionListParams, _moves),
    ("POST", "/v1/checkout/sessions", _P.checkout.SessionCreateParams, _make_session),
    (
        "GET",
        "/v1/checkout/sessions",
        _P.checkout.SessionListParams,
        _listed("checkout.session", "payment_intent", "status"),
    ),
    ("GET", f"/v1/checkout/sessions{_REF}", _P.checkout.SessionRetrieveParams, _one),
    (
        "POST",
        f"/v1/checkout/sessions{_REF}/expire",
        _P.checkout.SessionExpireParams,
        lambda s, _, ref: s.books.expire(ref),
    ),
    ("POST", "/v1/payment_intents", _P.PaymentIntentCreateParams, _make_intent),
    ("GET", "/v1/payment_intents", _P.PaymentIntentListParams, _listed("payment_intent", "customer")),
    ("GET", f"/v1/payment_intents{_REF}", _P.PaymentIntentRetrieveParams, _one),
    ("POST", f"/v1/payment_intents{_REF}/confirm", _P.PaymentIntentConfirmParams, _confirm_intent),
    ("POST", "/v1/refunds", _P.RefundCreateParams, _make_refund),
    ("GET", "/v1/refunds", _P.RefundListParams, _listed("refund", "payment_intent")),
    ("GET", "/v1/disputes", _P.DisputeListParams, _listed("dispute", "payment_intent")),
    ("POST", "/v1/products", _P.ProductCreateParams, _make_product),
    ("GET", "/v1/products", _P.ProductListParams, _listed("product")),
    ("GET", f"/v1/products{_REF}", _P.ProductRetrieveParams, _one),
    ("POST", f"/v1/products{_REF}", _P.ProductUpdateParams, _change_product),
    ("POST", "/v1/prices", _P.PriceCreateParams, _make_price),
    ("GET", f"/v1/prices{_REF}", _P.PriceRetrieveParams, _one),
    ("POST", f"/v1/prices{_REF}", _P.PriceUpdateParams, _change),
    ("GET", "/v1/invoices", _P.InvoiceListParams, _listed("invoice")),
    ("GET", f"/v1/invoices{_REF}", _P.InvoiceRetrieveParams, _one),
    ("POST", "/v1/invoices/create_preview", _P.InvoiceCreatePreviewParams, _preview),
    ("GET", "/v1/invoice_payments", _P.InvoicePaymentListParams, _listed("invoice_payment")),
    ("GET", "/v1/subscriptions", _P.SubscriptionListParams, _listed("subscription")),
    ("GET", f"/v1/subscriptions{_REF}", _P.SubscriptionRetrieveParams, _one),
    ("POST", "/v1/billing/meters", _P.billing.MeterCreateParams, _make_meter),
    ("GET", "/v1/billing/meters", _P.billing.MeterListParams, _listed("billing.meter", "status")),
    ("POST", "/v1/billing/meter_events", _P.billing.MeterEventCreateParams, _meter_event),
    ("GET", f"/v1/billing/meters{_REF}/event_summaries", _P.billing.MeterEventSummaryListParams, _summaries),
]


@contextmanager
def running_stub(clock: Clock) -> Iterator[Stub]:
    """The stand-in, listening until the block ends."""
    stub = Stub(clock)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode() or url.query
            fault = stub.faults.pop(0) if stub.faults else ""
            if fault == "drop":
                return
            if fault == "slow":
                time.sleep(1)
            if fault in ("500", "429"):
                self._write(int(fault), {"error": {"message": "broken"}})
                return
            status, body = stub.answer(self.command, url.path, parse(text), self.headers)
            if fault != "lose":
                self._write(status, body)

        do_GET = do_POST = _serve  # noqa: N815 - the names that the server calls

        def _write(self, status: int, body: Object) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

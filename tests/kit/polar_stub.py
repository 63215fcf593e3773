"""A stand-in for Polar on a free port of this machine.

Its answers are built from the SDK's own classes and have to load into them; bodies of requests are held against the
SDK's own types of parameters. What nobody gave is empty, zero or absent.
"""

import base64
import dataclasses
import itertools
import json
import re
import threading
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import parse_qs, urlsplit

from polar.base import PolarDeserializationError, deserialize
from polar.v2026_10 import inputs, outputs

from ledger.clock import Clock
from ledger.gateways.standard_webhooks import sign

SECRET = "polar_whs_of_the_stub"
Object = dict[str, Any]


class Refused(Exception):
    """Polar's error: HTTP status and body."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        self.status, self.body = status, {"error": error, "detail": detail}
        super().__init__(detail)


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def blank(kind: Any, **given: Any) -> Object:
    """A record of one of the SDK's classes with what is given; all else is as empty as its type allows."""
    hints = _hints(kind)
    assert set(given) <= set(hints), f"{kind.__name__} has no {set(given) - set(hints)}"
    return {name: _empty(hint) for name, hint in hints.items()} | given


def _empty(hint: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return None if type(None) in get_args(hint) else _empty(get_args(hint)[0])
    if origin is Literal:
        return get_args(hint)[0]
    if origin in (list, dict):
        return origin()
    if dataclasses.is_dataclass(hint):
        return blank(hint)
    return hint() if hint in (str, int, bool, float) else {}


class PolarStub:
    """The books, what was asked, and what will go wrong with the next requests: "500", "429", "drop", "lose"."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = itertools.count(1)
        self._lock = threading.Lock()
        self.tables: dict[str, dict[str, Object]] = {}
        self.faults: list[str] = []
        self.asked: list[str] = []
        self.may_charge = True
        self.address = ""

    def now(self) -> str:
        return self._clock.now().isoformat()

    def add(self, table: str, kind: Any, **given: Any) -> Object:
        own = {"id": f"{table}_{next(self._count)}", "created_at": self.now()}
        made = blank(kind, **own | given)
        self.tables.setdefault(table, {})[made["id"]] = made
        return made

    def get(self, table: str, ref: str) -> Object:
        found = self.tables.get(table, {}).get(ref)
        if found is None:
            raise Refused(404, "ResourceNotFound", "Not found")
        return found

    def all(self, table: str) -> list[Object]:
        """All of a kind, newest first."""
        return list(self.tables.get(table, {}).values())[::-1]

    def event(self, kind: str, data: Object, *, id: str = "msg_1") -> tuple[bytes, dict[str, str]]:
        """A message as body and headers, signed as Polar does: with the characters of the secret."""
        body = json.dumps({"type": kind, "timestamp": self.now(), "data": data})
        secret = "whsec_" + base64.b64encode(SECRET.encode()).decode()
        return body.encode(), sign(body, id=id, secret=secret, at=self._clock.now())

    def pay(self, checkout_ref: str, *, tax: int = 0) -> Object:
        """What the customer does on the page."""
        page = self.get("checkout", checkout_ref)
        page["status"] = "succeeded"
        customer = self._payer(page)
        return self._order(
            customer,
            page["product_id"],
            page["net_amount"],
            tax,
            checkout_id=checkout_ref,
            metadata=page["metadata"],
            status="paid",
            paid=True,
        )

    def dispute(self, order: Object, cents: int, status: str) -> Object:
        return self.add("dispute", outputs.Dispute, order_id=order["id"], amount=cents, currency="eur", status=status)

    def _payer(self, page: Object) -> Object:
        if page["customer_id"]:
            return self.get("customer", page["customer_id"])
        return self.customer(external_id=page["external_customer_id"], email=page["customer_email"] or "x@x.test")

    def customer(self, **given: Any) -> Object:
        known = [one for one in self.all("customer") if one["external_id"] == given.get("external_id")]
        return known[0] if known else self.add("customer", outputs.CustomerIndividual, **given)

    def _order(self, customer: Object, product_ref: str, net: int, tax: int, **given: Any) -> Object:
        product = self.get("product", product_ref)
        names = set(_hints(outputs.OrderProduct))
        shared = {name: one for name, one in customer.items() if name in _hints(outputs.OrderCustomer)}
        return self.add(
            "order",
            outputs.Order,
            **given,
            subtotal_amount=net,
            net_amount=net,
            tax_amount=tax,
            total_amount=net + tax,
            refundable_amount=net,
            currency="eur",
            customer_id=customer["id"],
            customer=shared,
            product_id=product_ref,
            product={name: one for name, one in product.items() if name in names},
        )

    def carry_out(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Object:
        with self._lock:
            self.asked.append(f"{method} {path}")
            for verb, pattern, kind, act in ROUTES:
                match = re.fullmatch(pattern, path)
                if verb == method and match:
                    if kind is not None:
                        _check(body, kind)
                    return act(self, query if method == "GET" else body, *match.groups())
        raise Refused(404, "ResourceNotFound", f"no such address: {path}")


def _check(body: Object, kind: Any) -> None:
    unknown = set(body) - set(_hints(kind))
    try:
        deserialize(body, kind)
    except PolarDeserializationError as error:
        raise Refused(422, "RequestValidationError", str(error)) from error
    if unknown:
        raise Refused(422, "RequestValidationError", f"unknown: {unknown}")


def _listed(table: str, *names: str) -> Callable[..., Object]:
    def act(stub: PolarStub, query: dict[str, list[str]], *_: str) -> Object:
        found = [
            one for one in stub.all(table) if all(name not in query or str(one[name]) in query[name] for name in names)
        ]
        for word, values in query.items():
            if word.startswith("metadata["):
                found = [one for one in found if one["metadata"].get(word[9:-1]) in values]
        page, limit = int(query["page"][0]), int(query["limit"][0])
        pages = max(1, -(-len(found) // limit))
        shown = found[(page - 1) * limit : page * limit]
        return {"items": shown, "pagination": {"total_count": len(found), "max_page": pages}}

    return act


def _one(table: str) -> Callable[..., Object]:
    return lambda stub, _query, ref: stub.get(table, ref)


def _make_checkout(stub: PolarStub, body: Object) -> Object:
    (product_ref,) = body["products"]
    product = stub.get("product", product_ref)
    prices = (body.get("prices") or {}).get(product_ref) or product["prices"]
    kept = {name: body.get(name) for name in ("external_customer_id", "customer_id", "customer_email")}
    made = stub.add(
        "checkout",
        outputs.Checkout,
        **kept,
        metadata=body["metadata"],
        product_id=product_ref,
        net_amount=prices[0]["price_amount"],
        total_amount=prices[0]["price_amount"],
        currency=body["currency"],
        expires_at=stub.now(),
        status="open",
    )
    made["url"] = f"https://polar.invalid/{made['id']}"
    return made


def _draft(stub: PolarStub, body: Object) -> Object:
    customer = stub.get("customer", body["customer_id"])
    return stub._order(customer, body["product_id"], body["amount"], 0, metadata=body["metadata"], status="draft")


def _finalize(stub: PolarStub, body: Object, ref: str) -> Object:
    order = stub.get("order", ref)
    if not stub.may_charge:
        raise Refused(403, "OffSessionChargesNotEnabled", "Off-session charges are not enabled")
    if order["status"] != "draft":
        raise Refused(412, "OrderNotDraft", "The order is no draft")
    if body["payment_method_id"].endswith("declined"):
        reason = {"decline_reason": "insufficient_funds", "decline_message": "Not enough money"}
        stub.add("payment", outputs.GenericPayment, order_id=ref, status="failed", method="x", **reason)
        raise Refused(402, "PaymentFailed", "The card was declined")
    order |= {"status": "paid", "paid": True}
    return order


def _refund(stub: PolarStub, body: Object) -> Object:
    order = stub.get("order", body["order_id"])
    if body["amount"] > order["refundable_amount"]:
        raise Refused(403, "RefundedAlready", "More than is left")
    tax = round(order["tax_amount"] * body["amount"] / order["net_amount"])
    order["refundable_amount"] -= body["amount"]
    order["status"] = "partially_refunded" if order["refundable_amount"] else "refunded"
    return stub.add(
        "refund",
        outputs.Refund,
        order_id=order["id"],
        amount=body["amount"],
        tax_amount=tax,
        currency="eur",
        status="succeeded",
        metadata=body.get("metadata", {}),
    )


def _make_customer(stub: PolarStub, body: Object) -> Object:
    return stub.add("customer", outputs.CustomerIndividual, **body)


def _external(stub: PolarStub, _query: Object, external_id: str) -> Object:
    found = [one for one in stub.all("customer") if one["external_id"] == external_id]
    if not found:
        raise Refused(404, "ResourceNotFound", "Not found")
    return found[0]


def _make_product(stub: PolarStub, body: Object) -> Object:
    given = {name: one for name, one in body.items() if name in ("name", "metadata")}
    made = stub.add("product", outputs.Product, **given)
    made["prices"] = [_price(stub, one, made["id"]) for one in body["prices"]]
    return made


def _price(stub: PolarStub, body: Object, product_ref: str) -> Object:
    return stub.add("price", outputs.ProductPriceFixed, **body, product_id=product_ref)


def _change_product(stub: PolarStub, body: Object, ref: str) -> Object:
    made = stub.get("product", ref)
    if "prices" in body:
        given = body.pop("prices")
        made["prices"] = [stub.get("price", one["id"]) if "id" in one else _price(stub, one, ref) for one in given]
    made |= body
    return made


_REF = r"([^/]+)"
ROUTES: list[tuple[str, str, Any, Callable[..., Object]]] = [
    ("POST", "/v1/checkouts/", inputs.CheckoutCreate, _make_checkout),
    ("GET", "/v1/checkouts/", None, _listed("checkout", "external_customer_id")),
    ("GET", f"/v1/checkouts/{_REF}", None, _one("checkout")),
    ("POST", "/v1/orders/", inputs.OrderCreate, _draft),
    ("GET", "/v1/orders/", None, _listed("order", "checkout_id", "customer_id", "status")),
    ("GET", f"/v1/orders/{_REF}", None, _one("order")),
    ("POST", f"/v1/orders/{_REF}/finalize", inputs.OrderFinalize, _finalize),
    ("POST", "/v1/refunds/", inputs.RefundCreate, _refund),
    ("GET", "/v1/refunds/", None, _listed("refund", "order_id")),
    ("GET", "/v1/disputes/", None, _listed("dispute", "order_id")),
    ("GET", "/v1/payments/", None, _listed("payment", "order_id")),
    ("POST", "/v1/customers/", inputs.CustomerIndividualCreate, _make_customer),
    ("GET", "/v1/customers/", None, _listed("customer")),
    ("GET", f"/v1/customers/external/{_REF}", None, _external),
    ("GET", f"/v1/customers/{_REF}", None, _one("customer")),
    ("GET", f"/v1/customers/{_REF}/payment-methods", None, _listed("card")),
    ("POST", "/v1/products/", inputs.ProductCreateOneTime, _make_product),
    ("GET", "/v1/products/", None, _listed("product")),
    ("GET", f"/v1/products/{_REF}", None, _one("product")),
    ("PATCH", f"/v1/products/{_REF}", inputs.ProductUpdate, _change_product),
]


@contextmanager
def running_polar(clock: Clock) -> Iterator[PolarStub]:
    """The stand-in, listening until the block ends."""
    stub = PolarStub(clock)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = stub.faults.pop(0) if stub.faults else ""
            if fault == "drop":
                return
            if fault in ("500", "429"):
                self._write(int(fault), {"detail": "broken"})
                return
            try:
                body = json.loads(raw) if raw else {}
                status, made = 200, stub.carry_out(self.command, url.path, parse_qs(url.query), body)
            except Refused as error:
                status, made = error.status, error.body
            if fault != "lose":
                self._write(status, made)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - the names that the server calls

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

"""Messages of Stripe: signatures with two secrets, the time in them both ways, and what each kind is about."""

import json
import threading
import typing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import stripe
from polar.v2026_10.literals import WebhookEventType

from ledger.clock import FixedClock, SystemClock
from ledger.gateways.polar import EVENT_KINDS as POLAR_KINDS
from ledger.gateways.provider import AboutKind, EventUnreadable, SignatureRefused
from ledger.gateways.stripe import StripeGateway
from ledger.gateways.stripe_events import EVENT_KINDS, read
from tests.gateways.conftest import AT, PAY_PAGE, charge, checkout
from tests.kit.localstripe import KEY, Peer
from tests.kit.stripe_stub import SECRET, Stub

Gate = StripeGateway


def test_events_lead_to_the_payment_whatever_they_tell_of(gateway: Gate, stub: Stub) -> None:
    page = gateway.open_checkout(checkout())
    ref = stub.books.pay(page.ref)["id"]
    stub.books.refund(ref, 10)
    stub.books.dispute(ref, 10)
    told = [gateway.read_event(*stub.event(number), at=AT) for number in range(4)]
    assert [(one.kind, one.about, one.ref) for one in told] == [
        ("payment_intent.succeeded", AboutKind.PAYMENT, ref),
        ("checkout.session.completed", AboutKind.CHECKOUT, page.ref),
        ("charge.refunded", AboutKind.PAYMENT, ref),
        ("charge.dispute.created", AboutKind.PAYMENT, ref),
    ]
    assert all(one.happened_at == AT for one in told)


@pytest.mark.parametrize("secret", ["whsec_old", SECRET])
def test_both_secrets_are_good_while_they_change(gateway: Gate, stub: Stub, secret: str) -> None:
    stub.books.tell("customer.updated", {"id": "cus_1"})
    assert gateway.read_event(*stub.event(secret=secret), at=AT).about is AboutKind.CUSTOMER


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_message_may_be_five_minutes_off(gateway: Gate, stub: Stub, seconds: int) -> None:
    stub.books.tell("customer.updated", {"id": "cus_1"})
    assert gateway.read_event(*stub.event(at=int(AT.timestamp()) + seconds), at=AT).ref == "cus_1"


@pytest.mark.parametrize("seconds", [-301, 301, 10**9, 10**30])
def test_and_no_more_whether_old_or_of_the_future(gateway: Gate, stub: Stub, seconds: int) -> None:
    stub.books.tell("customer.updated", {"id": "cus_1"})
    message = stub.event(at=int(AT.timestamp()) + seconds)
    with pytest.raises(SignatureRefused):
        gateway.read_event(*message, at=AT)


def test_a_false_signature_is_refused(gateway: Gate, stub: Stub) -> None:
    stub.books.tell("customer.updated", {"id": "cus_1"})
    body, headers = stub.event()
    _, false = stub.event(secret="whsec_stranger")
    for tried, given in (
        (body, {}),
        (body, {"stripe-signature": ""}),
        (body, {"stripe-signature": "t=1"}),
        (body, {"stripe-signature": "v1=abc"}),
        (body, {"stripe-signature": "t=x,v1=abc"}),
        (body, false),
        (body + b" ", headers),
        (b"\xff\xfe", headers),
    ):
        with pytest.raises(SignatureRefused):
            gateway.read_event(tried, given, at=AT)


def test_without_a_secret_nothing_is_believed(stub: Stub, clock: FixedClock) -> None:
    stub.books.tell("customer.updated", {"id": "cus_1"})
    open_door = Gate("sk_test_x", clock, pay_page=PAY_PAGE, address=stub.address)
    with pytest.raises(SignatureRefused):
        open_door.read_event(*stub.event(), at=AT)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{",
        "null",
        "{}",
        '{"id": "evt_1", "type": "x", "created": "y", "data": {"object": {}}}',
        '{"id": "evt_1", "type": "x", "created": 1e300, "data": {"object": {}}}',
        '{"id": "evt_1", "type": "customer.updated", "created": 1, "data": {"object": []}}',
        '{"id": "evt_1", "object": "v2.core.event", "type": "x", "created": "2026-01-01T00:00:00Z"}',
    ],
)
def test_what_is_signed_and_cannot_be_read_is_told_so(gateway: Gate, body: str) -> None:
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET, int(AT.timestamp()))
    with pytest.raises(EventUnreadable):
        gateway.read_event(body.encode(), {"stripe-signature": header}, at=AT)


def _event(kind: str, **about: Any) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "created": 1, "data": {"object": about}}).encode()


def test_every_kind_that_is_asked_for_is_about_something() -> None:
    for kind in EVENT_KINDS:
        assert read(_event(kind, id="x_1", payment_intent="pi_1", customer="cus_1")).about, kind


def test_every_kind_exists_at_stripe_and_at_polar() -> None:
    """The SDKs' own lists: a kind that is misspelt would never come."""
    known = typing.get_type_hints(stripe.Event, localns={"EventRequest": Any})["type"]
    assert set(EVENT_KINDS) <= set(typing.get_args(known))
    assert set(POLAR_KINDS) <= set(typing.get_args(WebhookEventType))


def test_of_no_consequence() -> None:
    assert read(_event("price.created", id="price_1")).about is AboutKind.NOTHING
    # A refund of a charge that belongs to no payment intent; a card that belongs to nobody any more.
    assert read(_event("refund.created", id="re_1", payment_intent=None)).about is AboutKind.NOTHING
    assert read(_event("payment_method.updated", id="pm_1")).about is AboutKind.NOTHING


def test_localstripe_signs_messages_that_we_believe(peer: Peer, closing: None) -> None:
    """The real peer delivers to a door of ours: raw bytes, its own signature."""
    got: list[tuple[bytes, dict[str, str]]] = []
    arrived = threading.Event()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.end_headers()
            if b"payment_intent.succeeded" in body:
                arrived.set()

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        peer.send_events_to(f"http://127.0.0.1:{server.server_port}/", "whsec_local")
        local = Gate(KEY, SystemClock(), webhook_secrets=("whsec_local",), pay_page=PAY_PAGE, address=peer.address)
        made = local.charge_saved_card(charge("pay_hook", *peer.saved_card("4242424242424242")))
        assert arrived.wait(15)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    now = datetime.now(UTC)
    told = [local.read_event(body, headers, at=now) for body, headers in got]
    assert [one.ref for one in told if one.kind == "payment_intent.succeeded"] == [made.payment_ref]
    with pytest.raises(SignatureRefused):
        local.read_event(*got[0], at=now + timedelta(minutes=6))

"""Stripe's checkouts, refunds, disputes, customers, products and meters, against the stand-in that checks requests."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import stripe

from ledger.clock import FixedClock
from ledger.core.amounts import MICRO, Money
from ledger.errors import ProviderRefused, ProviderUnavailable
from ledger.gateways import stripe_client
from ledger.gateways.provider import Product, Progress, RefundRequest
from ledger.gateways.stripe import StripeGateway
from tests.gateways.conftest import AT, OFFER, charge, checkout
from tests.kit.stripe_stub import Stub

Gate = StripeGateway


def test_a_checkout_is_paid_and_tells_all_of_it(gateway: Gate, stub: Stub) -> None:
    page = gateway.open_checkout(checkout(saves_card=True))
    assert page.ends_at == AT + timedelta(days=1)
    assert gateway.open_checkout(checkout(saves_card=True)) == page
    before = gateway.look(checkout_ref=page.ref)
    assert before is not None
    assert (before.progress, before.payment, before.payment_ref) == (Progress.OPEN, "pay_1", None)
    intent = stub.books.pay(page.ref)
    found = gateway.look(checkout_ref=page.ref)
    assert found is not None
    assert (found.progress, found.payment, found.account, found.package) == (Progress.PAID, "pay_1", "acme", "starter")
    assert (found.total, found.tax_cents, found.paid_at) == (Money(1_000, "EUR"), 0, AT)
    assert found.card is not None
    assert found.card.words == "visa •••• 4242, 12/30"
    assert gateway.look(payment_ref=intent["id"]) == found
    gateway.close_checkout(page.ref)  # paid: nothing to close
    assert intent["metadata"]["credits"] == "1000"
    assert intent["metadata"]["type"] == "credit_purchase"


def test_the_card_of_a_checkout_that_keeps_none_is_not_told(gateway: Gate, stub: Stub) -> None:
    page = gateway.open_checkout(checkout())
    stub.books.pay(page.ref)
    found = gateway.look(checkout_ref=page.ref)
    assert found is not None
    assert found.card is None


def test_tax_is_told_apart(stub: Stub, clock: FixedClock) -> None:
    taxed = Gate("sk_test_x", clock, pay_page="https://x.test/pay", automatic_tax=True, address=stub.address)
    customer = taxed.make_customer(account="acme", name="Acme", email="a@example.com")
    page = taxed.open_checkout(checkout(customer_ref=customer.ref))
    stub.books.pay(page.ref)
    found = taxed.look(checkout_ref=page.ref)
    assert found is not None
    assert (found.total.cents, found.tax_cents, found.customer_ref) == (1_190, 190, customer.ref)


def test_a_decline_on_the_page_may_be_followed_by_another_card_until_the_page_ends(gateway: Gate, stub: Stub) -> None:
    page = gateway.open_checkout(checkout())
    intent = stub.books.pay(page.ref, "0341")
    found = gateway.look(payment_ref=intent["id"])
    assert found is not None
    assert (found.progress, found.failure_code) == (Progress.OPEN, "insufficient_funds")
    gateway.close_checkout(page.ref)
    gateway.close_checkout(page.ref)
    ended = gateway.look(checkout_ref=page.ref)
    assert ended is not None
    assert ended.progress is Progress.EXPIRED


@pytest.mark.parametrize(("minutes", "kept"), [(1, 60), (29, 60), (90, 90), (1_439, 1_439), (3_000, 1_440)])
def test_a_page_ends_within_what_stripe_allows(gateway: Gate, minutes: int, kept: int) -> None:
    page = gateway.open_checkout(checkout(ends_at=AT + timedelta(minutes=minutes)))
    assert page.ends_at == AT + timedelta(minutes=kept)


def test_several_are_asked_for_by_piece_or_in_one_where_the_price_cannot_be_divided(gateway: Gate, stub: Stub) -> None:
    for payment, cents in (("pay_1", 3_000), ("pay_2", 1_000)):
        offer = replace(OFFER, quantity=3, credits_micro=3_000 * MICRO, price=Money(cents, "EUR"))
        page = gateway.open_checkout(checkout(payment, offer=offer))
        assert stub.books.get(page.ref)["amount_total"] == cents


def test_a_changed_request_under_the_same_name_finds_the_page_that_was_made(gateway: Gate) -> None:
    page = gateway.open_checkout(checkout())
    assert gateway.open_checkout(checkout(email="other@example.com")) == page


@pytest.mark.parametrize("fault", ["lose", "drop", "500", "429"])
def test_what_breaks_on_the_way_is_done_once(gateway: Gate, stub: Stub, fault: str) -> None:
    card = stub.books.card(customer=stub.books.make(stripe.Customer, "cus")["id"])
    customer = stub.books.get(card)["customer"]
    stub.faults = ["", fault]  # the look for an earlier charge goes well
    request = charge("pay_7", customer, card)
    try:
        made = gateway.charge_saved_card(request)
    except ProviderUnavailable:
        assert fault == "429"  # Stripe says when to come again; the job does
        made = gateway.charge_saved_card(request)
    assert made.progress is Progress.PAID
    assert len(list(stub.books.all("payment_intent"))) == 1
    stub.faults = ["", fault]
    back = RefundRequest("ref_7", made.payment_ref or "", Money(100, "EUR"))
    try:
        gateway.refund(back)
    except ProviderUnavailable:
        gateway.refund(back)
    assert [one["amount"] for one in stub.books.all("refund")] == [100]


def test_a_charge_is_not_made_again_when_stripe_has_forgotten_the_key(gateway: Gate, stub: Stub) -> None:
    card = stub.books.card(customer=stub.books.make(stripe.Customer, "cus")["id"])
    request = charge("pay_8", stub.books.get(card)["customer"], card)
    made = gateway.charge_saved_card(request)
    for number in range(3):
        gateway.charge_saved_card(charge(f"pay_more_{number}", request.customer_ref, card))
    stub._answers.clear()
    assert gateway.charge_saved_card(request).payment_ref == made.payment_ref
    assert len(list(stub.books.all("payment_intent"))) == 4


def test_a_customer_is_asked_even_when_the_call_that_does_it_broke_off(gateway: Gate, stub: Stub) -> None:
    card = stub.books.card("3155", customer=stub.books.make(stripe.Customer, "cus")["id"])
    request = charge("pay_9", stub.books.get(card)["customer"], card)
    stub.faults = ["", "", "drop", "drop", "drop"]
    with pytest.raises(ProviderUnavailable):
        gateway.charge_saved_card(request)
    made = gateway.charge_saved_card(request)
    assert (made.progress, bool(made.action_url)) == (Progress.NEEDS_ACTION, True)
    assert len(list(stub.books.all("payment_intent"))) == 1
    stub.books.charge(stub.books.get(made.payment_ref or ""), "4242")
    assert gateway.charge_saved_card(request).progress is Progress.PAID


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, stub: Stub, clock: FixedClock) -> Iterator[Gate]:
    """A gateway that waits a quarter of a second, and tries once."""
    stripe_client.close_clients()
    monkeypatch.setattr(stripe_client, "TIMEOUT", 0.25)
    monkeypatch.setattr(stripe_client, "RETRIES", 0)
    yield Gate("sk_test_secret", clock, pay_page="https://x.test/pay", address=stub.address)
    stripe_client.close_clients()


def test_who_does_not_answer_is_not_waited_for_and_no_secret_is_told(
    impatient: Gate, stub: Stub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.faults = ["slow"]
    with pytest.raises(ProviderUnavailable) as timed_out:
        impatient.look(payment_ref="pi_1")
    stub.faults = ["500"]
    with pytest.raises(ProviderUnavailable) as broken:
        impatient.open_checkout(checkout())
    assert "HTTP 500" in str(broken.value)
    for text in (str(timed_out.value), str(broken.value), repr(broken.value.__cause__), caplog.text):
        assert "sk_test_secret" not in text


def test_refunds_and_disputes_are_told_whole(gateway: Gate, stub: Stub) -> None:
    page = gateway.open_checkout(checkout())
    ref = stub.books.pay(page.ref)["id"]
    for _ in range(11):  # a charge shows ten
        stub.books.refund(ref, 10)
    ours = gateway.refund(RefundRequest("ref_1", ref, Money(200, "EUR")))
    failed = stub.books.refund(ref, 50)
    failed["status"] = "failed"
    waiting = stub.books.refund(ref, 30, status="requires_action")
    for status in ("needs_response", "warning_needs_response", "won", "lost", "prevented", "appeal_under_review"):
        stub.books.dispute(ref, 100, status)
    found = gateway.look(payment_ref=ref)
    assert found is not None
    assert (found.refunded_cents, found.own_refunds_cents) == (340, 200)
    states = {one.ref: one.state for one in found.refunds}
    assert (states[ours.ref], states[failed["id"]], states[waiting["id"]]) == ("done", "failed", "pending")
    told = [one.state for one in sorted(found.disputes, key=lambda one: int(one.ref.split("_")[1]))]
    assert told == ["open", "inquiry", "won", "lost", "inquiry", "open"]


def test_money_goes_to_the_balance_once(gateway: Gate, stub: Stub) -> None:
    customer = gateway.make_customer(account="acme", name="Acme", email="a@example.com")
    ref = stub.books.pay(gateway.open_checkout(checkout(customer_ref=customer.ref)).ref)["id"]
    request = RefundRequest("ref_1", ref, Money(300, "EUR"), to_balance=True, customer_ref=customer.ref)
    assert gateway.refund(request).state == "done"
    stub._answers.clear()
    gateway.refund(request)
    balance = gateway.balance(customer.ref)
    assert (balance.money, [one.money.cents for one in balance.moves]) == (Money(-300, "EUR"), [-300])
    assert balance.moves[0].metadata["refund"] == "ref_1"
    with pytest.raises(ProviderRefused, match="not linked"):
        gateway.refund(replace(request, customer_ref=None))


def test_all_payments_of_a_time_are_told_page_by_page(gateway: Gate, stub: Stub, clock: FixedClock) -> None:
    page = gateway.open_checkout(checkout("pay_0"))
    paid = [stub.books.pay(page.ref)["id"]]
    for _ in range(104):
        clock.advance(timedelta(minutes=1))
        intent = stub.books.make(stripe.PaymentIntent, "pi", amount=1_000, currency="eur", metadata={})
        stub.books.charge(intent, "4242")
        paid.append(intent["id"])
    stub.books.pay(gateway.open_checkout(checkout("pay_declined")).ref, "0341")
    stub.books.refund(paid[3], 70)
    stub.books.dispute(paid[4], 1_000)
    invoice = stub.books.make(stripe.InvoicePayment, "inpay", invoice="in_1", payment={"payment_intent": paid[5]})
    found = list(gateway.payments(since=AT, until=AT + timedelta(days=1)))
    assert sorted(one.payment_ref or "" for one in found) == sorted(paid)
    by_ref = {one.payment_ref: one for one in found}
    assert by_ref[paid[3]].refunded_cents == 70
    assert [one.state for one in by_ref[paid[4]].disputes] == ["open"]
    assert by_ref[paid[5]].invoice_ref == invoice["invoice"]
    assert by_ref[paid[0]].checkout_ref == page.ref
    assert len(list(gateway.payments(since=AT, until=AT + timedelta(minutes=5)))) == 5


def test_customers(gateway: Gate, stub: Stub) -> None:
    made = gateway.make_customer(account="acme", name="Acme", email="a@example.com")
    assert gateway.make_customer(account="acme", name="Acme", email="a@example.com").ref == made.ref
    stub._answers.clear()
    assert gateway.make_customer(account="acme", name="Acme", email="a@example.com").ref == made.ref
    assert gateway.make_customer(account="zoe", name="Zoe", email="").ref != made.ref
    stub.books.card(customer=made.ref)
    found = gateway.customer(made.ref)
    assert found is not None
    assert (found.account, found.email, found.card and found.card.words) == (
        "acme",
        "a@example.com",
        "visa •••• 4242, 12/30",
    )
    assert [one.account for one in gateway.customers()] == ["zoe", "acme"]
    stub.books.objects[made.ref] = {"id": made.ref, "object": "customer", "deleted": True}
    gone = gateway.customer(made.ref)
    assert gone is not None
    assert gone.is_deleted


def test_products_change_their_price_and_lose_old_words(gateway: Gate, stub: Stub) -> None:
    words = {"package": "starter", "package_type": "credit_package", "credits": "1000"}
    made = gateway.put_product(Product("starter", "Starter", Money(1_000, "EUR"), "1000", metadata=words), key="1")
    stub.books.make(stripe.Product, "prod", name="Shirt", metadata={}, active=True)
    assert list(gateway.products()) == [made]
    stub.books.get(made.product_ref or "")["metadata"]["colour"] = "red"
    dearer = replace(made, price=Money(1_200, "EUR"))
    changed = gateway.put_product(dearer, key="2")
    assert changed.product_ref == made.product_ref
    assert (changed.price, changed.price_ref != made.price_ref) == (Money(1_200, "EUR"), True)
    assert changed.metadata == words
    assert stub.books.get(made.price_ref or "")["active"] is False
    gone = gateway.put_product(replace(changed, is_active=False), key="3")
    assert (gone.is_active, gone.price_ref) == (False, changed.price_ref)
    # The same change again after somebody else's in between is a change again.
    stub.books.get(made.product_ref or "").update(active=True, updated=1)
    assert not gateway.put_product(replace(changed, is_active=False), key="3").is_active


def _subscription(stub: Stub, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    books = stub.books
    plan = books.make(stripe.Price, "price", recurring={"usage_type": "licensed"})
    metered = books.make(stripe.Price, "price", recurring={"usage_type": "metered"})
    customer = books.make(stripe.Customer, "cus", metadata={"account": "acme"})
    span = {"current_period_start": 1_000_000, "current_period_end": 3_592_000}
    items = {"object": "list", "data": [{"id": "si_2", "price": metered}, {"id": "si_1", "price": plan} | span]}
    made = books.make(
        stripe.Subscription,
        "sub",
        customer=customer["id"],
        status="active",
        cancel_at_period_end=True,
        items=items | {"has_more": False, "url": "/v1/x"},
        metadata={},
        **more,
    )

    def line(price: str, amount: int, *, proration: bool = False, **fields: Any) -> dict[str, Any]:
        parent = {"type": "subscription_item_details", "subscription_item_details": {"proration": proration}}
        given = {
            "amount": amount,
            "period": {"start": 1_000_000, "end": 3_592_000},
            "parent": parent,
            "pricing": {"price_details": {"price": price, "product": "prod_1"}},
        }
        return books.make(stripe.InvoiceLineItem, "il", **given | fields)

    lines = [
        line(plan["id"], -900, proration=True, period={"start": 1, "end": 2}),
        line(plan["id"], 4_900, description="Plan"),
        line(metered["id"], 250, quantity_decimal="12.5", description="Use"),
    ]
    invoice = books.make(
        stripe.Invoice,
        "in",
        customer=customer["id"],
        status="paid",
        total=4_250,
        currency="eur",
        lines={"object": "list", "data": lines, "has_more": False, "url": "/v1/x"},
        parent={"type": "subscription_details", "subscription_details": {"subscription": made["id"]}},
        payments={
            "object": "list",
            "has_more": False,
            "url": "/v1/x",
            "data": [books.make(stripe.InvoicePayment, "inpay", status="paid", payment={"payment_intent": "pi_9"})],
        },
        status_transitions={"paid_at": 1_000_100},
        period_end=3_592_000,
    )
    return made, invoice


def test_subscriptions_and_invoices(gateway: Gate, stub: Stub) -> None:
    made, invoice = _subscription(stub)
    found = gateway.subscription(made["id"])
    assert found is not None
    assert (found.account, found.status, found.ends_at_period_end) == ("acme", "active", True)
    assert found.period_end - found.period_start == timedelta(days=30)
    assert [one.ref for one in gateway.subscriptions()] == [made["id"]]
    paid = gateway.invoice(invoice["id"])
    assert paid is not None
    assert (paid.is_paid, paid.subscription_ref, paid.price_ref) == (True, made["id"], found.price_ref)
    assert (paid.metered_micro, paid.metered_cents, paid.payment_ref) == (12_500_000, 250, "pi_9")
    assert (paid.period_start, paid.period_end) == (found.period_start, found.period_end)
    assert [one.ref for one in gateway.invoices(made["id"])] == [invoice["id"]]
    coming = gateway.next_invoice(made["customer"], made["id"])
    assert coming is not None
    assert (coming.total, coming.lines[1:]) == (Money(4_250, "EUR"), (("Plan", 4_900), ("Use", 250)))
    made["status"] = "canceled"
    assert gateway.next_invoice(made["customer"], made["id"]) is None
    assert gateway.subscription("sub_none") is None
    assert gateway.invoice("in_none") is None


def test_meters_count_an_event_once(gateway: Gate, stub: Stub, clock: FixedClock) -> None:
    meter = gateway.make_meter(event_name="beyond", label="Beyond", key="beyond")
    stub._answers.clear()
    assert gateway.make_meter(event_name="beyond", label="Beyond", key="beyond") == meter
    for _ in range(2):
        gateway.send_meter_event(event_name="beyond", customer_ref="cus_1", value="12.5", identifier="m_1", at=AT)
        stub._answers.clear()
    since = AT - timedelta(seconds=30)
    found = gateway.meter_summary(meter, "cus_1", since=since, until=clock.now())
    assert (found.value, found.since) == ("12.5", AT - timedelta(minutes=1))


def test_the_stand_in_refuses_what_the_sdk_does_not_know(gateway: Gate, stub: Stub) -> None:
    client = gateway._client
    wrong: list[tuple[Any, str]] = [
        ({"amount": 1}, "Missing required param: currency"),
        ({"amount": "x", "currency": "eur"}, "Invalid int"),
        ({"amount": 1, "currency": "eur", "colour": "red"}, "unknown parameter: colour"),
    ]
    for number, (params, said) in enumerate(wrong):
        with pytest.raises(stripe.InvalidRequestError, match=said):
            client.v1.payment_intents.create(params, {"idempotency_key": f"ours:{number}"})
    with pytest.raises(stripe.InvalidRequestError, match="without a key of ours"):
        client.v1.payment_intents.create({"amount": 1, "currency": "eur"})

"""Polar's checkouts, orders, refunds, disputes, customers, products and messages against a stand-in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from polar.v2026_10 import outputs

from ledger.clock import FixedClock
from ledger.core.amounts import MICRO, Money
from ledger.errors import ProviderRefused, ProviderUnavailable
from ledger.gateways import polar_client
from ledger.gateways.polar import PolarGateway
from ledger.gateways.provider import (
    AboutKind,
    ChargeRequest,
    EventUnreadable,
    Offer,
    Product,
    Progress,
    RefundRequest,
    SignatureRefused,
)
from ledger.gateways.standard_webhooks import sign
from tests.gateways.conftest import AT, checkout
from tests.kit.polar_stub import SECRET, PolarStub, running_polar

WORDS = {"package": "starter", "package_type": "credit_package", "credits": "1000", "credits_amount": "1000"}


@pytest.fixture
def polar(clock: FixedClock) -> Iterator[PolarStub]:
    with running_polar(clock) as running:
        yield running
    polar_client.close_clients()


@pytest.fixture
def shop(polar: PolarStub, clock: FixedClock) -> PolarGateway:
    """A gateway to a Polar that sells one package."""
    opened = PolarGateway("polar_oat_secret", clock, webhook_secrets=("old", SECRET), address=polar.address)
    opened.put_product(Product("starter", "Starter", Money(1_000, "EUR"), "1000", metadata=WORDS), key="1")
    return opened


def offer(shop: PolarGateway, quantity: int = 1) -> Offer:
    (product,) = shop.products()
    price = Money(1_000 * quantity, "EUR")
    refs = {"product_ref": product.product_ref, "price_ref": product.price_ref}
    return Offer("starter", "Starter", 1_000 * MICRO * quantity, quantity, price, **refs)


def test_a_checkout_is_made_once_and_tells_what_was_paid(shop: PolarGateway, polar: PolarStub) -> None:
    request = checkout(offer=offer(shop))
    page = shop.open_checkout(request)
    assert shop.open_checkout(request) == page
    before = shop.look(checkout_ref=page.ref)
    assert before is not None
    assert (before.progress, before.payment) == (Progress.OPEN, "pay_1")
    order = polar.pay(page.ref, tax=190)
    found = shop.look(checkout_ref=page.ref)
    assert found is not None
    assert (found.progress, found.payment, found.account, found.package) == (Progress.PAID, "pay_1", "acme", "starter")
    assert (found.total, found.tax_cents, found.paid_at) == (Money(1_190, "EUR"), 190, AT)
    assert (found.payment_ref, found.checkout_ref) == (order["id"], page.ref)
    assert shop.look(payment_ref=order["id"]) == found
    assert shop.look(payment_ref="order_none") is None
    assert shop.look(checkout_ref="checkout_none") is None


def test_several_cost_what_they_cost_together(shop: PolarGateway, polar: PolarStub) -> None:
    page = shop.open_checkout(checkout(offer=offer(shop, 3)))
    assert polar.get("checkout", page.ref)["net_amount"] == 3_000


def test_what_polar_does_not_sell_is_refused_before_anybody_pays(shop: PolarGateway) -> None:
    with pytest.raises(ProviderRefused, match="push the catalogue"):
        shop.open_checkout(checkout())


@pytest.mark.parametrize(
    ("status", "progress"),
    [("expired", Progress.EXPIRED), ("confirmed", Progress.PROCESSING), ("failed", Progress.FAILED)],
)
def test_pages_that_were_not_paid(shop: PolarGateway, polar: PolarStub, status: str, progress: Progress) -> None:
    page = shop.open_checkout(checkout(offer=offer(shop)))
    with pytest.raises(ProviderRefused, match="closes no page early"):
        shop.close_checkout(page.ref)
    polar.get("checkout", page.ref)["status"] = status
    shop.close_checkout(page.ref)
    found = shop.look(checkout_ref=page.ref)
    assert found is not None
    assert found.progress is progress


def test_money_goes_back_once_with_its_share_of_tax(shop: PolarGateway, polar: PolarStub) -> None:
    order = polar.pay(shop.open_checkout(checkout(offer=offer(shop))).ref, tax=190)
    request = RefundRequest("ref_1", order["id"], Money(595, "EUR"))
    made = shop.refund(request)
    assert (made.cents, made.state, made.ours) == (595, "done", "ref_1")
    assert shop.refund(request) == made
    polar.add("refund", outputs.Refund, order_id=order["id"], amount=100, tax_amount=19, status="pending")
    polar.dispute(order, 300, "needs_response")
    polar.dispute(order, 300, "early_warning")
    found = shop.look(payment_ref=order["id"])
    assert found is not None
    assert (found.refunded_cents, found.own_refunds_cents) == (714, 595)
    assert sorted(one.state for one in found.disputes) == ["inquiry", "open"]
    with pytest.raises(ProviderRefused, match="no balance"):
        shop.refund(replace(request, refund="ref_2", to_balance=True))
    with pytest.raises(ProviderRefused):
        shop.refund(RefundRequest("ref_3", "order_none", Money(1, "EUR")))


def test_an_answer_that_was_lost_is_found_again(shop: PolarGateway, polar: PolarStub) -> None:
    request = checkout(offer=offer(shop))
    polar.faults = ["", "lose"]
    with pytest.raises(ProviderUnavailable):
        shop.open_checkout(request)
    page = shop.open_checkout(request)
    assert len(polar.all("checkout")) == 1
    order = polar.pay(page.ref)
    back = RefundRequest("ref_1", order["id"], Money(100, "EUR"))
    polar.faults = ["", "", "lose"]
    with pytest.raises(ProviderUnavailable):
        shop.refund(back)
    shop.refund(back)
    assert len(polar.all("refund")) == 1


@pytest.mark.parametrize("fault", ["drop", "500", "429"])
def test_what_breaks_is_told_without_the_token(shop: PolarGateway, polar: PolarStub, fault: str) -> None:
    polar.faults = [fault]
    with pytest.raises(ProviderUnavailable) as caught:
        shop.look(payment_ref="order_1")
    assert "polar_oat_secret" not in f"{caught.value}{caught.value.__cause__!r}"


def test_a_saved_card_is_charged_where_polar_allows_it(shop: PolarGateway, polar: PolarStub) -> None:
    customer = polar.customer(external_id="acme", email="a@x.test")
    good = ChargeRequest("pay_1", "acme", offer(shop), customer["id"], "card_good")
    made = shop.charge_saved_card(good)
    assert (made.progress, made.payment, made.total) == (Progress.PAID, "pay_1", Money(1_000, "EUR"))
    assert shop.charge_saved_card(good).payment_ref == made.payment_ref
    bad = replace(good, payment="pay_2", card_ref="card_declined")
    for _ in range(2):
        declined = shop.charge_saved_card(bad)
        assert declined.progress is Progress.FAILED
        assert declined.failure
    assert len(polar.all("payment")) == 1
    polar.may_charge = False
    with pytest.raises(ProviderRefused, match="not enabled"):
        shop.charge_saved_card(replace(good, payment="pay_3"))


def test_all_payments_of_a_time(shop: PolarGateway, polar: PolarStub, clock: FixedClock) -> None:
    refs = []
    for number in range(3):
        page = shop.open_checkout(checkout(f"pay_{number}", offer=offer(shop)))
        refs.append(polar.pay(page.ref)["id"])
        clock.advance(timedelta(hours=1))
    shop.refund(RefundRequest("ref_1", refs[1], Money(100, "EUR")))
    found = {one.payment_ref: one for one in shop.payments(since=AT, until=AT + timedelta(hours=2))}
    assert set(found) == set(refs[:2])
    assert found[refs[1]].refunded_cents == 100


def test_customers_are_known_by_our_name(shop: PolarGateway, polar: PolarStub) -> None:
    made = shop.make_customer(account="acme", name="Acme", email="a@x.test")
    assert shop.make_customer(account="acme", name="Acme", email="a@x.test").ref == made.ref
    shown = {"brand": "visa", "last4": "4242", "exp_month": 3, "exp_year": 2031}
    card = polar.add("card", outputs.CustomerPaymentMethodCard, type="card", method_metadata=shown)
    polar.get("customer", made.ref)["default_payment_method_id"] = card["id"]
    found = shop.customer(made.ref)
    assert found is not None
    assert (found.account, found.card and found.card.words) == ("acme", "visa •••• 4242, 03/31")
    polar.add("customer", outputs.CustomerIndividual, deleted_at=polar.now(), email="gone@x.test")
    assert [one.ref for one in shop.customers()] == [made.ref]
    assert shop.customer("customer_none") is None
    with pytest.raises(ProviderRefused, match="e-mail"):
        shop.make_customer(account="zoe", name="Zoe", email="")


def test_products_change_and_are_made_once(shop: PolarGateway, polar: PolarStub) -> None:
    (made,) = shop.products()
    fresh = Product("starter", "Starter", Money(1_000, "EUR"), "1000", metadata=WORDS)
    assert shop.put_product(fresh, key="other").product_ref == made.product_ref
    dearer = shop.put_product(replace(made, price=Money(1_200, "EUR")), key="2")
    assert (dearer.product_ref, dearer.price) == (made.product_ref, Money(1_200, "EUR"))
    assert dearer.price_ref != made.price_ref
    assert not shop.put_product(replace(dearer, is_active=False), key="3").is_active
    polar.add("product", outputs.Product, name="A shirt")
    assert [one.package for one in shop.products()] == ["starter"]


@pytest.mark.parametrize(
    ("kind", "data", "about", "ref"),
    [
        ("order.paid", {"id": "o1"}, AboutKind.PAYMENT, "o1"),
        ("refund.updated", {"id": "r1", "order_id": "o1"}, AboutKind.PAYMENT, "o1"),
        ("checkout.expired", {"id": "c1"}, AboutKind.CHECKOUT, "c1"),
        ("customer.updated", {"id": "cu1"}, AboutKind.CUSTOMER, "cu1"),
        ("benefit.created", {"id": "b1"}, AboutKind.NOTHING, ""),
    ],
)
def test_messages(
    shop: PolarGateway, polar: PolarStub, kind: str, data: dict[str, str], about: AboutKind, ref: str
) -> None:
    told = shop.read_event(*polar.event(kind, data, id="msg_9"), at=AT)
    assert (told.id, told.kind, told.about, told.ref, told.happened_at) == ("msg_9", kind, about, ref, AT)


def test_messages_of_others_are_refused(shop: PolarGateway, polar: PolarStub) -> None:
    body, headers = polar.event("order.paid", {"id": "o1"})
    for minutes in (-6, 6):
        with pytest.raises(SignatureRefused):
            shop.read_event(body, headers, at=AT + timedelta(minutes=minutes))
    with pytest.raises(SignatureRefused):
        shop.read_event(body + b" ", headers, at=AT)
    with pytest.raises(SignatureRefused):
        shop.read_event(body, {}, at=AT)


@pytest.mark.parametrize("told", [[], {}, {"type": "order.paid", "timestamp": "2026", "data": []}, {"type": 1}])
def test_signed_and_unreadable(shop: PolarGateway, told: object) -> None:
    body = json.dumps(told)
    # A secret that the convention can decode signs with what it encodes.
    opened = PolarGateway("x", shop._clock, webhook_secrets=("whsec_bW9jaw==",), address="http://127.0.0.1:9")
    with pytest.raises(EventUnreadable):
        opened.read_event(body.encode(), sign(body, id="m", secret="whsec_bW9jaw==", at=AT), at=AT)

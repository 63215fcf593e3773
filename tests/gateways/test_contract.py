"""What every gateway promises of a saved card and a refund, held against the mock, a stand-in and localstripe."""

from dataclasses import replace

import pytest

from ledger.core.amounts import Money
from ledger.errors import ProviderRefused
from ledger.gateways.mock import CONFIRMED_CARD, GOOD_CARD, LATER_DECLINED_CARD
from ledger.gateways.provider import Progress, RefundRequest
from tests.gateways.conftest import Tried, charge


def test_a_card_is_charged_once_under_one_name(tried: Tried) -> None:
    customer, card = tried.saved_card(GOOD_CARD)
    made = tried.gateway.charge_saved_card(charge("pay_a", customer, card))
    assert (made.progress, made.total, made.tax_cents) == (Progress.PAID, Money(1_000, "EUR"), 0)
    assert (made.payment, made.account, made.package, made.quantity) == ("pay_a", "acme", "starter", 1)
    assert made.customer_ref == customer
    assert made.paid_at is not None
    again = tried.gateway.charge_saved_card(charge("pay_a", customer, card))
    assert again.payment_ref == made.payment_ref
    found = tried.gateway.look(payment_ref=made.payment_ref)
    assert found is not None
    assert replace(found, asked_at=made.asked_at) == replace(made, asked_at=made.asked_at)


def test_a_decline_is_an_answer_and_stays_one(tried: Tried) -> None:
    customer, card = tried.saved_card(LATER_DECLINED_CARD)
    made = tried.gateway.charge_saved_card(charge("pay_b", customer, card))
    assert made.progress is Progress.FAILED
    assert made.failure
    assert made.failure_code
    assert made.paid_at is None
    again = tried.gateway.charge_saved_card(charge("pay_b", customer, card))
    assert (again.progress, again.payment_ref) == (Progress.FAILED, made.payment_ref)


def test_a_bank_that_wants_the_customer(tried: Tried) -> None:
    customer, card = tried.saved_card(CONFIRMED_CARD)
    made = tried.gateway.charge_saved_card(charge("pay_c", customer, card))
    assert made.progress is Progress.NEEDS_ACTION
    # localstripe knows no page of a bank.
    assert bool(made.action_url) == (tried.name != "localstripe")


def test_a_card_that_is_unknown_is_refused(tried: Tried) -> None:
    customer, _ = tried.saved_card(GOOD_CARD)
    with pytest.raises(ProviderRefused):
        tried.gateway.charge_saved_card(charge("pay_d", customer, "pm_nobody"))


def test_money_goes_back_once_under_one_name_and_never_more_than_came(tried: Tried) -> None:
    customer, card = tried.saved_card(GOOD_CARD)
    made = tried.gateway.charge_saved_card(charge("pay_e", customer, card))
    assert made.payment_ref is not None
    part = RefundRequest("ref_1", made.payment_ref, Money(400, "EUR"))
    first = tried.gateway.refund(part)
    assert (first.cents, first.state, first.ours) == (400, "done", "ref_1")
    assert tried.gateway.refund(part) == first
    found = tried.gateway.look(payment_ref=made.payment_ref)
    assert found is not None
    assert (found.refunded_cents, found.own_refunds_cents) == (400, 400)
    if tried.name != "localstripe":  # it gives back more than came
        with pytest.raises(ProviderRefused):
            tried.gateway.refund(RefundRequest("ref_2", made.payment_ref, Money(601, "EUR")))
    rest = tried.gateway.refund(RefundRequest("ref_3", made.payment_ref, Money(600, "EUR")))
    assert rest.cents == 600


def test_nobody_is_known_of_another_name(tried: Tried) -> None:
    assert tried.gateway.look(payment_ref="pi_nobody") is None
    assert tried.gateway.customer("cus_nobody") is None
    with pytest.raises(ProviderRefused):
        tried.gateway.refund(RefundRequest("ref_4", "pi_nobody", Money(1, "EUR")))

"""Payments begin, are paid at the mock provider, and their credits appear exactly once."""

from datetime import timedelta

import pytest

from ledger import MICRO, CreditType, Ledger, NotAllowedNow, PaymentState, Provider, StartPurchase
from ledger.clock import FixedClock
from ledger.gateways import registry
from ledger.gateways.mock import DECLINED_CARD, GOOD_CARD, MockGateway
from ledger.gateways.provider import PaymentFacts
from ledger.selling.follow import Unmatched, follow, follow_facts, follow_ref
from tests.kit.factories import ADMIN, open_account
from tests.kit.paying import buy, define_package, open_checkout, row_of, start


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> MockGateway:
    """A customer and a package for sale."""
    open_account(ledger)
    define_package(ledger)
    return mock


def test_credits_appear_when_the_provider_says_paid_and_once(ledger: Ledger, shop: MockGateway) -> None:
    name = start(ledger)
    ref = open_checkout(ledger, shop, name)
    assert row_of(ledger, name=name).state == PaymentState.OPEN
    assert follow(ledger, name).transaction_id is None
    facts = shop.pay(ref, GOOD_CARD)
    receipt = follow(ledger, name)
    assert receipt is not None and receipt.kind == "purchase"
    assert receipt.available_after_micro == 100 * MICRO
    (new,) = receipt.new_batches
    assert new.credit_type is CreditType.PURCHASED
    for _ in range(2):
        assert follow(ledger, name).transaction_id is None
        again = follow_ref(ledger, Provider.MOCK, payment_ref=facts.payment_ref)
        assert not isinstance(again, Unmatched) and again.transaction_id is None
    row = row_of(ledger, name=name)
    assert (row.state, row.batch_id, row.payment_ref) == (PaymentState.CREDITED, new.id, facts.payment_ref)
    assert (row.total_cents, row.paid_currency) == (10_000, "EUR")


def test_the_same_key_names_the_same_payment(ledger: Ledger, shop: MockGateway) -> None:
    command = StartPurchase("acme", "team", Provider.MOCK)
    first = ledger.execute(command, actor=ADMIN, key="form-1")
    again = ledger.execute(command, actor=ADMIN, key="form-1")
    assert again.replayed and first.subject_id == again.subject_id


def test_a_declined_card_leaves_the_checkout_open(ledger: Ledger, shop: MockGateway) -> None:
    name = start(ledger)
    ref = open_checkout(ledger, shop, name)
    failed = shop.pay(ref, DECLINED_CARD)
    follow_facts(ledger, failed)
    assert row_of(ledger, name=name).state == PaymentState.OPEN
    shop.pay(ref, GOOD_CARD)
    follow_facts(ledger, failed)
    assert row_of(ledger, name=name).state == PaymentState.CREDITED


def test_an_ended_checkout_expires(ledger: Ledger, shop: MockGateway) -> None:
    name = start(ledger)
    ref = open_checkout(ledger, shop, name)
    shop.close_checkout(ref)
    follow(ledger, name)
    assert row_of(ledger, name=name).state == PaymentState.EXPIRED


def test_the_limit_per_customer_holds_when_two_checkouts_are_paid(ledger: Ledger, shop: MockGateway) -> None:
    define_package(ledger, "starter", limit=1)
    names = [start(ledger, package="starter") for _ in range(2)]
    for name in names:
        shop.pay(open_checkout(ledger, shop, name), GOOD_CARD)
        follow(ledger, name)
    assert [row_of(ledger, name=name).state for name in names] == [PaymentState.CREDITED, PaymentState.BLOCKED]
    assert "may buy it once" in row_of(ledger, name=names[1]).error
    with pytest.raises(NotAllowedNow, match="may buy it once"):
        start(ledger, package="starter")


def test_what_nobody_here_began_is_unmatched(ledger: Ledger, shop: MockGateway) -> None:
    found = follow_ref(ledger, Provider.MOCK, payment_ref="pi_unknown")
    assert isinstance(found, Unmatched) and found.facts is None
    _, ref = buy(ledger, shop)
    assert not isinstance(follow_ref(ledger, Provider.MOCK, payment_ref=ref), Unmatched)


def test_an_answer_that_somebody_overtook_is_asked_for_again(
    ledger: Ledger, shop: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, ref = buy(ledger, shop)
    ask, asked = shop.look, []

    def look(**names: str) -> PaymentFacts | None:
        facts = ask(**names)
        asked.append(facts)
        clock.advance(timedelta(seconds=1))
        if len(asked) == 1:
            # While this answer is on its way, a refund is made and followed by somebody else.
            shop.give_back(ref, 5_000)
            follow(ledger, name)
        return facts

    monkeypatch.setattr(registry, "gateway", lambda *_: shop)
    monkeypatch.setattr(shop, "look", look)
    follow(ledger, name)
    assert len(asked) == 3
    assert row_of(ledger, name=name).taken_micro == 50 * MICRO

"""Money that leaves again at the provider takes its credits with it, freezes them, and brings them back."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from ledger import (
    MICRO,
    AdoptPayment,
    CaptureHold,
    DecidePayment,
    FollowPayment,
    InsufficientCredits,
    InvalidCommand,
    Ledger,
    Money,
    NotAllowedNow,
    NotPermitted,
    PaymentState,
    PlaceHold,
    Provider,
    ReferenceUsed,
    ReleaseHold,
)
from ledger.clock import FixedClock
from ledger.errors import NotFound
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.gateways.provider import CheckoutRequest, Offer
from ledger.reconcile import reconcile
from ledger.selling.follow import Unmatched, follow, follow_open, follow_ref
from tests.kit.factories import ADMIN, REASON, fresh_key, open_account, price_feature, reverse, run, top_up, use
from tests.kit.paying import buy, define_package, open_checkout, row_of, start
from tests.operations.books import all_rows


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> MockGateway:
    """A customer, a package for sale, something to use credits for."""
    open_account(ledger)
    define_package(ledger)
    price_feature(ledger)
    return mock


def test_a_refund_by_somebody_else_takes_what_is_left_and_claims_what_was_used(
    ledger: Ledger, shop: MockGateway
) -> None:
    name, ref = buy(ledger, shop)
    use(ledger, quantity=30)
    back = shop.give_back(ref, 10_000)
    receipt = follow(ledger, name)
    assert receipt is not None and receipt.kind == "claw_back"
    assert (receipt.available_after_micro, receipt.owed_after_micro) == (0, 30 * MICRO)
    assert receipt.money == Money(10_000, "EUR")
    shop.fail_refund(ref, back.ref)
    receipt = follow(ledger, name)
    assert receipt is not None and receipt.kind == "put_back"
    assert (receipt.available_after_micro, receipt.owed_after_micro) == (70 * MICRO, 0)
    assert [row["cause"] for row in all_rows(ledger)["claw_back"]] == ["refund", "refund_failed"]


def test_a_dispute_freezes_and_a_won_one_gives_back_the_same_batch_with_its_end(
    ledger: Ledger, shop: MockGateway, clock: FixedClock
) -> None:
    name, ref = buy(ledger, shop)
    (ends,) = [row["expires_at"] for row in all_rows(ledger)["batch"]]
    use(ledger, quantity=30)
    dispute = shop.dispute(ref)
    receipt = follow(ledger, name)
    assert receipt is not None and (receipt.kind, receipt.available_after_micro) == ("freeze", 0)
    clock.advance(timedelta(days=40))
    shop.close_dispute(ref, dispute, is_won=True)
    receipt = follow(ledger, name)
    assert receipt is not None and (receipt.kind, receipt.available_after_micro) == ("thaw", 70 * MICRO)
    assert [row["expires_at"] for row in all_rows(ledger)["batch"]] == [ends]


def test_a_lost_dispute_after_a_refund_takes_nothing_twice(ledger: Ledger, shop: MockGateway) -> None:
    name, ref = buy(ledger, shop)
    shop.give_back(ref, 4_000)
    dispute = shop.dispute(ref, 10_000)
    follow(ledger, name)
    shop.close_dispute(ref, dispute, is_won=False)
    follow(ledger, name)
    row = row_of(ledger, name=name)
    assert (row.taken_micro, row.claimed_micro) == (100 * MICRO, 0)


def test_what_a_dispute_froze_is_freed_by_nobody_else(ledger: Ledger, shop: MockGateway) -> None:
    name, ref = buy(ledger, shop)
    shop.dispute(ref)
    follow(ledger, name)
    reference = f"dispute:{name}"
    for command in (
        ReleaseHold("acme", reference, REASON),
        CaptureHold("acme", reference, "event-1"),
    ):
        with pytest.raises(NotAllowedNow, match="ends when the provider"):
            run(ledger, command)
    with pytest.raises(InvalidCommand, match="must not begin with 'dispute:'"):
        run(ledger, PlaceHold("acme", "dispute:mine", "images", MICRO))


def test_none_of_it_is_reversed(ledger: Ledger, shop: MockGateway) -> None:
    name, ref = buy(ledger, shop)
    shop.give_back(ref, 5_000)
    taken = follow(ledger, name)
    assert taken is not None
    with pytest.raises(NotAllowedNow, match="when it moves again"):
        reverse(ledger, taken)
    credited = all_rows(ledger)["batch"][0]["made_by_id"]
    with pytest.raises(NotAllowedNow, match="go back by a refund"):
        reverse(ledger, credited)


def test_a_claim_may_pass_the_overdraft_but_new_use_may_not(ledger: Ledger, shop: MockGateway) -> None:
    name, ref = buy(ledger, shop)
    use(ledger, quantity=100)
    shop.give_back(ref, 10_000)
    follow(ledger, name)
    with pytest.raises(InsufficientCredits):
        use(ledger, quantity=1)
    receipt = top_up(ledger, credits=120)
    assert (receipt.owed_after_micro, receipt.available_after_micro) == (0, 20 * MICRO)


def test_a_blocked_payment_is_credited_or_given_back_by_a_person(ledger: Ledger, shop: MockGateway) -> None:
    define_package(ledger, "starter", limit=1)
    names = [start(ledger, package="starter") for _ in range(3)]
    for name in names:
        shop.pay(open_checkout(ledger, shop, name), GOOD_CARD)
        follow(ledger, name)
    with pytest.raises(NotAllowedNow, match="only a blocked one"):
        run(ledger, DecidePayment(names[0], True, REASON))
    run(ledger, DecidePayment(names[1], True, REASON))
    assert run(ledger, DecidePayment(names[2], False, REASON)).money == Money(10_000, "EUR")
    states = [row_of(ledger, name=name).state for name in names]
    assert states == [PaymentState.CREDITED, PaymentState.CREDITED, PaymentState.FAILED]
    (sending,) = all_rows(ledger)["provider_refund"]
    assert (sending["cents"], sending["state"], sending["sent_to"]) == (10_000, "asked", "card")
    # What the provider says later does not credit it after all.
    assert follow(ledger, names[2]).transaction_id is None  # type: ignore[union-attr]


def test_a_package_that_is_no_longer_sold_is_blocked_when_it_was_paid_too_late(
    ledger: Ledger, shop: MockGateway, clock: FixedClock
) -> None:
    define_package(ledger, "sale", ends_at=clock.now() + timedelta(hours=1))
    name = start(ledger, package="sale")
    ref = open_checkout(ledger, shop, name)
    clock.advance(timedelta(hours=2))
    shop.pay(ref, GOOD_CARD)
    follow(ledger, name)
    row = row_of(ledger, name=name)
    assert row.state == PaymentState.BLOCKED and "was for sale until" in row.error


def test_a_payment_booked_by_hand_before_is_not_credited_again(ledger: Ledger, shop: MockGateway) -> None:
    name = start(ledger)
    facts = shop.pay(open_checkout(ledger, shop, name), GOOD_CARD)
    top_up(ledger, reference=facts.payment_ref)
    follow(ledger, name)
    assert "is booked already" in row_of(ledger, name=name).error
    with pytest.raises(ReferenceUsed):
        run(ledger, DecidePayment(name, True, REASON))


def test_money_made_at_the_provider_without_us_is_adopted(ledger: Ledger, shop: MockGateway) -> None:
    offer = Offer("other", "Other", 70 * MICRO, 1, Money(7_000, "EUR"))
    page = shop.open_checkout(CheckoutRequest("inv-7", "someone", offer, "https://a.example", "https://b.example"))
    ref = str(shop.pay(page.ref, GOOD_CARD).payment_ref)
    found = follow_ref(ledger, Provider.MOCK, payment_ref=ref)
    assert isinstance(found, Unmatched) and found.facts is not None and "none of ours" in found.why
    command = AdoptPayment(Provider.MOCK, ref, "acme", Money(7_000, "EUR"), REASON, credits_micro=70 * MICRO)
    run(ledger, command)
    with pytest.raises(NotAllowedNow, match="is known here as"):
        run(ledger, command)
    receipt = follow_ref(ledger, Provider.MOCK, payment_ref=ref)
    assert not isinstance(receipt, Unmatched) and receipt.available_after_micro == 70 * MICRO


def test_a_package_that_is_adopted_is_credited_beyond_its_limit(ledger: Ledger, shop: MockGateway) -> None:
    define_package(ledger, "sale", limit=1)
    buy(ledger, shop, package="sale")
    offer = Offer("sale", "Sale", 100 * MICRO, 1, Money(10_000, "EUR"))
    page = shop.open_checkout(CheckoutRequest("inv-7", "someone", offer, "https://a.example", "https://b.example"))
    ref = str(shop.pay(page.ref, GOOD_CARD).payment_ref)
    run(ledger, AdoptPayment(Provider.MOCK, ref, "acme", Money(10_000, "EUR"), REASON, "sale"))
    receipt = follow_ref(ledger, Provider.MOCK, payment_ref=ref)
    assert not isinstance(receipt, Unmatched) and receipt.available_after_micro == 200 * MICRO


def test_a_page_that_was_never_made_is_given_up_after_a_day(
    ledger: Ledger, shop: MockGateway, clock: FixedClock
) -> None:
    name, paid = start(ledger), start(ledger)
    shop.pay(open_checkout(ledger, shop, paid), GOOD_CARD)
    clock.advance(timedelta(minutes=10))
    done = follow_open(ledger)
    assert (done.asked, done.moved, done.errors) == (2, 1, ())
    # Nothing is asked twice within some minutes.
    assert follow_open(ledger).asked == 0
    clock.advance(timedelta(days=1))
    follow_open(ledger)
    assert row_of(ledger, name=name).state == PaymentState.EXPIRED
    assert follow_open(ledger).asked == 0


def test_nobody_types_that_something_was_paid(ledger: Ledger, shop: MockGateway) -> None:
    name = start(ledger)
    facts = shop.pay(open_checkout(ledger, shop, name), GOOD_CARD)
    with pytest.raises(NotPermitted):
        ledger.execute(FollowPayment(name, facts), actor=ADMIN, key=fresh_key())
    with pytest.raises(NotFound):
        follow(ledger, "pay_unknown")


FAULTS = {
    "UPDATE payment SET gone_micro = gone_micro + 1": "clawed back = its claw-backs",
    "UPDATE account SET claimed_micro = claimed_micro + 1": "account claimed = its claims",
    "UPDATE batch SET cost_cents = cost_cents + 1": "a paid payment is one batch, at what was paid",
    "UPDATE payment SET hold_id = NULL": "what a dispute freezes is held for its payment",
}


def test_the_proof_of_the_books_sees_what_is_wrong(ledger: Ledger, shop: MockGateway) -> None:
    name, ref = buy(ledger, shop)
    use(ledger, quantity=60)
    shop.give_back(ref, 5_000)
    shop.dispute(ref, 2_000)
    follow(ledger, name)
    name, ref = buy(ledger, shop)
    shop.dispute(ref, 2_000)
    follow(ledger, name)
    for statement, check in FAULTS.items():
        with ledger.database.engine.connect() as connection, connection.begin() as begun:
            connection.execute(sa.text(statement))
            assert check in {found.check for found in reconcile(connection).findings}
            begun.rollback()


def test_money_that_went_back_while_a_payment_was_blocked_takes_its_credits(ledger: Ledger, shop: MockGateway) -> None:
    define_package(ledger, "starter", limit=1)
    names = [start(ledger, package="starter") for _ in range(4)]
    refs = [str(shop.pay(open_checkout(ledger, shop, name), GOOD_CARD).payment_ref) for name in names]
    for name in names:
        follow(ledger, name)
    shop.give_back(refs[1], 4_000)
    shop.give_back(refs[2], 10_000)
    shop.give_back(refs[3], 4_000)
    shop.close_dispute(refs[3], shop.dispute(refs[3], 6_000), is_won=False)
    for name in names[1:]:
        follow(ledger, name)
    receipt = run(ledger, DecidePayment(names[1], True, REASON))
    assert receipt.available_after_micro - receipt.available_before_micro == 60 * MICRO
    for name in names[2:]:
        row = row_of(ledger, name=name)
        assert row.state == PaymentState.FAILED and "given back at the provider" in row.error

"""Refunds: paid credits leave the shelf, their share of the price is written down, and it adds up whatever happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    Actor,
    ApprovalRequired,
    BatchClosed,
    InvalidCommand,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Reason,
    RecordTopUp,
    RefundPurchase,
)
from ledger.clock import FixedClock
from ledger.core.amounts import share_of_cost_cents
from tests.kit.factories import (
    ADMIN,
    REASON,
    approve,
    fresh_key,
    grant,
    open_account,
    price_feature,
    refund,
    top_up,
    use,
)
from tests.operations.books import all_rows


@pytest.fixture
def bought(ledger: Ledger) -> Ledger:
    """Acme with a hundred credits for 10.00 EUR by payment INV-1, batch 1."""
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=100, price=Money(1000, "EUR"), reference="INV-1")
    return ledger


def batch_id(ledger: Ledger, number: int = 0) -> int:
    return int(all_rows(ledger)["batch"][number]["id"])


def test_what_is_left_is_refunded_at_what_it_cost(bought: Ledger) -> None:
    use(bought, quantity=60)
    receipt = refund(bought, batch_id=batch_id(bought))
    assert receipt.money == Money(400, "EUR")
    assert (receipt.available_before_micro, receipt.available_after_micro) == (40 * MICRO, 0)
    (row,) = all_rows(bought)["refund"]
    assert (row["amount_micro"], row["cents"], row["currency"]) == (40 * MICRO, 400, "EUR")
    assert (row["payment_reference"], row["policy"]) == ("INV-1", "unused_share")
    assert row["payer_id"] == row["account_id"]
    assert receipt.subject_id == row["id"]
    entry = all_rows(bought)["entry"][-1]
    assert (entry["from_bucket"], entry["to_bucket"]) == ("available", "refunded")


def test_a_second_refund_takes_only_what_is_left(bought: Ledger) -> None:
    first = refund(bought, batch_id=batch_id(bought), credits=30)
    use(bought, quantity=20)
    second = refund(bought, batch_id=batch_id(bought))
    assert first.money == Money(300, "EUR")
    assert second.money == Money(500, "EUR")
    with pytest.raises(BatchClosed, match="nothing of it is left"):
        refund(bought, batch_id=batch_id(bought))
    assert len(all_rows(bought)["refund"]) == 2


def test_cents_that_do_not_divide_add_up(ledger: Ledger) -> None:
    open_account(ledger)
    top_up(ledger, credits=3, price=Money(1000, "EUR"))
    given_back = [refund(ledger, batch_id=batch_id(ledger), credits=1).money for _ in range(3)]
    assert [one.cents for one in given_back if one] == [333, 334, 333]


def test_a_preview_is_the_refund_and_books_nothing(bought: Ledger) -> None:
    command = RefundPurchase("acme", batch_id(bought), 25 * MICRO, REASON)
    before = all_rows(bought)
    shown = bought.preview(command, actor=ADMIN)
    assert all_rows(bought) == before
    booked = bought.execute(command, actor=ADMIN, key="refund")
    # A preview uses up the number of a row that is then not written.
    assert replace(booked, transaction_id=None, subject_id=shown.subject_id) == shown


def test_the_same_key_gives_the_same_refund(bought: Ledger) -> None:
    first = refund(bought, batch_id=batch_id(bought), credits=10, key="once")
    again = refund(bought, batch_id=batch_id(bought), credits=10, key="once")
    assert again == first.as_replayed()
    assert len(all_rows(bought)["refund"]) == 1


def test_everything_free_is_what_is_free_when_it_is_booked(bought: Ledger) -> None:
    command = RefundPurchase("acme", batch_id(bought), None, REASON)
    assert bought.preview(command, actor=ADMIN).money == Money(1000, "EUR")
    use(bought, quantity=90)
    assert bought.execute(command, actor=ADMIN, key="late").money == Money(100, "EUR")


REFUSALS = [
    pytest.param({"batch_id": -1}, NotFound, "no batch of acme", id="unknown-batch"),
    pytest.param({"amount_micro": 101 * MICRO}, BatchClosed, "held or gone", id="more-than-left"),
    pytest.param({"amount_micro": 0}, InvalidCommand, "more than 0", id="nothing"),
    pytest.param({"amount_micro": -1}, InvalidCommand, "more than 0", id="negative"),
    pytest.param({"amount_micro": 1}, NotAllowedNow, "less than half a cent", id="not-worth-a-cent"),
    pytest.param({"account": "nobody"}, NotFound, "nobody", id="unknown-account"),
    pytest.param({"account": "bolt"}, NotFound, "no batch of bolt", id="batch-of-another"),
    pytest.param({"reason": Reason("x", "short")}, InvalidCommand, "at least 10", id="no-reason"),
]


@pytest.mark.parametrize(("changed", "error", "says"), REFUSALS)
def test_a_refusal_says_why_and_writes_nothing(
    bought: Ledger, changed: dict[str, object], error: type[Exception], says: str
) -> None:
    open_account(bought, "bolt")
    before = all_rows(bought)
    command = replace(RefundPurchase("acme", batch_id(bought), None, REASON), **changed)  # type: ignore[arg-type]
    with pytest.raises(error, match=says):
        bought.execute(command, actor=ADMIN, key="refused")
    assert all_rows(bought) == before


def test_only_purchased_credits_are_refunded(bought: Ledger) -> None:
    grant(bought)
    with pytest.raises(NotAllowedNow, match="only purchased credits"):
        refund(bought, batch_id=batch_id(bought, 1))


def test_expired_credits_are_not_refunded_even_before_the_sweep(bought: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=400))
    with pytest.raises(BatchClosed, match="expired"):
        refund(bought, batch_id=batch_id(bought))


def test_time_left_limits_what_goes_back(bought: Ledger, clock: FixedClock) -> None:
    bought.rules = replace(bought.rules, refund_policy="time_left")
    row = all_rows(bought)["batch"][0]
    # A quarter of its life before the end; the day is cut in the customer's zone, so go by the row.
    clock.set(row["expires_at"] - (row["expires_at"] - row["effective_at"]) / 4)
    first = refund(bought, batch_id=row["id"], credits=20)
    second = refund(bought, batch_id=row["id"], credits=20)
    assert (first.money, second.money) == (Money(200, "EUR"), Money(50, "EUR"))
    with pytest.raises(NotAllowedNow, match="time that the batch has left"):
        refund(bought, batch_id=row["id"])
    assert {one["policy"] for one in all_rows(bought)["refund"]} == {"time_left"}


def test_who_may_refund(bought: Ledger, manager: Actor, finance: Actor) -> None:
    command = RefundPurchase("acme", batch_id(bought), None, REASON)
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            bought.execute(command, actor=actor, key="not-theirs")
    assert approve(bought, command, asker=manager).money == Money(1000, "EUR")
    with pytest.raises(NotPermitted):
        bought.preview(command, actor=finance)


def test_a_large_refund_needs_a_second_person(bought: Ledger) -> None:
    approve(bought, RecordTopUp("acme", 200_000 * MICRO, Money(1_000_000, "EUR"), "INV-2", REASON))
    command = RefundPurchase("acme", batch_id(bought, 1), None, REASON)
    with pytest.raises(ApprovalRequired):
        bought.execute(command, actor=ADMIN, key="too-much")
    assert approve(bought, command).money == Money(1_000_000, "EUR")


STEPS = st.lists(st.tuples(st.sampled_from(["use", "refund", "remove"]), st.integers(1, 60)), min_size=1, max_size=8)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, cents=st.integers(1, 9_999))
def test_uses_and_refunds_in_any_order_add_up_to_the_price(
    bought: Ledger, steps: list[tuple[str, int]], cents: int
) -> None:
    """A fresh account per example: refunds, what other uses cost, and the rest are the price, to the cent."""
    account = fresh_key("acct")
    open_account(bought, account)
    made = top_up(bought, account, 100, price=Money(cents, "EUR")).new_batches[0].id
    left, refunded, cost_of_used = 100, 0, 0
    for what, wanted in steps:
        amount = min(wanted, left)
        if not amount:
            break
        cost = _cost(cents, left) - _cost(cents, left - amount)
        if what == "refund" and cost:
            receipt = refund(bought, account, made, amount)
            assert receipt.money == Money(cost, "EUR")
            refunded += cost
        else:
            use(bought, account, amount)
            cost_of_used += cost
        left -= amount
    written = sum(row["cents"] for row in all_rows(bought)["refund"] if row["batch_id"] == made)
    assert written == refunded
    assert refunded + cost_of_used + _cost(cents, left) == cents


def _cost(cents: int, left: int) -> int:
    return share_of_cost_cents(cents, part_micro=left, whole_micro=100)

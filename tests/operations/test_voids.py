"""Void: what is left of a batch leaves; what was used stays used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger import (
    MICRO,
    Actor,
    ApprovalRequired,
    CreditType,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    PlaceHold,
    Reason,
    VoidBatch,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, approve, grant, open_account, price_feature, use, void
from tests.operations.books import all_rows, row_counts


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    """Acme with 100 promotional credits until June, of which 40 were used, and 30 that begin in three days."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    use(ledger, quantity=40)
    grant(ledger, credits=30, effective_at=NOW + timedelta(days=3))
    return ledger


def refuse(ledger: Ledger, batch_id: int, match: str, error: type[Exception] = NotAllowedNow) -> None:
    before = row_counts(ledger)
    with pytest.raises(error, match=match):
        void(ledger, batch_id=batch_id)
    assert row_counts(ledger) == before


def test_what_is_left_leaves_and_what_was_used_stays(acme: Ledger) -> None:
    receipt = void(acme, batch_id=1)
    assert (receipt.available_before_micro, receipt.available_after_micro) == (60 * MICRO, 0)
    assert [(take.batch_id, take.amount_micro) for take in receipt.takes] == [(1, 60 * MICRO)]
    rows = all_rows(acme)
    assert (rows["batch"][0]["granted_micro"], rows["batch"][0]["remaining_micro"]) == (100 * MICRO, 0)
    assert rows["usage_daily"][0]["used_micro"] == 40 * MICRO
    assert (rows["entry"][-1]["from_bucket"], rows["entry"][-1]["to_bucket"]) == ("available", "removed")


def test_credits_that_come_later_can_be_voided_before_they_come(acme: Ledger) -> None:
    receipt = void(acme, batch_id=2)
    assert (receipt.balance_before_micro, receipt.balance_after_micro) == (90 * MICRO, 60 * MICRO)
    assert all_rows(acme)["entry"][-1]["effective_at"] == NOW + timedelta(days=3)


def test_a_second_time_nothing_is_left(acme: Ledger) -> None:
    void(acme, batch_id=1)
    refuse(acme, 1, "Nothing of batch 1 is left")


def test_the_same_key_answers_the_same(acme: Ledger) -> None:
    first = void(acme, batch_id=1, key="once")
    assert void(acme, batch_id=1, key="once") == first.as_replayed()


def test_a_preview_is_what_is_booked(acme: Ledger) -> None:
    before = all_rows(acme)
    seen = acme.preview(VoidBatch("acme", 1, REASON), actor=ADMIN)
    assert all_rows(acme) == before
    assert replace(void(acme, batch_id=1), transaction_id=None) == seen


def test_held_credits_are_refused_with_the_names_of_the_holds(acme: Ledger) -> None:
    for name in ("job 7", "job 8"):
        acme.execute(PlaceHold("acme", name, "images", 5 * MICRO), actor=ADMIN, key=name)
    refuse(acme, 1, "10 credits of batch 1 are held by 'job 7', 'job 8'; release or capture")


def test_an_expired_batch_is_refused(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=100))
    refuse(acme, 1, "has expired")


def test_a_batch_of_somebody_else_is_not_found(acme: Ledger) -> None:
    open_account(acme, "bolt")
    grant(acme, "bolt", credits=5)
    refuse(acme, 3, "no batch of acme, '3'", NotFound)


def test_who_may_void(acme: Ledger, manager: Actor, finance: Actor) -> None:
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            acme.execute(VoidBatch("acme", 1, REASON), actor=actor, key="no")


def test_a_reason_is_needed(acme: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="note"):
        acme.execute(VoidBatch("acme", 1, Reason("goodwill", "short")), actor=ADMIN, key="no")


def test_more_than_one_person_may_move_alone_is_asked_for(ledger: Ledger) -> None:
    open_account(ledger)
    approve(ledger, IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON))
    batch_id = all_rows(ledger)["batch"][0]["id"]
    with pytest.raises(ApprovalRequired):
        void(ledger, batch_id=batch_id)
    approve(ledger, VoidBatch("acme", batch_id, REASON))
    assert all_rows(ledger)["account"][0]["available_micro"] == 0

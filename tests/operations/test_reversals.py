"""Reversals: an exact mirror, at most once, and refused with a way out when it would break something."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    Actor,
    AlreadyReversed,
    ApprovalRequired,
    CaptureHold,
    CreditType,
    ExpireDue,
    GiveBack,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenAccount,
    PlaceHold,
    Reason,
    RecordUsageBulk,
    ReleaseHold,
    ReverseTransaction,
    TransferCredits,
    UsageEvent,
)
from ledger.clock import FixedClock
from tests.kit.factories import (
    ADMIN,
    NOW,
    REASON,
    adjust,
    allow_overdraft,
    approve,
    extend,
    fresh_key,
    grant,
    open_account,
    price_feature,
    refund,
    reverse,
    top_up,
    use,
    void,
)
from tests.operations.books import all_rows, row_counts


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    """Acme with 100 promotional credits until June and 100 purchased ones until March of the next year."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    top_up(ledger, credits=100)
    return ledger


def shelf(ledger: Ledger) -> dict[str, Any]:
    """What a reversal has to leave as it was: accounts, batches, and what was used by day."""
    rows = all_rows(ledger)
    accounts = [{k: v for k, v in row.items() if k != "version"} for row in rows["account"]]
    days = {tuple(row.values())[:4]: row["used_micro"] for row in rows["usage_daily"] if row["used_micro"]}
    left = {row["id"]: (row["remaining_micro"], row["held_micro"]) for row in rows["batch"] if row["remaining_micro"]}
    return {"accounts": accounts, "batches": left, "days": days}


def refuse(ledger: Ledger, transaction_id: int | None, match: str, error: type[Exception] = NotAllowedNow) -> None:
    """A reversal is refused with those words and writes nothing."""
    assert transaction_id is not None
    before = row_counts(ledger)
    with pytest.raises(error, match=match):
        reverse(ledger, transaction_id)
    assert row_counts(ledger) == before


ACTS = {
    "grant": lambda ledger: grant(ledger, credits=30),
    "scheduled grant": lambda ledger: grant(ledger, credits=30, effective_at=NOW + timedelta(days=3)),
    "top-up": lambda ledger: top_up(ledger, credits=30),
    "usage of two batches": lambda ledger: use(ledger, quantity=130),
    "late usage": lambda ledger: use(ledger, quantity=5, occurred_at=NOW - timedelta(days=9)),
    "adjustment upwards": lambda ledger: adjust(ledger, credits=30),
    "adjustment downwards": lambda ledger: adjust(ledger, credits=-130),
    "void": lambda ledger: void(ledger, batch_id=2),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_reversal_leaves_everything_as_it_was(acme: Ledger, act: str) -> None:
    before = shelf(acme)
    booked = ACTS[act](acme)
    receipt = reverse(acme, booked)
    assert shelf(acme) == before
    transaction = all_rows(acme)["transaction"][-1]
    assert (transaction["kind"], transaction["reverses_id"]) == ("reverse", booked.transaction_id)
    assert receipt.subject_id == booked.transaction_id
    assert receipt.available_after_micro == 200 * MICRO


def test_a_receipt_says_what_came_back_and_what_went(acme: Ledger) -> None:
    receipt = reverse(acme, use(acme, quantity=130))
    assert [(take.batch_id, take.amount_micro) for take in receipt.returned] == [(2, 30 * MICRO), (1, 100 * MICRO)]
    assert receipt.takes == ()
    receipt = reverse(acme, grant(acme, credits=30))
    assert [take.amount_micro for take in receipt.takes] == [30 * MICRO]


def test_a_bulk_is_reversed_as_a_whole_and_its_events_stay_known(acme: Ledger) -> None:
    event = UsageEvent("call-1", "images", NOW, 40 * MICRO)
    command = RecordUsageBulk("acme", (event, replace(event, event_id="call-2", quantity_micro=80 * MICRO)))
    booked = acme.execute(command, actor=ADMIN, key="bulk")
    reverse(acme, booked)
    assert {row["used_micro"] for row in all_rows(acme)["usage_daily"]} == {0}
    again = acme.execute(command, actor=ADMIN, key="bulk again")
    assert (again.events_recorded, again.events_replayed) == (0, 2)
    assert again.available_after_micro == 200 * MICRO


def test_twice_is_refused_and_names_the_first(acme: Ledger) -> None:
    booked = use(acme, quantity=5)
    first = reverse(acme, booked)
    refuse(acme, booked.transaction_id, f"by transaction {first.transaction_id}", AlreadyReversed)
    refuse(acme, first.transaction_id, "book once more what was meant")


def test_the_same_key_answers_the_same(acme: Ledger) -> None:
    booked = use(acme, quantity=5)
    first = reverse(acme, booked, key="once")
    assert reverse(acme, booked, key="once") == first.as_replayed()


def test_a_preview_is_what_is_booked(acme: Ledger) -> None:
    booked = use(acme, quantity=130)
    assert booked.transaction_id is not None
    before = all_rows(acme)
    seen = acme.preview(ReverseTransaction(booked.transaction_id, REASON), actor=ADMIN)
    assert all_rows(acme) == before
    done = reverse(acme, booked)
    assert replace(done, transaction_id=None) == seen


def test_an_unknown_transaction_is_not_found(acme: Ledger) -> None:
    refuse(acme, 10_000, "no transaction '10000'", NotFound)
    with pytest.raises(InvalidCommand, match="transaction_id: must be the number"):
        reverse(acme, 0)


def test_credits_that_were_used_since_cannot_be_taken_back(acme: Ledger) -> None:
    use(acme, quantity=40)
    refuse(acme, _made(acme, 1), "give 100 credits back, and 60 are left; void or transfer what is left")
    reverse(acme, _made(acme, 2))


def test_credits_that_are_held_cannot_be_taken_back(acme: Ledger) -> None:
    acme.execute(PlaceHold("acme", "job", "images", 40 * MICRO), actor=ADMIN, key="hold")
    refuse(acme, _made(acme, 1), "100 are left, 40 of them held; release the holds first")


def test_credits_that_were_refunded_cannot_be_taken_back(acme: Ledger) -> None:
    back = refund(acme, batch_id=2, credits=10)
    refuse(acme, _made(acme, 2), "90 are left")
    refuse(acme, back.transaction_id, "record a top-up when it is paid again")


def test_credits_that_have_expired_cannot_be_taken_back(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=100))
    refuse(acme, _made(acme, 1), "have expired")
    swept = acme.execute(ExpireDue("acme"), actor=ADMIN, key="sweep")
    refuse(acme, _made(acme, 1), "have expired")
    refuse(acme, swept.transaction_id, "extend the expiry of the batch")


def test_acts_with_another_way_back_say_which(acme: Ledger) -> None:
    held = acme.execute(PlaceHold("acme", "job", "images", 40 * MICRO), actor=ADMIN, key="hold")
    refuse(acme, held.transaction_id, "releasing the hold")
    used = acme.execute(CaptureHold("acme", "job", "event", 30 * MICRO), actor=ADMIN, key="capture")
    refuse(acme, used.transaction_id, "given back by its usage event")
    back = acme.execute(GiveBack("acme", "event", REASON), actor=ADMIN, key="back")
    refuse(acme, back.transaction_id, "recording the usage once more")
    acme.execute(PlaceHold("acme", "job 2", "images", 40 * MICRO), actor=ADMIN, key="hold 2")
    released = acme.execute(ReleaseHold("acme", "job 2", REASON), actor=ADMIN, key="release")
    refuse(acme, released.transaction_id, "placing a new hold")
    longer = extend(acme, batch_id=2)
    refuse(acme, longer.transaction_id, "void what is left")
    refuse(acme, 1, "moved no credits")


def test_usage_of_which_a_part_was_given_back_is_not_reversed(acme: Ledger) -> None:
    booked = use(acme, quantity=50, event_id="call-1")
    acme.execute(GiveBack("acme", "call-1", REASON, 10 * MICRO), actor=ADMIN, key="back")
    refuse(acme, booked.transaction_id, "event 'call-1' were given back before")


def test_reversed_usage_cannot_be_given_back(acme: Ledger) -> None:
    reverse(acme, use(acme, quantity=50, event_id="call-1"))
    with pytest.raises(InvalidCommand, match="nothing is left"):
        acme.execute(GiveBack("acme", "call-1", REASON), actor=ADMIN, key="back")


def test_usage_returned_to_a_batch_past_its_date_expires_again(acme: Ledger, clock: FixedClock) -> None:
    booked = use(acme, quantity=130)
    clock.advance(timedelta(days=100))
    receipt = reverse(acme, booked)
    assert [(take.batch_id, take.amount_micro) for take in receipt.expired] == [(1, 100 * MICRO)]
    assert receipt.available_after_micro == 100 * MICRO
    last = all_rows(acme)["entry"][-1]
    assert (last["from_bucket"], last["to_bucket"], last["effective_at"]) == ("available", "expired", clock.now())


def test_a_grant_that_repaid_debt_is_reversed_into_the_debt(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    use(ledger, quantity=30)
    before = shelf(ledger)
    given = grant(ledger, credits=100)
    assert given.owed_after_micro == 0
    receipt = reverse(ledger, given)
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (0, 30 * MICRO)
    assert shelf(ledger) == before


def test_a_debt_above_the_overdraft_is_not_brought_back(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50, until=NOW + timedelta(days=1))
    use(ledger, quantity=30)
    given = grant(ledger, credits=100)
    clock.advance(timedelta(days=2))
    refuse(ledger, given.transaction_id, "owe 30 credits, more than its approved overdraft allows")


def test_usage_on_debt_is_reversed_while_the_debt_is_owed(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    grant(ledger, credits=10)
    before = shelf(ledger)
    first, second = use(ledger, quantity=30), use(ledger, quantity=5)
    reverse(ledger, second)
    reverse(ledger, first)
    assert shelf(ledger) == before
    third = use(ledger, quantity=30)
    grant(ledger, credits=100)
    refuse(ledger, third.transaction_id, "only 0 are still owed")


def test_what_comes_back_repays_debt_first(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    grant(ledger, credits=10)
    first = use(ledger, quantity=10)
    use(ledger, quantity=4)
    receipt = reverse(ledger, first)
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (4 * MICRO, 0)
    assert receipt.available_after_micro == 6 * MICRO


@pytest.fixture
def group(ledger: Ledger) -> Ledger:
    """Acme with 100 credits bought for 1.00 EUR, and bolt with none, both of one organisation."""
    for name in ("acme", "bolt"):
        command = OpenAccount(name, name.title(), organisation="north")
        ledger.execute(command, actor=ADMIN, key=f"open {name}")
    price_feature(ledger)
    top_up(ledger, credits=100)
    return ledger


def test_a_transfer_is_reversed_on_both_sides(group: Ledger) -> None:
    before = shelf(group)
    sent = group.execute(TransferCredits("acme", "bolt", 40 * MICRO, REASON), actor=ADMIN, key="send")
    receipt = reverse(group, sent)
    assert shelf(group) == before
    assert (receipt.account, receipt.available_before_micro, receipt.available_after_micro) == (
        "acme",
        60 * MICRO,
        100 * MICRO,
    )
    assert (receipt.counterpart, receipt.counterpart_before_micro, receipt.counterpart_available_micro) == (
        "bolt",
        40 * MICRO,
        0,
    )
    transaction = all_rows(group)["transaction"][-1]
    assert transaction["account_id"] == all_rows(group)["account"][0]["id"]


def test_a_transfer_of_which_a_part_was_used_is_not_reversed(group: Ledger) -> None:
    sent = group.execute(TransferCredits("acme", "bolt", 40 * MICRO, REASON), actor=ADMIN, key="send")
    use(group, "bolt", 5)
    refuse(group, sent.transaction_id, "35 are left; void or transfer")


def test_a_transfer_returns_what_it_weighs_once(group: Ledger) -> None:
    approve(group, IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON))
    sent = group.execute(TransferCredits("acme", "bolt", 60_000 * MICRO, REASON), actor=ADMIN, key="send")
    assert reverse(group, sent).counterpart_available_micro == 0


def test_who_may_reverse(acme: Ledger, manager: Actor, finance: Actor) -> None:
    booked = use(acme, quantity=5)
    assert booked.transaction_id is not None
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            acme.execute(ReverseTransaction(booked.transaction_id, REASON), actor=actor, key="no")


def test_a_reason_is_needed(acme: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="note"):
        acme.execute(ReverseTransaction(1, Reason("goodwill", "short")), actor=ADMIN, key="no")


def test_more_than_one_person_may_move_alone_is_asked_for(ledger: Ledger) -> None:
    open_account(ledger)
    booked = approve(ledger, IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON))
    assert booked.transaction_id is not None
    with pytest.raises(ApprovalRequired):
        reverse(ledger, booked)
    approve(ledger, ReverseTransaction(booked.transaction_id, REASON))
    assert all_rows(ledger)["account"][0]["available_micro"] == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.tuples(st.sampled_from(["use", "bulk", "grant", "take"]), st.integers(1, 60)), max_size=6))
def test_taking_back_in_reverse_order_undoes_any_history(ledger: Ledger, acts: list[tuple[str, int]]) -> None:
    name = fresh_key("acme")
    open_account(ledger, name)
    if len(all_rows(ledger)["account"]) == 1:
        price_feature(ledger)
    grant(ledger, name, credits=50, credit_type=CreditType.REFERRAL)
    top_up(ledger, name, credits=500)
    before = shelf(ledger)
    booked = [_do(ledger, name, act, amount) for act, amount in acts]
    for number in reversed(booked):
        reverse(ledger, number)
    assert shelf(ledger) == before


def _do(ledger: Ledger, name: str, act: str, amount: int) -> int:
    match act:
        case "use":
            receipt = use(ledger, name, amount)
        case "bulk":
            events = tuple(UsageEvent(fresh_key("e"), "images", NOW, part * MICRO) for part in (1, amount))
            receipt = ledger.execute(RecordUsageBulk(name, events), actor=ADMIN, key=fresh_key("b"))
        case "grant":
            receipt = grant(ledger, name, credits=amount, expires_on=date(2026, 5, 20))
        case _:
            receipt = adjust(ledger, name, credits=-amount)
    assert receipt.transaction_id is not None
    return receipt.transaction_id


def _made(ledger: Ledger, batch_id: int) -> int:
    """The transaction that made a batch."""
    return next(int(row["made_by_id"]) for row in all_rows(ledger)["batch"] if row["id"] == batch_id)

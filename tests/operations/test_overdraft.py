"""Overdrafts: debt only by approval, never beyond it, and repaid first by whatever credits come."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    ApprovalRequired,
    ApproveOverdraft,
    AskApproval,
    CreditType,
    DecideApproval,
    InsufficientCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Overdraft,
    Reason,
    RecordUsageBulk,
    UsageEvent,
)
from ledger.clock import FixedClock
from tests.kit.factories import (
    ADMIN,
    BEA,
    NOW,
    REASON,
    adjust,
    allow_overdraft,
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
def allowed(ledger: Ledger) -> Ledger:
    """Acme with 10 credits that may owe 50."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=10)
    allow_overdraft(ledger, credits=50)
    return ledger


def account(ledger: Ledger) -> dict[str, Any]:
    return all_rows(ledger)["account"][0]


def owed(ledger: Ledger) -> int:
    return int(account(ledger)["owed_micro"]) // MICRO


def moves(ledger: Ledger) -> list[tuple[str, str, int]]:
    """The moves of debt, oldest first, in whole credits."""
    found = [(row["from_bucket"], row["to_bucket"], row["amount_micro"] // MICRO) for row in all_rows(ledger)["entry"]]
    return [move for move in found if "owed" in move[:2]]


def scoped(ledger: Ledger, credits: int, feature: str) -> None:
    command = IssueGrant("acme", CreditType.PROMOTIONAL, credits * MICRO, REASON, features=(feature,))
    ledger.execute(command, actor=ADMIN, key=fresh_key("scoped"))


def test_an_overdraft_is_set_by_two_people_and_its_receipt_says_it(ledger: Ledger) -> None:
    open_account(ledger)
    until = NOW + timedelta(days=30)
    receipt = allow_overdraft(ledger, credits=50, until=until)
    assert receipt.overdraft == Overdraft(50 * MICRO, until)
    row = account(ledger)
    assert (row["overdraft_limit_micro"], row["overdraft_until"]) == (50 * MICRO, until)
    made = next(one for one in all_rows(ledger)["transaction"] if one["id"] == receipt.transaction_id)
    assert made["kind"] == "overdraft" and made["approval_id"] is not None
    stored = ledger.receipt(actor=Actor(made["actor"], ADMIN.role), key=made["key"])
    assert stored is not None and stored.overdraft == receipt.overdraft


@pytest.mark.parametrize("actor", [ADMIN, SYSTEM])
def test_nobody_sets_one_alone(ledger: Ledger, actor: Actor) -> None:
    open_account(ledger)
    before = all_rows(ledger)
    with pytest.raises(ApprovalRequired, match="Nobody may allow an overdraft alone"):
        ledger.execute(ApproveOverdraft("acme", MICRO, None, REASON), actor=actor, key="alone")
    assert all_rows(ledger) == before


def test_who_may_ask_for_one(ledger: Ledger, manager: Actor, finance: Actor) -> None:
    open_account(ledger)
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            ledger.execute(AskApproval(ApproveOverdraft("acme", MICRO, None, REASON)), actor=actor, key="ask")


def test_the_version_moves_so_that_pages_see_it(ledger: Ledger) -> None:
    open_account(ledger)
    before = account(ledger)["version"]
    allow_overdraft(ledger)
    assert account(ledger)["version"] > before


def test_use_takes_what_is_there_and_owes_the_rest(allowed: Ledger) -> None:
    receipt = use(allowed, quantity=25)
    assert sum(take.amount_micro for take in receipt.takes) == 10 * MICRO
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (0, 15 * MICRO)
    assert moves(allowed) == [("owed", "consumed", 15)]
    days = {row["credit_type"]: (row["used_micro"] // MICRO, row["events"]) for row in all_rows(allowed)["usage_daily"]}
    # The event counts once, under the type of its first credits.
    assert days == {"promotional": (10, 1), "owed": (15, 0)}


def test_use_on_debt_alone_counts_its_event_there(allowed: Ledger) -> None:
    use(allowed, quantity=10)
    use(allowed, quantity=5)
    days = {row["credit_type"]: (row["used_micro"] // MICRO, row["events"]) for row in all_rows(allowed)["usage_daily"]}
    assert days == {"promotional": (10, 1), "owed": (5, 1)}


def test_not_a_micro_credit_beyond_the_limit(allowed: Ledger) -> None:
    use(allowed, quantity=60)
    before = all_rows(allowed)
    with pytest.raises(InsufficientCredits) as refused:
        use(allowed)
    assert refused.value.available_micro == 0
    assert all_rows(allowed) == before


def test_the_refusal_counts_the_credit_line(allowed: Ledger) -> None:
    with pytest.raises(InsufficientCredits) as refused:
        use(allowed, quantity=61)
    assert (refused.value.required_micro, refused.value.available_micro) == (61 * MICRO, 60 * MICRO)


def test_a_bulk_owes_event_by_event_and_refuses_alone_what_is_beyond(allowed: Ledger) -> None:
    quantities = (8, 8, 40, 30, 4)
    events = tuple(UsageEvent(f"e{n}", "images", NOW, q * MICRO) for n, q in enumerate(quantities))
    receipt = allowed.execute(RecordUsageBulk("acme", events), actor=ADMIN, key="bulk")
    # 10 credits and 50 of debt: 8, 8 (2 + 6 owed), 40 owed are 46; 30 more are too many, 4 fill the limit.
    assert [one.event_id for one in receipt.refusals] == ["e3"]
    assert receipt.owed_after_micro == 50 * MICRO
    assert moves(allowed) == [("owed", "consumed", 6), ("owed", "consumed", 40), ("owed", "consumed", 4)]


def test_single_and_bulk_use_owe_the_same(allowed: Ledger) -> None:
    open_account(allowed, "bolt")
    grant(allowed, "bolt", credits=10)
    allow_overdraft(allowed, "bolt", 50)
    for quantity in (7, 9, 20):
        use(allowed, "acme", quantity)
    events = tuple(UsageEvent(f"b{n}", "images", NOW, q * MICRO) for n, q in enumerate((7, 9, 20)))
    allowed.execute(RecordUsageBulk("bolt", events), actor=ADMIN, key="bulk")
    rows = all_rows(allowed)
    assert len({(row["owed_micro"], row["available_micro"]) for row in rows["account"]}) == 1
    by_account: dict[int, set[tuple[Any, ...]]] = {row["id"]: set() for row in rows["account"]}
    for row in rows["usage_daily"]:
        by_account[row["account_id"]].add((row["day"], row["credit_type"], row["used_micro"], row["events"]))
    first, second = by_account.values()
    assert first == second


def test_no_debt_from_the_end_of_the_overdraft_on(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    until = clock.now() + timedelta(days=3)
    allow_overdraft(ledger, credits=50, until=until)
    clock.set(until - timedelta(microseconds=1))
    use(ledger, quantity=5)
    clock.set(until)
    with pytest.raises(InsufficientCredits):
        use(ledger)
    assert owed(ledger) == 5
    # The debt stays, and is repaid as ever.
    grant(ledger, credits=7)
    assert (owed(ledger), account(ledger)["available_micro"]) == (0, 2 * MICRO)


def test_the_next_credits_repay_first(allowed: Ledger) -> None:
    use(allowed, quantity=25)
    receipt = top_up(allowed, credits=100)
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (15 * MICRO, 0)
    assert receipt.available_after_micro == 85 * MICRO
    assert moves(allowed)[-1] == ("available", "owed", 15)


def test_credits_that_are_too_few_repay_what_they_can(allowed: Ledger) -> None:
    use(allowed, quantity=25)
    assert grant(allowed, credits=6).available_after_micro == 0
    assert owed(allowed) == 9


def test_a_correction_upwards_repays_too(allowed: Ledger) -> None:
    use(allowed, quantity=25)
    assert adjust(allowed, credits=20).available_after_micro == 5 * MICRO
    assert owed(allowed) == 0


def test_a_correction_downwards_makes_no_debt(allowed: Ledger) -> None:
    with pytest.raises(InsufficientCredits):
        adjust(allowed, credits=-11)
    adjust(allowed, credits=-10)
    with pytest.raises(InsufficientCredits):
        adjust(allowed, credits=-1)
    assert owed(allowed) == 0


def test_credits_for_one_feature_pay_no_debt(allowed: Ledger) -> None:
    price_feature(allowed, "exports")
    use(allowed, quantity=25)
    scoped(allowed, 100, "exports")
    assert owed(allowed) == 15
    # Nor later, when the account is touched again.
    use(allowed, quantity=30, feature="exports")
    assert owed(allowed) == 15
    use(allowed, quantity=5)
    assert owed(allowed) == 20


def test_credits_of_a_later_day_repay_when_it_has_come(allowed: Ledger, clock: FixedClock) -> None:
    use(allowed, quantity=25)
    starts = clock.now() + timedelta(days=2)
    grant(allowed, credits=100, effective_at=starts)
    assert owed(allowed) == 15
    clock.set(starts)
    # Whoever locks the account next finds the debt repaid, by a transaction of its own.
    receipt = use(allowed, quantity=1)
    assert (receipt.owed_before_micro, receipt.available_before_micro) == (0, 85 * MICRO)
    kinds = [row["kind"] for row in all_rows(allowed)["transaction"]]
    assert kinds[-2:] == ["repay_debt", "usage"]


def test_repayment_takes_batches_in_burn_order(allowed: Ledger, clock: FixedClock) -> None:
    use(allowed, quantity=35)
    starts = clock.now() + timedelta(days=1)
    grant(allowed, credits=20, effective_at=starts, credit_type=CreditType.COMPENSATION)
    grant(allowed, credits=20, effective_at=starts)
    clock.set(starts)
    use(allowed)
    repaid = [row for row in all_rows(allowed)["entry"] if row["to_bucket"] == "owed"]
    types = {row["id"]: row["credit_type"] for row in all_rows(allowed)["batch"]}
    # Promotional credits end first.
    assert [(types[row["batch_id"]], row["amount_micro"] // MICRO) for row in repaid] == [
        ("promotional", 20),
        ("compensation", 5),
    ]


def test_the_sweep_alone_keeps_the_repayment(allowed: Ledger, clock: FixedClock) -> None:
    """A command that finds nothing to do keeps what housekeeping found, and asking for approval does not stumble."""
    use(allowed, quantity=25)
    starts = clock.now() + timedelta(days=1)
    grant(allowed, credits=100, effective_at=starts)
    clock.set(starts)
    asked = allowed.execute(AskApproval(ApproveOverdraft("acme", 60 * MICRO, None, REASON)), actor=ADMIN, key="ask")
    assert owed(allowed) == 0
    assert asked.approval_id is not None
    assert [row["kind"] for row in all_rows(allowed)["transaction"]][-2:] == ["repay_debt", "ask_approval"]


def test_repaid_credits_are_gone_and_cannot_be_refunded(allowed: Ledger) -> None:
    use(allowed, quantity=25)
    made = top_up(allowed, credits=20).new_batches[0].id
    receipt = refund(allowed, batch_id=made)
    assert receipt.takes[0].amount_micro == 5 * MICRO
    assert receipt.money is not None and receipt.money.cents == 5


def test_the_limit_cannot_fall_below_the_debt(allowed: Ledger) -> None:
    use(allowed, quantity=25)
    before = all_rows(allowed)
    for limit in (0, 14):
        with pytest.raises(NotAllowedNow, match="owes 15 credits"):
            allow_overdraft(allowed, credits=limit)
    assert all_rows(allowed) == before
    allow_overdraft(allowed, credits=15)
    with pytest.raises(InsufficientCredits):
        use(allowed)
    grant(allowed, credits=15)
    allow_overdraft(allowed, credits=0)
    assert account(allowed)["overdraft_limit_micro"] == 0


def test_an_overdraft_that_shrank_meanwhile_is_not_approved_below_the_debt(allowed: Ledger) -> None:
    """Carried out as things are then: between asking and deciding the customer went on."""
    asked = allowed.execute(AskApproval(ApproveOverdraft("acme", 20 * MICRO, None, REASON)), actor=ADMIN, key="ask")
    use(allowed, quantity=40)
    assert asked.approval_id is not None
    before = all_rows(allowed)
    with pytest.raises(NotAllowedNow):
        allowed.execute(DecideApproval(asked.approval_id, True, "agreed"), actor=BEA, key="yes")
    assert all_rows(allowed) == before


REFUSED: list[Any] = [
    pytest.param(("acme", -1, None), InvalidCommand, "between 0 and", id="negative"),
    pytest.param(("acme", 10**16, None), InvalidCommand, "between 0 and", id="endless"),
    pytest.param(("acme", 0, NOW + timedelta(days=1)), InvalidCommand, "has no end", id="nothing-until"),
    pytest.param(("acme", MICRO, NOW), InvalidCommand, "has passed", id="until-now"),
    pytest.param(("acme", MICRO, datetime(2026, 4, 1)), InvalidCommand, "no time zone", id="no-zone"),  # noqa: DTZ001
    pytest.param(("acme", 0, None), NotAllowedNow, "nothing to change", id="as-it-is"),
    pytest.param(("nobody", MICRO, None), NotFound, "nobody", id="unknown-account"),
]


@pytest.mark.parametrize(("given", "error", "says"), REFUSED)
def test_a_refusal_says_why_and_writes_nothing(
    untouched: Ledger, given: tuple[Any, ...], error: type[Exception], says: str
) -> None:
    before = all_rows(untouched)
    with pytest.raises(error, match=says):
        approve(untouched, ApproveOverdraft(*given, reason=REASON))
    with pytest.raises(error, match=says):
        untouched.preview(ApproveOverdraft(*given, reason=REASON), actor=ADMIN)
    assert all_rows(untouched) == before


def test_a_reason_is_needed(untouched: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="at least 10"):
        approve(untouched, ApproveOverdraft("acme", MICRO, None, Reason("x", "short")))

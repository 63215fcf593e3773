"""Give-back: credits of a poor operation return to the batches that paid, last taken first, and never twice."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    Actor,
    ApprovalRequired,
    CreditType,
    GiveBack,
    InvalidCommand,
    Ledger,
    LedgerError,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Reason,
    Receipt,
    RecordUsageBulk,
    Role,
    UsageEvent,
)
from ledger.clock import FixedClock
from ledger.context import Rules
from ledger.reconcile import reconcile
from tests.kit.factories import (
    ADMIN,
    NOW,
    REASON,
    allow_overdraft,
    fresh_key,
    grant,
    open_account,
    price_feature,
    use,
)
from tests.kit.holding import capture, give_back, place
from tests.operations.books import all_rows, row_counts


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    """Acme used 30: 20 promotional credits that end on 1 May, then 10 of 100 referral ones, yesterday."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=20, expires_on=date(2026, 5, 1))
    grant(ledger, credits=100, credit_type=CreditType.REFERRAL)
    use(ledger, quantity=30, event_id="call-1", occurred_at=NOW - timedelta(days=1))
    return ledger


def returned(receipt: Receipt) -> list[tuple[str, int]]:
    return [(take.credit_type.value, take.amount_micro // MICRO) for take in receipt.returned]


def used_by_type(ledger: Ledger) -> dict[str, tuple[int, int]]:
    return {row["credit_type"]: (row["used_micro"] // MICRO, row["events"]) for row in all_rows(ledger)["usage_daily"]}


def test_two_batches_of_one_type_and_a_day_cut_by_the_company(ledger: Ledger, clock: FixedClock) -> None:
    # A quarter to midnight in UTC is the next day of the company, and of the rollup.
    open_account(ledger)
    price_feature(ledger)
    for _ in range(2):
        grant(ledger, credits=20, expires_on=date(2026, 5, 1))
    late = datetime(2026, 3, 9, 23, 45, tzinfo=UTC)
    use(ledger, quantity=30, event_id="call-1", occurred_at=late)
    # Exactly what is left may be asked for by its amount, and at the very end of the batches it expires again.
    clock.set(all_rows(ledger)["batch"][0]["expires_at"])
    receipt = give_back(ledger, "call-1", 30)
    assert sorted(take.amount_micro for take in receipt.returned) == [10 * MICRO, 20 * MICRO]
    assert sum(take.amount_micro for take in receipt.expired) == 30 * MICRO
    (day,) = all_rows(ledger)["usage_daily"]
    assert (day["day"], day["used_micro"]) == (date(2026, 3, 10), 0)
    with pytest.raises(InvalidCommand) as refused:
        give_back(ledger, "call-1", 1)
    assert [fault.field for fault in refused.value.faults] == ["event_id"]


def test_all_of_a_use_goes_back_to_the_batches_that_paid(used: Ledger) -> None:
    receipt = give_back(used, "call-1")
    assert returned(receipt) == [("referral", 10), ("promotional", 20)]
    assert (receipt.available_before_micro, receipt.available_after_micro) == (90 * MICRO, 120 * MICRO)
    assert receipt.expired == ()
    # The day of the event has less use; the event itself was one and stays one.
    assert used_by_type(used) == {"promotional": (0, 1), "referral": (0, 0)}
    lines = [row for row in all_rows(used)["entry"] if row["from_bucket"] == "consumed"]
    assert {(row["feature"], row["usage_event_id"]) for row in lines} == {("images", receipt.subject_id)}
    assert all_rows(used)["usage_event"][0]["cost_micro"] == 30 * MICRO

    with used.database.reading() as connection:
        assert reconcile(connection).findings == ()


def test_last_taken_goes_back_first_and_never_twice(used: Ledger) -> None:
    assert returned(give_back(used, "call-1", 4)) == [("referral", 4)]
    assert returned(give_back(used, "call-1", 8)) == [("referral", 6), ("promotional", 2)]
    before = all_rows(used)
    with pytest.raises(InvalidCommand, match="more than is left of event 'call-1'; at most 18 credits can go back"):
        give_back(used, "call-1", 19)
    assert all_rows(used) == before
    assert returned(give_back(used, "call-1")) == [("promotional", 18)]
    for credits in (None, 1):
        with pytest.raises(InvalidCommand, match="'call-1' were given back before; nothing is left"):
            give_back(used, "call-1", credits)


def test_what_was_given_back_can_be_used_and_given_back_again(used: Ledger) -> None:
    give_back(used, "call-1")
    use(used, quantity=120, event_id="call-2")
    assert returned(give_back(used, "call-2", 100)) == [("referral", 100)]
    assert returned(give_back(used, "call-2")) == [("promotional", 20)]


def test_credits_past_their_end_expire_again_at_once(used: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=60))
    receipt = give_back(used, "call-1", 25)
    assert returned(receipt) == [("referral", 10), ("promotional", 15)]
    assert [(take.credit_type.value, take.amount_micro // MICRO) for take in receipt.expired] == [("promotional", 15)]
    assert receipt.available_after_micro - receipt.available_before_micro == 10 * MICRO
    (gone,) = [row for row in all_rows(used)["entry"] if row["to_bucket"] == "expired"]
    assert (gone["effective_at"], gone["transaction_id"]) == (clock.now(), receipt.transaction_id)
    assert used_by_type(used) == {"promotional": (5, 1), "referral": (0, 0)}


def test_a_captured_hold_is_given_back_as_any_use(used: Ledger) -> None:
    place(used, credits=40)
    capture(used, credits=35, event_id="call-2")
    assert returned(give_back(used, "call-2", 5)) == [("referral", 5)]
    with pytest.raises(InvalidCommand, match="at most 30 credits"):
        give_back(used, "call-2", 31)


def test_one_event_of_many_in_a_transaction_is_given_back_alone(used: Ledger) -> None:
    events = tuple(UsageEvent(f"line-{n}", "images", NOW, n * MICRO) for n in range(1, 6))
    used.execute(RecordUsageBulk("acme", events), actor=ADMIN, key="bulk")
    assert returned(give_back(used, "line-3")) == [("referral", 3)]
    with pytest.raises(InvalidCommand):
        give_back(used, "line-5", 6)


@pytest.fixture
def indebted(ledger: Ledger) -> Ledger:
    """Acme used 100: 60 credits of its own and 40 on an overdraft."""
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    grant(ledger, credits=60)
    use(ledger, quantity=100, event_id="call-1")
    return ledger


def test_debt_is_given_back_before_any_batch(indebted: Ledger) -> None:
    receipt = give_back(indebted, "call-1", 45)
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (40 * MICRO, 0)
    assert returned(receipt) == [("promotional", 5)]
    assert used_by_type(indebted) == {"promotional": (55, 1), "owed": (0, 0)}
    assert returned(give_back(indebted, "call-1")) == [("promotional", 55)]
    with indebted.database.reading() as connection:
        assert reconcile(connection).findings == ()


def test_debt_that_was_repaid_cannot_be_given_back(indebted: Ledger) -> None:
    grant(indebted, credits=30)
    before = all_rows(indebted)
    for credits in (None, 71):
        with pytest.raises(NotAllowedNow, match=r"30 credits .* give back at most 70 credits and issue a compensation"):
            give_back(indebted, "call-1", credits)
    assert all_rows(indebted) == before
    receipt = give_back(indebted, "call-1", 70)
    assert (returned(receipt), receipt.owed_after_micro) == ([("promotional", 60)], 0)
    with pytest.raises(NotAllowedNow, match="cannot be given back: issue a compensation grant instead"):
        give_back(indebted, "call-1")


def test_what_comes_back_repays_other_debt_at_once(indebted: Ledger) -> None:
    grant(indebted, credits=40)
    grant(indebted, credits=5)
    use(indebted, quantity=5, event_id="call-2")
    use(indebted, quantity=10, event_id="call-3")
    receipt = give_back(indebted, "call-2")
    assert (returned(receipt), receipt.owed_before_micro, receipt.owed_after_micro) == (
        [("promotional", 5)],
        10 * MICRO,
        5 * MICRO,
    )
    assert receipt.available_after_micro == 0


def test_the_same_key_is_the_same_give_back(used: Ledger) -> None:
    first = give_back(used, "call-1", 5, key="k-1")
    before = all_rows(used)
    assert give_back(used, "call-1", 5, key="k-1") == replace(first, replayed=True)
    assert all_rows(used) == before


def test_a_preview_says_exactly_what_happens(used: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=60))
    command = GiveBack("acme", "call-1", REASON)
    before = all_rows(used)
    seen = used.preview(command, actor=ADMIN)
    assert all_rows(used) == before
    done = used.execute(command, actor=ADMIN, key=fresh_key())
    assert replace(done, transaction_id=None) == seen


def test_more_than_one_person_may_move_alone_needs_a_second(used: Ledger) -> None:
    used.rules = Rules(approval_limit_micro=10 * MICRO)
    with pytest.raises(ApprovalRequired, match="11 credits are more than the 10"):
        give_back(used, "call-1", 11)
    give_back(used, "call-1", 10)


REFUSED: list[tuple[GiveBack, type[LedgerError], str]] = [
    (GiveBack("nobody", "call-1", REASON), NotFound, "no account 'nobody'"),
    (GiveBack("acme", "call-1", REASON), NotFound, "no usage event of acme, 'call-1'"),
    (GiveBack("acme", "", REASON, 0), InvalidCommand, "event_id: must not be empty; amount: must be more than 0"),
    (GiveBack("acme", "call-1", Reason("", "")), InvalidCommand, "choose a reason code; note: say why"),
]


@pytest.mark.parametrize(("command", "error", "words"), REFUSED)
def test_refusals_write_nothing(untouched: Ledger, command: GiveBack, error: type[LedgerError], words: str) -> None:
    before = row_counts(untouched)
    acts: list[Callable[[], Receipt]] = [
        lambda: untouched.execute(command, actor=ADMIN, key=fresh_key()),
        lambda: untouched.preview(command, actor=ADMIN),
    ]
    for act in acts:
        with pytest.raises(error, match=words):
            act()
    assert row_counts(untouched) == before


@pytest.mark.parametrize("role", list(Role))
def test_who_may_give_back(untouched: Ledger, role: Role) -> None:
    expected = NotFound if role in (Role.ADMIN, Role.SYSTEM) else NotPermitted
    with pytest.raises(expected):
        untouched.execute(GiveBack("acme", "x", REASON), actor=Actor("somebody", role), key=fresh_key())


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_given_back_add_up_to_the_use(used: Ledger, parts: list[int]) -> None:
    """Whatever the parts, together they are at most the use, and what is left plus what went back is all of it."""
    event_id = fresh_key("call")
    grant(used, credits=31)
    use(used, quantity=30, event_id=event_id)
    back = 0
    for part in parts:
        if back + part > 30:
            with pytest.raises(InvalidCommand):
                give_back(used, event_id, part)
        else:
            back += sum(amount for _, amount in returned(give_back(used, event_id, part)))
    if back < 30:
        assert sum(amount for _, amount in returned(give_back(used, event_id))) == 30 - back

"""A longer life for a batch: a fact beside the old date; what had expired comes back."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from ledger import (
    MICRO,
    Actor,
    ApprovalRequired,
    CreditType,
    ExpireDue,
    ExtendExpiry,
    InvalidCommand,
    IssueGrant,
    Ledger,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Reason,
)
from ledger.clock import FixedClock
from ledger.core.lifecycle import end_of_day
from ledger.reconcile import reconcile
from ledger.seeds import seed_plans
from tests.kit.factories import (
    ADMIN,
    REASON,
    allow_overdraft,
    approve,
    extend,
    grant,
    open_account,
    price_feature,
    reverse,
    start_plan,
    top_up,
    use,
)
from tests.operations.books import all_rows, row_counts

# The account's zone is Berlin's; promotional credits of 10 March end after 8 June.
JUNE = date(2026, 6, 8)


@pytest.fixture
def acme(ledger: Ledger) -> Ledger:
    """Acme with 100 promotional credits through 8 June, 40 of them used, and 100 purchased ones."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    use(ledger, quantity=40)
    top_up(ledger, credits=100)
    return ledger


def sweep(ledger: Ledger, key: str = "sweep") -> None:
    ledger.execute(ExpireDue("acme"), actor=ADMIN, key=key)


def refuse(ledger: Ledger, match: str, error: type[Exception], *, batch_id: int = 1, on: date | None = None) -> None:
    before = row_counts(ledger)
    with pytest.raises(error, match=match):
        extend(ledger, batch_id=batch_id, expires_on=on)
    assert row_counts(ledger) == before


def test_a_later_day_is_a_new_fact(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=10))
    receipt = extend(acme, expires_on=date(2026, 6, 18))
    rows = all_rows(acme)
    (fact,) = rows["batch_extension"]
    zone = acme.company_zone
    assert (fact["expires_before"], fact["expires_after"]) == (end_of_day(JUNE, zone), rows["batch"][0]["expires_at"])
    assert rows["batch"][0]["expires_at"] == end_of_day(date(2026, 6, 18), zone)
    assert (receipt.available_before_micro, receipt.available_after_micro) == (160 * MICRO, 160 * MICRO)
    assert receipt.subject_id == 1
    assert receipt.returned == ()
    assert (fact["batch_id"], fact["id"]) == (1, 1)
    assert rows["transaction"][-1]["account_id"] == rows["account"][0]["id"]


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "unswept"])
def test_what_had_expired_comes_back(acme: Ledger, clock: FixedClock, swept: bool) -> None:
    clock.advance(timedelta(days=95))
    if swept:
        sweep(acme)
    receipt = extend(acme, expires_on=date(2026, 7, 8))
    assert (receipt.available_before_micro, receipt.available_after_micro) == (100 * MICRO, 160 * MICRO)
    assert [(take.batch_id, take.amount_micro) for take in receipt.returned] == ([(1, 60 * MICRO)] if swept else [])
    use(acme, quantity=60)
    assert all_rows(acme)["batch"][0]["remaining_micro"] == 0
    clock.advance(timedelta(days=30))
    sweep(acme, "later")
    with acme.database.reader.connect() as connection:
        assert reconcile(connection).findings == ()


def test_only_what_is_still_expired_comes_back(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=95))
    sweep(acme)
    extend(acme, expires_on=date(2026, 6, 20))
    use(acme, quantity=10)
    clock.advance(timedelta(days=10))
    sweep(acme, "again")
    receipt = extend(acme, expires_on=date(2026, 7, 20))
    assert [take.amount_micro for take in receipt.returned] == [50 * MICRO]


def test_usage_that_expired_after_its_reversal_comes_back_too(acme: Ledger, clock: FixedClock) -> None:
    booked = use(acme, quantity=60)
    clock.advance(timedelta(days=95))
    reverse(acme, booked)
    receipt = extend(acme, expires_on=date(2026, 6, 20))
    assert [take.amount_micro for take in receipt.returned] == [60 * MICRO]


def test_credits_that_come_back_repay_debt_first(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    grant(ledger, credits=100)
    clock.advance(timedelta(days=95))
    use(ledger, quantity=20)
    receipt = extend(ledger, expires_on=date(2026, 7, 8))
    assert (receipt.owed_before_micro, receipt.owed_after_micro) == (20 * MICRO, 0)
    assert receipt.available_after_micro == 80 * MICRO


def test_never_is_allowed_but_for_promotional_credits(acme: Ledger) -> None:
    receipt = extend(acme, batch_id=2)
    assert receipt.balance_after_micro == 160 * MICRO
    assert all_rows(acme)["batch"][1]["expires_at"] is None
    refuse(acme, "never expires", NotAllowedNow, batch_id=2)
    refuse(acme, "between 2026-03-10 and 2026-06-08", InvalidCommand)


def test_the_refused_field_is_named(acme: Ledger) -> None:
    for batch_id, day in ((1, date(2026, 3, 9)), (1, JUNE), (2, date(2026, 3, 9))):
        with pytest.raises(InvalidCommand) as refused:
            extend(acme, batch_id=batch_id, expires_on=day)
        assert [fault.field for fault in refused.value.faults] == ["expires_on"]
    refuse(acme, r"purchased credits can now be extended to 2026-03-10 or later$", InvalidCommand, batch_id=2, on=day)


def test_which_days_are_allowed_goes_by_the_customers_day(ledger: Ledger, clock: FixedClock) -> None:
    # Half past ten in the evening of the 10th in UTC is the 11th in Tokyo.
    open_account(ledger, zone="Asia/Tokyo")
    grant(ledger, credits=10)
    clock.advance(timedelta(hours=10, minutes=30))
    refuse(ledger, "between 2026-03-11 and 2026-06-09", InvalidCommand, on=date(2026, 3, 10))


def test_the_allowance_of_a_plan_ends_with_its_period(ledger: Ledger) -> None:
    seed_plans(ledger, actor=ADMIN)
    open_account(ledger)
    start_plan(ledger)
    batch_id = all_rows(ledger)["batch"][0]["id"]
    words = "is the allowance of a plan and ends with its billing period; issue a grant for the credits that are to"
    refuse(ledger, words, NotAllowedNow, batch_id=batch_id, on=JUNE)


@pytest.mark.parametrize(
    ("day", "match"),
    [
        (date(2026, 3, 9), "between 2026-03-10 and 2026-06-08"),
        (JUNE, "later than 2026-06-08, the last day that the batch has now"),
        (date(2026, 6, 9), "between 2026-03-10 and 2026-06-08"),
    ],
)
def test_a_day_that_is_not_allowed_is_refused(acme: Ledger, day: date, match: str) -> None:
    refuse(acme, match, InvalidCommand, on=day)


def test_promotional_credits_live_at_most_ninety_days_from_the_extension(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=20))
    refuse(acme, "and 2026-06-28", InvalidCommand, on=date(2026, 6, 29))
    extend(acme, expires_on=date(2026, 6, 28))


def test_the_last_day_is_the_customers(ledger: Ledger) -> None:
    open_account(ledger, zone="America/New_York")
    grant(ledger, credits=10, credit_type=CreditType.REFERRAL)
    extend(ledger, expires_on=date(2027, 1, 31))
    assert all_rows(ledger)["batch"][0]["expires_at"].isoformat() == "2027-02-01T05:00:00+00:00"


def test_nothing_left_and_nothing_expired_is_refused(acme: Ledger) -> None:
    use(acme, quantity=60)
    refuse(acme, "issue a grant", NotAllowedNow, on=date(2026, 6, 8))


def test_a_batch_of_somebody_else_is_not_found(acme: Ledger) -> None:
    refuse(acme, "no batch of acme, '9'", NotFound, batch_id=9)


def test_a_day_or_never_but_not_both_or_neither(acme: Ledger) -> None:
    for command in (
        ExtendExpiry("acme", 1, REASON),
        ExtendExpiry("acme", 1, REASON, expires_on=JUNE, never_expires=True),
        ExtendExpiry("acme", 1, REASON, expires_on=date(9999, 12, 31)),
        ExtendExpiry("acme", 1, Reason("goodwill", "short"), never_expires=True),
    ):
        with pytest.raises(InvalidCommand):
            acme.execute(command, actor=ADMIN, key="no")


def test_the_same_key_answers_the_same(acme: Ledger) -> None:
    first = extend(acme, batch_id=2, key="once")
    assert extend(acme, batch_id=2, key="once") == first.as_replayed()


def test_a_preview_is_what_is_booked(acme: Ledger, clock: FixedClock) -> None:
    clock.advance(timedelta(days=95))
    sweep(acme)
    before = all_rows(acme)
    command = ExtendExpiry("acme", 1, REASON, expires_on=date(2026, 7, 8))
    seen = acme.preview(command, actor=ADMIN)
    assert all_rows(acme) == before
    assert replace(acme.execute(command, actor=ADMIN, key="extend"), transaction_id=None) == seen


def test_an_account_manager_asks_and_an_admin_approves(acme: Ledger, manager: Actor, finance: Actor) -> None:
    command = ExtendExpiry("acme", 2, REASON, never_expires=True)
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            acme.execute(command, actor=actor, key="no")
    assert acme.preview(command, actor=manager).needs_approval
    approve(acme, command, asker=manager)
    assert all_rows(acme)["batch"][1]["expires_at"] is None


def test_the_weight_is_what_lives_longer(ledger: Ledger) -> None:
    open_account(ledger)
    approve(ledger, IssueGrant("acme", CreditType.COMPENSATION, 200_000 * MICRO, REASON))
    batch_id = all_rows(ledger)["batch"][0]["id"]
    with pytest.raises(ApprovalRequired):
        extend(ledger, batch_id=batch_id)


def test_what_comes_back_counts_for_the_weight(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    approve(ledger, IssueGrant("acme", CreditType.PROMOTIONAL, 200_000 * MICRO, REASON))
    clock.advance(timedelta(days=95))
    sweep(ledger)
    with pytest.raises(ApprovalRequired):
        extend(ledger, batch_id=all_rows(ledger)["batch"][0]["id"], expires_on=date(2026, 7, 1))

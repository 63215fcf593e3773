"""Plans: what a period gives, what rolls over, changes up and down, and renewals whenever they are run."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    AllocatePlanCredits,
    CancelPlan,
    ChangePlan,
    Command,
    DefinePlan,
    InvalidCommand,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Receipt,
    StartPlan,
)
from ledger.clock import FixedClock
from ledger.renewals import renew_due
from ledger.seeds import seed_plans
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import ADMIN, NOW, REASON, open_account, price_feature, run, start_plan, use
from tests.operations.books import all_rows, row_counts

# NOW is 10 March 2026, 13:00 in Berlin.


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """The four plans, a price, and acme without a plan."""
    seed_plans(ledger, actor=ADMIN)
    price_feature(ledger)
    open_account(ledger)
    return ledger


def change(ledger: Ledger, plan: str) -> Receipt:
    return run(ledger, ChangePlan("acme", plan, REASON))


def given_by(receipt: Receipt) -> list[tuple[str, float, date]]:
    """Type, credits and last usable day in Berlin of what a command gave."""
    return [
        (
            new.credit_type.value,
            new.amount_micro / MICRO,
            (new.expires_at - timedelta(microseconds=1)).astimezone(ZoneInfo("Europe/Berlin")).date(),
        )
        for new in receipt.new_batches
        if new.expires_at is not None
    ]


def subscription(ledger: Ledger) -> dict[str, Any]:
    (row,) = all_rows(ledger)["subscription"]
    return row


def to_day(clock: FixedClock, day: str, hour: int = 12) -> None:
    clock.set(datetime.combine(date.fromisoformat(day), datetime.min.time(), tzinfo=UTC).replace(hour=hour))


def test_a_plan_gives_its_allowance_until_the_end_of_the_billing_period(shop: Ledger) -> None:
    receipt = start_plan(shop)
    assert given_by(receipt) == [("promotional", 100, date(2026, 4, 9))]
    (batch,) = all_rows(shop)["batch"]
    assert (batch["source"], batch["cost_cents"]) == ("plan:basic", None)
    found = subscription(shop)
    assert (found["state"], found["period_start"], found["period_end"]) == (
        "active",
        date(2026, 3, 10),
        date(2026, 4, 10),
    )
    assert all_rows(shop)["customer"][0]["tier"] == "basic"


def test_a_first_period_that_is_cut_short_by_the_anchor_gives_its_share(shop: Ledger) -> None:
    # From 1 March to 1 April there are 31 days, 22 of which are left on the 10th.
    (given,) = given_by(start_plan(shop, anchor_day=1))
    assert given == ("promotional", round(100 * 22 / 31, 6), date(2026, 3, 31))


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Africa/Cairo"])
def test_periods_are_cut_in_the_customers_zone_whatever_its_clock_does(
    ledger: Ledger, clock: FixedClock, zone: str
) -> None:
    clock.set(datetime(2026, 4, 24, 22, 30, tzinfo=UTC))
    seed_plans(ledger, actor=ADMIN)
    open_account(ledger, zone=zone)
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    receipt = start_plan(ledger)
    after = today.replace(month=5)
    # In Cairo clocks go forward at midnight of 24 April 2026: that day begins at one.
    ends = datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert receipt.new_batches[0].expires_at == ends
    clock.set(ends - timedelta(microseconds=1))
    assert renew_due(ledger) == []
    clock.set(ends)
    (renewed,) = renew_due(ledger)
    assert renewed.new_batches[-1].effective_at == ends


def test_a_renewal_rolls_over_what_is_left_up_to_the_cap(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    use(shop, quantity=30)
    to_day(clock, "2026-04-10")
    (receipt,) = renew_due(shop)
    # 70 are left, half of the allowance may roll over, for one period.
    assert given_by(receipt) == [("rollover", 50, date(2026, 5, 9)), ("promotional", 100, date(2026, 5, 9))]
    assert receipt.available_after_micro == 150 * MICRO
    assert renew_due(shop) == []


def test_little_that_is_left_rolls_over_whole_and_nothing_leaves_no_batch(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    use(shop, quantity=88)
    to_day(clock, "2026-04-10")
    (receipt,) = renew_due(shop)
    assert given_by(receipt)[0] == ("rollover", 12, date(2026, 5, 9))
    use(shop, quantity=112)
    to_day(clock, "2026-05-10")
    (receipt,) = renew_due(shop)
    assert given_by(receipt) == [("promotional", 100, date(2026, 6, 9))]
    kinds = [(row["kind"], row["amount_micro"]) for row in all_rows(shop)["allocation"]]
    assert kinds[-2:] == [("rollover", 0), ("allowance", 100 * MICRO)]


def test_rolled_over_credits_do_not_roll_over_again(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    for day in ("2026-04-10", "2026-05-10"):
        to_day(clock, day)
        (receipt,) = renew_due(shop)
        assert [credits for _, credits, _ in given_by(receipt)] == [50, 100]
    expire_due_everywhere(shop)
    assert shop.preview(AllocatePlanCredits("acme"), actor=ADMIN).balance_after_micro == 150 * MICRO


def test_rolled_over_credits_last_as_many_periods_as_the_plan_says(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop, plan="enterprise", anchor_day=31)
    to_day(clock, "2026-03-31")
    (receipt,) = renew_due(shop)
    assert [day for _, _, day in given_by(receipt)] == [date(2026, 6, 29), date(2026, 4, 29)]


def test_the_sweep_before_the_renewal_changes_nothing_that_rolls_over(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    use(shop, quantity=70)
    to_day(clock, "2026-04-10")
    expire_due_everywhere(shop)
    (receipt,) = renew_due(shop)
    assert given_by(receipt)[0] == ("rollover", 30, date(2026, 5, 9))


def test_missed_renewals_are_caught_up_with_their_own_dates(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    to_day(clock, "2026-06-20")
    (receipt,) = renew_due(shop)
    assert [(kind, day) for kind, _, day in given_by(receipt)] == [
        ("rollover", date(2026, 5, 9)),
        ("promotional", date(2026, 5, 9)),
        ("rollover", date(2026, 6, 9)),
        ("promotional", date(2026, 6, 9)),
        ("rollover", date(2026, 7, 9)),
        ("promotional", date(2026, 7, 9)),
    ]
    # What was over before anybody saw it cannot be used.
    assert receipt.available_after_micro == 150 * MICRO
    assert subscription(shop)["period_start"] == date(2026, 6, 10)


def test_a_new_version_counts_from_the_next_period_and_a_late_renewal_takes_the_one_of_then(
    shop: Ledger, clock: FixedClock
) -> None:
    start_plan(shop)
    to_day(clock, "2026-04-20")
    run(shop, DefinePlan("basic", "Basic", 120 * MICRO, Money(999, "USD")))
    (late,) = renew_due(shop)
    assert [credits for _, credits, _ in given_by(late)] == [50, 100]
    to_day(clock, "2026-05-10")
    (receipt,) = renew_due(shop)
    assert [credits for _, credits, _ in given_by(receipt)] == [50, 120]
    to_day(clock, "2026-06-10")
    # The new version lets nothing roll over.
    assert [credits for _, credits, _ in given_by(renew_due(shop)[0])] == [120]


def test_up_is_at_once_with_the_prorated_difference_until_the_end_of_the_period(
    shop: Ledger, clock: FixedClock
) -> None:
    start_plan(shop)
    to_day(clock, "2026-03-26")
    receipt = change(shop, "pro")
    # 15 of the 31 days from 10 March to 10 April are left.
    assert given_by(receipt) == [("promotional", round(400 * 15 / 31, 6), date(2026, 4, 9))]
    assert all_rows(shop)["customer"][0]["tier"] == "pro"
    to_day(clock, "2026-04-10")
    (renewed,) = renew_due(shop)
    # Half of 100 and 193.548387 may roll over.
    assert given_by(renewed) == [
        ("rollover", 146.774193, date(2026, 5, 9)),
        ("promotional", 500, date(2026, 5, 9)),
    ]


def test_what_the_sweep_took_of_all_batches_of_a_period_rolls_over(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    to_day(clock, "2026-04-08")
    change(shop, "pro")
    to_day(clock, "2026-04-10")
    expire_due_everywhere(shop)
    (renewed,) = renew_due(shop)
    # Half of 100 and of the 25.806452 that two of 31 days gave.
    assert given_by(renewed)[0] == ("rollover", 62.903226, date(2026, 5, 9))


def test_down_is_from_the_next_period_on(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop, plan="pro")
    receipt = change(shop, "basic")
    assert receipt.new_batches == ()
    assert all_rows(shop)["customer"][0]["tier"] == "pro"
    to_day(clock, "2026-04-10")
    (renewed,) = renew_due(shop)
    # The rule of the plan that ends says what rolls over.
    assert [credits for _, credits, _ in given_by(renewed)] == [250, 100]
    assert all_rows(shop)["customer"][0]["tier"] == "basic"


def test_a_change_that_was_to_come_can_be_taken_back(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop, plan="pro")
    change(shop, "basic")
    with pytest.raises(NotAllowedNow, match="basic from 2026-04-10 on already"):
        change(shop, "basic")
    change(shop, "pro")
    with pytest.raises(NotAllowedNow, match="pro already"):
        change(shop, "pro")
    to_day(clock, "2026-04-10")
    assert [credits for _, credits, _ in given_by(renew_due(shop)[0])] == [250, 500]


def test_another_length_of_the_period_begins_with_the_next_one(shop: Ledger, clock: FixedClock) -> None:
    run(shop, DefinePlan("yearly", "Yearly", 1_200 * MICRO, Money(9_990, "USD"), months=12))
    start_plan(shop)
    assert change(shop, "yearly").new_batches == ()
    to_day(clock, "2026-04-10")
    assert given_by(renew_due(shop)[0])[-1] == ("promotional", 1_200, date(2027, 4, 9))


def test_a_change_first_books_the_renewals_that_are_due(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    to_day(clock, "2026-04-25")
    receipt = change(shop, "pro")
    assert [credits for _, credits, _ in given_by(receipt)] == [50, 100, 200]
    assert renew_due(shop) == []


def test_a_cancelled_plan_keeps_its_credits_and_gives_no_more(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    receipt = run(shop, CancelPlan("acme", REASON))
    assert receipt.available_after_micro == 100 * MICRO
    with pytest.raises(NotAllowedNow, match="ends on 2026-04-10"):
        run(shop, CancelPlan("acme", REASON))
    with pytest.raises(NotAllowedNow, match="change that plan instead"):
        start_plan(shop)
    to_day(clock, "2026-04-09", hour=21)
    assert use(shop).available_after_micro == 99 * MICRO
    to_day(clock, "2026-04-10")
    (ended,) = renew_due(shop)
    assert (ended.new_batches, ended.available_after_micro) == ((), 0)
    assert renew_due(shop) == []
    found = subscription(shop)
    assert (found["state"], found["ended_at"]) == ("ended", datetime(2026, 4, 9, 22, tzinfo=UTC))
    assert all_rows(shop)["customer"][0]["tier"] == ""


def test_a_cancellation_can_be_taken_back_while_the_period_runs(shop: Ledger, clock: FixedClock) -> None:
    start_plan(shop)
    run(shop, CancelPlan("acme", REASON))
    assert change(shop, "basic").new_batches == ()
    to_day(clock, "2026-04-10")
    assert len(renew_due(shop)) == 1
    run(shop, CancelPlan("acme", REASON))
    assert given_by(change(shop, "pro"))[0][1] == 400
    assert subscription(shop)["state"] == "active"


@pytest.mark.parametrize("is_ended_by_the_job", [True, False])
def test_a_plan_can_be_started_again_after_it_ended(shop: Ledger, clock: FixedClock, is_ended_by_the_job: bool) -> None:
    start_plan(shop)
    run(shop, CancelPlan("acme", REASON))
    to_day(clock, "2026-04-10")
    if is_ended_by_the_job:
        renew_due(shop)
    with pytest.raises(NotAllowedNow, match="has no plan"):
        change(shop, "pro")
    with pytest.raises(NotAllowedNow, match="has no plan"):
        run(shop, CancelPlan("acme", REASON))
    assert given_by(start_plan(shop)) == [("promotional", 100, date(2026, 5, 9))]
    to_day(clock, "2026-05-10")
    # What was left when the first plan ended did not roll over.
    assert [credits for _, credits, _ in given_by(renew_due(shop)[0])] == [50, 100]


def test_the_database_itself_refuses_a_second_allowance_of_a_period(shop: Ledger) -> None:
    start_plan(shop)
    (row,) = all_rows(shop)["allocation"]
    twice = row | {"id": row["id"] + 1}
    names = ", ".join(twice)
    marks = ", ".join(f":{name}" for name in twice)
    with shop.database.engine.begin() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(sa.text(f"INSERT INTO allocation ({names}) VALUES ({marks})"), twice)


def make(kind: str, **changes: object) -> Command:
    """A good command of some kind, with some fields changed."""
    good: dict[str, tuple[type[Command], dict[str, object]]] = {
        "define": (
            DefinePlan,
            {"code": "gold", "label": "Gold", "credits_micro": MICRO, "price": Money(1, "USD"), "effective_at": None},
        ),
        "start": (StartPlan, {"account": "acme", "plan": "basic", "reason": REASON}),
        "change": (ChangePlan, {"account": "acme", "plan": "pro", "reason": REASON}),
        "cancel": (CancelPlan, {"account": "acme", "reason": REASON}),
        "allocate": (AllocatePlanCredits, {"account": "acme"}),
    }
    command, fields = good[kind]
    return command(**(fields | changes))


FAULTS = [
    pytest.param(make("define", code=" ", label=""), {"code", "label"}, id="no-name"),
    pytest.param(make("define", code=" gold"), {"code"}, id="space"),
    pytest.param(make("define", credits_micro=0, price=Money(-1, "USD")), {"credits", "price"}, id="nothing"),
    pytest.param(make("define", months=0), {"months"}, id="no-period"),
    pytest.param(make("define", months=13), {"months"}, id="too-long"),
    pytest.param(
        make("define", rollover_cap_micro=-1, rollover_share_ppm=1_000_001, rollover_periods=0),
        {"rollover_cap", "rollover_share", "rollover_periods"},
        id="rollover",
    ),
    pytest.param(make("define", effective_at=NOW - timedelta(seconds=1)), {"effective_at"}, id="in-the-past"),
    pytest.param(make("start", anchor_day=32), {"anchor_day"}, id="day-32"),
    pytest.param(make("start", anchor_day=0), {"anchor_day"}, id="day-0"),
    pytest.param(make("start", plan=""), {"plan"}, id="no-plan"),
    pytest.param(make("change", account=""), {"account"}, id="no-account"),
    pytest.param(make("cancel", account=""), {"account"}, id="nobody"),
]


@pytest.mark.parametrize(("command", "fields"), FAULTS)
def test_a_wrong_command_is_refused_with_all_its_faults(untouched: Ledger, command: Command, fields: set[str]) -> None:
    before = row_counts(untouched)
    with pytest.raises(InvalidCommand) as refused:
        run(untouched, command)
    assert {fault.field for fault in refused.value.faults} == fields
    assert row_counts(untouched) == before


REFUSALS = [
    pytest.param(make("start"), NotFound, id="no-such-plan"),
    pytest.param(make("start", account="nobody"), NotFound, id="no-such-account"),
    pytest.param(make("change"), NotAllowedNow, id="change-without-a-plan"),
    pytest.param(make("cancel"), NotAllowedNow, id="cancel-without-a-plan"),
]


@pytest.mark.parametrize(("command", "error"), REFUSALS)
def test_a_refusal_writes_nothing(untouched: Ledger, command: Command, error: type[Exception]) -> None:
    before = row_counts(untouched)
    for attempt in (lambda: run(untouched, command), lambda: untouched.preview(command, actor=ADMIN)):
        with pytest.raises(error):
            attempt()
    assert row_counts(untouched) == before


def test_allocating_without_a_plan_does_nothing(untouched: Ledger) -> None:
    before = row_counts(untouched)
    assert run(untouched, make("allocate")).transaction_id is None
    assert row_counts(untouched) == before


@pytest.mark.parametrize("kind", ["define", "start", "change", "cancel", "allocate"])
def test_readers_may_not_touch_plans(untouched: Ledger, finance: Actor, manager: Actor, kind: str) -> None:
    before = row_counts(untouched)
    for actor in (finance, manager):
        for attempt in (untouched.execute, untouched.preview):
            with pytest.raises(NotPermitted, match="role admin"):
                attempt(make(kind), actor=actor, **({"key": "k"} if attempt == untouched.execute else {}))
    assert row_counts(untouched) == before


def test_a_version_has_an_instant_of_its_own(shop: Ledger) -> None:
    with pytest.raises(InvalidCommand, match="from that very instant already"):
        run(shop, make("define", code="pro"))
    assert run(shop, make("define", code="pro", effective_at=NOW + timedelta(days=1))).subject_id is not None
    assert seed_plans(shop, actor=ADMIN)[0].replayed


@pytest.mark.parametrize("kind", ["start", "change", "cancel"])
def test_a_preview_is_the_effect_and_the_same_key_replays(shop: Ledger, clock: FixedClock, kind: str) -> None:
    if kind != "start":
        start_plan(shop)
        to_day(clock, "2026-04-20")
    before = all_rows(shop)
    shown = shop.preview(make(kind), actor=ADMIN)
    assert all_rows(shop) == before
    done = shop.execute(make(kind), actor=ADMIN, key="k")
    assert given_by(shown) == given_by(done)
    assert shown.available_after_micro == done.available_after_micro
    after = all_rows(shop)
    assert shop.execute(make(kind), actor=ADMIN, key="k") == done.as_replayed()
    assert all_rows(shop) == after


def test_what_a_plan_gives_counts_against_the_limit_of_a_person_not_of_the_job(
    ledger: Ledger, clock: FixedClock
) -> None:
    open_account(ledger)
    run(ledger, make("define", credits_micro=200_000 * MICRO))
    assert ledger.preview(make("start", plan="gold"), actor=ADMIN).needs_approval
    run(ledger, make("start", plan="gold"), actor=SYSTEM)
    to_day(clock, "2026-04-10")
    assert ledger.preview(make("allocate"), actor=ADMIN).needs_approval
    assert renew_due(ledger)[0].new_batches[0].amount_micro == 200_000 * MICRO

"""Holds: set aside in burn order, captured or released once, free again from the instant they time out."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    CaptureHold,
    Command,
    CreditType,
    EventReused,
    ExpireDue,
    ExtendHold,
    HoldAlreadyResolved,
    HoldReused,
    InsufficientCredits,
    InvalidCommand,
    Ledger,
    LedgerError,
    NotFound,
    NotPermitted,
    PlaceHold,
    Receipt,
    ReleaseHold,
    Role,
    queries,
)
from ledger.clock import FixedClock
from ledger.reconcile import reconcile
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import ADMIN, NOW, REASON, adjust, fresh_key, grant, open_account, price_feature, use
from tests.kit.holding import JOB, capture, extend, place, release
from tests.operations.books import all_rows, row_counts

HOUR = timedelta(hours=1)


@pytest.fixture
def funded(ledger: Ledger) -> Ledger:
    """Acme with 20 promotional credits that burn first and end on 1 May, and 100 referral ones."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=20, expires_on=date(2026, 5, 1))
    grant(ledger, credits=100, credit_type=CreditType.REFERRAL)
    return ledger


def shelf(ledger: Ledger) -> tuple[int, int]:
    """Available and held, as reads say it now, in whole credits."""
    statement = queries.balances(at=ledger.clock.now(), account_name="acme")
    with ledger.database.reading() as connection:
        rows = connection.execute(statement).all()
    return sum(r.available_micro for r in rows) // MICRO, sum(r.held_micro for r in rows) // MICRO


def states(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["state"], row["captured_micro"] // MICRO) for row in all_rows(ledger)["hold"]]


def taken(receipt: Receipt) -> list[tuple[str, int]]:
    return [(take.credit_type.value, take.amount_micro // MICRO) for take in receipt.takes]


def returned(receipt: Receipt) -> list[tuple[str, int]]:
    return [(take.credit_type.value, take.amount_micro // MICRO) for take in receipt.returned]


def test_a_hold_pins_batches_in_burn_order_and_takes_them_off_what_is_available(funded: Ledger) -> None:
    receipt = place(funded, credits=30)
    assert taken(receipt) == [("promotional", 20), ("referral", 10)]
    assert (receipt.available_after_micro, receipt.balance_after_micro) == (90 * MICRO, 120 * MICRO)
    assert receipt.held_until_at == NOW + HOUR
    assert shelf(funded) == (90, 30)
    with pytest.raises(InsufficientCredits, match="has 90 credits available, 91 are required"):
        use(funded, quantity=91)
    with pytest.raises(InsufficientCredits, match="has 90 credits available, 91 are required"):
        place(funded, "job-2", 91)
    with pytest.raises(InsufficientCredits):
        adjust(funded, credits=-91)
    use(funded, quantity=90)
    assert shelf(funded) == (0, 30)


def test_all_of_a_hold_is_captured_as_one_use(funded: Ledger) -> None:
    place(funded, credits=30, member="maya")
    receipt = capture(funded, event_id="call-1", occurred_at=NOW - timedelta(days=1))
    assert taken(receipt) == [("promotional", 20), ("referral", 10)]
    assert receipt.returned == ()
    (event,) = all_rows(funded)["usage_event"]
    assert (event["event_id"], event["feature"], event["member"]) == ("call-1", "images", "maya")
    assert (event["cost_micro"], event["price_id"]) == (30 * MICRO, None)
    assert {row["day"] for row in all_rows(funded)["usage_daily"]} == {date(2026, 3, 9)}
    assert states(funded) == [("captured", 30)]
    assert shelf(funded) == (90, 0)


def test_a_part_is_captured_in_burn_order_and_the_rest_released(funded: Ledger) -> None:
    place(funded, credits=30)
    receipt = capture(funded, credits=12)
    assert (taken(receipt), returned(receipt)) == ([("promotional", 12)], [("promotional", 8), ("referral", 10)])
    assert states(funded) == [("captured", 12)]
    assert shelf(funded) == (108, 0)


def test_a_hold_is_resolved_once(funded: Ledger) -> None:
    for name, resolve in (("a", capture), ("b", release)):
        place(funded, name)
        resolve(funded, name)
        before = all_rows(funded)
        for again in (capture, release):
            with pytest.raises(HoldAlreadyResolved, match="holds no credits any more"):
                again(funded, name)
        with pytest.raises(HoldAlreadyResolved):
            extend(funded, name, until=NOW + 2 * HOUR)
        assert all_rows(funded) == before
    assert states(funded) == [("captured", 30), ("released", 0)]


def test_a_timed_out_hold_is_free_in_reads_before_anybody_books_it(funded: Ledger, clock: FixedClock) -> None:
    place(funded, credits=30)
    clock.advance(HOUR - timedelta(microseconds=1))
    assert shelf(funded) == (90, 30)
    clock.advance(timedelta(microseconds=1))
    before = row_counts(funded)
    assert shelf(funded) == (120, 0)
    assert states(funded) == [("open", 0)]
    for act in (capture, release):
        with pytest.raises(HoldAlreadyResolved, match="has timed out"):
            act(funded)
    assert row_counts(funded) == before
    # The next command books it, and may use all of it.
    use(funded, quantity=120)
    assert states(funded) == [("lapsed", 0)]
    (lapse,) = [row for row in all_rows(funded)["transaction"] if row["kind"] == "lapse_hold"]
    assert (lapse["effective_at"], lapse["actor"], lapse["role"]) == (NOW + HOUR, SYSTEM.id, "system")
    assert shelf(funded) == (0, 0)


def test_the_sweep_books_lapsed_holds(funded: Ledger, clock: FixedClock) -> None:
    place(funded)
    place(funded, "job-2", hours=5)
    place(funded, "job-3", hours=None)
    clock.advance(2 * HOUR)
    seen = shelf(funded)
    assert expire_due_everywhere(funded) == []
    assert states(funded) == [("lapsed", 0), ("open", 0), ("open", 0)]
    assert shelf(funded) == seen == (60, 60)
    before = all_rows(funded)
    expire_due_everywhere(funded)
    assert all_rows(funded) == before


def test_credits_pinned_before_their_end_may_be_captured_while_the_hold_lives(
    funded: Ledger, clock: FixedClock
) -> None:
    place(funded, credits=30, hours=24 * 90)
    clock.advance(timedelta(days=60))
    # The promotional batch is over: nothing of it is free, but 20 of it are held.
    assert shelf(funded) == (90, 30)
    expire_due_everywhere(funded)
    assert shelf(funded) == (90, 30)
    receipt = capture(funded, credits=15)
    assert (taken(receipt), returned(receipt)) == ([("promotional", 15)], [("promotional", 5), ("referral", 10)])
    assert [(take.credit_type.value, take.amount_micro // MICRO) for take in receipt.expired] == [("promotional", 5)]
    assert shelf(funded) == (100, 0)
    (gone,) = [row for row in all_rows(funded)["entry"] if row["to_bucket"] == "expired"]
    assert (gone["amount_micro"], gone["effective_at"]) == (5 * MICRO, clock.now())


@pytest.mark.parametrize("ending", ["released", "lapsed"])
def test_what_comes_back_after_its_end_expires_at_once(funded: Ledger, clock: FixedClock, ending: str) -> None:
    place(funded, credits=30, hours=24 * 60)
    placed_until = NOW + timedelta(days=60)
    clock.set(placed_until - HOUR if ending == "released" else placed_until + HOUR)
    if ending == "released":
        receipt = release(funded)
        assert returned(receipt) == [("promotional", 20), ("referral", 10)]
        assert receipt.available_after_micro == 100 * MICRO
        ended_at = clock.now()
    else:
        assert shelf(funded) == (100, 0)
        assert expire_due_everywhere(funded) == []
        ended_at = placed_until
    assert shelf(funded) == (100, 0)
    (gone,) = [row for row in all_rows(funded)["entry"] if row["to_bucket"] == "expired"]
    assert (gone["amount_micro"], gone["effective_at"]) == (20 * MICRO, ended_at)
    assert states(funded) == [(ending, 0)]


def test_a_hold_that_lapsed_before_its_batch_ended_leaves_credits_to_the_sweep(
    funded: Ledger, clock: FixedClock
) -> None:
    place(funded, credits=30)
    clock.advance(timedelta(days=60))
    (receipt,) = expire_due_everywhere(funded)
    assert taken(receipt) == [("promotional", 20)]
    (gone,) = [row for row in all_rows(funded)["entry"] if row["to_bucket"] == "expired"]
    (batch,) = [row for row in all_rows(funded)["batch"] if row["credit_type"] == "promotional"]
    assert gone["effective_at"] == batch["expires_at"]


def test_a_hold_lives_longer_when_it_is_extended(funded: Ledger, clock: FixedClock) -> None:
    place(funded)
    version = all_rows(funded)["account"][0]["version"]
    receipt = extend(funded, until=NOW + 3 * HOUR)
    assert receipt.held_until_at == NOW + 3 * HOUR
    assert all_rows(funded)["account"][0]["version"] == version + 1
    clock.advance(2 * HOUR)
    assert shelf(funded) == (90, 30)
    capture(funded)
    assert states(funded) == [("captured", 30)]


@pytest.mark.parametrize("hours", [1, 0.5, -1])
def test_a_hold_is_extended_to_later_only(funded: Ledger, hours: float) -> None:
    place(funded)
    with pytest.raises(InvalidCommand, match="must be later than 2026-03-10 13:00 UTC"):
        extend(funded, until=NOW + hours * HOUR)
    place(funded, "for-ever", hours=None)
    with pytest.raises(InvalidCommand, match="never times out"):
        extend(funded, "for-ever", until=NOW + 2 * HOUR)


def test_the_same_reference_again_is_the_same_hold_as_long_as_it_holds(funded: Ledger, clock: FixedClock) -> None:
    first = place(funded, key="k-1")
    before = all_rows(funded)
    by_key, by_reference = place(funded, key="k-1"), place(funded, key="k-2")
    assert by_key == replace(first, replayed=True)
    assert (by_reference.replayed, by_reference.transaction_id) == (True, first.transaction_id)
    assert (by_reference.hold_id, by_reference.takes) == (first.hold_id, first.takes)
    changed: list[Callable[[], Receipt]] = [
        lambda: place(funded, credits=31),
        lambda: place(funded, feature="words"),
        lambda: place(funded, hours=2),
        lambda: place(funded, member="maya"),
    ]
    for other in changed:
        with pytest.raises(HoldReused, match="names another hold"):
            other()
    assert all_rows(funded) == before
    release(funded)
    with pytest.raises(HoldAlreadyResolved, match="was released"):
        place(funded)
    # The same key is the same act, whatever happened since.
    assert place(funded, key="k-1") == by_key


def test_an_answer_that_came_late_is_the_first_answer(funded: Ledger, clock: FixedClock) -> None:
    """Who never got the answer may ask again with the same key after the hold has timed out."""
    first = place(funded, key="k-1")
    capture_first = capture(funded, event_id="call-1", key="c-1")
    command = PlaceHold("acme", JOB, "images", 30 * MICRO, NOW + HOUR)
    clock.advance(2 * HOUR)
    assert funded.execute(command, actor=ADMIN, key="k-1") == replace(first, replayed=True)
    assert capture(funded, event_id="call-1", key="c-1") == replace(capture_first, replayed=True)
    with pytest.raises(HoldAlreadyResolved, match="was captured"):
        funded.execute(command, actor=ADMIN, key="k-2")


def test_another_account_may_use_the_same_reference(funded: Ledger) -> None:
    open_account(funded, "bolt")
    grant(funded, "bolt")
    assert place(funded).hold_id != place(funded, account="bolt").hold_id


def test_the_same_capture_again_is_replayed_whatever_the_key(funded: Ledger) -> None:
    place(funded)
    first = capture(funded, credits=30, event_id="call-1", key="k-1")
    before = all_rows(funded)
    assert capture(funded, credits=30, event_id="call-1", key="k-1") == replace(first, replayed=True)
    for credits in (30, None):
        again = capture(funded, credits=credits, event_id="call-1")
        assert (again.replayed, again.transaction_id) == (True, first.transaction_id)
    for other in (
        lambda: capture(funded, credits=29, event_id="call-1"),
        lambda: capture(funded, event_id="call-1", occurred_at=NOW - HOUR),
    ):
        with pytest.raises(EventReused):
            other()
    with pytest.raises(HoldAlreadyResolved):
        capture(funded, event_id="call-2")
    assert all_rows(funded) == before


def test_an_event_id_is_charged_once_by_a_use_or_a_capture(funded: Ledger) -> None:
    use(funded, event_id="call-1")
    place(funded)
    with pytest.raises(EventReused):
        capture(funded, event_id="call-1")
    capture(funded, event_id="call-2")
    with pytest.raises(EventReused):
        use(funded, event_id="call-2", quantity=30)


def test_credits_for_other_features_are_not_held(ledger: Ledger) -> None:
    open_account(ledger)
    grant(ledger, credits=50, features=("words",))
    grant(ledger, credits=10)
    with pytest.raises(InsufficientCredits, match="has 10 credits available"):
        place(ledger, credits=11)
    place(ledger, credits=55, feature="words")


REFUSED: list[tuple[Command, type[LedgerError], str]] = [
    (PlaceHold("nobody", "x", "images", MICRO), NotFound, "no account 'nobody'"),
    (PlaceHold("acme", "x", "images", MICRO), InsufficientCredits, "has 0 credits"),
    (PlaceHold("acme", " ", "", 0), InvalidCommand, "reference: must not be empty; feature: .*; amount: must be more"),
    (PlaceHold("acme", "x", "images", MICRO, NOW), InvalidCommand, "expires_at: has passed; it is now 2026-03-10"),
    (CaptureHold("acme", "x", "e"), NotFound, "no hold of acme, 'x'"),
    (CaptureHold("acme", "x", "e", 0), InvalidCommand, "release the hold when nothing was used"),
    (CaptureHold("acme", "x", "e", -1), InvalidCommand, "more than 0"),
    (CaptureHold("acme", "x", "e", occurred_at=NOW + HOUR), InvalidCommand, "is in the future"),
    (CaptureHold("acme", "x", "", quantity_micro=0), InvalidCommand, "event_id: must not be empty; quantity"),
    (ReleaseHold("acme", "x", REASON), NotFound, "no hold of acme, 'x'"),
    (ReleaseHold("acme", "x"), InvalidCommand, "people say why"),
    (ExtendHold("acme", "x", NOW + HOUR, REASON), NotFound, "no hold of acme, 'x'"),
    (ExtendHold("acme", "x", NOW + HOUR), InvalidCommand, "people say why"),
]


@pytest.mark.parametrize(("command", "error", "words"), REFUSED)
def test_refusals_write_nothing(untouched: Ledger, command: Command, error: type[LedgerError], words: str) -> None:
    before = row_counts(untouched)
    for act in (
        lambda: untouched.execute(command, actor=ADMIN, key=fresh_key()),
        lambda: untouched.preview(command, actor=ADMIN),
    ):
        with pytest.raises(error, match=words):
            act()
    assert row_counts(untouched) == before


def test_a_hold_is_never_captured_above_what_it_holds(funded: Ledger) -> None:
    place(funded, credits=30)
    before = all_rows(funded)
    with pytest.raises(InvalidCommand, match="the hold keeps 30 credits; capture at most those"):
        capture(funded, credits=31)
    assert all_rows(funded) == before


@pytest.mark.parametrize("role", list(Role))
def test_who_may_do_what_with_holds(untouched: Ledger, role: Role) -> None:
    allowed = role in (Role.ADMIN, Role.SYSTEM)
    commands = (
        PlaceHold("acme", "x", "images", MICRO),
        CaptureHold("acme", "x", "e"),
        ReleaseHold("acme", "x", REASON),
    )
    for command in (*commands, ExtendHold("acme", "x", NOW + HOUR, REASON)):
        expected = (InsufficientCredits, NotFound) if allowed else NotPermitted
        with pytest.raises(expected):
            untouched.execute(command, actor=Actor("somebody", role), key=fresh_key())


def test_the_product_itself_releases_without_a_reason(funded: Ledger) -> None:
    place(funded)
    assert release(funded, reason=None, actor=SYSTEM).transaction_id is not None


def test_previews_say_exactly_what_happens(funded: Ledger) -> None:
    until = NOW + HOUR
    commands = (
        PlaceHold("acme", JOB, "images", 30 * MICRO, until),
        ExtendHold("acme", JOB, until + HOUR, REASON),
        CaptureHold("acme", JOB, "call-1", 10 * MICRO),
        PlaceHold("acme", "job-2", "images", 30 * MICRO, until),
        ReleaseHold("acme", "job-2", REASON),
    )
    for command in commands:
        before = all_rows(funded)
        seen = funded.preview(command, actor=ADMIN)
        assert all_rows(funded) == before
        done = funded.execute(command, actor=ADMIN, key=fresh_key())
        # Ids that a preview was given are not those of the act.
        same = {"transaction_id": None, "hold_id": None}
        assert replace(done, **same) == replace(seen, **same)
        assert funded.receipt(actor=ADMIN, key="nothing") is None


def test_receipts_of_holds_are_read_back_as_they_were(funded: Ledger) -> None:
    place(funded, key="p")
    done = capture(funded, credits=10, key="c")
    assert funded.receipt(actor=ADMIN, key="c") == replace(done, replayed=True)
    found = funded.receipt(actor=ADMIN, key="p")
    assert found is not None
    assert found.held_until_at == NOW + HOUR


def test_every_read_ignores_a_lapsed_hold(funded: Ledger, clock: FixedClock) -> None:
    """The same figures before and after the sweep, in every statement that speaks of free or held credits."""
    place(funded, credits=30, hours=1)
    place(funded, "job-2", 25, hours=24 * 55)
    place(funded, "job-3", 10, hours=None)
    for moment in (NOW + 2 * HOUR, NOW + timedelta(days=56)):
        clock.set(moment)
        before = everything_read(funded)
        funded.execute(ExpireDue("acme"), actor=SYSTEM, key=fresh_key())
        assert everything_read(funded) == before
    with funded.database.reading() as connection:
        assert reconcile(connection).findings == ()


def everything_read(ledger: Ledger) -> dict[str, object]:
    at = ledger.clock.now()
    until = at + timedelta(days=400)
    day = at.date()
    cuts = (NOW - timedelta(days=9), NOW + timedelta(days=54), NOW + timedelta(days=55), NOW + timedelta(days=90))
    statements = {
        "balances": queries.balances(at=at),
        "paid": queries.paid(at=at),
        "expiring": queries.expiring(at=at, until=until),
        "spendable": queries.spendable(at=at),
        "customers": queries.customers(at=at, in_30_days=until, used_since=day, used_until=day),
    }
    with ledger.database.reading() as connection:
        found: dict[str, object] = {name: connection.execute(one).all() for name, one in statements.items()}
        expired: dict[tuple[int, str], int] = {}
        for segment, kind, amount in connection.execute(queries.unswept(cuts, at=at)):
            expired[segment, kind] = expired.get((segment, kind), 0) + amount
        for segment, movement, kind, amount in connection.execute(queries.movements(cuts, at=at)):
            if movement == "expired":
                expired[segment, kind] = expired.get((segment, kind), 0) + amount
        found["expired"] = {key: amount for key, amount in expired.items() if amount}
        # A batch of which a lapsed hold was the last to keep something leaves the shelf with the sweep.
        found["spendable"] = [row for row in found["spendable"] if row.remaining_micro]  # type: ignore[attr-defined]
    return found


def test_holds_cost_reads_nothing_where_there_are_none(funded: Ledger) -> None:
    """No batch without held credits looks for a hold."""
    statement = queries.balances(at=NOW)
    if funded.database.is_sqlite:
        pytest.skip("SQLite does not say how often it ran a part of a statement")
    with funded.database.reading() as connection:
        compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(connection.execute(sa.text(f"EXPLAIN ANALYZE {compiled}")).scalars())
    assert "SubPlan" in plan
    assert "never executed" in plan


steps = st.lists(
    st.tuples(
        st.sampled_from(["place", "capture", "release", "extend", "use", "wait", "sweep"]),
        st.integers(0, 3),
        st.integers(1, 40),
    ),
    min_size=4,
    max_size=14,
)


@given(steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_what_was_given_is_free_held_used_or_expired(
    funded: Ledger, clock: FixedClock, walk: list[tuple[str, int, int]]
) -> None:
    """The audit after the test adds up each hold; here the shelf as reads see it, after every step."""
    prefix = fresh_key("walk")
    grant(funded, credits=60, expires_on=clock.now().date() + timedelta(days=40))
    for name, number, amount in walk:
        reference = f"{prefix}-{number}"
        acts: dict[str, Callable[[], object]] = {
            "place": partial(place, funded, reference, amount, hours=None if number == 3 else amount * 24),
            "capture": partial(capture, funded, reference, amount),
            "release": partial(release, funded, reference),
            "extend": partial(extend, funded, reference, until=clock.now() + amount * 48 * HOUR),
            "use": partial(use, funded, quantity=amount),
            "wait": partial(clock.advance, amount * 12 * HOUR),
            "sweep": partial(expire_due_everywhere, funded),
        }
        with suppress(InsufficientCredits, InvalidCommand, NotFound, HoldAlreadyResolved, HoldReused):
            acts[name]()
        rows = all_rows(funded)
        given_micro = sum(row["granted_micro"] for row in rows["batch"])
        gone = sum(row["amount_micro"] for row in rows["entry"] if row["to_bucket"] in ("consumed", "expired"))
        with funded.database.reading() as connection:
            at = clock.now()
            cuts = (NOW - timedelta(days=1), at + timedelta(days=1))
            gone += sum(row.amount_micro for row in connection.execute(queries.unswept(cuts, at=at)))
        available, held = shelf(funded)
        assert available + held == (given_micro - gone) // MICRO

"""Charging usage: prices, burn order, days, events that come twice, late or wrong, one by one and in bulk."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from ledger import (
    MICRO,
    Actor,
    Command,
    CreditType,
    EventReused,
    InsufficientCredits,
    InvalidCommand,
    Ledger,
    NotFound,
    NotPermitted,
    Receipt,
    RecordUsage,
    RecordUsageBulk,
    UsageEvent,
    journal,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.models import APPEND_ONLY, usage_daily, usage_event
from ledger.operations.usage import BULK_MAX_EVENTS
from tests.kit.factories import ADMIN, NOW, fresh_key, grant, open_account, price_feature, top_up, use
from tests.operations.books import Rows, all_rows, row_counts


def event(event_id: str, *, feature: str = "images", at: datetime = NOW, credits: int = 1) -> UsageEvent:
    return UsageEvent(event_id, feature, at, credits * MICRO)


def bulk(ledger: Ledger, *events: UsageEvent, key: str | None = None, account: str = "acme") -> Receipt:
    return ledger.execute(RecordUsageBulk(account, events), actor=ADMIN, key=key or fresh_key("bulk"))


@pytest.fixture
def funded(ledger: Ledger) -> Ledger:
    """Acme with 100 promotional credits that end before 900 bought ones; an image costs a credit."""
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=900)
    grant(ledger, credits=100)
    return ledger


def test_usage_burns_what_ends_first_and_then_the_next_batch(funded: Ledger) -> None:
    receipt = use(funded, quantity=130)
    taken = [(take.credit_type.value, take.amount_micro) for take in receipt.takes]
    assert taken == [("promotional", 100 * MICRO), ("purchased", 30 * MICRO)]
    assert (receipt.available_before_micro, receipt.available_after_micro) == (1000 * MICRO, 870 * MICRO)
    rows = all_rows(funded)
    (charged,) = rows["usage_event"]
    assert (charged["cost_micro"], charged["quantity_micro"]) == (130 * MICRO, 130 * MICRO)
    # One event paid by two types counts once, where its first credits came from.
    assert [(row["credit_type"], row["used_micro"], row["events"]) for row in rows["usage_daily"]] == [
        ("promotional", 100 * MICRO, 1),
        ("purchased", 30 * MICRO, 0),
    ]


def test_the_last_credit_can_be_spent_and_not_one_micro_more(funded: Ledger, admin: Actor) -> None:
    use(funded, quantity=999)
    before = all_rows(funded)
    with pytest.raises(InsufficientCredits) as refused:
        funded.execute(RecordUsage("acme", UsageEvent("e", "images", NOW, MICRO + 1)), actor=admin, key="k")
    short = refused.value
    assert (short.required_micro, short.available_micro, short.shortfall_micro) == (MICRO + 1, MICRO, 1)
    assert all_rows(funded) == before
    assert use(funded).available_after_micro == 0


def test_credits_are_unusable_from_the_instant_they_expire_swept_or_not(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    ends = grant(ledger, credits=10).new_batches[0].expires_at
    assert ends is not None
    clock.set(ends - timedelta(microseconds=1))
    assert use(ledger).available_after_micro == 9 * MICRO
    clock.set(ends)
    with pytest.raises(InsufficientCredits) as refused:
        use(ledger)
    assert refused.value.available_micro == 0


def test_an_expired_batch_is_no_part_of_the_balance_even_before_the_sweep(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=10)
    clock.advance(timedelta(days=200))
    receipt = grant(ledger, credits=5)
    assert (receipt.balance_before_micro, receipt.balance_after_micro) == (0, 5 * MICRO)


def test_late_usage_is_charged_now_and_counted_on_its_own_day_in_the_company_zone(
    funded: Ledger, clock: FixedClock
) -> None:
    # 23:30 UTC on 28 February is 1 March in Berlin.
    use(funded, quantity=3, occurred_at=datetime(2026, 2, 28, 23, 30, tzinfo=UTC))
    use(funded, quantity=4, occurred_at=datetime(2026, 2, 28, 22, 30, tzinfo=UTC))
    rows = all_rows(funded)
    assert {row["day"]: row["used_micro"] for row in rows["usage_daily"]} == {
        date(2026, 3, 1): 3 * MICRO,
        date(2026, 2, 28): 4 * MICRO,
    }
    consumed = [row for row in rows["entry"] if row["to_bucket"] == "consumed"]
    assert {row["effective_at"] for row in consumed} == {NOW}


def test_a_caller_may_run_ahead_of_our_clock_by_five_minutes(funded: Ledger) -> None:
    use(funded, occurred_at=NOW + timedelta(minutes=5))
    with pytest.raises(InvalidCommand, match="occurred_at: is in the future"):
        use(funded, occurred_at=NOW + timedelta(minutes=5, microseconds=1))


PRICE_CHANGE = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("occurred_at", "cost"),
    [(PRICE_CHANGE - timedelta(microseconds=1), 1), (PRICE_CHANGE, 3), (NOW, 3)],
    ids=["just-before", "from-that-instant", "since-then"],
)
def test_usage_costs_what_was_in_force_when_it_happened(funded: Ledger, occurred_at: datetime, cost: int) -> None:
    price_feature(funded, credits=3, effective_at=PRICE_CHANGE)
    price_feature(funded, credits=50, effective_at=NOW + timedelta(days=1))
    assert sum(take.amount_micro for take in use(funded, quantity=2, occurred_at=occurred_at).takes) == 2 * cost * MICRO
    (refused,) = bulk(funded, event("b", at=occurred_at, credits=10_000)).refusals
    assert f"{10_000 * cost} are required" in refused.message


def test_a_feature_has_no_price_before_its_first(ledger: Ledger) -> None:
    open_account(ledger)
    grant(ledger)
    price_feature(ledger, effective_at=NOW)
    with pytest.raises(NotFound, match="price in force for feature 'images'"):
        use(ledger, occurred_at=NOW - timedelta(seconds=1))
    assert use(ledger).available_after_micro == 99 * MICRO


def test_an_event_is_charged_once_whatever_the_key(funded: Ledger) -> None:
    first = use(funded, quantity=5, event_id="e-1")
    before = all_rows(funded)
    again = use(funded, quantity=5, event_id="e-1")
    assert (again.replayed, again.transaction_id, again.takes) == (True, first.transaction_id, ())
    assert all_rows(funded) == before


@pytest.mark.parametrize(
    "changed",
    [event("e-1", credits=6), event("e-1", credits=5, feature="words"), event("e-1", credits=5, at=NOW - timedelta(1))],
    ids=["quantity", "feature", "instant"],
)
def test_an_event_id_with_other_content_is_refused(funded: Ledger, admin: Actor, changed: UsageEvent) -> None:
    price_feature(funded, "words")
    use(funded, quantity=5, event_id="e-1")
    before = all_rows(funded)
    with pytest.raises(EventReused, match="'e-1' was recorded before with other content"):
        funded.execute(RecordUsage("acme", changed), actor=admin, key="k")
    assert [(r.event_id, r.code) for r in bulk(funded, changed).refusals] == [("e-1", "event_reused")]
    assert all_rows(funded) == before


def test_the_same_instant_in_another_zone_is_the_same_event(funded: Ledger, admin: Actor) -> None:
    local = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    funded.execute(RecordUsage("acme", event("e-1", at=local)), actor=admin, key="k")
    assert funded.execute(RecordUsage("acme", event("e-1")), actor=admin, key="k").replayed
    assert bulk(funded, event("e-1")).events_replayed == 1


def test_two_accounts_may_use_the_same_event_id(funded: Ledger) -> None:
    open_account(funded, "bolt")
    grant(funded, "bolt")
    use(funded, event_id="e-1")
    assert not use(funded, "bolt", event_id="e-1").replayed


WRONG = [
    pytest.param(event("", credits=1), {"event_id"}, id="no-id"),
    pytest.param(event("x" * 201), {"event_id"}, id="long-id"),
    pytest.param(event("e\x00"), {"event_id"}, id="nul-in-the-id"),
    pytest.param(event("e\ud800"), {"event_id"}, id="half-a-character-in-the-id"),
    pytest.param(event("e", feature=" "), {"feature"}, id="no-feature"),
    pytest.param(event("e", credits=0), {"quantity"}, id="nothing-used"),
    pytest.param(event("e", credits=-1), {"quantity"}, id="less-than-nothing"),
    pytest.param(event("e", at=datetime(2026, 3, 1)), {"occurred_at"}, id="naive-instant"),  # noqa: DTZ001
    pytest.param(event("e", at=datetime(1, 1, 1, tzinfo=UTC)), {"occurred_at"}, id="the-year-1"),
    pytest.param(event("e", at=NOW + timedelta(days=1)), {"occurred_at"}, id="tomorrow"),
    pytest.param(event("", feature="", credits=0), {"event_id", "feature", "quantity"}, id="all-faults-at-once"),
]


@pytest.mark.parametrize(("wrong", "fields"), WRONG)
def test_a_wrong_event_is_refused_alone(funded: Ledger, admin: Actor, wrong: UsageEvent, fields: set[str]) -> None:
    before = all_rows(funded)
    with pytest.raises(InvalidCommand) as refused:
        funded.execute(RecordUsage("acme", wrong), actor=admin, key="k")
    assert {fault.field for fault in refused.value.faults} == fields
    assert all_rows(funded) == before
    receipt = bulk(funded, event("good-1"), wrong, event("good-2"))
    assert (receipt.events_recorded, [r.code for r in receipt.refusals]) == (2, ["invalid_command"])


@pytest.mark.parametrize("count", [0, BULK_MAX_EVENTS + 1])
def test_a_bulk_has_at_least_one_event_and_not_too_many(funded: Ledger, admin: Actor, count: int) -> None:
    with pytest.raises(InvalidCommand, match="give 1 to 10,000 events"):
        funded.execute(RecordUsageBulk("acme", (event("e"),) * count), actor=admin, key="k")


def test_each_event_of_a_bulk_has_its_own_fate(funded: Ledger) -> None:
    use(funded, quantity=10, event_id="known")
    receipt = bulk(
        funded,
        event("known", credits=10),
        event("new"),
        event("new"),
        event("new", credits=2),
        event("huge", credits=5000),
        event("strange", feature="teleport"),
        event("last", credits=989),
        event("too-late"),
    )
    assert (receipt.events_recorded, receipt.events_replayed) == (2, 2)
    assert [(refusal.event_id, refusal.code) for refusal in receipt.refusals] == [
        ("new", "event_reused"),
        ("huge", "insufficient_credits"),
        ("strange", "not_found"),
        ("too-late", "insufficient_credits"),
    ]
    assert "acme has 989 credits available, 5000 are required" in receipt.refusals[1].message
    assert (receipt.available_before_micro, receipt.available_after_micro) == (990 * MICRO, 0)
    assert sum(take.amount_micro for take in receipt.takes) == 990 * MICRO


def test_the_same_file_twice_books_nothing_twice(funded: Ledger) -> None:
    events = [event(f"e-{n}", at=NOW - timedelta(hours=n)) for n in range(50)]
    first = bulk(funded, *events, key="file-1")
    before = all_rows(funded)
    again = bulk(funded, *events, key="file-1")
    assert again.replayed and again.transaction_id == first.transaction_id and again.events_recorded == 50
    other_key = bulk(funded, *reversed(events))
    assert (other_key.events_recorded, other_key.events_replayed, other_key.transaction_id) == (0, 50, None)
    overlapping = bulk(funded, *events[25:], event("e-50"))
    assert (overlapping.events_recorded, overlapping.events_replayed) == (1, 25)
    after = all_rows(funded)
    assert after["usage_event"][:50] == before["usage_event"]
    assert len(after["usage_event"]) == 51


def test_a_refused_bulk_event_can_come_again_once_there_are_credits(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    refused = bulk(ledger, event("e-1"), key="file-1")
    assert refused.transaction_id is None and refused.refusals[0].code == "insufficient_credits"
    grant(ledger)
    assert bulk(ledger, event("e-1"), key="file-1").events_recorded == 1


@pytest.mark.parametrize(
    "command", [RecordUsage("acme", event("e")), RecordUsageBulk("acme", (event("e"),))], ids=["single", "bulk"]
)
def test_usage_needs_a_known_account_and_a_permission(
    funded: Ledger, admin: Actor, manager: Actor, command: Command
) -> None:
    before = row_counts(funded)
    with pytest.raises(NotPermitted):
        funded.execute(command, actor=manager, key="k")
    for name in ("nobody", "a\x00"):
        content = {field: getattr(command, field) for field in command.__slots__}
        with pytest.raises((NotFound, InvalidCommand)):
            funded.execute(type(command)(**content | {"account": name}), actor=admin, key="k")
    assert row_counts(funded) == before


@pytest.mark.parametrize("quantity", [5, 500])
def test_a_preview_of_usage_leaves_nothing(funded: Ledger, admin: Actor, quantity: int) -> None:
    before = all_rows(funded)
    one = RecordUsage("acme", event("e", credits=quantity))
    many = RecordUsageBulk("acme", tuple(event(f"e-{n}") for n in range(quantity)))
    for command in (one, many):
        shown = funded.preview(command, actor=admin)
        assert shown.available_after_micro == (1000 - quantity) * MICRO
        assert shown.transaction_id is None
    assert all_rows(funded) == before


def story(ledger: Ledger) -> Rows:
    """A little of everything, with a bulk below and one above the size at which the way of writing changes."""
    open_account(ledger, key="1")
    price_feature(ledger)
    price_feature(ledger, "words", 3)
    top_up(ledger, credits=900, reference="INV-1", key="2")
    grant(ledger, credits=100, campaign="Ünïcode ' \" \\ % :x $1", key="3")
    grant(ledger, credits=40, credit_type=CreditType.REFERRAL, effective_at=NOW + timedelta(days=1), key="4")
    use(ledger, quantity=30, event_id="one", key="5")
    use(ledger, quantity=90, event_id="two", key="6")
    bulk(ledger, *(event(f"few-{n}", feature="words") for n in range(15)), key="7")
    bulk(ledger, *(event(f"many-{n}", at=NOW - timedelta(hours=n)) for n in range(60)), key="8")
    bulk(
        ledger, event("one", credits=30), event("late", at=NOW - timedelta(days=40)), event("no", feature="x"), key="9"
    )
    rows = all_rows(ledger)
    # Ids come from sequences that previews and refusals may leave gaps in; prices were set under running keys.
    for row in rows["transaction"]:
        row["key"] = "" if row["kind"] == "set_feature_price" else row["key"]
    return rows


@pytest.mark.postgres
@pytest.mark.parametrize("limit", [-1, 0, 10_000])
def test_the_database_function_and_the_statements_write_the_same_books(
    postgres_url: str, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    default = open_ledger(postgres_url, clock=clock)
    expected = story(default)
    default.database.dispose()
    with default.database.engine.begin() as connection:
        names = ", ".join(f'"{name}"' for name in expected if name != "company")
        for table in APPEND_ONLY:
            connection.exec_driver_sql(f'ALTER TABLE "{table.name}" DISABLE TRIGGER append_only')
        connection.exec_driver_sql(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
        connection.exec_driver_sql("UPDATE company SET catalog_version = 0")
    monkeypatch.setattr(journal, "_FUNCTION_MAX_ENTRIES", limit)
    assert story(default) == expected
    default.database.dispose()


def test_both_databases_and_both_sizes_of_bulk_give_the_same_books(ledger: Ledger) -> None:
    rows = story(ledger)
    assert len(rows["usage_event"]) == 78
    left = {row["credit_type"]: row["remaining_micro"] // MICRO for row in rows["batch"]}
    assert left == {"purchased": 900 - 20 - 45 - 61, "promotional": 0, "referral": 40}
    with ledger.database.reader.connect() as connection:
        by_feature = sa.select(usage_event.c.feature, sa.func.count()).group_by(usage_event.c.feature)
        assert dict(map(tuple, connection.execute(by_feature))) == {"images": 63, "words": 15}
        days = connection.execute(sa.select(usage_daily.c.day).distinct().order_by(usage_daily.c.day)).scalars().all()
    assert days == [date(2026, 1, 29), date(2026, 3, 8), date(2026, 3, 9), date(2026, 3, 10)]

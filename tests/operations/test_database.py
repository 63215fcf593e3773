"""What the databases promise: nothing booked is changed, no total goes below zero, what is done is durable."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from ledger import Ledger, LedgerCorrupt, NotSetUp, Unavailable, models, open_ledger
from ledger.clock import FixedClock
from ledger.core.records import LEGAL_MOVES, Bucket, CreditType
from ledger.database import BadAddress, Database
from ledger.journal import AccountState, BatchTerms, Line, Posting, open_batch, post
from ledger.migrations import pending, upgrade
from ledger.models import metadata, transaction
from tests.kit.factories import NOW, grant, open_account, price_feature, top_up, use
from tests.operations.books import all_rows

APPEND_ONLY = ("transaction", "entry", "usage_event", "feature_price")


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger)
    use(ledger, quantity=10)
    return ledger


def statements(ledger: Ledger) -> list[str]:
    changes = ['UPDATE "{}" SET id = id', 'DELETE FROM "{}"']
    return changes if ledger.database.is_sqlite else [*changes, 'TRUNCATE "{}" CASCADE']


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_was_booked_cannot_be_changed_or_removed(used: Ledger, table: str) -> None:
    before = all_rows(used)
    assert before[table]
    for statement in statements(used):
        with (
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            used.database.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement.format(table))
    assert all_rows(used) == before


def test_every_append_only_table_has_its_trigger(ledger: Ledger) -> None:
    asked = (
        "SELECT tbl_name, count(*) / 2 FROM sqlite_master WHERE type = 'trigger' GROUP BY tbl_name"
        if ledger.database.is_sqlite
        else "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger WHERE tgname = 'append_only' GROUP BY 1"
    )
    with ledger.database.reader.connect() as connection:
        guarded = {name.strip('"'): number for name, number in connection.exec_driver_sql(asked)}
    assert guarded == {table.name: 1 for table in models.APPEND_ONLY}


def test_replacing_a_booked_row_is_a_change_too(used: Ledger) -> None:
    if not used.database.is_sqlite:
        pytest.skip("only SQLite knows INSERT OR REPLACE")
    before = all_rows(used)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), used.database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT OR REPLACE INTO entry SELECT * FROM entry")
    assert all_rows(used) == before


BREACHES = [
    "UPDATE account SET available_micro = -1",
    "UPDATE account SET held_micro = -1",
    "UPDATE account SET owed_micro = 1",
    "UPDATE account SET kind = 'wallet'",
    "UPDATE batch SET remaining_micro = -1",
    "UPDATE batch SET remaining_micro = granted_micro + 1",
    "UPDATE batch SET held_micro = remaining_micro + 1",
    "UPDATE batch SET expires_at = effective_at",
    "UPDATE batch SET credit_type = 'promotional'",
    "UPDATE batch SET cost_cents = NULL, currency = NULL",
    "UPDATE batch SET currency = NULL",
    "UPDATE usage_daily SET used_micro = -1",
    "UPDATE company SET id = 2",
    "UPDATE company SET fiscal_year_start = 13",
]


def test_the_database_refuses_totals_that_cannot_be(used: Ledger) -> None:
    before = all_rows(used)
    for statement in BREACHES:
        with pytest.raises(sa.exc.IntegrityError, match=r"(?i)check|not[ -]null"), used.database.engine.begin() as one:
            one.exec_driver_sql(statement)
    assert all_rows(used) == before


@pytest.mark.parametrize(
    "change", [{"amount_micro": 0}, {"from_bucket": "consumed"}, {"to_bucket": "lost"}, {"batch_id": 10**6}]
)
def test_the_database_refuses_entries_that_cannot_be(used: Ledger, change: dict[str, Any]) -> None:
    row = next(row for row in all_rows(used)["entry"] if row["to_bucket"] == "consumed")
    entry = metadata.tables["entry"]
    with pytest.raises(sa.exc.IntegrityError), used.database.engine.begin() as connection:
        connection.execute(sa.insert(entry).values(**row | {"id": 10**6} | change))


def test_readers_cannot_write(used: Ledger) -> None:
    with pytest.raises(sa.exc.DBAPIError, match=r"(?i)read-?only"), used.database.reader.connect() as connection:
        connection.exec_driver_sql("UPDATE account SET version = 0")


def test_a_snapshot_is_of_one_instant(used: Ledger) -> None:
    count = sa.select(sa.func.count(transaction.c.id))
    with used.database.snapshot() as connection:
        before = connection.execute(count).scalar_one()
        grant(used, credits=1)
        assert connection.execute(count).scalar_one() == before
    with used.database.reading() as connection:
        assert connection.execute(count).scalar_one() > before


def test_an_address_may_say_that_nothing_is_prepared(postgres_url: str) -> None:
    database = Database(f"{postgres_url}?prepare_threshold=none")
    count = sa.text("SELECT count(*) FROM pg_prepared_statements")
    with database.reading() as connection:
        assert [connection.execute(count).scalar_one() for _ in range(7)] == [0] * 7
    database.dispose()
    with pytest.raises(BadAddress, match="only none is known"):
        Database(f"{postgres_url}?prepare_threshold=5")


def test_what_was_acknowledged_is_on_the_disk(ledger: Ledger) -> None:
    with ledger.database.engine.connect() as connection:
        if ledger.database.is_sqlite:
            names = ("journal_mode", "synchronous", "foreign_keys")
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
            assert found == ["wal", 2, 1]
        else:
            # The test server itself is fast and forgetful; what counts is that no session of ours weakens a server.
            sources = "SELECT source FROM pg_settings WHERE name IN ('synchronous_commit', 'fsync')"
            assert "client" not in connection.exec_driver_sql(sources).scalars().all()
            assert "session" not in connection.exec_driver_sql(sources).scalars().all()


def test_lost_connections_are_replaced_and_nobody_has_to_ask_again(used: Ledger) -> None:
    if used.database.is_sqlite:
        pytest.skip("there is no server to lose")

    def lose_connections() -> None:
        with used.database.engine.connect() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        # The reader notices by itself; this is about the connections that write.
        used.database.reader.dispose()

    for act in (grant, use, grant, use):
        lose_connections()
        assert not act(used).replayed


def test_a_database_that_stays_away_is_told(used: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> Any:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(used.database, "work", away)
    for act in (grant, use):
        with pytest.raises(Unavailable, match="safe to try again with the same key"):
            act(used)


def test_an_address_without_a_ledger_says_what_to_run(empty_postgres_url: str, tmp_path: Any) -> None:
    for url in (empty_postgres_url, f"sqlite:///{tmp_path}/new.sqlite"):
        with pytest.raises(NotSetUp, match=r"service\.cli migrate"):
            open_ledger(url)


def test_migrating_again_changes_nothing(database_url: str, clock: FixedClock) -> None:
    upgrade(database_url, name="Other", zone="UTC", currency="USD")
    current, newest = pending(database_url)
    assert current == newest
    opened = open_ledger(database_url, clock=clock)
    assert opened.company_zone.key == "Europe/Berlin"
    opened.database.dispose()


def state_with(amount: int) -> tuple[Posting, AccountState]:
    posting, state = Posting(), AccountState(1, "acme", NOW.tzinfo, 0, 0)  # type: ignore[arg-type]
    terms = BatchTerms(CreditType.REFERRAL, NOW, NOW, NOW + timedelta(days=1), "test")
    open_batch(posting, state, batch_id=1, transaction_id=1, amount_micro=amount, terms=terms, at=NOW)
    return posting, state


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param(Line(1, Bucket.AVAILABLE, Bucket.CONSUMED, 11, NOW), "cannot move", id="more-than-there-is"),
        pytest.param(Line(1, Bucket.AVAILABLE, Bucket.CONSUMED, 0, NOW), "illegal entry", id="nothing"),
        pytest.param(Line(1, Bucket.EXPIRED, Bucket.CONSUMED, 1, NOW), "illegal entry", id="out-of-the-grave"),
        pytest.param(Line(None, Bucket.ISSUED, Bucket.AVAILABLE, 1, NOW), "illegal entry", id="of-no-batch"),
        pytest.param(Line(1, Bucket.OWED, Bucket.CONSUMED, 1, NOW), "illegal entry", id="debt-of-a-batch"),
        pytest.param(Line(None, Bucket.OWED, Bucket.CONSUMED, 1, NOW), "would owe", id="unapproved-debt"),
    ],
)
def test_the_journal_refuses_what_no_plan_would_ask(line: Line, complaint: str) -> None:
    posting, state = state_with(10)
    with pytest.raises(LedgerCorrupt, match=complaint):
        post(posting, state, transaction_id=2, lines=[line])


def test_every_entry_says_the_balance_after_it() -> None:
    posting, state = state_with(10)
    lines = [Line(1, Bucket.AVAILABLE, Bucket.CONSUMED, amount, NOW) for amount in (1, 2, 3)]
    post(posting, state, transaction_id=2, lines=lines)
    assert [entry[6] for entry in posting.entries] == [10, 9, 7, 4]
    assert (state.available_micro, state.batches[1].remaining_micro) == (4, 4)
    assert posting.batch_moves == [(1, 10, 0), (1, -6, 0)]


def test_the_database_knows_the_same_legal_moves_as_the_core(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        if ledger.database.is_sqlite:
            question = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'entry'"
        else:
            question = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_entry_legal_move'"
        definition = connection.exec_driver_sql(question).scalar_one()
    assert f"' {' '.join(sorted(f'{a}>{b}' for a, b in LEGAL_MOVES))} '" in definition

"""Writing: single charges, bulk charges, and the import path, against pgbench and against bare durable commits."""

import os
import random
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledger import MICRO, SYSTEM, RecordUsage, RecordUsageBulk, UsageEvent, open_ledger
from tests.bench.kit import (
    ACCOUNTS,
    SECONDS,
    compare,
    folder_on_disk,
    in_processes,
    ledger_of,
    pgbench,
    prepare_ledger,
    prepare_pgbench,
)
from tests.kit.postgres import Cluster, running

pytestmark = pytest.mark.bench

CHUNK = 5_000


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running(durable=True) as started:
        prepare_pgbench(started, "yardstick")
        prepare_ledger(started.create("ledger"))
        yield started


def charge_singly(url: str, number: int, seconds: float) -> int:
    """Charge one event after another, each durable, on accounts picked at random; answers how many."""
    ledger = ledger_of(url)
    dice = random.Random(number)
    run = uuid.uuid4().hex
    until, done = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        event = UsageEvent(f"{run}-{done}", "call", datetime.now(UTC), MICRO)
        ledger.execute(RecordUsage(f"a{dice.randrange(ACCOUNTS)}", event), actor=SYSTEM, key=event.event_id)
        done += 1
    return done


def charge_in_bulk(url: str, number: int, seconds: float) -> int:
    """Charge chunks of one account each, spread over a month of days; answers how many events."""
    ledger = ledger_of(url)
    until, done = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        run, now = uuid.uuid4().hex, datetime.now(UTC)
        events = tuple(UsageEvent(f"{run}-{n}", "call", now - timedelta(hours=n % 720), MICRO) for n in range(CHUNK))
        account = f"a{(os.getpid() * 7 + done) % ACCOUNTS}"
        receipt = ledger.execute(RecordUsageBulk(account, events), actor=SYSTEM, key=run)
        assert receipt.events_recorded == CHUNK
        done += CHUNK
    return done


def test_single_charges_on_durable_postgresql(cluster: Cluster) -> None:
    found = compare(
        "single RecordUsage, 8 clients ÷ pgbench tpcb-like, 8 clients",
        lambda: in_processes(charge_singly, cluster.url("ledger")),
        lambda: pgbench(cluster, "yardstick"),
    )
    assert found.ratio >= 0.6


def test_bulk_charges_on_durable_postgresql(cluster: Cluster) -> None:
    found = compare(
        "bulk RecordUsage, 2 clients, events ÷ pgbench tpcb-like, 8 clients",
        lambda: in_processes(charge_in_bulk, cluster.url("ledger"), clients=2),
        lambda: pgbench(cluster, "yardstick"),
    )
    assert found.ratio >= 4


def one_row_commits(path: Path) -> float:
    """Durable one-row commits a second of the bare SQLite driver, synchronous=FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS row (id INTEGER PRIMARY KEY, amount INTEGER)")
    until, done = time.perf_counter() + SECONDS, 0
    while time.perf_counter() < until:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO row (amount) VALUES (1)")
        connection.execute("COMMIT")
        done += 1
    connection.close()
    return done / SECONDS


def test_bulk_charges_on_durable_sqlite() -> None:
    folder = folder_on_disk() / uuid.uuid4().hex
    folder.mkdir()
    url = f"sqlite:///{folder}/ledger.sqlite"
    prepare_ledger(url)

    def ours() -> float:
        started = time.perf_counter()
        return charge_in_bulk(url, 0, SECONDS) / (time.perf_counter() - started)

    found = compare(
        "bulk RecordUsage on SQLite, events ÷ one-row durable commits",
        ours,
        lambda: one_row_commits(folder / "rows.sqlite"),
    )
    ledger_of(url).database.dispose()
    assert found.ratio >= 3


def test_the_books_are_sound_after_all_that(cluster: Cluster) -> None:
    """The books are sound after all that: a fast wrong answer is no answer."""
    from ledger.reconcile import reconcile

    ledger = open_ledger(cluster.url("ledger"))
    with ledger.database.reader.connect() as connection:
        assert reconcile(connection).findings == ()
    ledger.database.dispose()

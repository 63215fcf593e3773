"""Writing: single charges, bulk charges, and the import path, against pgbench and against bare durable commits."""

import os
import random
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ledger import MICRO, SYSTEM, CaptureHold, Ledger, PlaceHold, RecordUsage, RecordUsageBulk, UsageEvent, open_ledger
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
        charge_once(ledger, f"a{dice.randrange(ACCOUNTS)}", f"{run}-{done}")
        done += 1
    return done


def charge_once(ledger: Ledger, account: str, mark: str) -> None:
    event = UsageEvent(mark, "call", datetime.now(UTC), MICRO)
    ledger.execute(RecordUsage(account, event), actor=SYSTEM, key=mark)


def hold_and_capture_once(ledger: Ledger, account: str, mark: str) -> None:
    """Set credits aside and take half of them: two transactions, each durable."""
    hold = PlaceHold(account, mark, "call", 2 * MICRO, datetime.now(UTC) + timedelta(hours=1))
    ledger.execute(hold, actor=SYSTEM, key=f"hold-{mark}")
    ledger.execute(CaptureHold(account, mark, mark, MICRO), actor=SYSTEM, key=f"capture-{mark}")


def in_threads(url: str, callers: int, act: Callable[[Ledger, str, str], None], *, one_account: bool = False) -> float:
    """Acts a second of several callers of one process, each in a thread of its own and waiting for its answer."""
    ledger = ledger_of(url)
    run, until = uuid.uuid4().hex, time.perf_counter() + SECONDS
    done = [0] * callers

    def caller(number: int) -> None:
        dice = random.Random(number)
        while time.perf_counter() < until:
            account = "a0" if one_account else f"a{dice.randrange(ACCOUNTS)}"
            act(ledger, account, f"{run}-{number}-{done[number]}")
            done[number] += 1

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / SECONDS


def hold_and_capture(url: str, number: int, seconds: float) -> int:
    """Set credits aside and take most of them, again and again; answers how many pairs."""
    ledger = ledger_of(url)
    dice = random.Random(number)
    run = uuid.uuid4().hex
    until, done = time.perf_counter() + seconds, 0
    while time.perf_counter() < until:
        hold_and_capture_once(ledger, f"a{dice.randrange(ACCOUNTS)}", f"{run}-{done}")
        done += 1
    return done


def insert_plainly(url: str) -> float:
    """Rows a second that the bare driver inserts into a table with three indexes, 5,000 in a statement and commit."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS plain (id bigserial PRIMARY KEY, account int, key text UNIQUE, amount bigint)"
        )
        connection.execute("CREATE INDEX IF NOT EXISTS plain_account ON plain (account, id)")
        until, done = time.perf_counter() + SECONDS, 0
        while time.perf_counter() < until:
            connection.execute(
                "INSERT INTO plain (account, key, amount) SELECT n %% 200, %s || n, n FROM generate_series(1, 5000) n",
                [uuid.uuid4().hex],
            )
            done += CHUNK
    return done / SECONDS


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


@pytest.mark.parametrize(
    ("callers", "one_account", "wanted"),
    [(8, False, 0.9), (32, True, 1.2), (128, True, 2)],
    ids=["8 callers", "32 on one account", "128 on one account"],
)
def test_charges_of_one_process_share_transactions(
    cluster: Cluster, callers: int, one_account: bool, wanted: float
) -> None:
    url = cluster.url("ledger")
    found = compare(
        f"single RecordUsage, {callers} threads{' on one account' * one_account} ÷ pgbench, {callers} clients",
        lambda: in_threads(url, callers, charge_once, one_account=one_account),
        lambda: pgbench(cluster, "yardstick", clients=callers),
    )
    ledger_of(url).database.dispose()
    assert found.ratio >= wanted


@pytest.mark.parametrize("callers", ["threads", "processes"])
def test_holds_on_durable_postgresql(cluster: Cluster, callers: str) -> None:
    url = cluster.url("ledger")
    found = compare(
        f"PlaceHold and CaptureHold, pairs of 8 {callers} ÷ pgbench tpcb-like, 8 clients",
        (lambda: in_threads(url, 8, hold_and_capture_once))
        if callers == "threads"
        else (lambda: in_processes(hold_and_capture, url)),
        lambda: pgbench(cluster, "yardstick"),
    )
    ledger_of(url).database.dispose()
    assert found.ratio >= 0.4


def test_bulk_against_plain_inserts(cluster: Cluster) -> None:
    found = compare(
        "bulk RecordUsage, 2 clients, events ÷ rows of a plain insert with three indexes",
        lambda: in_processes(charge_in_bulk, cluster.url("ledger"), clients=2),
        lambda: insert_plainly(cluster.url("yardstick")),
    )
    assert found.ratio >= 0.1 or found.ours >= 20_000


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

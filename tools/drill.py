"""The backup drill on both databases: dump under load, restore elsewhere, prove the copy, compare it entry by entry.

    python -m tools.drill [--seconds 6]

A backup that was never restored is a hope. This one charges usage from several threads while the backup is made,
restores it into another place, and asks of the copy: is it at the newest migration, does reconciliation find nothing,
do all totals follow from the entries, and is every transaction and entry in it the very one of the source?
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    CreditType,
    IssueGrant,
    OpenAccount,
    Reason,
    RecordUsage,
    SetFeaturePrice,
    UsageEvent,
    open_ledger,
)
from ledger.core.sealing import canonical
from ledger.migrations import pending, upgrade
from ledger.models import entry, transaction, usage_event
from ledger.rebuild import differences
from ledger.reconcile import reconcile
from tests.kit.postgres import running

ACCOUNTS = 10
THREADS = 4


def prepare(url: str) -> None:
    """A company with credits to spend."""
    upgrade(url, name="Drill", zone="Europe/Berlin", currency="USD")
    ledger = open_ledger(url)
    since = datetime(2020, 1, 1, tzinfo=UTC)
    ledger.execute(SetFeaturePrice("call", MICRO, effective_at=since), actor=SYSTEM, key="price")
    for number in range(ACCOUNTS):
        name = f"d{number}"
        ledger.execute(OpenAccount(name, name), actor=SYSTEM, key=f"open-{name}")
        grant = IssueGrant(name, CreditType.COMPENSATION, 1_000_000 * MICRO, Reason("drill", "credits for the drill"))
        ledger.execute(grant, actor=SYSTEM, key=f"grant-{name}")
    ledger.database.dispose()


@contextmanager
def under_load(url: str) -> Iterator[None]:
    """Charge usage from several threads for the length of a block."""
    ledger, over = open_ledger(url), threading.Event()

    def charge(number: int) -> None:
        while not over.is_set():
            event = UsageEvent(uuid.uuid4().hex, "call", datetime.now(UTC), MICRO)
            ledger.execute(RecordUsage(f"d{number % ACCOUNTS}", event), actor=SYSTEM, key=event.event_id)

    threads = [threading.Thread(target=charge, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        ledger.database.dispose()


def compare(source: str, copy: str) -> list[str]:
    """What is wrong with a copy, as sentences; prints how much of the source it holds."""
    wrong = []
    current, newest = pending(copy)
    if current != newest:
        wrong.append(f"the copy is at version {current}, not {newest}")
    texts = {}
    for name, url in (("source", source), ("copy", copy)):
        ledger = open_ledger(url)
        with ledger.database.reader.connect() as connection:
            if name == "copy":
                wrong += [str(finding) for finding in reconcile(connection).findings]
                is_sqlite = ledger.database.is_sqlite
                wrong += map(str, differences(connection.execute, is_sqlite=is_sqlite, zone=ledger.company_zone))
            texts[name] = {
                (table.name, row["id"]): canonical(dict(row), entries=[], events=[], batches=[])
                for table in (transaction, entry, usage_event)
                for row in connection.execute(sa.select(table)).mappings()
            }
        ledger.database.dispose()
    wrong += [
        f"{table} {id_} is not what it is in the source"
        for (table, id_), text in texts["copy"].items()
        if texts["source"].get((table, id_)) != text
    ]
    print(f"  {len(texts['copy']):,} of {len(texts['source']):,} rows of the journal are in the copy")
    if not ACCOUNTS * 2 < len(texts["copy"]) <= len(texts["source"]):
        wrong.append("the copy does not hold what was there when the backup began")
    return wrong


def drill_sqlite(folder: Path, seconds: float) -> list[str]:
    """The online backup of SQLite, made by its own interface while the ledger writes."""
    source, copy = folder / "source.sqlite", folder / "copy.sqlite"
    prepare(f"sqlite:///{source}")
    with under_load(f"sqlite:///{source}"):
        time.sleep(seconds / 2)
        with sqlite3.connect(source) as reading, sqlite3.connect(copy) as writing:
            reading.backup(writing)
        reading.close()
        writing.close()
        time.sleep(seconds / 2)
    return compare(f"sqlite:///{source}", f"sqlite:///{copy}")


def drill_postgresql(folder: Path, seconds: float) -> list[str]:
    """pg_dump while the ledger writes, restored into another server."""
    with running(durable=True) as first, running() as second:
        source = first.create("source")
        prepare(source)
        dump = folder / "ledger.dump"
        with under_load(source):
            time.sleep(seconds / 2)
            command = [f"{first.bin_dir}/pg_dump", "--format=custom", f"--file={dump}", first.url("source")]
            subprocess.run(command, check=True)
            time.sleep(seconds / 2)
        copy = second.create("copy")
        restore = [f"{second.bin_dir}/pg_restore", "--no-owner", "--exit-on-error", f"--dbname={copy}", str(dump)]
        subprocess.run(restore, check=True)
        return compare(source, copy)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6, help="how long the load lasts on each database")
    chosen = parser.parse_args()
    failed = 0
    for name, drill in (("SQLite", drill_sqlite), ("PostgreSQL", drill_postgresql)):
        print(f"{name}:")
        with tempfile.TemporaryDirectory() as folder:
            wrong = drill(Path(folder), chosen.seconds)
        for sentence in wrong[:20]:
            print(f"  WRONG: {sentence}")
        print("  the copy is sound" if not wrong else f"  {len(wrong)} things are wrong")
        failed += bool(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

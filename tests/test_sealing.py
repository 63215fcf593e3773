"""The seal: whatever is done to the books behind the ledger's back is seen, by us and by the stand-alone verifier."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledger import Ledger
from ledger.clock import FixedClock
from ledger.core.sealing import GENESIS, canonical, link
from ledger.models import APPEND_ONLY, seal
from ledger.sealing import CHUNK, Breach, Head, head, seal_new, verify
from tests.kit.factories import NOW, adjust, grant, open_account, price_feature, top_up, use

VERIFIER = Path(__file__).parents[1] / "tools" / "verify_seal.py"


@pytest.fixture
def sealed(ledger: Ledger, clock: FixedClock) -> Ledger:
    """Two days of acts, sealed once a day."""
    price_feature(ledger)
    for name in ("acme", "zeta"):
        open_account(ledger, name)
        top_up(ledger, name, 1000)
        use(ledger, name, 130)
    assert seal_new(ledger) == 7
    clock.advance(timedelta(days=1))
    grant(ledger, "acme", 100)
    adjust(ledger, "acme", -20)
    assert seal_new(ledger) == 2
    assert seal_new(ledger) == 0
    return ledger


def breaches(ledger: Ledger, kept: Head | None = None) -> list[Breach]:
    with ledger.database.reader.connect() as connection:
        return verify(connection, kept=kept)


def head_of(ledger: Ledger) -> Head:
    with ledger.database.reader.connect() as connection:
        found = head(connection)
    assert found is not None
    return found


def stand_alone(ledger: Ledger, tmp_path: Path, kept: Head | None = None) -> list[str]:
    """What the verifier prints that imports nothing of ours, without its first line."""
    arguments = [ledger.database.url.render_as_string(hide_password=False)]
    if kept is not None:
        file = tmp_path / "head.json"
        file.write_text(json.dumps(asdict(kept), default=str), encoding="utf-8")
        arguments += ["--head", str(file)]
    done = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), *arguments], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert done.returncode == (len(lines) > 2)
    return lines[1:-1]


def behind_our_back(ledger: Ledger, *statements: str) -> None:
    """Change the books as nobody may: triggers and foreign keys are switched off for it."""
    if ledger.database.is_sqlite:
        # A connection of its own, on which foreign keys are off from the start.
        connection = sqlite3.connect(str(ledger.database.url.database))
        for table in APPEND_ONLY:
            for act in ("update", "delete"):
                connection.execute(f"DROP TRIGGER IF EXISTS append_only_{table.name}_{act}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()
        return
    with ledger.database.engine.begin() as work:
        work.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            work.exec_driver_sql(statement)


def test_sound_books_are_what_was_sealed(sealed: Ledger, tmp_path: Path) -> None:
    assert breaches(sealed, head_of(sealed)) == []
    assert stand_alone(sealed, tmp_path, head_of(sealed)) == []


TAMPERINGS = {
    "edited note": ["UPDATE \"transaction\" SET note = 'other' WHERE id = 3"],
    "edited amount": ["UPDATE entry SET amount_micro = amount_micro + 1 WHERE transaction_id = 4"],
    "edited event": ["UPDATE usage_event SET quantity_micro = 1"],
    "edited price paid": ["UPDATE batch SET cost_cents = cost_cents * 2 WHERE credit_type = 'purchased'"],
    "deleted entry": ["DELETE FROM entry WHERE transaction_id = 4"],
    "deleted transaction": [
        "DELETE FROM entry WHERE transaction_id = 4",
        'DELETE FROM "transaction" WHERE id = 4',
    ],
    "inserted entry": [
        "INSERT INTO entry (id, transaction_id, account_id, batch_id, from_bucket, to_bucket, amount_micro, "
        "balance_micro, effective_at) SELECT 9000, transaction_id, account_id, batch_id, from_bucket, to_bucket, 5, "
        "balance_micro, effective_at FROM entry WHERE transaction_id = 3"
    ],
    "inserted transaction": [
        'INSERT INTO "transaction" (id, kind, account_id, actor, role, "key", digest, reason_code, note, ticket, '
        "effective_at, recorded_at, receipt) SELECT 9000, kind, account_id, actor, role, 'forged', digest, "
        'reason_code, note, ticket, effective_at, recorded_at, receipt FROM "transaction" WHERE id = 3'
    ],
    "reordered": [
        "UPDATE seal SET position = 100 WHERE position = 3",
        "UPDATE seal SET position = 3 WHERE position = 4",
        "UPDATE seal SET position = 4 WHERE position = 100",
    ],
    "links cut off": ["DELETE FROM seal WHERE position > 5"],
    "link removed": ["DELETE FROM seal WHERE position = 4"],
}


@pytest.mark.parametrize("statements", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_tampering_is_seen_without_any_help(
    sealed: Ledger, clock: FixedClock, tmp_path: Path, statements: list[str]
) -> None:
    kept = head_of(sealed)
    behind_our_back(sealed, *statements)
    mine = breaches(sealed, kept)
    assert mine != []
    assert stand_alone(sealed, tmp_path, kept) == [f"{one.place}: {one.what}" for one in mine]


def test_a_forgery_that_was_sealed_later_is_seen(sealed: Ledger, clock: FixedClock) -> None:
    behind_our_back(sealed, *TAMPERINGS["inserted transaction"])
    clock.advance(timedelta(days=1))
    assert seal_new(sealed) == 1
    assert [one.what for one in breaches(sealed)] == ["came into the books later than it says"]


def test_cutting_off_the_end_is_seen_with_a_kept_head(sealed: Ledger, tmp_path: Path) -> None:
    kept = head_of(sealed)
    newest = "(SELECT transaction_id FROM seal WHERE position > 7)"
    behind_our_back(
        sealed,
        f"DELETE FROM entry WHERE transaction_id IN {newest}",
        f'DELETE FROM "transaction" WHERE id IN {newest}',
        "DELETE FROM seal WHERE position > 7",
    )
    assert breaches(sealed) == []
    assert [one.what for one in breaches(sealed, kept)] == ["is missing: the chain ends before the head that was kept"]
    assert len(stand_alone(sealed, tmp_path, kept)) == 1


def test_a_chain_made_anew_is_seen_with_a_kept_head(sealed: Ledger, tmp_path: Path) -> None:
    kept = head_of(sealed)
    behind_our_back(sealed, "UPDATE \"transaction\" SET note = 'other' WHERE id = 3", "DELETE FROM seal")
    assert seal_new(sealed) == 9
    assert breaches(sealed) == []
    assert [one.what for one in breaches(sealed, kept)] == ["is another one than in the head that was kept"]
    assert len(stand_alone(sealed, tmp_path, kept)) == 1


def test_a_transaction_that_committed_late_is_sealed_and_no_breach(sealed: Ledger, clock: FixedClock) -> None:
    # Its id and its instant are older than those of others that were sealed before it.
    clock.set(NOW + timedelta(days=1) - timedelta(minutes=5))
    grant(sealed, "zeta", 1)
    clock.set(NOW + timedelta(days=1, minutes=1))
    assert seal_new(sealed) == 1
    assert breaches(sealed) == []


def test_a_long_backlog_is_no_breach_even_when_its_sealing_was_cut_off(
    ledger: Ledger, clock: FixedClock, tmp_path: Path
) -> None:
    open_account(ledger, "acme")
    columns = "kind, account_id, actor, role, digest, reason_code, note, ticket, effective_at, recorded_at, receipt"
    behind_our_back(
        ledger,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {CHUNK + 2}) "
        f'INSERT INTO "transaction" (id, "key", {columns}) SELECT 1000 + i, i || \'\', {columns} '
        'FROM "transaction", n WHERE id = (SELECT min(id) FROM "transaction")',
    )
    clock.advance(timedelta(days=1))
    assert seal_new(ledger) == CHUNK + 3
    assert breaches(ledger) == []
    assert stand_alone(ledger, tmp_path) == []
    # As a run leaves the chain that was killed after its first chunk.
    behind_our_back(ledger, f"DELETE FROM seal WHERE position > {CHUNK}")
    assert breaches(ledger) == []
    clock.advance(timedelta(hours=1))
    assert seal_new(ledger) == 3
    assert breaches(ledger) == []
    assert stand_alone(ledger, tmp_path) == []
    clock.advance(timedelta(hours=1))
    behind_our_back(
        ledger,
        f'INSERT INTO "transaction" (id, "key", {columns}) '
        f"SELECT 9000, 'forged', {columns} FROM \"transaction\" WHERE id = 1001",
    )
    assert seal_new(ledger) == 1
    assert [one.what for one in breaches(ledger)] == ["came into the books later than it says"]
    assert len(stand_alone(ledger, tmp_path)) == 1


def test_the_chain_has_no_gaps_and_names_every_transaction_once(sealed: Ledger) -> None:
    with sealed.database.reader.connect() as connection:
        rows = connection.execute(sa.select(seal).order_by(seal.c.position)).all()
    assert [row.position for row in rows] == list(range(1, 10))
    assert len({row.transaction_id for row in rows}) == 9


def test_equal_content_has_one_text() -> None:
    one = canonical({"b": 1, "a": NOW}, entries=[], events=[], batches=[])
    assert one == canonical({"a": NOW, "b": 1}, entries=[], events=[], batches=[])
    assert '"2026-03-10T12:00:00.000000Z"' in one
    assert link(GENESIS, one) == link(GENESIS, one) != link("1" * 64, one)

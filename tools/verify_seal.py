"""Verifies the seal of a ledger without trusting the product: none of its code is imported.

    python tools/verify_seal.py sqlite:///var/credits.sqlite [--head head.json]
    python tools/verify_seal.py postgresql://reader@host/credits --head head.json   (needs psycopg)

Reads the chain and recomputes every link. Without a head that was kept elsewhere it finds what was edited, deleted,
inserted or put in another order; with one also a chain that was cut off or made anew as a whole. Exits with 1 when
something is wrong. How a link is computed: docs/accounting/30-proof.md.
"""

import argparse
import hashlib
import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

GRACE = timedelta(minutes=10)
# The product seals so many at a time; a run of whole chunks may have been cut off.
CHUNK = 1_000
MOVING = {"remaining_micro", "held_micro", "is_spent", "expires_at"}
JSON_COLUMNS = {"receipt", "details", "features"}
TIME_COLUMNS = {"effective_at", "recorded_at", "occurred_at", "granted_at", "sealed_at"}


class Books:
    """Rows of either database as plain Python values."""

    def __init__(self, address: str) -> None:
        self.is_sqlite = address.startswith("sqlite")
        if self.is_sqlite:
            path = address.removeprefix("sqlite:///")
            self.connection: Any = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        else:
            import psycopg

            self.connection = psycopg.connect(address.replace("+psycopg", ""), options="-c timezone=UTC")

    def rows(self, sql: str, *values: object) -> Iterator[dict]:
        cursor = self.connection.execute(sql.replace("%s", "?") if self.is_sqlite else sql, values)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield {name: self.plain(name, value) for name, value in zip(names, row, strict=True)}

    def plain(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        if name in JSON_COLUMNS:
            return json.loads(value) if isinstance(value, str) else value
        if name in TIME_COLUMNS:
            at = datetime.fromisoformat(value) if isinstance(value, str) else value
            return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return value


def text_of(books: Books, row: dict) -> str:
    id_ = row["id"]
    entries = list(books.rows("SELECT * FROM entry WHERE transaction_id = %s ORDER BY id", id_))
    events = books.rows(
        "SELECT * FROM usage_event WHERE id IN (SELECT usage_event_id FROM entry WHERE transaction_id = %s)"
        " AND transaction_id = %s ORDER BY id",
        id_,
        id_,
    )
    batches = books.rows(
        "SELECT * FROM batch WHERE id IN (SELECT batch_id FROM entry WHERE transaction_id = %s)"
        " AND made_by_id = %s ORDER BY id",
        id_,
        id_,
    )
    content = {
        "transaction": row,
        "entries": entries,
        "events": list(events),
        "batches": [{name: value for name, value in one.items() if name not in MOVING} for one in batches],
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=as_text)


def as_text(value: object) -> str:
    assert isinstance(value, datetime), value
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def verify(books: Books, head: dict | None) -> Iterator[str]:
    """One sentence per place where the books are not what was sealed."""
    previous, position, run, links, finished = "0" * 64, 0, None, 0, None
    chain = list(books.rows("SELECT * FROM seal ORDER BY position"))
    for one in chain:
        place = f"position {one['position']}, transaction {one['transaction_id']}"
        position += 1
        if one["position"] != position:
            yield f"{place}: position {position} is missing before it"
            position = one["position"]
        if one["sealed_at"] != run:
            finished = run if links % CHUNK else finished
            run, links = one["sealed_at"], 0
        links += 1
        row = next(books.rows('SELECT * FROM "transaction" WHERE id = %s', one["transaction_id"]), None)
        if row is None:
            yield f"{place}: was deleted"
        elif hashlib.sha256(f"{previous}\n{text_of(books, row)}".encode()).hexdigest() != one["hash"]:
            yield f"{place}: is not what was sealed"
        elif finished is not None and row["recorded_at"] < finished - GRACE:
            yield f"{place}: came into the books later than it says"
        if head is not None and head["position"] == one["position"] and head["hash"] != one["hash"]:
            yield f"{place}: is another one than in the head that was kept"
        previous = one["hash"]
    if head is not None and position < head["position"]:
        yield f"position {head['position']}: is missing: the chain ends before the head that was kept"
    finished = run if links % CHUNK else finished
    if finished is not None:
        for row in books.rows(
            'SELECT id, recorded_at FROM "transaction" WHERE id NOT IN (SELECT transaction_id FROM seal)'
        ):
            if row["recorded_at"] < finished - GRACE:
                yield f"transaction {row['id']}: was never sealed, although it says it is older than a seal"
    print(f"{len(chain)} links checked, head {previous}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", help="sqlite:///file or postgresql://user@host/name")
    parser.add_argument("--head", help="file to which was written: python -m service.cli seal head")
    chosen = parser.parse_args()
    head = json.loads(Path(chosen.head).read_text(encoding="utf-8").splitlines()[-1]) if chosen.head else None
    breaches = list(verify(Books(chosen.address), head))
    for breach in breaches:
        print(breach)
    print("The books are what was sealed." if not breaches else f"{len(breaches)} breaches.")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())

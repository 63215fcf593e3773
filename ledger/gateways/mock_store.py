"""The books of the pretended provider: JSON documents in a SQLite file of its own, shared by all processes."""

import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

Document = dict[str, Any]
_TABLES = """
CREATE TABLE IF NOT EXISTS document (kind TEXT, ref TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, ref)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outgoing (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""


class Turn:
    """One transaction on the documents."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def get(self, kind: str, ref: str) -> Document | None:
        """A document, or None."""
        row = self._connection.execute("SELECT body FROM document WHERE kind = ? AND ref = ?", (kind, ref)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, kind: str, ref: str, body: Document) -> None:
        """Write a document, new or changed."""
        self._connection.execute("INSERT OR REPLACE INTO document VALUES (?, ?, ?)", (kind, ref, json.dumps(body)))

    def all(self, kind: str) -> list[Document]:
        """All documents of a kind, in the order of their names."""
        rows = self._connection.execute("SELECT body FROM document WHERE kind = ? ORDER BY ref", (kind,))
        return [json.loads(body) for (body,) in rows]

    def named(self, kind: str) -> list[tuple[str, Document]]:
        """As `all`, with their names."""
        rows = self._connection.execute("SELECT ref, body FROM document WHERE kind = ? ORDER BY ref", (kind,))
        return [(ref, json.loads(body)) for ref, body in rows]

    def tell(self, event: Document) -> None:
        """Put an event into the outgoing mail: it stands if and only if what it tells of does."""
        self._connection.execute("INSERT INTO outgoing (body) VALUES (?)", (json.dumps(event),))

    def take_told(self) -> list[Document]:
        """Everything told so far, taken out of the outgoing mail."""
        rows = self._connection.execute("SELECT body FROM outgoing ORDER BY id").fetchall()
        self._connection.execute("DELETE FROM outgoing")
        return [json.loads(body) for (body,) in rows]

    def forget(self) -> None:
        """Remove every document and every event."""
        self._connection.execute("DELETE FROM document")
        self._connection.execute("DELETE FROM outgoing")

    def has_told(self) -> bool:
        """Whether anything waits in the outgoing mail."""
        return self._connection.execute("SELECT 1 FROM outgoing LIMIT 1").fetchone() is not None


class MockStore:
    """The file, opened for one transaction at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """A transaction that is kept when the block ends well."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=30, isolation_level=None)) as connection:
            connection.executescript(_TABLES)
            connection.execute("BEGIN IMMEDIATE")
            yield Turn(connection)
            connection.execute("COMMIT")

    def take_outgoing(self) -> list[Document]:
        """Events that were not delivered yet; they are forgotten here, as a provider forgets what was answered 200."""
        with self.turn() as turn:
            return turn.take_told()

    def clear(self) -> None:
        """Forget everything: a company that begins anew meets a provider that does, too."""
        with self.turn() as turn:
            turn.forget()

    def has_outgoing(self) -> bool:
        """Whether there are events that were not delivered yet."""
        with self.turn() as turn:
            return turn.has_told()


def new_ref(prefix: str) -> str:
    """A name such as pi_8Jd0…"""
    return f"{prefix}_mock_{secrets.token_hex(8)}"

"""Seals booked transactions into a hash chain, after the fact: writers never wait for it.

`seal_new` appends whatever is booked and not sealed yet; it may run as often as one likes, also twice at once. The head
of the chain, kept somewhere else, is what makes even a complete forgery visible (`verify`, tools/verify_seal.py).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.core.sealing import GENESIS, canonical, link
from ledger.database import Database
from ledger.facade import Ledger
from ledger.models import batch, entry, seal, transaction, usage_event

CHUNK = 1_000
# A transaction may commit so much later than others that were recorded after it.
GRACE = timedelta(minutes=10)
# Columns of a batch that no later act moves.
_BATCH_FACTS = tuple(c for c in batch.c if c.name not in {"remaining_micro", "held_micro", "is_spent", "expires_at"})


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link: keep it where nobody who can write to the database can."""

    position: int
    transaction_id: int
    hash: str
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class Breach:
    """One place where the books are not what was sealed."""

    place: str
    what: str


def head(connection: sa.Connection) -> Head | None:
    """The newest link of the chain; None when nothing was sealed yet."""
    found = connection.execute(sa.select(seal).order_by(seal.c.position.desc()).limit(1)).one_or_none()
    return None if found is None else Head(found.position, found.transaction_id, found.hash, found.sealed_at)


def seal_new(ledger: Ledger) -> int:
    """Seal everything that is booked and not sealed; answers how many transactions that were."""
    done, at = 0, ledger.clock.now()
    while count := _seal_chunk(ledger.database, at):
        done += count
    return done


def _seal_chunk(database: Database, at: datetime) -> int:
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            # One sealer at a time; the next one finds nothing left to do.
            connection.execute(sa.text("LOCK TABLE seal IN EXCLUSIVE MODE"))
        newest = head(connection)
        unsealed = (
            sa.select(transaction)
            .outerjoin(seal, seal.c.transaction_id == transaction.c.id)
            .where(seal.c.transaction_id.is_(None))
            .order_by(transaction.c.id)
            .limit(CHUNK)
        )
        rows = connection.execute(unsealed).mappings().all()
        position, previous = (newest.position, newest.hash) if newest else (0, GENESIS)
        links = []
        for row, text in _texts(connection, rows):
            position, previous = position + 1, link(previous, text)
            links.append({"position": position, "transaction_id": row["id"], "hash": previous, "sealed_at": at})
        if links:
            connection.execute(sa.insert(seal), links)
        return len(links)


def _texts(connection: sa.Connection, rows: Sequence[Any]) -> Iterator[tuple[Any, str]]:
    """Each transaction with its canonical text."""
    ids = [row["id"] for row in rows]
    entries = _by(connection, sa.select(entry).where(entry.c.transaction_id.in_(ids)).order_by(entry.c.id))
    events = _by(
        connection,
        sa.select(usage_event)
        .where(
            usage_event.c.id.in_(sa.select(entry.c.usage_event_id).where(entry.c.transaction_id.in_(ids))),
            usage_event.c.transaction_id.in_(ids),
        )
        .order_by(usage_event.c.id),
    )
    batches = _by(
        connection,
        sa.select(*_BATCH_FACTS)
        .where(
            batch.c.id.in_(sa.select(entry.c.batch_id).where(entry.c.transaction_id.in_(ids))),
            batch.c.made_by_id.in_(ids),
        )
        .order_by(batch.c.id),
        key="made_by_id",
    )
    for row in rows:
        id_ = row["id"]
        yield row, canonical(dict(row), entries=entries[id_], events=events[id_], batches=batches[id_])


def _by(
    connection: sa.Connection, statement: sa.Select[Any], key: str = "transaction_id"
) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(statement).mappings():
        found[row[key]].append(dict(row))
    return found


def verify(connection: sa.Connection, *, kept: Head | None = None) -> list[Breach]:
    """What differs from what was sealed, in the order of the chain; empty when nothing does.

    Args: ``kept`` is a head that was exported earlier and kept elsewhere. Without it nobody can tell a chain that was
    cut off, or made anew as a whole, from a true one.
    """
    check = _Check(kept)
    for rows in _chunks(connection):
        ids = [one.transaction_id for one in rows]
        found = connection.execute(sa.select(transaction).where(transaction.c.id.in_(ids))).mappings().all()
        texts = {row["id"]: (row["recorded_at"], text) for row, text in _texts(connection, found)}
        for one in rows:
            check.look_at(one, *texts.get(one.transaction_id, (None, None)))
    return check.breaches + check.at_the_end() + _unsealed(connection, check.finished_at())


class _Check:
    """Walks along the chain and remembers what the next link has to follow."""

    def __init__(self, kept: Head | None) -> None:
        self._kept = kept
        self.breaches: list[Breach] = []
        self._previous, self._position = GENESIS, 0
        self._run_at: datetime | None = None
        self._run_links = 0
        self._finished_before: datetime | None = None

    def look_at(self, one: Any, recorded_at: datetime | None, text: str | None) -> None:
        """One link, with what the books say now; None where they say nothing any more."""
        place = f"position {one.position}, transaction {one.transaction_id}"
        self._position += 1
        if one.position != self._position:
            self.breaches.append(Breach(place, f"position {self._position} is missing before it"))
            self._position = one.position
        if one.sealed_at != self._run_at:
            self._finished_before = self.finished_at()
            self._run_at, self._run_links = one.sealed_at, 0
        self._run_links += 1
        if text is None or recorded_at is None:
            self.breaches.append(Breach(place, "was deleted"))
        elif link(self._previous, text) != one.hash:
            self.breaches.append(Breach(place, "is not what was sealed"))
        elif self._finished_before is not None and recorded_at < self._finished_before - GRACE:
            self.breaches.append(Breach(place, "came into the books later than it says"))
        kept = self._kept
        if kept is not None and one.position == kept.position and one.hash != kept.hash:
            self.breaches.append(Breach(place, "is another one than in the head that was kept"))
        self._previous = one.hash

    def finished_at(self) -> datetime | None:
        """The newest run so far that left nothing unsealed: whoever says it is older should have been in the chain.

        A run of whole chunks may have been cut off between two of them, so it proves nothing.
        """
        return self._run_at if self._run_links % CHUNK else self._finished_before

    def at_the_end(self) -> list[Breach]:
        """What can only be said when the chain is over."""
        kept = self._kept
        if kept is None or self._position >= kept.position:
            return []
        return [Breach(f"position {kept.position}", "is missing: the chain ends before the head that was kept")]


def _chunks(connection: sa.Connection) -> Iterator[Sequence[Any]]:
    position = 0
    while rows := connection.execute(
        sa.select(seal).where(seal.c.position > position).order_by(seal.c.position).limit(CHUNK)
    ).all():
        yield rows
        position = rows[-1].position


def _unsealed(connection: sa.Connection, finished_at: datetime | None) -> list[Breach]:
    """Transactions outside the chain that the newest finished run of the job should have sealed."""
    if finished_at is None:
        return []
    late = (
        sa.select(transaction.c.id)
        .outerjoin(seal, seal.c.transaction_id == transaction.c.id)
        .where(seal.c.transaction_id.is_(None), transaction.c.recorded_at < finished_at - GRACE)
        .order_by(transaction.c.id)
    )
    found = connection.execute(late).scalars()
    return [Breach(f"transaction {id_}", "was never sealed, although it says it is older than a seal") for id_ in found]

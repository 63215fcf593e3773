"""What a handler works with: the locked account, the instant, the actor, and what it wants written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.core.policy import Actor
from ledger.core.records import Batch, CreditType
from ledger.database import Prepared, Work
from ledger.errors import KeyReused, NotFound
from ledger.journal import AccountState, Posting
from ledger.models import account, batch, transaction
from ledger.receipt import Receipt

Read = tuple[Prepared, Mapping[str, Any]]
Rows = list[tuple[Any, ...]]

_LOCK_ACCOUNT = Prepared(
    sa.select(account.c.id, account.c.external_id, account.c.zone, account.c.available_micro, account.c.held_micro)
    .where(account.c.external_id == sa.bindparam("account"))
    .with_for_update()
)
_OPEN_BATCHES = Prepared(
    sa.select(
        batch.c.id,
        batch.c.credit_type,
        batch.c.remaining_micro,
        batch.c.held_micro,
        batch.c.priority,
        batch.c.effective_at,
        batch.c.expires_at,
    ).where(
        batch.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        ~batch.c.is_spent,
    )
)
_KNOWN_KEY = Prepared(
    sa.select(transaction.c.id, transaction.c.digest, transaction.c.receipt).where(
        transaction.c.actor == sa.bindparam("actor"), transaction.c.key == sa.bindparam("key")
    )
)


class AlreadyDone(Exception):
    """Raised inside a handler when the key is known: the stored receipt is the answer."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt
        super().__init__("the key is known")


@dataclass(slots=True)
class Context:
    """One attempt at one command. Handlers call `load` or `begin` first; both check the key under the lock."""

    work: Work
    at: datetime
    actor: Actor
    key: str
    digest: str
    company_zone: ZoneInfo
    transaction_id: int = 0
    posting: Posting = field(default_factory=Posting)
    others: list[tuple[Prepared, Mapping[str, Any]]] = field(default_factory=list)

    def queue(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Add a row that is no part of the books proper; it is written after the transaction that it may refer to."""
        self.others.append((prepared, values))

    def load(self, external_id: str, *reads: Read) -> tuple[AccountState, list[Rows]]:
        """Lock one account and read its batches and whatever else is asked, all in one round trip.

        Raises: KeyReused, NotFound. The reads come after the lock, so they see all that earlier writers did.
        """
        locked, batches, *rest = self._fetch(
            (_LOCK_ACCOUNT, {"account": external_id}), (_OPEN_BATCHES, {"account": external_id}), *reads
        )
        if not locked:
            raise NotFound(what="account", id=external_id)
        id_, name, zone, available, held = locked[0]
        state = AccountState(id_, name, ZoneInfo(zone), available, held)
        for row in batches:
            state.batches[row[0]] = Batch(row[0], CreditType(row[1]), *row[2:])
        return state, rest

    def begin(self, *reads: Read) -> list[Rows]:
        """Start a command that locks no account; answers the rows of the given reads."""
        return self._fetch(*reads)

    def load_in_one_call(self, function: str, external_id: str, *arguments: Any) -> tuple[AccountState, dict[str, Any]]:
        """As `load`, by a database function that answers all of it as one JSON object (PostgreSQL only).

        The function is given the account, the actor, the key, and then the arguments.
        """
        found = self.work.call(function, external_id, self.actor.id, self.key, *arguments)
        if found is None:
            raise NotFound(what="account", id=external_id)
        if found["known"]:
            self._check_known(*found["known"])
        self.transaction_id = found["transaction_id"]
        id_, name, zone, available, held = found["account"]
        state = AccountState(id_, name, ZoneInfo(zone), available, held)
        for batch_id, kind, remaining, held_part, priority, starts, ends in found["batches"] or ():
            state.batches[batch_id] = Batch(
                batch_id, CreditType(kind), remaining, held_part, priority, from_micros(starts), _maybe(ends)
            )
        return state, found

    def _fetch(self, *reads: Read) -> list[Rows]:
        known_key = (_KNOWN_KEY, {"actor": self.actor.id, "key": self.key})
        *rows, known, next_id = self.work.fetch(*reads, known_key, self.work.next_ids(transaction))
        if known:
            self._check_known(*known[0])
        self.transaction_id = self.work.ids_of(next_id)[0]
        return rows

    def _check_known(self, id_: int, digest: str, body: dict[str, Any]) -> None:
        if digest != self.digest:
            raise KeyReused(key=self.key)
        raise AlreadyDone(Receipt.from_body(body, transaction_id=id_).as_replayed())


def from_micros(micros: int) -> datetime:
    """The instant that is so many microseconds after 1970: exact, unlike a float."""
    return _EPOCH + timedelta(microseconds=micros)


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

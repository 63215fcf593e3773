"""What a handler works with: the locked accounts, the instant, the actor, and what it wants written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.commands import Command, Outcome
from ledger.core.amounts import MICRO
from ledger.core.policy import Actor
from ledger.core.records import AccountKind, Batch, Bucket, CreditType
from ledger.database import Work
from ledger.errors import KeyReused, NotFound
from ledger.housekeeping import tidy
from ledger.journal import AccountState, BatchTerms, Posting, open_batch, send
from ledger.models import account, batch, transaction
from ledger.receipt import NewBatch, Receipt
from ledger.statements import Prepared

Read = tuple[Prepared, Mapping[str, Any]]
Rows = list[tuple[Any, ...]]

_ACCOUNT_COLUMNS = (
    account.c.id,
    account.c.external_id,
    account.c.zone,
    account.c.available_micro,
    account.c.held_micro,
    account.c.owed_micro,
    account.c.overdraft_limit_micro,
    account.c.overdraft_until,
    account.c.kind,
)
_BATCH_COLUMNS = (
    batch.c.id,
    batch.c.credit_type,
    batch.c.remaining_micro,
    batch.c.held_micro,
    batch.c.priority,
    batch.c.effective_at,
    batch.c.expires_at,
    batch.c.features,
)
_LOCK_ACCOUNT = Prepared(
    sa.select(*_ACCOUNT_COLUMNS).where(account.c.external_id == sa.bindparam("account")).with_for_update()
)
_OPEN_BATCHES = Prepared(
    sa.select(*_BATCH_COLUMNS).where(
        batch.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        ~batch.c.is_spent,
    )
)
_ACCOUNT_ID = Prepared(sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")))
_BATCH_OF_ACCOUNT = Prepared(
    sa.select(*_BATCH_COLUMNS).where(
        batch.c.id == sa.bindparam("batch_id", type_=sa.BigInteger),
        batch.c.account_id == sa.bindparam("account_id", type_=sa.BigInteger),
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


@dataclass(frozen=True, slots=True)
class Rules:
    """What a company decides for itself; see ledger/settings.py. Amounts in micro-credits."""

    approval_limit_micro: int = 100_000 * MICRO
    transfer_scope: str = "organisation"
    refund_policy: str = "unused_share"
    # E-mail addresses of those who are told about requests for approval.
    approvers: tuple[str, ...] = ()


@dataclass(slots=True)
class Context:
    """One attempt at one command. Handlers call `load`, `load_all` or `begin` first; all check the key under the lock.

    A command may stand for several (a file of grants): each of them runs in a `child`, which shares the unit of work
    and the locked accounts and has a key, a transaction and a posting of its own.
    """

    work: Work
    at: datetime
    actor: Actor
    key: str
    digest: str
    company_zone: ZoneInfo
    rules: Rules = field(default_factory=Rules)
    handlers: Mapping[type[Command], Callable[["Context", Any], Outcome]] = field(default_factory=dict)
    # The approval by which this command may pass the limit of one person.
    approval_id: int | None = None
    transaction_id: int = 0
    posting: Posting = field(default_factory=Posting)
    # Rows that the transaction refers to, and rows that refer to it.
    ahead: list[tuple[Prepared, Mapping[str, Any]]] = field(default_factory=list)
    others: list[tuple[Prepared, Mapping[str, Any]]] = field(default_factory=list)
    many: list[tuple[sa.Table, Sequence[str], list[tuple[Any, ...]], str]] = field(default_factory=list)
    # Everything that is locked by this unit of work, shared with its children.
    accounts: dict[str, AccountState] = field(default_factory=dict)

    def child(self, *, key: str, digest: str = "", actor: Actor | None = None) -> "Context":
        """A context for one of several commands of the same unit of work; `book` it and `Work.flush`, or let it go."""
        return Context(
            self.work,
            self.at,
            actor or self.actor,
            key,
            digest,
            self.company_zone,
            self.rules,
            self.handlers,
            self.approval_id,
            accounts=self.accounts,
        )

    def carry_out(self, command: Command) -> Outcome:
        """Run the handler of a command in this context."""
        return self.handlers[type(command)](self, command)

    def complete(self, outcome: Outcome) -> None:
        """Give the posting its transaction row."""
        self.posting.transaction = {
            "id": self.transaction_id,
            "kind": outcome.receipt.kind,
            "account_id": outcome.account_id,
            "actor": self.actor.id,
            "role": self.actor.role.value,
            "key": self.key,
            "digest": self.digest,
            "reason_code": outcome.reason.code.strip(),
            "note": outcome.reason.note.strip(),
            "ticket": outcome.reason.ticket.strip(),
            "effective_at": outcome.effective_at,
            "recorded_at": self.at,
            "reverses_id": outcome.reverses_id,
            "approval_id": self.approval_id,
            "receipt": outcome.receipt.to_body(),
        }

    def book(self, outcome: Outcome) -> None:
        """Queue the transaction with its posting and the rows beside it."""
        self.complete(outcome)
        for prepared, values in self.ahead:
            self.work.queue(prepared, values)
        send(self.work, self.posting)
        for prepared, values in self.others:
            self.work.queue(prepared, values)
        for table, columns, rows, on_conflict in self.many:
            self.work.queue_rows(table, columns, rows, on_conflict=on_conflict)

    def queue_ahead(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Add a row that the transaction or its batches refer to: an account that the command opens."""
        self.ahead.append((prepared, values))

    def queue(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Add a row that is no part of the books proper; it is written after the transaction that it may refer to."""
        self.others.append((prepared, values))

    def queue_rows(
        self, table: sa.Table, columns: Sequence[str], rows: list[tuple[Any, ...]], *, on_conflict: str = ""
    ) -> None:
        """As `queue`, for many new rows of one table, in one statement; written last."""
        self.many.append((table, columns, rows, on_conflict))

    def load(self, external_id: str, *reads: Read) -> tuple[AccountState, list[Rows]]:
        """Lock one account and read its batches and whatever else is asked, all in one round trip.

        Raises: KeyReused, NotFound. The reads come after the lock, so they see all that earlier writers did.
        """
        if external_id in self.accounts:
            return self.accounts[external_id], self._fetch(*reads)
        named = {"account": external_id}
        locked, batches, *rest = self._fetch((_LOCK_ACCOUNT, named), (_OPEN_BATCHES, named), *reads)
        if not locked:
            raise NotFound(what="account", id=external_id)
        state = self._keep(locked[0], batches)
        tidy(self, state)
        return state, rest

    def load_all(self, external_ids: Iterable[str], *reads: Read) -> tuple[dict[str, AccountState], list[Rows]]:
        """As `load`, for several accounts, locked in the order of their ids: no two commands wait in a circle."""
        wanted = [name for name in dict.fromkeys(external_ids) if name not in self.accounts]
        found = self.work.fetch(*((_ACCOUNT_ID, {"account": name}) for name in wanted)) if wanted else []
        for name, rows in zip(wanted, found, strict=True):
            if not rows:
                raise NotFound(what="account", id=name)
        order = sorted(range(len(wanted)), key=lambda index: found[index][0][0])
        asked = [
            (statement, {"account": wanted[index]}) for index in order for statement in (_LOCK_ACCOUNT, _OPEN_BATCHES)
        ]
        rows_of = self._fetch(*asked, *reads)
        for place in range(len(order)):
            tidy(self, self._keep(rows_of[2 * place][0], rows_of[2 * place + 1]))
        return {name: self.accounts[name] for name in external_ids}, rows_of[len(asked) :]

    def load_batch(self, state: AccountState, batch_id: int) -> Batch | None:
        """A batch of a locked account that may have no credits left; None when it is no batch of that account."""
        if batch_id not in state.batches:
            (rows,) = self.work.fetch((_BATCH_OF_ACCOUNT, {"batch_id": batch_id, "account_id": state.id}))
            if not rows:
                return None
            state.batches[batch_id] = _batch(rows[0])
        return state.batches[batch_id]

    def begin(self, *reads: Read) -> list[Rows]:
        """Start a command that locks no account; answers the rows of the given reads."""
        return self._fetch(*reads)

    def open_batch(
        self,
        state: AccountState,
        batch_id: int,
        amount_micro: int,
        terms: BatchTerms,
        *,
        origin: Bucket = Bucket.ISSUED,
    ) -> NewBatch:
        """Put new credits on the shelf of a locked account, as `journal.open_batch`; answers them for the receipt."""
        open_batch(
            self.posting,
            state,
            batch_id=batch_id,
            transaction_id=self.transaction_id,
            amount_micro=amount_micro,
            terms=terms,
            at=self.at,
            origin=origin,
        )
        return NewBatch(batch_id, terms.credit_type, amount_micro, terms.effective_at, terms.expires_at)

    def renew_id(self) -> None:
        """Take another transaction id, after one was given away to a posting that is to stand before this one."""
        (rows,) = self.work.fetch(self.work.next_ids(transaction))
        self.transaction_id = self.work.ids_of(rows)[0]

    def _keep(self, row: tuple[Any, ...], batches: Rows) -> AccountState:
        id_, name, zone, available, held, owed, limit, until, kind = row
        state = AccountState(id_, name, ZoneInfo(zone), available, held, owed, limit, until, AccountKind(kind))
        for one in batches:
            state.batches[one[0]] = _batch(one)
        self.accounts[name] = state
        return state

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


def _batch(row: tuple[Any, ...]) -> Batch:
    id_, kind, remaining, held, priority, starts, ends, features = row
    scope = None if features is None else frozenset(features)
    return Batch(id_, CreditType(kind), remaining, held, priority, starts, ends, scope)


def from_micros(micros: int) -> datetime:
    """The instant that is so many microseconds after 1970: exact, unlike a float."""
    return _EPOCH + timedelta(microseconds=micros)


def maybe_from_micros(micros: int | None) -> datetime | None:
    """As `from_micros`; None stays None."""
    return None if micros is None else from_micros(micros)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

"""Many grants and adjustments from one file: booked together in one transaction of the database, or not at all.

Each good row becomes a transaction of its own with a key of its own, so that it can be found and reversed alone, and
the same file again books nothing. A run that is killed half-way has booked nothing.
"""

from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, text_faults
from ledger.context import AlreadyDone, Context
from ledger.core.policy import Permission
from ledger.digest import digest_of
from ledger.errors import (
    AlreadyReversed,
    Fault,
    InvalidCommand,
    KeyReused,
    LedgerCorrupt,
    LedgerError,
    NotAllowedNow,
    NotFound,
)
from ledger.models import account, entry, transaction
from ledger.models.books import FILE_ROW
from ledger.operations.corrections import AdjustBalance
from ledger.operations.grants import IssueGrant
from ledger.operations.reversals import ReverseTransaction
from ledger.receipt import Receipt, Refusal
from ledger.statements import Prepared

ROWS_MAX = 5_000
_NAMED = Prepared(sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")))
_BOOKED_FILE = Prepared(
    sa.select(transaction.c.receipt).where(
        transaction.c.id == sa.bindparam("id", type_=sa.BigInteger), transaction.c.kind == "file"
    )
)
_BOOKED_ROW = Prepared(sa.select(transaction.c.digest).where(FILE_ROW, transaction.c.key == sa.bindparam("key")))
_OWNER = Prepared(
    sa.select(account.c.external_id)
    .join(entry, entry.c.account_id == account.c.id)
    .where(entry.c.transaction_id == sa.bindparam("id", type_=sa.BigInteger))
    .distinct()
)


@dataclass(frozen=True, slots=True)
class FileRow:
    """One row of a file: where it stands, the key that it is booked once under, and what it asks for."""

    line: int
    key: str
    command: IssueGrant | AdjustBalance


@dataclass(frozen=True, slots=True)
class BookFile(Command):
    """Book the rows of a file: all of them or none, or with ``good_rows_only`` those that can be booked.

    The receipt counts booked and replayed rows, lists refused ones by their line, names the transactions in ``made``.
    """

    kind: ClassVar[str] = "file"
    permission: ClassVar[Permission] = Permission.ISSUE_GRANT

    name: str
    rows: tuple[FileRow, ...]
    reason: Reason
    good_rows_only: bool = False

    def faults(self) -> list[Fault]:
        found = text_faults("name", self.name, longest=200) + self.reason.faults()
        if not 0 < len(self.rows) <= ROWS_MAX:
            found.append(Fault("rows", f"give 1 to {ROWS_MAX:,} rows at a time, not {len(self.rows):,}"))
        keys = [row.key for row in self.rows]
        if len(set(keys)) != len(keys):
            found.append(Fault("rows", "two rows have the same key; a key names one row"))
        for key in keys:
            found += text_faults("key", key, longest=120)
        return found


@dataclass(frozen=True, slots=True)
class UndoFile(Command):
    """Reverse every row of a booked file that is not reversed yet: all of them or none."""

    kind: ClassVar[str] = "undo_file"
    permission: ClassVar[Permission] = Permission.ADJUST_BALANCE

    transaction_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


def book_file(context: Context, command: BookFile) -> Outcome:
    wanted = sorted({row.command.account for row in command.rows if not text_faults("account", row.command.account)})
    known = _existing(context, wanted)
    context.load_all(known)
    made: list[int] = []
    replayed, weight = 0, 0
    refusals: list[Refusal] = []
    # Asked under the locks: somebody else's booking of the same file is over by now, and counts as done.
    keys = [f"row:{row.key}" for row in command.rows]
    booked = context.work.fetch(*((_BOOKED_ROW, {"key": key}) for key in keys))
    for row, key, known_as in zip(command.rows, keys, booked, strict=True):
        child = context.child(key=key, digest=digest_of(row.command))
        try:
            if known_as:
                if known_as[0][0] != child.digest:
                    raise KeyReused(key=key)
                replayed += 1
                continue
            outcome = _carry_out(child, row.command)
        except LedgerCorrupt:
            raise
        except LedgerError as refusal:
            refusals.append(Refusal(f"line {row.line}", refusal.code, str(refusal)))
            continue
        weight += outcome.weight_micro
        made.append(child.transaction_id)
    if refusals and not command.good_rows_only:
        raise InvalidCommand([Fault(one.event_id, one.message) for one in refusals])
    context.renew_id()
    receipt = Receipt(
        command.kind,
        None,
        context.at,
        events_recorded=len(made),
        events_replayed=replayed,
        refusals=tuple(refusals),
        made=tuple(made),
    )
    return Outcome(receipt, None, context.at, command.reason, nothing_to_do=not made, weight_micro=weight)


def undo_file(context: Context, command: UndoFile) -> Outcome:
    (rows,) = context.work.fetch((_BOOKED_FILE, {"id": command.transaction_id}))
    if not rows:
        raise NotFound(what="booked file with the transaction", id=str(command.transaction_id))
    made = list(rows[0][0].get("made", ()))
    owners = context.work.fetch(*((_OWNER, {"id": id_}) for id_ in made))
    context.load_all(sorted({name for found in owners for (name,) in found}))
    undone: list[int] = []
    weight = 0
    faults = []
    for id_ in made:
        child = context.child(key=f"undo:{command.transaction_id}:{id_}")
        try:
            outcome = _carry_out(child, ReverseTransaction(id_, command.reason))
        except (AlreadyDone, AlreadyReversed):
            continue
        except NotAllowedNow as refusal:
            faults.append(Fault(f"transaction {id_}", str(refusal)))
            continue
        weight += outcome.weight_micro
        undone.append(child.transaction_id)
    if faults:
        raise InvalidCommand(faults)
    context.renew_id()
    receipt = Receipt(
        command.kind,
        None,
        context.at,
        events_recorded=len(undone),
        subject_id=command.transaction_id,
        made=tuple(undone),
    )
    return Outcome(receipt, None, context.at, command.reason, nothing_to_do=not undone, weight_micro=weight)


def _carry_out(child: Context, command: Command) -> Outcome:
    """Run and write one row in the shared unit of work, so that the next row finds it done."""
    if faults := command.faults():
        raise InvalidCommand(faults)
    outcome = child.carry_out(command)
    child.book(outcome)
    child.work.flush()
    return outcome


def _existing(context: Context, names: list[str]) -> list[str]:
    found = context.work.fetch(*((_NAMED, {"account": name}) for name in names))
    return [name for name, rows in zip(names, found, strict=True) if rows]

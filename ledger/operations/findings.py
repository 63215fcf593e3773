"""What people decide about findings of a comparison with a provider: that one is explained, who deals with it."""

from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import NOTE_MIN_CHARS, Command, Outcome, text_faults
from ledger.context import Context
from ledger.core.policy import Permission
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.models import finding
from ledger.receipt import Receipt
from ledger.statements import Prepared

OWNER_MAX_CHARS = 200
_ID = sa.bindparam("id", type_=sa.BigInteger)
_FINDING = Prepared(
    sa.select(finding.c.state, finding.c.note, finding.c.owner).where(finding.c.id == _ID).with_for_update()
)
_DECIDE = Prepared(
    sa.update(finding)
    .where(finding.c.id == _ID)
    .values(
        state=sa.bindparam("new_state", type_=sa.Text),
        note=sa.bindparam("new_note", type_=sa.Text),
        owner=sa.bindparam("new_owner", type_=sa.Text),
        transaction_id=sa.bindparam("decided_by", type_=sa.BigInteger),
    )
)


@dataclass(frozen=True, slots=True)
class ExplainFinding(Command):
    """Say why books and provider may differ here: the finding needs nothing more while its figures stay as they are."""

    kind: ClassVar[str] = "explain_finding"
    permission: ClassVar[Permission] = Permission.RECONCILE

    finding: int
    note: str

    def faults(self) -> list[Fault]:
        return _note_faults(self.note)


@dataclass(frozen=True, slots=True)
class ReopenFinding(Command):
    """Take an explanation back: the finding waits for somebody again."""

    kind: ClassVar[str] = "reopen_finding"
    permission: ClassVar[Permission] = Permission.RECONCILE

    finding: int
    note: str

    def faults(self) -> list[Fault]:
        return _note_faults(self.note)


@dataclass(frozen=True, slots=True)
class AssignFinding(Command):
    """Say who deals with a finding: an e-mail address, or nobody when it is empty."""

    kind: ClassVar[str] = "assign_finding"
    permission: ClassVar[Permission] = Permission.RECONCILE

    finding: int
    owner: str

    def faults(self) -> list[Fault]:
        return text_faults("owner", self.owner, required=False, longest=OWNER_MAX_CHARS)


def _note_faults(note: str) -> list[Fault]:
    if len(note.strip()) < NOTE_MIN_CHARS:
        return [Fault("note", f"say why in at least {NOTE_MIN_CHARS} characters")]
    return text_faults("note", note)


def explain_finding(context: Context, command: ExplainFinding) -> Outcome:
    known = _standing(context, command.finding)
    wanted = ("explained", command.note.strip(), known[2])
    return _decide(context, command.kind, command.finding, known, wanted, said="is explained")


def reopen_finding(context: Context, command: ReopenFinding) -> Outcome:
    known = _standing(context, command.finding)
    wanted = ("open", command.note.strip(), known[2])
    return _decide(context, command.kind, command.finding, known, wanted, said="is open again")


def assign_finding(context: Context, command: AssignFinding) -> Outcome:
    known = _standing(context, command.finding)
    owner = command.owner.strip()
    wanted = (known[0], known[1], owner)
    said = f"belongs to {owner}" if owner else "belongs to nobody"
    return _decide(context, command.kind, command.finding, known, wanted, said=said)


def _standing(context: Context, number: int) -> tuple[Any, ...]:
    """State, note and owner of a finding that is not fixed. Raises NotFound, NotAllowedNow."""
    (rows,) = context.begin((_FINDING, {"id": number}))
    if not rows:
        raise NotFound(what="finding", id=str(number))
    if rows[0][0] == "fixed":
        raise NotAllowedNow(
            f"Finding {number} is fixed: the last comparison did not find it any more. There is nothing left to decide."
        )
    return rows[0]


def _decide(
    context: Context, kind: str, number: int, known: tuple[Any, ...], wanted: tuple[str, str, str], *, said: str
) -> Outcome:
    state, note, owner = wanted
    values = {"id": number, "new_state": state, "new_note": note, "new_owner": owner}
    context.queue(_DECIDE, values | {"decided_by": context.transaction_id})
    receipt = Receipt(kind, None, context.at, notes=(f"Finding {number} {said}.",))
    return Outcome(receipt, None, context.at, nothing_to_do=tuple(known) == wanted)

"""Four eyes: what one person may not do alone is asked for by one and let happen by another.

A request keeps the command itself. When it is approved the command is carried out as things are then, in the same
transaction as the decision, so what was approved and what was booked cannot differ.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, text_faults
from ledger.context import Context
from ledger.core.policy import ACT_WORDS, Permission, allows, may_ask, roles_with
from ledger.errors import ApprovalDecided, Fault, InvalidCommand, NotFound, NotPermitted
from ledger.models import account, approval
from ledger.operations import codec, told
from ledger.receipt import Receipt
from ledger.statements import Prepared

_INSERT_APPROVAL = Prepared(sa.insert(approval).inline())
_LOCK_APPROVAL = Prepared(
    sa.select(
        approval.c.command,
        approval.c.requester,
        approval.c.state,
        approval.c.account_id,
        sa.select(account.c.external_id).where(account.c.id == approval.c.account_id).scalar_subquery(),
    )
    .where(approval.c.id == sa.bindparam("approval_id", type_=sa.BigInteger))
    .with_for_update()
)
_DECIDE = Prepared(
    sa.update(approval)
    .where(approval.c.id == sa.bindparam("approval_id", type_=sa.BigInteger))
    .values(
        state=sa.bindparam("new_state"),
        decided_by=sa.bindparam("who"),
        decided_at=sa.bindparam("at"),
        decision_note=sa.bindparam("note"),
        decided_in_id=sa.bindparam("transaction", type_=sa.BigInteger),
    )
)


@dataclass(frozen=True, slots=True)
class AskApproval(Command):
    """Ask a second person to let a command happen; answers the request's id in ``approval_id``.

    Refused for the same reasons as the command itself, so nobody is asked about what cannot be booked.
    """

    kind: ClassVar[str] = "ask_approval"
    permission: ClassVar[Permission] = Permission.ASK_APPROVAL

    command: Command

    def faults(self) -> list[Fault]:
        if isinstance(self.command, AskApproval | DecideApproval):
            return [Fault("command", "a request cannot ask for another request")]
        if self.command.is_secret:
            return [Fault("command", "carries a secret, which a request would keep; it cannot be asked for")]
        return self.command.faults()


@dataclass(frozen=True, slots=True)
class DecideApproval(Command):
    """Approve a request, which carries its command out, or refuse it.

    Only by another person, who may do such things. The requester may withdraw it by refusing.
    """

    kind: ClassVar[str] = "decide_approval"
    permission: ClassVar[Permission] = Permission.ASK_APPROVAL

    approval_id: int
    approve: bool
    note: str

    def faults(self) -> list[Fault]:
        return text_faults("note", self.note)


def ask_approval(context: Context, command: AskApproval) -> Outcome:
    asked = command.command
    (next_id,) = context.begin(context.work.next_ids(approval))
    if not (may_ask(context.actor, asked.permission) or allows(context.actor, asked.permission)):
        _refuse_actor(context, asked.permission)
    # Carried out in a context that is let go: it finds out whether it can be done, and how much it moves.
    tried = context.child(key=f"ask:{context.key}")
    outcome = tried.carry_out(asked)
    # An account that the command would open is not there yet.
    account_id = None if tried.ahead else outcome.account_id
    if context.work.has_written:
        # Housekeeping of the account used up the number that was reserved.
        context.renew_id()
    id_ = context.work.ids_of(next_id)[0]
    context.queue(
        _INSERT_APPROVAL,
        {
            "id": id_,
            "kind": asked.kind,
            "account_id": account_id,
            "command": codec.to_body(asked),
            "weight_micro": outcome.weight_micro,
            "requester": context.actor.id,
            "requester_role": context.actor.role.value,
            "asked_at": context.at,
            "state": "asked",
            "decided_by": None,
            "decided_at": None,
            "decision_note": "",
            "asked_in_id": context.transaction_id,
            "decided_in_id": None,
        },
    )
    told.tell_approvers(context, id_, asked.permission, outcome)
    return Outcome(_asked(outcome.receipt, context, id_), account_id, context.at, outcome.reason)


def decide_approval(context: Context, command: DecideApproval) -> Outcome:
    (rows,) = context.begin((_LOCK_APPROVAL, {"approval_id": command.approval_id}))
    if not rows:
        raise NotFound(what="request for approval", id=str(command.approval_id))
    body, requester, state, account_id, account_name = rows[0]
    if state != "asked":
        raise ApprovalDecided(approval_id=command.approval_id, state=state)
    is_own = requester == context.actor.id
    asked = codec.from_body(body, context.handlers)
    if command.approve:
        if is_own:
            raise InvalidCommand([Fault("approval_id", "is your own request; another person has to decide about it")])
        if not (allows(context.actor, Permission.DECIDE_APPROVAL) and allows(context.actor, asked.permission)):
            _refuse_actor(context, asked.permission)
        context.approval_id = command.approval_id
        outcome = context.carry_out(asked)
        _decide(context, command, "approved")
        told.tell_requester(
            context,
            command.approval_id,
            asked.permission,
            requester=requester,
            state="approved",
            account=outcome.receipt.account or "",
            note=command.note,
        )
        return replace(outcome, receipt=replace(outcome.receipt, approval_id=command.approval_id), nothing_to_do=False)
    if not is_own and not allows(context.actor, Permission.DECIDE_APPROVAL):
        _refuse_actor(context, Permission.DECIDE_APPROVAL)
    _decide(context, command, "withdrawn" if is_own else "refused")
    if not is_own:
        told.tell_requester(
            context,
            command.approval_id,
            asked.permission,
            requester=requester,
            state="refused",
            account=account_name or "",
            note=command.note,
        )
    receipt = Receipt(command.kind, None, context.at, approval_id=command.approval_id)
    return Outcome(receipt, account_id, context.at, Reason("", command.note))


def _asked(shown: Receipt, context: Context, approval_id: int) -> Receipt:
    """What an account has when something is asked for it, to compare with when it is decided; nothing moves."""
    return Receipt(
        AskApproval.kind,
        shown.account,
        context.at,
        available_before_micro=shown.available_before_micro,
        available_after_micro=shown.available_before_micro,
        balance_before_micro=shown.balance_before_micro,
        balance_after_micro=shown.balance_before_micro,
        owed_before_micro=shown.owed_before_micro,
        owed_after_micro=shown.owed_before_micro,
        approval_id=approval_id,
    )


def _decide(context: Context, command: DecideApproval, state: str) -> None:
    values: dict[str, Any] = {
        "approval_id": command.approval_id,
        "new_state": state,
        "who": context.actor.id,
        "at": context.at,
        "note": command.note.strip(),
        "transaction": context.transaction_id,
    }
    context.queue(_DECIDE, values)


def _refuse_actor(context: Context, permission: Permission) -> None:
    ask = tuple(role.value for role in roles_with(permission))
    raise NotPermitted(actor=context.actor.id, role=context.actor.role.value, act=ACT_WORDS[permission], ask=ask)

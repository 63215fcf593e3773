"""Overdrafts: how far an account may go below zero, and until when. Never by one person alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO, micro_to_text
from ledger.core.policy import Permission
from ledger.errors import Fault, InvalidCommand, NotAllowedNow
from ledger.models import account
from ledger.receipt import Overdraft
from ledger.statements import Prepared

_SET_OVERDRAFT = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("account_id", type_=sa.BigInteger))
    .values(
        overdraft_limit_micro=sa.bindparam("limit", type_=sa.BigInteger),
        overdraft_until=sa.bindparam("until", type_=account.c.overdraft_until.type),
        version=account.c.version + 1,
    )
)


@dataclass(frozen=True, slots=True)
class ApproveOverdraft(Command):
    """Let an account owe up to a limit, until an instant or (None) without an end; a limit of 0 ends its overdraft.

    One person asks for it, another one lets it happen. A limit below what is owed is refused: the debt comes first.
    """

    kind: ClassVar[str] = "overdraft"
    permission: ClassVar[Permission] = Permission.ALLOW_OVERDRAFT
    needs_two: ClassVar[bool] = True

    account: str
    limit_micro: int
    until: datetime | None
    reason: Reason

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + self.reason.faults() + instant_faults("until", self.until)
        if not 0 <= self.limit_micro <= MAX_MICRO:
            found.append(Fault("limit", "must lie between 0 and 1,000,000,000 credits; 0 ends the overdraft"))
        if self.limit_micro == 0 and self.until is not None:
            found.append(Fault("until", "an overdraft of 0 has no end; leave it empty"))
        return found


def approve_overdraft(context: Context, command: ApproveOverdraft) -> Outcome:
    state, _ = context.load(command.account)
    limit, until = command.limit_micro, command.until
    if until is not None and until <= context.at:
        raise InvalidCommand([Fault("until", f"has passed; it is now {context.at:%Y-%m-%d %H:%M} UTC")])
    if limit < state.owed_micro:
        raise NotAllowedNow(
            f"{state.external_id} owes {micro_to_text(state.owed_micro)} credits, so its overdraft cannot be "
            f"{micro_to_text(limit)}. Set it to {micro_to_text(state.owed_micro)} to allow no further debt, "
            "and lower it once the debt is repaid."
        )
    if (limit, until) == (state.overdraft_limit_micro, state.overdraft_until):
        raise NotAllowedNow(f"{state.external_id} has this overdraft already; there is nothing to change.")
    before = Before.of(state, context.at)
    context.queue(_SET_OVERDRAFT, {"account_id": state.id, "limit": limit, "until": until})
    receipt = effect(command.kind, state, context.at, before, overdraft=Overdraft(limit, until))
    state.overdraft_limit_micro, state.overdraft_until = limit, until
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=limit)

"""Booking expiries. Credits are unusable from the instant they expire; the sweep only writes it down."""

from dataclasses import dataclass
from typing import ClassVar

from ledger.commands import Before, Command, Outcome, effect, text_faults
from ledger.context import Context
from ledger.core.burn import burn_key
from ledger.core.policy import Permission
from ledger.core.records import Bucket, Take
from ledger.errors import Fault
from ledger.journal import Line, post


@dataclass(frozen=True, slots=True)
class ExpireDue(Command):
    """Book every batch of one account whose time has come; does nothing when there is none."""

    kind: ClassVar[str] = "expire"
    permission: ClassVar[Permission] = Permission.RUN_JOBS

    account: str

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account)


def expire_due(context: Context, command: ExpireDue) -> Outcome:
    state, _ = context.load(command.account)
    before = Before.of(state, context.at)
    due = sorted(
        (
            b
            for b in state.batches.values()
            if b.expires_at is not None and b.expires_at <= context.at and b.free_micro > 0
        ),
        key=burn_key,
    )
    takes = tuple(Take(b.id, b.credit_type, b.free_micro) for b in due)
    lines = [
        Line(b.id, Bucket.AVAILABLE, Bucket.EXPIRED, b.free_micro, b.expires_at)
        for b in due
        if b.expires_at is not None
    ]
    if lines:
        post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    receipt = effect(command.kind, state, context.at, before, takes=takes)
    return Outcome(receipt, state.id, context.at, nothing_to_do=not lines)

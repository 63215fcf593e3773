"""Corrections by hand."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import micro_to_text
from ledger.core.burn import plan_consumption
from ledger.core.policy import Permission
from ledger.core.records import Batch, Bucket, CreditType, Plan, Take
from ledger.errors import BatchClosed, Fault, InsufficientCredits, NotAllowedNow, NotFound
from ledger.journal import AccountState, BatchTerms, Line, post
from ledger.models import batch, hold, hold_part
from ledger.operations.grants import put_on_shelf, validity
from ledger.statements import Prepared


@dataclass(frozen=True, slots=True)
class AdjustBalance(Command):
    """Add credits to a balance or take some away, with a reason; a balance is never set.

    A positive amount makes a new batch of ``credit_type`` (compensation unless said otherwise). A negative one takes
    from the batches in burn order, or from ``batch_id`` alone.
    """

    kind: ClassVar[str] = "adjust"
    permission: ClassVar[Permission] = Permission.ADJUST_BALANCE

    account: str
    amount_micro: int
    reason: Reason
    batch_id: int | None = None
    credit_type: CreditType = CreditType.COMPENSATION
    expires_on: date | None = None
    # From when added credits count, if that was earlier: in an open period only.
    effective_at: datetime | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + amount_faults("amount", abs(self.amount_micro))
        found += self.reason.faults()
        if self.amount_micro > 0 and self.batch_id is not None:
            found.append(Fault("batch_id", "credits can be taken from a batch, not added to one"))
        if self.amount_micro > 0 and self.credit_type is CreditType.PURCHASED:
            found.append(Fault("credit_type", "purchased credits come from a top-up, not from an adjustment"))
        if self.amount_micro < 0 and self.expires_on is not None:
            found.append(Fault("expires_on", "only added credits carry an expiry"))
        if self.amount_micro < 0 and self.effective_at is not None:
            found.append(Fault("effective_at", "credits are taken away now, never in the past or in the future"))
        return found + instant_faults("effective_at", self.effective_at)


@dataclass(frozen=True, slots=True)
class VoidBatch(Command):
    """Take away what is left of a batch that should not have been given; what of it was used stays used."""

    kind: ClassVar[str] = "void"
    permission: ClassVar[Permission] = Permission.ADJUST_BALANCE

    account: str
    batch_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + self.reason.faults()


_HOLDS_OF_BATCH = Prepared(
    sa.select(hold.c.reference)
    .select_from(hold.join(hold_part, hold_part.c.hold_id == hold.c.id))
    .where(hold_part.c.batch_id == sa.bindparam("batch_id", type_=sa.BigInteger), hold.c.state == "open")
    .order_by(hold.c.id)
)


def adjust_balance(context: Context, command: AdjustBalance) -> Outcome:
    state, (ids,) = context.load(command.account, context.work.next_ids(batch))
    if command.amount_micro > 0:
        starts, ends = validity(
            context, state, command.credit_type, effective_at=command.effective_at, expires_on=command.expires_on
        )
        terms = BatchTerms(command.credit_type, context.at, starts, ends, source="adjustment")
        batch_id = context.work.ids_of(ids)[0]
        return put_on_shelf(context, state, batch_id, command.kind, command.amount_micro, terms, command.reason)
    amount = -command.amount_micro
    before = Before.of(state, context.at)
    if command.batch_id is None:
        plan = plan_consumption(state.batches.values(), amount, at=context.at)
        if plan.shortfall_micro:
            raise InsufficientCredits(
                account=state.external_id, required_micro=amount, available_micro=before.available_micro
            )
    else:
        plan = Plan((_take_from(context, state, command.batch_id, amount),), 0)
    lines = [
        Line(take.batch_id, Bucket.AVAILABLE, Bucket.REMOVED, take.amount_micro, context.at) for take in plan.takes
    ]
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    receipt = effect(command.kind, state, context.at, before, takes=plan.takes)
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=amount)


def void_batch(context: Context, command: VoidBatch) -> Outcome:
    state, _ = context.load(command.account)
    found = context.load_batch(state, command.batch_id)
    if found is None:
        raise NotFound(what=f"batch of {state.external_id},", id=str(command.batch_id))
    _refuse_void(context, found)
    before = Before.of(state, context.at)
    takes = (Take(found.id, found.credit_type, found.free_micro),)
    # Credits that are not usable yet are taken away when they would have come.
    at = max(context.at, found.effective_at)
    lines = [Line(found.id, Bucket.AVAILABLE, Bucket.REMOVED, found.free_micro, at)]
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    receipt = effect(command.kind, state, context.at, before, takes=takes)
    return Outcome(receipt, state.id, at, command.reason, weight_micro=found.free_micro)


def _refuse_void(context: Context, found: Batch) -> None:
    """Refuse when there is nothing to void, or holds keep some of it, naming them."""
    if found.held_micro:
        (rows,) = context.work.fetch((_HOLDS_OF_BATCH, {"batch_id": found.id}))
        names = ", ".join(repr(reference) for (reference,) in rows)
        raise NotAllowedNow(
            f"{micro_to_text(found.held_micro)} credits of batch {found.id} are held by {names}; release or capture "
            "that first."
        )
    if found.expires_at is not None and found.expires_at <= context.at:
        raise NotAllowedNow(f"Batch {found.id} has expired, so nothing of it is left to be voided.")
    if not found.remaining_micro:
        raise NotAllowedNow(f"Nothing of batch {found.id} is left, so there is nothing to be voided.")


def _take_from(context: Context, state: AccountState, batch_id: int, amount_micro: int) -> Take:
    found = state.batches.get(batch_id)
    if found is None:
        raise NotFound(what=f"batch with credits left in {state.external_id},", id=str(batch_id))
    why = ""
    if found.expires_at is not None and found.expires_at <= context.at:
        why = "it has expired"
    elif found.free_micro < amount_micro:
        why = "it has fewer credits"
    if why:
        raise BatchClosed(batch_id=batch_id, free_micro=found.free_micro, required_micro=amount_micro, why=why)
    return Take(batch_id, found.credit_type, amount_micro)

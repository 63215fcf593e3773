"""Payments that are paid but may not be credited by themselves: a person decides."""

import hashlib
from dataclasses import dataclass, replace
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.amounts import Money
from ledger.core.payments import PaymentState, RefundTo
from ledger.core.policy import Permission
from ledger.core.records import Take
from ledger.errors import Fault, LedgerCorrupt, NotAllowedNow, ReferenceUsed
from ledger.journal import AccountState
from ledger.models import batch, provider_refund
from ledger.operations import told
from ledger.operations.clawing import agree, is_settled
from ledger.operations.payment_rows import PaymentRow, change_payment, load_payment_of, owner_of
from ledger.operations.sales import SAME_REFERENCE, price_text
from ledger.operations.settling import put_credits
from ledger.receipt import NewBatch
from ledger.statements import Prepared

_INSERT_SENDING = Prepared(sa.insert(provider_refund).inline())


@dataclass(frozen=True, slots=True)
class DecidePayment(Command):
    """Decide about a blocked payment: credit it all the same, or (``credit`` False) give its money back.

    Money goes back to the card, all that was not given back before, tax included; a job sends it to the provider.
    """

    kind: ClassVar[str] = "decide_payment"
    permission: ClassVar[Permission] = Permission.MANAGE_PAYMENTS

    payment: str
    credit: bool
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("payment", self.payment) + self.reason.faults()


def decide_payment(context: Context, command: DecidePayment) -> Outcome:
    owner = owner_of(context, command.payment)
    state, row, (contact, batch_ids, refund_ids) = load_payment_of(
        context,
        owner.account,
        command.payment,
        told.contact_of(owner.account),
        context.work.next_ids(batch),
        context.work.next_ids(provider_refund),
    )
    if row.state is not PaymentState.BLOCKED:
        raise NotAllowedNow(f"The payment {row.name} is {row.state}; only a blocked one waits for a decision.")
    before = Before.of(state, context.at)
    if not command.credit:
        money = _give_back(context, row, context.work.ids_of(refund_ids)[0])
        receipt = effect(command.kind, state, context.at, before, money=money, subject_id=row.id)
        return Outcome(receipt, state.id, context.at, command.reason, weight_micro=row.credits_micro)
    # A batch may have been booked by hand for it meanwhile.
    (booked,) = context.work.fetch((SAME_REFERENCE, {"reference": row.payment_ref or row.name}))
    if booked:
        raise ReferenceUsed(reference=row.payment_ref or row.name, batch_id=booked[0][0])
    batch_id = context.work.ids_of(batch_ids)[0]
    credited, new = put_credits(context, state, row, owner, batch_id=batch_id, contact=contact)
    credited, others, takes, notes = _agreed(context, state, row, credited)
    change_payment(context, credited)
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        new_batches=(new, *others),
        takes=takes,
        money=credited.cost,
        subject_id=row.id,
        notes=notes,
    )
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=row.credits_micro)


def _agreed(
    context: Context, state: AccountState, row: PaymentRow, credited: PaymentRow
) -> tuple[PaymentRow, tuple[NewBatch, ...], tuple[Take, ...], tuple[str, ...]]:
    """Take back at once what the provider has given back while the payment was blocked."""
    if is_settled(row, credited):
        return credited, (), (), ()
    clawed = agree(context, state, row, credited)
    return clawed.row, clawed.new_batches, clawed.takes, clawed.notes


def _give_back(context: Context, row: PaymentRow, refund_id: int) -> Money:
    """Queue that the provider is to give all of the money back."""
    if row.paid is None or row.payment_ref is None:
        raise LedgerCorrupt(place=f"payment {row.name}", detail="is blocked, but was not paid")
    money = Money(row.paid.cents - row.refunded_cents - row.lost_cents - row.disputed_cents, row.paid.currency)
    if money.cents <= 0:
        raise NotAllowedNow(f"All of the {price_text(row.paid)} of {row.name} is back or disputed at the provider.")
    name = "ref_" + hashlib.sha256(f"{context.actor.id}|{context.key}".encode()).hexdigest()[:24]
    context.queue(
        _INSERT_SENDING,
        {
            "id": refund_id,
            "name": name,
            "refund_id": None,
            "payment_id": row.id,
            "sent_to": RefundTo.CARD.value,
            "cents": money.cents,
            "currency": money.currency,
            "state": "asked",
            "provider_ref": None,
            "tries": 0,
            "next_try_at": context.at,
            "error": "",
            "asked_at": context.at,
            "ended_at": None,
            "made_by_id": context.transaction_id,
        },
    )
    change_payment(context, replace(row, state=PaymentState.FAILED, error="its money is given back, uncredited"))
    return money

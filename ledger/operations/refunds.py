"""Refunds: paid credits leave the shelf and their share of the price is to be given back.

The books say how much to whom. What was paid at a provider is given back there by the product, when that is wanted; all
else by whoever handles payments.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, text_faults
from ledger.context import Context, Rows
from ledger.core.amounts import Money, micro_to_text
from ledger.core.payments import RefundTo
from ledger.core.policy import Permission
from ledger.core.records import Batch, Bucket, CreditType, Take
from ledger.core.refunds import Paid, RefundPolicy, plan_refund, with_tax_cents
from ledger.errors import BatchClosed, Fault, NotAllowedNow, NotFound
from ledger.journal import Line, post
from ledger.models import batch, payment, provider_refund, refund
from ledger.operations.sales import price_text
from ledger.operations.sendings import queue_sending, refuse_no_balance, sending_text
from ledger.statements import Prepared

_PAID = Prepared(
    sa.select(batch.c.granted_micro, batch.c.cost_cents, batch.c.currency).where(
        batch.c.id == sa.bindparam("batch_id", type_=sa.BigInteger)
    )
)
_REFUNDED = Prepared(
    sa.select(sa.cast(sa.func.coalesce(sa.func.sum(refund.c.cents), 0), sa.BigInteger)).where(
        refund.c.batch_id == sa.bindparam("batch_id", type_=sa.BigInteger)
    )
)


def _root() -> sa.CTE:
    """Who paid, and by which payment: the batch from which the given one was split off, however often it moved on."""
    line = (
        sa.select(batch.c.id, batch.c.parent_id, batch.c.account_id, batch.c.reference)
        .where(batch.c.id == sa.bindparam("batch_id", type_=sa.BigInteger))
        .cte("line", recursive=True)
    )
    above = sa.select(batch.c.id, batch.c.parent_id, batch.c.account_id, batch.c.reference).join(
        line, batch.c.id == line.c.parent_id
    )
    return line.union_all(above)


_ROOT = _root()
_PAYER = Prepared(sa.select(_ROOT.c.account_id, _ROOT.c.reference).where(_ROOT.c.parent_id.is_(None)))
_SENT_BACK = (
    sa.select(sa.cast(sa.func.coalesce(sa.func.sum(refund.c.cents), 0), sa.BigInteger))
    .join(provider_refund, provider_refund.c.refund_id == refund.c.id)
    # One that failed may be tried again as another row of the same refund.
    .where(provider_refund.c.payment_id == payment.c.id, provider_refund.c.state != "replaced")
    .correlate(payment)
    .scalar_subquery()
)
# The payment that bought the batch, and what refunds sent to its provider gave back of its price, without tax.
_PAYMENT = Prepared(
    sa.select(
        payment.c.id,
        payment.c.name,
        payment.c.provider,
        payment.c.price_cents,
        payment.c.total_cents,
        payment.c.paid_currency,
        payment.c.refunded_cents,
        payment.c.own_refunds_cents,
        payment.c.lost_cents,
        payment.c.disputed_cents,
        _SENT_BACK,
    )
    .join(batch, batch.c.id == payment.c.batch_id)
    .join(_ROOT, sa.and_(_ROOT.c.id == batch.c.id, _ROOT.c.parent_id.is_(None)))
)
_INSERT_REFUND = Prepared(sa.insert(refund).inline())


@dataclass(frozen=True, slots=True)
class RefundPurchase(Command):
    """Take paid credits off the shelf and say what money goes back for them, in ``money`` of the receipt.

    ``amount_micro`` None takes everything that is neither used nor held when it is booked. What was transferred is
    refunded to the account that paid for it. ``to`` says who gives the money back: whoever handles payments (outside),
    or the provider at which the batch was paid, with the tax on it, to the card or as balance there.
    """

    kind: ClassVar[str] = "refund"
    permission: ClassVar[Permission] = Permission.REFUND

    account: str
    batch_id: int
    amount_micro: int | None
    reason: Reason
    to: RefundTo = RefundTo.OUTSIDE

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + self.reason.faults()
        return found if self.amount_micro is None else found + amount_faults("amount", self.amount_micro)


def refund_purchase(context: Context, command: RefundPurchase) -> Outcome:
    wanted = {"batch_id": command.batch_id}
    state, (bought, given_back, payer, payments, ids) = context.load(
        command.account,
        (_PAID, wanted),
        (_REFUNDED, wanted),
        (_PAYER, wanted),
        (_PAYMENT, wanted),
        context.work.next_ids(refund),
    )
    found = context.load_batch(state, command.batch_id)
    if found is None:
        raise NotFound(what=f"batch of {state.external_id},", id=str(command.batch_id))
    amount = _amount(context, found, command)
    granted, cost_cents, currency = bought[0]
    policy = RefundPolicy(context.rules.refund_policy)
    paid = Paid(
        granted,
        found.remaining_micro,
        found.free_micro,
        cost_cents,
        found.effective_at,
        found.expires_at,
        given_back[0][0],
    )
    cents = plan_refund(paid, amount, policy=policy, at=context.at)
    if cents == 0:
        raise NotAllowedNow(_worth_nothing(command.batch_id, amount, policy))
    before = Before.of(state, context.at)
    line = Line(found.id, Bucket.AVAILABLE, Bucket.REFUNDED, amount, context.at)
    post(context.posting, state, transaction_id=context.transaction_id, lines=[line])
    values: dict[str, Any] = {
        "id": context.work.ids_of(ids)[0],
        "account_id": state.id,
        "batch_id": found.id,
        "payer_id": payer[0][0],
        "payment_reference": payer[0][1],
        "amount_micro": amount,
        "cents": cents,
        "currency": currency,
        "policy": policy.value,
        "transaction_id": context.transaction_id,
    }
    context.queue(_INSERT_REFUND, values)
    notes: tuple[str, ...] = ()
    if command.to is not RefundTo.OUTSIDE:
        notes = _send(context, command, payments, refund_id=values["id"], cents=cents, currency=currency)
    takes = (Take(found.id, found.credit_type, amount),)
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        takes=takes,
        money=Money(cents, currency),
        subject_id=values["id"],
        notes=notes,
    )
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=amount)


def _send(
    context: Context, command: RefundPurchase, payments: Rows, *, refund_id: int, cents: int, currency: str
) -> tuple[str, ...]:
    """Have the provider give the money back that the batch was paid with there, with its tax; answers what to tell.

    Raises NotAllowedNow when the batch was not paid at a provider, or the provider has not that much left of it.
    """
    if not payments:
        raise NotAllowedNow(
            f"Batch {command.batch_id} was not paid at a provider, so nothing can be given back there; choose to give "
            "the money back by hand."
        )
    payment_id, name, provider, price, total, paid_in, gone, own, lost, disputed, before = payments[0]
    refuse_no_balance(command.to, provider)
    # A payment that somebody adopted may have been made in another currency, or for another price.
    with_tax = with_tax_cents(cents, given_back_cents=before, price_cents=price, total_cents=total)
    left = total - lost - disputed - (gone - own) - _asked_for(before, price, total)
    if paid_in != currency or not 0 < with_tax <= left:
        raise NotAllowedNow(
            f"{provider.capitalize()} has {price_text(Money(max(left, 0), paid_in))} of {name} left to give back, and "
            f"{price_text(Money(with_tax, currency))} are asked for; give the money back by hand."
        )
    queue_sending(context, payment_id=payment_id, refund_id=refund_id, to=command.to, cents=with_tax, currency=currency)
    tax = f", {price_text(Money(with_tax - cents, currency))} of it tax" if with_tax != cents else ""
    return (sending_text(provider, command.to, Money(with_tax, currency)) + tax,)


def _asked_for(given_back_cents: int, price_cents: int, total_cents: int) -> int:
    """What earlier refunds gave back with tax, sent or about to be."""
    return with_tax_cents(given_back_cents, given_back_cents=0, price_cents=price_cents, total_cents=total_cents)


def _amount(context: Context, found: Batch, command: RefundPurchase) -> int:
    """How much is refunded. Raises why nothing, or not that much, can be: not paid, expired, nothing or too little."""
    if found.credit_type is not CreditType.PURCHASED:
        raise NotAllowedNow(
            f"Batch {found.id} holds {found.credit_type} credits; only purchased credits are refunded. "
            "Take them away by a correction, or void the batch."
        )
    asked = command.amount_micro
    why = ""
    if found.expires_at is not None and found.expires_at <= context.at:
        why = "it has expired, and expired credits are not refunded"
    elif not found.free_micro:
        why = "all its credits are held" if found.held_micro else "nothing of it is left"
    elif asked is not None and asked > found.free_micro:
        why = "more than that is held or gone"
    if why:
        raise BatchClosed(
            batch_id=found.id, free_micro=found.free_micro, required_micro=asked or found.free_micro, why=why
        )
    return found.free_micro if asked is None else asked


def _worth_nothing(batch_id: int, amount_micro: int, policy: RefundPolicy) -> str:
    asked = f"{micro_to_text(amount_micro)} credits of batch {batch_id}"
    if policy is RefundPolicy.TIME_LEFT:
        return (
            f"{asked} give nothing back: refunds are limited by the time that the batch has left, and that much was "
            "given back before or is less than a cent. Nothing was booked."
        )
    return f"{asked} cost less than half a cent; refund more of them at once. Nothing was booked."

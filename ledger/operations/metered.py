"""What a provider billed for use beyond the credits: bought after the fact, it repays the debt that the use left."""

import hashlib
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ledger.context import Context
from ledger.core.payments import PaymentState, Provider, Purpose
from ledger.core.records import CreditType
from ledger.gateways.billing import InvoiceFacts
from ledger.journal import AccountState, BatchTerms
from ledger.models import payment
from ledger.operations.grants import validity
from ledger.operations.running import Running
from ledger.operations.sales import SAME_REFERENCE
from ledger.receipt import NewBatch
from ledger.statements import Prepared

SOURCE = "metered"
_SAME_PAYMENT = Prepared(
    sa.select(payment.c.id).where(
        payment.c.provider == sa.bindparam("of_provider"), payment.c.payment_ref == sa.bindparam("of_ref")
    )
)
_INSERT_PAYMENT = Prepared(sa.insert(payment).inline())


def has_metered(one: InvoiceFacts) -> bool:
    """Whether an invoice is paid and bills use beyond the credits."""
    return one.is_paid and one.metered_micro > 0 and one.metered_cents > 0


def bill_metered(
    context: Context,
    running: Running,
    provider: Provider,
    invoices: Sequence[InvoiceFacts],
) -> dict[str, NewBatch]:
    """Put what invoices billed for metered use on the shelf, where it repays the debt; answers the batch of each.

    A payment that somebody booked by hand is not booked again.
    """
    wanted = [one for one in invoices if has_metered(one)]
    if not wanted:
        return {}
    made: dict[str, NewBatch] = {}
    (rows,) = context.work.fetch(context.work.next_ids(payment, len(wanted)))
    for one, payment_id in zip(wanted, context.work.ids_of(rows, len(wanted)), strict=True):
        same_reference, same_payment = context.work.fetch(
            (SAME_REFERENCE, {"reference": _reference(one)}),
            (_SAME_PAYMENT, {"of_provider": provider.value, "of_ref": one.payment_ref or ""}),
        )
        if same_reference or same_payment:
            continue
        batch_id = running.ids.pop(0)
        made[one.ref] = _buy(context, running.state, one, batch_id)
        if one.payment_ref:
            context.queue(_INSERT_PAYMENT, _payment(context, running.state, provider, one, payment_id, batch_id))
    return made


def _reference(one: InvoiceFacts) -> str:
    return one.payment_ref or one.ref


def _buy(context: Context, state: AccountState, one: InvoiceFacts, batch_id: int) -> NewBatch:
    starts, ends = validity(context, state, CreditType.PURCHASED, effective_at=None, expires_on=None)
    terms = BatchTerms(
        CreditType.PURCHASED,
        context.at,
        starts,
        ends,
        source=SOURCE,
        reference=_reference(one),
        cost_cents=one.metered_cents,
        currency=one.total.currency,
        details={"invoice": one.ref},
    )
    return context.open_batch(state, batch_id, one.metered_micro, terms)


def _payment(
    context: Context, state: AccountState, provider: Provider, one: InvoiceFacts, payment_id: int, batch_id: int
) -> dict[str, Any]:
    name = "pay_" + hashlib.sha256(f"{provider.value}|{one.ref}".encode()).hexdigest()[:24]
    # Of an invoice the customer pays the plan, too; a refund of a part of it takes back that part of the credits.
    return dict.fromkeys(payment.c.keys()) | {
        "id": payment_id,
        "name": name,
        "account_id": state.id,
        "provider": provider.value,
        "purpose": Purpose.INVOICE.value,
        "quantity": 1,
        "credits_micro": one.metered_micro,
        "price_cents": one.metered_cents,
        "currency": one.total.currency,
        "state": PaymentState.CREDITED.value,
        "payment_ref": one.payment_ref,
        "url": "",
        "saves_card": False,
        "customer_ref": one.customer_ref,
        "created_at": one.created_at,
        "paid_at": one.paid_at,
        "total_cents": one.total.cents,
        # Besides the credits it bills the plan, and tax.
        "tax_cents": one.total.cents - one.metered_cents,
        "paid_currency": one.total.currency,
        "error": "",
        "batch_id": batch_id,
        "refunded_cents": 0,
        "own_refunds_cents": 0,
        "disputed_cents": 0,
        "lost_cents": 0,
        "taken_micro": 0,
        "claimed_micro": 0,
        "gone_micro": 0,
        "compensated_micro": 0,
        "made_by_id": context.transaction_id,
    }

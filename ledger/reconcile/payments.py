"""Do payments at providers, the batches they bought and what was clawed back of them agree?"""

import sqlalchemy as sa

from ledger.core.holds import DISPUTE_FEATURE, DISPUTE_PREFIX
from ledger.core.payments import PaymentState, Purpose
from ledger.core.records import Bucket
from ledger.models import account, batch, claw_back, entry, hold, payment
from ledger.reconcile.parts import Check, Of, of, or_zero, total

CLAIM = sa.case(
    (sa.and_(entry.c.from_bucket == Bucket.OWED.value, entry.c.to_bucket == Bucket.REFUNDED.value), 1),
    (sa.and_(entry.c.from_bucket == Bucket.REFUNDED.value, entry.c.to_bucket == Bucket.OWED.value), -1),
    else_=0,
)
_PARTS = ("taken_micro", "claimed_micro", "gone_micro", "compensated_micro")


def checks(one: Of) -> dict[str, Check]:
    """Invariants 10 and 11 of the books, for one account or all."""
    return {
        "a paid payment is one batch, at what was paid": _credited(one),
        "a batch bought at a provider is of one payment": _bought(one),
        "clawed back = its claw-backs": _clawed(one),
        "account claimed = its claims": _claimed(one),
        "claims = claw-backs of the account": _claims(one),
        "what a dispute freezes is held for its payment": _frozen(one),
    }


def _credited(one: Of) -> Check:
    """Every credited payment against its batch: same account and credits, its reference, its price without tax."""
    # Of an invoice the customer pays the plan, too: its credits cost what was asked for them.
    is_invoice = payment.c.purpose == Purpose.INVOICE.value
    cost = sa.case((is_invoice, payment.c.price_cents), else_=payment.c.total_cents - payment.c.tax_cents)
    is_it = sa.and_(
        batch.c.id == payment.c.batch_id,
        batch.c.account_id == payment.c.account_id,
        batch.c.granted_micro == payment.c.credits_micro,
        batch.c.cost_cents == cost,
        batch.c.currency == payment.c.paid_currency,
        sa.or_(is_invoice, batch.c.reference == sa.func.coalesce(payment.c.payment_ref, payment.c.name)),
    )
    return (
        sa.select(sa.literal("payment ") + payment.c.name, payment.c.credits_micro, sa.literal(0))
        .outerjoin(batch, is_it)
        .where(
            of(payment.c.account_id, one),
            payment.c.state == PaymentState.CREDITED.value,
            batch.c.id.is_(None),
        )
    )


def _bought(one: Of) -> Check:
    """Batches that name a payment as what bought them, but are of none or of several."""
    name = batch.c.details["payment"].as_string()
    count = sa.func.count(payment.c.id)
    return (
        sa.select(sa.literal("payment ") + sa.func.min(name, type_=sa.Text), sa.literal(1), count)
        .select_from(batch.outerjoin(payment, payment.c.batch_id == batch.c.id))
        .where(
            of(batch.c.account_id, one),
            batch.c.credit_type == "purchased",
            batch.c.parent_id.is_(None),
            name.is_not(None),
        )
        .group_by(batch.c.id)
        .having(count != 1)
    )


def _clawed(one: Of) -> Check:
    """Each part of what was clawed back of a payment against the rows that say when and why."""
    sums = (
        sa.select(claw_back.c.payment_id, *(total(claw_back.c[part]).label(part) for part in _PARTS))
        .where(of(claw_back.c.account_id, one))
        .group_by(claw_back.c.payment_id)
        .subquery()
    )
    stated = sum((payment.c[part] for part in _PARTS[1:]), start=payment.c[_PARTS[0]])
    proven = sum((or_zero(sums.c[part]) for part in _PARTS[1:]), start=or_zero(sums.c[_PARTS[0]]))
    return (
        sa.select(sa.literal("payment ") + payment.c.name, stated, proven)
        .outerjoin(sums, sums.c.payment_id == payment.c.id)
        .where(of(payment.c.account_id, one), sa.or_(*(payment.c[part] != or_zero(sums.c[part]) for part in _PARTS)))
    )


def _claimed(one: Of) -> Check:
    booked = (
        sa.select(entry.c.account_id, total(entry.c.amount_micro * CLAIM).label("claimed"))
        .where(entry.c.batch_id.is_(None), of(entry.c.account_id, one))
        .group_by(entry.c.account_id)
        .subquery()
    )
    proven = or_zero(booked.c.claimed)
    return (
        sa.select(account.c.external_id, account.c.claimed_micro, proven)
        .outerjoin(booked, booked.c.account_id == account.c.id)
        .where(of(account.c.id, one), account.c.claimed_micro != proven)
    )


def _claims(one: Of) -> Check:
    told = (
        sa.select(claw_back.c.account_id, total(claw_back.c.claimed_micro).label("claimed"))
        .where(of(claw_back.c.account_id, one))
        .group_by(claw_back.c.account_id)
        .subquery()
    )
    proven = or_zero(told.c.claimed)
    return (
        sa.select(account.c.external_id, account.c.claimed_micro, proven)
        .outerjoin(told, told.c.account_id == account.c.id)
        .where(of(account.c.id, one), account.c.claimed_micro != proven)
    )


def _frozen(one: Of) -> Check:
    """Open holds of disputes that no payment has frozen, and payments whose frozen part is no open hold."""
    is_one = sa.and_(hold.c.reference.startswith(DISPUTE_PREFIX), hold.c.feature == DISPUTE_FEATURE)
    loose = (
        sa.select(sa.literal("hold ") + hold.c.reference, hold.c.amount_micro, sa.literal(0))
        .outerjoin(payment, payment.c.hold_id == hold.c.id)
        .where(of(hold.c.account_id, one), is_one, hold.c.state == "open", payment.c.id.is_(None))
    )
    ended = (
        sa.select(sa.literal("payment ") + payment.c.name, sa.literal(0), hold.c.amount_micro)
        .join(hold, hold.c.id == payment.c.hold_id)
        .where(
            of(payment.c.account_id, one),
            sa.or_(hold.c.state != "open", hold.c.account_id != payment.c.account_id, ~is_one),
        )
    )
    both = sa.union_all(loose, ended).subquery()
    return sa.select(*both.c)

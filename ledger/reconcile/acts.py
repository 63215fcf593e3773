"""Did every act do what it says: holds, reversals, refunds, overdrafts, transfers, codes, allowances?"""

import sqlalchemy as sa

from ledger.core.records import Bucket, CreditType
from ledger.models import (
    account,
    allocation,
    approval,
    batch,
    claw_back,
    entry,
    gift_code,
    gift_code_set,
    hold,
    hold_part,
    refund,
    transaction,
)
from ledger.reconcile.parts import Check, Of, moved, of, or_zero, place, total


def checks(one: Of) -> dict[str, Check]:
    """Invariants 6 to 9 of the books, for one account or all."""
    return {
        "hold = its parts and entries": _holds(one),
        "holds are of their account's transactions and batches": _strange_holds(one),
        "a reversal mirrors exactly": _mirrors(one),
        "refunded = its entries": _refunds(one),
        "only purchased credits are refunded, for no more than they cost": _refunded_cost(one),
        "parts of a batch cost no more than the whole": _parts(one),
        "debt was approved by a second person": _overdrafts(one),
        "a gift code was redeemed for its worth": _codes(one),
        "an allowance is a batch of its amount": _allocations(one),
    }


def _holds(one: Of) -> Check:
    """What each hold set aside against its parts, and what it still keeps against its entries."""
    parts = (
        sa.select(hold_part.c.hold_id, total(hold_part.c.amount_micro).label("parts"))
        .group_by(hold_part.c.hold_id)
        .subquery()
    )
    booked = (
        sa.select(entry.c.hold_id, total(moved(Bucket.HELD)).label("kept"))
        .where(entry.c.hold_id.is_not(None), of(entry.c.account_id, one))
        .group_by(entry.c.hold_id)
        .subquery()
    )
    kept = sa.case((hold.c.state == "open", hold.c.amount_micro), else_=0)
    set_aside, proven = or_zero(parts.c.parts), or_zero(booked.c.kept)
    return (
        sa.select(sa.literal("hold ") + hold.c.reference, kept, proven)
        .select_from(
            hold.outerjoin(parts, parts.c.hold_id == hold.c.id).outerjoin(booked, booked.c.hold_id == hold.c.id)
        )
        .where(of(hold.c.account_id, one), sa.or_(kept != proven, hold.c.amount_micro != set_aside))
    )


def _strange_holds(one: Of) -> Check:
    """Holds that a transaction of another account made or ended, or that keep credits of another account's batch."""
    maker, ender = transaction.alias("maker"), transaction.alias("ender")
    strange = sa.or_(
        maker.c.account_id.is_distinct_from(hold.c.account_id),
        hold.c.resolved_by_id.is_not(None) & ender.c.account_id.is_distinct_from(hold.c.account_id),
        hold_part.c.batch_id.is_not(None) & batch.c.account_id.is_distinct_from(hold.c.account_id),
    )
    return (
        sa.select(sa.literal("hold ") + hold.c.reference, hold.c.amount_micro, sa.literal(0))
        .select_from(
            hold.outerjoin(maker, maker.c.id == hold.c.made_by_id)
            .outerjoin(ender, ender.c.id == hold.c.resolved_by_id)
            .outerjoin(hold_part, hold_part.c.hold_id == hold.c.id)
            .outerjoin(batch, batch.c.id == hold_part.c.batch_id)
        )
        .where(of(hold.c.account_id, one), strange)
        .distinct()
    )


def _mirrors(one: Of) -> Check:
    """Per batch and move: the entries of a reversal against those of what it reverses, turned round.

    What comes back after its end expires again, and what comes back to a debtor pays the debt, in the same transaction;
    neither is a part of the mirror.
    """
    batch_id = sa.func.coalesce(entry.c.batch_id, 0).label("batch_id")
    original = (
        sa.select(
            transaction.c.id.label("reversal"),
            batch_id,
            entry.c.to_bucket.label("a"),
            entry.c.from_bucket.label("b"),
            total(entry.c.amount_micro).label("amount"),
        )
        .join(entry, entry.c.transaction_id == transaction.c.reverses_id)
        .where(transaction.c.reverses_id.is_not(None), of(transaction.c.account_id, one))
        .group_by(transaction.c.id, batch_id, entry.c.to_bucket, entry.c.from_bucket)
        .subquery()
    )
    goes_on = (entry.c.from_bucket == Bucket.AVAILABLE.value) & entry.c.to_bucket.in_(
        (Bucket.EXPIRED.value, Bucket.OWED.value)
    )
    mirror = (
        sa.select(
            transaction.c.id.label("reversal"),
            batch_id,
            entry.c.from_bucket.label("a"),
            entry.c.to_bucket.label("b"),
            total(entry.c.amount_micro).label("amount"),
        )
        .join(entry, entry.c.transaction_id == transaction.c.id)
        .where(transaction.c.reverses_id.is_not(None), ~goes_on, of(transaction.c.account_id, one))
        .group_by(transaction.c.id, batch_id, entry.c.from_bucket, entry.c.to_bucket)
        .subquery()
    )
    same = sa.and_(*(original.c[name] == mirror.c[name] for name in ("reversal", "batch_id", "a", "b")))
    both = sa.outerjoin(original, mirror, same, full=True)
    was, turned = or_zero(original.c.amount), or_zero(mirror.c.amount)
    which = sa.func.coalesce(original.c.reversal, mirror.c.reversal)
    return sa.select(place("transaction", which), was, turned).select_from(both).where(was != turned)


def _refunds(one: Of) -> Check:
    """Credits that left a batch with their money: those refunded here and those clawed back, less what came back."""
    parts = sa.union_all(
        sa.select(refund.c.batch_id, refund.c.amount_micro.label("amount")).where(of(refund.c.account_id, one)),
        sa.select(claw_back.c.batch_id, claw_back.c.taken_micro).where(of(claw_back.c.account_id, one)),
    ).subquery()
    stated = sa.select(parts.c.batch_id, total(parts.c.amount).label("amount")).group_by(parts.c.batch_id).subquery()
    booked = (
        sa.select(entry.c.batch_id, total(moved(Bucket.REFUNDED)).label("amount"))
        .where(
            entry.c.batch_id.is_not(None),
            sa.or_(entry.c.to_bucket == Bucket.REFUNDED.value, entry.c.from_bucket == Bucket.REFUNDED.value),
            of(entry.c.account_id, one),
        )
        .group_by(entry.c.batch_id)
        .subquery()
    )
    both = sa.outerjoin(stated, booked, stated.c.batch_id == booked.c.batch_id, full=True)
    said, proven = or_zero(stated.c.amount), or_zero(booked.c.amount)
    which = sa.func.coalesce(stated.c.batch_id, booked.c.batch_id)
    return sa.select(place("batch", which), said, proven).select_from(both).where(said != proven)


def _refunded_cost(one: Of) -> Check:
    paid_back = (
        sa.select(refund.c.batch_id, total(refund.c.cents).label("cents"))
        .where(of(refund.c.account_id, one))
        .group_by(refund.c.batch_id)
        .subquery()
    )
    return (
        sa.select(place("batch", batch.c.id), paid_back.c.cents, or_zero(batch.c.cost_cents))
        .join(paid_back, paid_back.c.batch_id == batch.c.id)
        .where(
            sa.or_(batch.c.credit_type != CreditType.PURCHASED.value, paid_back.c.cents > or_zero(batch.c.cost_cents))
        )
    )


def _parts(one: Of) -> Check:
    child = batch.alias("child")
    parts = (
        sa.select(
            child.c.parent_id,
            total(child.c.cost_cents).label("cents"),
        )
        .where(child.c.parent_id.is_not(None))
        .group_by(child.c.parent_id)
        .subquery()
    )
    return (
        sa.select(place("batch", batch.c.id), parts.c.cents, or_zero(batch.c.cost_cents))
        .join(parts, parts.c.parent_id == batch.c.id)
        .where(of(batch.c.account_id, one), parts.c.cents > or_zero(batch.c.cost_cents))
    )


def _overdrafts(one: Of) -> Check:
    """Accounts with a limit whose newest overdraft transaction names no approval by another person."""
    newest = (
        sa.select(transaction.c.account_id, sa.func.max(transaction.c.id).label("id"))
        .where(transaction.c.kind == "overdraft")
        .group_by(transaction.c.account_id)
        .subquery()
    )
    approved = (
        sa.select(transaction.c.account_id)
        .join(newest, newest.c.id == transaction.c.id)
        .join(approval, approval.c.id == transaction.c.approval_id)
        .where(approval.c.state == "approved", approval.c.decided_by != approval.c.requester)
    )
    return sa.select(account.c.external_id, account.c.overdraft_limit_micro, sa.literal(0)).where(
        of(account.c.id, one), account.c.overdraft_limit_micro > 0, account.c.id.not_in(approved)
    )


def _codes(one: Of) -> Check:
    given = (
        sa.select(batch.c.made_by_id, total(batch.c.granted_micro).label("amount"))
        .where(of(batch.c.account_id, one))
        .group_by(batch.c.made_by_id)
        .subquery()
    )
    got = or_zero(given.c.amount)
    return (
        sa.select(place("gift code", gift_code.c.id), gift_code_set.c.amount_micro, got)
        .join(gift_code_set, gift_code_set.c.id == gift_code.c.set_id)
        .outerjoin(given, given.c.made_by_id == gift_code.c.redeemed_in_id)
        .where(
            gift_code.c.redeemed_at.is_not(None),
            of(gift_code.c.redeemed_by_id, one),
            gift_code_set.c.amount_micro != got,
        )
    )


def _allocations(one: Of) -> Check:
    got = or_zero(batch.c.granted_micro)
    return (
        sa.select(place("allocation", allocation.c.id), allocation.c.amount_micro, got)
        .outerjoin(batch, batch.c.id == allocation.c.batch_id)
        .where(of(allocation.c.account_id, one), allocation.c.amount_micro != got)
    )

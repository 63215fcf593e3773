"""Statements about batches: what is on the shelf, what leaves it by expiry, what was paid for it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket, CreditType
from ledger.models import account, batch, customer, entry, hold, hold_part, refund
from ledger.queries.parts import (
    account_id,
    counted,
    free,
    held,
    is_alive,
    is_lapsed,
    is_movement,
    is_on_shelf,
    is_open,
    left,
    next_expiry,
    page,
    segment,
    total,
    total_if,
)

_PURCHASED = batch.c.credit_type == CreditType.PURCHASED.value


def balances(*, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """Credits by type: available, held, scheduled (not yet effective), batches that are not expired, the next expiry.

    Held credits count although their batch may have expired: as long as the hold lives they can be used.
    """
    statement = (
        sa.select(
            batch.c.credit_type,
            total_if(is_open(at), free(at)).label("available_micro"),
            total(held(at)).label("held_micro"),
            total_if(batch.c.effective_at > at, free(at)).label("scheduled_micro"),
            total_if(is_alive(at), sa.literal(1, sa.BigInteger)).label("batches"),
            next_expiry(at).label("next_expiry_at"),
        )
        .where(is_on_shelf(at))
        .group_by(batch.c.credit_type)
        .order_by(batch.c.credit_type)
    )
    return _of(statement, account_name)


# Where credits go that are neither used nor expired; to `issued` by the reversal of what brought them.
_TAKEN_AWAY = (Bucket.REMOVED, Bucket.REFUNDED, Bucket.TRANSFERRED, Bucket.ISSUED)


def _words(*buckets: Bucket) -> list[str]:
    return [bucket.value for bucket in buckets]


def _less_returned(buckets: tuple[Bucket, ...]) -> sa.ColumnElement[int]:
    """What went into some buckets, less what came back from them."""
    words = _words(*buckets)
    there, back = entry.c.to_bucket.in_(words), entry.c.from_bucket.in_(words)
    return total(sa.case((there, entry.c.amount_micro), (back, -entry.c.amount_micro), else_=0))


def batches(account_name: str, *, at: datetime) -> sa.Select[Any]:
    """Every batch that one account ever had, oldest first, with what expired and was taken away as booked so far.

    Both less what came back: by a longer life, by a reversal. held_micro is what live holds keep at that instant.
    """
    gone = (
        sa.select(
            entry.c.batch_id,
            _less_returned((Bucket.EXPIRED,)).label("expired_micro"),
            _less_returned(_TAKEN_AWAY).label("removed_micro"),
        )
        .select_from(entry.join(batch, batch.c.id == entry.c.batch_id))
        .where(
            # Implied by what follows; said so that the database reads the small index of such entries.
            is_movement(),
            sa.or_(
                entry.c.to_bucket.in_(_words(Bucket.EXPIRED, *_TAKEN_AWAY)),
                # What a transfer brought to its new batch never left it before.
                entry.c.from_bucket.in_(_words(Bucket.EXPIRED, *_TAKEN_AWAY))
                & (entry.c.transaction_id != batch.c.made_by_id),
            ),
            entry.c.account_id == account_id(account_name),
        )
        .group_by(entry.c.batch_id)
        .subquery("gone")
    )
    zero = sa.literal(0, sa.BigInteger)
    return (
        sa.select(
            batch.c.id.label("batch_id"),
            batch.c.credit_type,
            batch.c.granted_micro,
            batch.c.remaining_micro,
            held(at).label("held_micro"),
            sa.func.coalesce(gone.c.expired_micro, zero, type_=sa.BigInteger).label("expired_micro"),
            sa.func.coalesce(gone.c.removed_micro, zero, type_=sa.BigInteger).label("removed_micro"),
            batch.c.priority,
            batch.c.granted_at,
            batch.c.effective_at,
            batch.c.expires_at,
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.source,
            batch.c.campaign,
            batch.c.reference,
            batch.c.made_by_id,
            batch.c.features,
        )
        .select_from(batch.outerjoin(gone, gone.c.batch_id == batch.c.id))
        .where(batch.c.account_id == account_id(account_name))
        .order_by(batch.c.id)
    )


def spendable(*, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """What the burn order needs of every batch with credits that is not expired, those not yet effective included.

    Oldest first; not by account, because sorting texts would cost more than all the rest.
    """
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            batch.c.id.label("batch_id"),
            batch.c.credit_type,
            batch.c.remaining_micro,
            held(at).label("held_micro"),
            batch.c.priority,
            batch.c.effective_at,
            batch.c.expires_at,
            batch.c.features,
        )
        .select_from(batch.join(account, account.c.id == batch.c.account_id))
        .where(~batch.c.is_spent, is_alive(at))
        .order_by(batch.c.id)
    )
    return _of(statement, account_name)


def on_shelf(*, at: datetime) -> sa.Select[Any]:
    """Every batch of anybody with credits that somebody may still use: how it burns, what it cost; in no order.

    Those of an expired batch are what live holds keep of it.
    """
    return (
        sa.select(
            account.c.external_id.label("account"),
            batch.c.id.label("batch_id"),
            batch.c.credit_type,
            batch.c.remaining_micro,
            held(at).label("held_micro"),
            batch.c.priority,
            batch.c.effective_at,
            batch.c.expires_at,
            batch.c.features,
            batch.c.granted_micro,
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.campaign,
        )
        .select_from(batch.join(account, account.c.id == batch.c.account_id))
        .where(is_on_shelf(at))
    )


def paid(*, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """Purchased batches with credits that somebody may still use, oldest first: what is left of what was paid."""
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            batch.c.currency,
            batch.c.cost_cents,
            batch.c.granted_micro,
            left(at).label("remaining_micro"),
        )
        .select_from(batch.join(account, account.c.id == batch.c.account_id))
        .where(is_on_shelf(at), _PURCHASED)
        .order_by(batch.c.id)
    )
    return _of(statement, account_name)


def expiring(*, at: datetime, until: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """Batches with credits that end in (at, until], soonest first."""
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            customer.c.name,
            customer.c.owner,
            batch.c.id.label("batch_id"),
            batch.c.credit_type,
            free(at).label("left_micro"),
            batch.c.granted_micro,
            batch.c.effective_at,
            batch.c.expires_at,
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.campaign,
        )
        .select_from(
            batch.join(account, account.c.id == batch.c.account_id).join(
                customer, customer.c.account_id == account.c.id
            )
        )
        .where(~batch.c.is_spent, free(at) > 0, batch.c.expires_at > at, batch.c.expires_at <= until)
        .order_by(batch.c.expires_at, batch.c.id)
    )
    return _of(statement, account_name)


def unswept(cuts: tuple[datetime, ...], *, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """Credits expired at that instant that nobody has booked yet, by segment of their expiry and type.

    What a lapsed hold kept beyond the end of its batch expired when the hold lapsed.
    """
    due = [~batch.c.is_spent, batch.c.expires_at <= at]
    unheld = sa.select(
        batch.c.credit_type,
        batch.c.expires_at.label("ended_at"),
        (batch.c.remaining_micro - batch.c.held_micro).label("amount_micro"),
    ).where(*due)
    later = sa.case((hold.c.expires_at > batch.c.expires_at, hold.c.expires_at), else_=batch.c.expires_at)
    lapsed = (
        sa.select(batch.c.credit_type, later, hold_part.c.amount_micro)
        .select_from(
            hold.join(hold_part, hold_part.c.hold_id == hold.c.id).join(batch, batch.c.id == hold_part.c.batch_id)
        )
        .where(*due, batch.c.held_micro > 0, is_lapsed(at))
    )
    ended = sa.union_all(_of(unheld, account_name), _of(lapsed, account_name)).subquery("ended")
    number = segment(ended.c.ended_at, cuts).label("segment")
    statement = sa.select(number, ended.c.credit_type, total(ended.c.amount_micro).label("amount_micro"))
    return _within(statement, ended.c.ended_at, cuts).group_by(sa.text("1"), ended.c.credit_type)


def purchases(cuts: tuple[datetime, ...], *, at: datetime) -> sa.Select[Any]:
    """Purchases booked by that instant, from the first one on, by account, currency and segment of their booking."""
    # Grouped by row id first: grouping by the external id would compare texts for every batch.
    keys: tuple[sa.ColumnElement[Any], ...] = (
        batch.c.account_id,
        segment(batch.c.granted_at, cuts).label("segment"),
        batch.c.currency,
    )
    sums = (counted().label("purchases"), total(batch.c.cost_cents).label("cost_cents"))
    bought = (
        sa.select(*keys, *sums)
        # Parts of a batch that were transferred were bought once, by whoever paid.
        .where(_PURCHASED, batch.c.parent_id.is_(None), batch.c.granted_at <= at)
        .group_by(batch.c.account_id, sa.text("2"), batch.c.currency)
        .subquery("bought")
    )
    return sa.select(
        account.c.external_id.label("account"),
        bought.c.segment,
        bought.c.currency,
        bought.c.purchases,
        bought.c.cost_cents,
    ).select_from(bought.join(account, account.c.id == bought.c.account_id))


def payments(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    account_name: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> sa.Select[Any]:
    """Top-ups booked in [since, until), newest first: who, when, credits, price, reference, source, transaction.

    With what was refunded of each, also out of parts of it that were transferred. Those parts are no top-ups.
    """
    given_back = (
        sa.select(
            refund.c.payment_reference,
            total(refund.c.amount_micro).label("refunded_micro"),
            total(refund.c.cents).label("refunded_cents"),
        )
        .group_by(refund.c.payment_reference)
        .subquery("given_back")
    )
    zero = sa.literal(0, sa.BigInteger)
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            customer.c.name,
            batch.c.id.label("batch_id"),
            batch.c.made_by_id.label("transaction_id"),
            batch.c.granted_at,
            batch.c.granted_micro,
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.source,
            batch.c.reference,
            sa.func.coalesce(given_back.c.refunded_micro, zero, type_=sa.BigInteger).label("refunded_micro"),
            sa.func.coalesce(given_back.c.refunded_cents, zero, type_=sa.BigInteger).label("refunded_cents"),
        )
        .select_from(
            batch.join(account, account.c.id == batch.c.account_id)
            .join(customer, customer.c.account_id == account.c.id)
            .outerjoin(given_back, given_back.c.payment_reference == batch.c.reference)
        )
        .where(_PURCHASED, batch.c.parent_id.is_(None))
        .order_by(batch.c.granted_at.desc(), batch.c.id.desc())
    )
    if since is not None:
        statement = statement.where(batch.c.granted_at >= since)
    if until is not None:
        statement = statement.where(batch.c.granted_at < until)
    return page(_of(statement, account_name), limit=limit, offset=offset)


def _of(statement: sa.Select[Any], account_name: str | None) -> sa.Select[Any]:
    return statement if account_name is None else statement.where(batch.c.account_id == account_id(account_name))


def _within(statement: sa.Select[Any], instant: Any, cuts: tuple[datetime, ...]) -> sa.Select[Any]:
    return statement.where(instant >= cuts[0], instant < cuts[-1]) if cuts else statement

"""Statements about holds, and about what was given back of a use."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import account, batch, customer, entry, hold, transaction, usage_event
from ledger.queries.parts import account_id, counted, is_lapsed, is_live, page, total, total_if

_WITH_ACCOUNT = hold.join(account, account.c.id == hold.c.account_id).outerjoin(
    customer, customer.c.account_id == account.c.id
)


def open_holds(
    *, at: datetime, account_name: str | None = None, limit: int | None = 200, offset: int = 0
) -> sa.Select[Any]:
    """Holds that keep credits at that instant, the next to time out first; those that never do come last."""
    statement = (
        sa.select(
            hold.c.id.label("hold_id"),
            account.c.external_id.label("account"),
            customer.c.name,
            hold.c.reference,
            hold.c.feature,
            hold.c.member,
            hold.c.amount_micro,
            hold.c.placed_at,
            hold.c.expires_at,
            transaction.c.actor,
            hold.c.made_by_id.label("transaction_id"),
        )
        .select_from(_WITH_ACCOUNT.join(transaction, transaction.c.id == hold.c.made_by_id))
        .where(is_live(at))
        .order_by(hold.c.expires_at.nulls_last(), hold.c.id)
    )
    return page(_of(statement, account_name), limit=limit, offset=offset)


def open_holds_total(*, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """How many holds keep credits at that instant, and how many credits: holds, amount_micro."""
    sums: tuple[sa.ColumnElement[Any], ...] = (
        counted().label("holds"),
        total(hold.c.amount_micro).label("amount_micro"),
    )
    statement = sa.select(*sums).where(is_live(at))
    return _of(statement, account_name)


def past_holds(account_name: str, *, at: datetime, limit: int | None = 50, offset: int = 0) -> sa.Select[Any]:
    """Holds of one account that are over at that instant, the newest first; lapsed ones whether booked or not."""
    lapsed = is_lapsed(at)
    statement = (
        sa.select(
            hold.c.id.label("hold_id"),
            hold.c.reference,
            hold.c.feature,
            hold.c.member,
            hold.c.amount_micro,
            hold.c.captured_micro,
            sa.case((lapsed, "lapsed"), else_=hold.c.state).label("state"),
            hold.c.placed_at,
            sa.case((lapsed, hold.c.expires_at), else_=hold.c.resolved_at).label("ended_at"),
            hold.c.made_by_id,
            hold.c.resolved_by_id,
        )
        .where(hold.c.account_id == account_id(account_name), sa.or_(hold.c.state != "open", lapsed))
        .order_by(hold.c.id.desc())
    )
    return page(statement, limit=limit, offset=offset)


def hold_end(account_name: str, reference: str) -> sa.Select[Any]:
    """When the hold with that reference lapses: one value, None when it never does; no row when there is no such."""
    return sa.select(hold.c.expires_at).where(
        hold.c.account_id == account_id(account_name), hold.c.reference == reference
    )


def given_back(event: Any) -> sa.ScalarSelect[Any]:
    """What was given back of a row of usage_event, for lists of events: one probe of a small index each."""
    return (
        sa.select(total(entry.c.amount_micro))
        # Written out, because SQLite takes a partial index only for the very words it was made with.
        .where(entry.c.usage_event_id == event.c.id, sa.text("entry.from_bucket = 'consumed'"))
        .correlate(event)
        .scalar_subquery()
    )


def event_by_id(account_name: str, event_id: str) -> sa.Select[Any]:
    """One usage event of one account with what was given back of it; no row when unknown."""
    return (
        sa.select(
            usage_event.c.event_id,
            usage_event.c.feature,
            usage_event.c.quantity_micro,
            usage_event.c.cost_micro,
            given_back(usage_event).label("given_back_micro"),
            usage_event.c.occurred_at,
            transaction.c.recorded_at,
            usage_event.c.transaction_id,
            usage_event.c.member,
        )
        .select_from(usage_event.join(transaction, transaction.c.id == usage_event.c.transaction_id))
        .where(usage_event.c.account_id == account_id(account_name), usage_event.c.event_id == event_id)
    )


def event_transactions(account_name: str, event_ids: Sequence[str]) -> sa.Select[Any]:
    """Which transactions recorded some usage events of one account: event_id, transaction_id."""
    return sa.select(usage_event.c.event_id, usage_event.c.transaction_id).where(
        usage_event.c.account_id == account_id(account_name), usage_event.c.event_id.in_(event_ids)
    )


def event_parts(account_name: str, event_id: str) -> sa.Select[Any]:
    """Which batches paid for one usage event and what they got back, last taken first; batch_id null: on debt."""
    event = (
        sa.select(usage_event.c.id, usage_event.c.transaction_id)
        .where(usage_event.c.account_id == account_id(account_name), usage_event.c.event_id == event_id)
        .subquery("event")
    )
    columns = (entry.c.id, entry.c.batch_id, entry.c.to_bucket, entry.c.amount_micro)
    taken = sa.select(*columns).where(
        entry.c.transaction_id == sa.select(event.c.transaction_id).scalar_subquery(),
        entry.c.usage_event_id == sa.select(event.c.id).scalar_subquery(),
        entry.c.to_bucket == Bucket.CONSUMED.value,
    )
    returned = sa.select(*columns).where(
        entry.c.usage_event_id == sa.select(event.c.id).scalar_subquery(), sa.text("entry.from_bucket = 'consumed'")
    )
    moved = sa.union_all(taken, returned).subquery("moved")
    is_taken = moved.c.to_bucket == Bucket.CONSUMED.value
    return (
        sa.select(
            moved.c.batch_id,
            batch.c.credit_type,
            batch.c.expires_at,
            total_if(is_taken, moved.c.amount_micro).label("taken_micro"),
            total_if(~is_taken, moved.c.amount_micro).label("given_back_micro"),
        )
        .select_from(moved.outerjoin(batch, batch.c.id == moved.c.batch_id))
        .group_by(moved.c.batch_id, batch.c.credit_type, batch.c.expires_at)
        .order_by(sa.func.min(moved.c.id).desc())
    )


def _of(statement: sa.Select[Any], account_name: str | None) -> sa.Select[Any]:
    return statement if account_name is None else statement.where(hold.c.account_id == account_id(account_name))

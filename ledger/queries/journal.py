"""Statements about transactions and entries: lists that are paged and sorted in SQL, one transaction in full, moves."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import OWED, account, batch, customer, entry, hold, hold_part, transaction, usage_event
from ledger.queries.parts import account_id, contains, counted, is_live, is_movement, page, segment, total

_MAX_ID = 2**63 - 1


class TransactionSort(StrEnum):
    """The orders in which transactions can be listed."""

    NEWEST = "newest"
    OLDEST = "oldest"
    CUSTOMER = "customer"
    KIND = "kind"
    ACTOR = "actor"


_ORDER: dict[TransactionSort, tuple[sa.ColumnElement[Any], ...]] = {
    TransactionSort.NEWEST: (transaction.c.id.desc(),),
    TransactionSort.OLDEST: (transaction.c.id,),
    TransactionSort.CUSTOMER: (customer.c.name.nulls_last(), transaction.c.id.desc()),
    TransactionSort.KIND: (transaction.c.kind, transaction.c.id.desc()),
    TransactionSort.ACTOR: (transaction.c.actor, transaction.c.id.desc()),
}


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions to list; fields left empty do not filter.

    ``text`` is what somebody typed into the search: a transaction id, a part of an account id, name, e-mail, actor,
    key, reason, note, ticket or payment reference, or an exact event id. The period [since, until) is of booking.
    Amounts are the credits that a transaction moves in all, ends included.
    """

    text: str = ""
    account: str | None = None
    kinds: tuple[str, ...] = ()
    actor: str | None = None
    reason_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    amount_min_micro: int | None = None
    amount_max_micro: int | None = None
    batch_id: int | None = None
    # Only those with a smaller number: where the page before ended, so that new ones move no page.
    below_id: int | None = None
    # Transactions of other accounts that count as the account's, too: see `arrivals`.
    others: tuple[int, ...] = ()


_reversal = transaction.alias("reversal")
# What was decided about a transaction is in its receipt, so a list needs no look at the entries.
_COLUMNS = (
    transaction.c.id.label("transaction_id"),
    transaction.c.kind,
    transaction.c.recorded_at,
    transaction.c.effective_at,
    transaction.c.actor,
    transaction.c.role,
    transaction.c.reason_code,
    transaction.c.note,
    transaction.c.ticket,
    transaction.c.key,
    transaction.c.reverses_id,
    sa.select(_reversal.c.id)
    .where(_reversal.c.reverses_id == transaction.c.id)
    .scalar_subquery()
    .label("reversed_by_id"),
    sa.func.coalesce(account.c.external_id, transaction.c.receipt["account"].as_string()).label("account"),
    customer.c.name,
    transaction.c.receipt["takes"].label("takes"),
    transaction.c.receipt["returned"].label("returned"),
    transaction.c.receipt["expired"].label("expired"),
    transaction.c.receipt["new_batches"].label("new_batches"),
    transaction.c.receipt["available"].label("available"),
    transaction.c.receipt["balance"].label("balance"),
    transaction.c.receipt["counterpart"].label("counterpart"),
    transaction.c.receipt["events"].label("events"),
    transaction.c.receipt["owed"].label("owed"),
    transaction.c.receipt["subject_id"].as_integer().label("subject_id"),
    sa.select(entry.c.feature)
    .where(entry.c.transaction_id == transaction.c.id)
    .limit(1)
    .scalar_subquery()
    .label("feature"),
)
_FROM = transaction.outerjoin(account, account.c.id == transaction.c.account_id).outerjoin(
    customer, customer.c.account_id == transaction.c.account_id
)


def transactions(
    wanted: TransactionFilter,
    *,
    sort: TransactionSort = TransactionSort.NEWEST,
    limit: int | None = 50,
    offset: int = 0,
) -> sa.Select[Any]:
    """One page of the transactions that a filter lets through, in one of the fixed orders."""
    statement = sa.select(*_COLUMNS).select_from(_FROM).where(*_conditions(wanted)).order_by(*_ORDER[sort])
    return page(statement, limit=limit, offset=offset)


def transaction_count(wanted: TransactionFilter) -> sa.Select[Any]:
    """How many transactions a filter lets through."""
    return sa.select(counted()).select_from(_FROM).where(*_conditions(wanted))


def arrivals(account_name: str) -> sa.Select[Any]:
    """Transactions of other accounts that put credits on the shelf of this one, and their reversals: transaction_id."""
    mine = account_id(account_name)
    came = (
        sa.select(transaction.c.id)
        .join(batch, batch.c.made_by_id == transaction.c.id)
        .where(batch.c.account_id == mine, transaction.c.account_id != mine)
    )
    reversals = sa.select(_reversal.c.id).where(_reversal.c.reverses_id.in_(came))
    both = sa.union(came, reversals).subquery("both")
    return sa.select(both.c.id.label("transaction_id")).order_by(both.c.id)


def batch_accounts(batch_ids: frozenset[int]) -> sa.Select[Any]:
    """Whose some batches are: batch_id, account."""
    return (
        sa.select(batch.c.id.label("batch_id"), account.c.external_id.label("account"))
        .join(account, account.c.id == batch.c.account_id)
        .where(batch.c.id.in_(sorted(batch_ids)))
    )


def transaction_by_id(transaction_id: int) -> sa.Select[Any]:
    """One transaction with its digest; no row when unknown."""
    return (
        sa.select(*_COLUMNS, transaction.c.digest)
        .select_from(_FROM)
        .where(transaction.c.id == min(max(transaction_id, 0), _MAX_ID))
    )


def entries(transaction_id: int, *, limit: int | None = None, offset: int = 0) -> sa.Select[Any]:
    """The lines of one transaction in booking order, with their batch and event; usage on debt has no batch."""
    statement = (
        sa.select(
            entry.c.id.label("entry_id"),
            entry.c.batch_id,
            sa.func.coalesce(batch.c.credit_type, OWED).label("credit_type"),
            entry.c.from_bucket,
            entry.c.to_bucket,
            entry.c.amount_micro,
            entry.c.balance_micro,
            entry.c.feature,
            usage_event.c.event_id,
            usage_event.c.occurred_at,
            entry.c.effective_at,
        )
        .select_from(
            entry.outerjoin(batch, batch.c.id == entry.c.batch_id).outerjoin(
                usage_event, usage_event.c.id == entry.c.usage_event_id
            )
        )
        .where(entry.c.transaction_id == min(max(transaction_id, 0), _MAX_ID))
        .order_by(entry.c.id)
    )
    return page(statement, limit=limit, offset=offset)


def batch_entries(batch_id: int, *, limit: int | None = 200, offset: int = 0) -> sa.Select[Any]:
    """The lines that moved credits of one batch, newest first: entry, transaction, buckets, amount, feature, when."""
    statement = (
        sa.select(
            entry.c.id.label("entry_id"),
            entry.c.transaction_id,
            entry.c.from_bucket,
            entry.c.to_bucket,
            entry.c.amount_micro,
            entry.c.feature,
            entry.c.effective_at,
        )
        .where(entry.c.batch_id == min(max(batch_id, 0), _MAX_ID))
        .order_by(entry.c.id.desc())
    )
    return page(statement, limit=limit, offset=offset)


# What left or reached the shelf other than by use, in the word of the bucket on the other side: issued counts up what
# came, all others what went, and what came back is negative. Use is counted by the day on which it happened, in
# usage_daily; credits that are held stay on the shelf.
_MOVEMENT = sa.case((entry.c.to_bucket == Bucket.AVAILABLE.value, entry.c.from_bucket), else_=entry.c.to_bucket)
_MOVED = sa.case(
    (entry.c.from_bucket == Bucket.ISSUED.value, entry.c.amount_micro),
    (entry.c.to_bucket.in_((Bucket.ISSUED.value, Bucket.AVAILABLE.value)), -entry.c.amount_micro),
    else_=entry.c.amount_micro,
)


def movements(cuts: tuple[datetime, ...], *, at: datetime, account_name: str | None = None) -> sa.Select[Any]:
    """Booked moves other than use, effective by that instant: issued, expired, removed, … credits between the cuts.

    Columns segment, movement, credit_type, amount_micro. Expiries not booked yet are not in it: see `unswept`.
    """
    number = segment(entry.c.effective_at, cuts).label("segment")
    statement = (
        sa.select(number, _MOVEMENT.label("movement"), batch.c.credit_type, total(_MOVED).label("amount_micro"))
        .select_from(entry.join(batch, batch.c.id == entry.c.batch_id))
        .where(is_movement(), entry.c.effective_at <= at)
        .group_by(sa.text("1"), sa.text("2"), batch.c.credit_type)
    )
    if cuts:
        statement = statement.where(entry.c.effective_at >= cuts[0], entry.c.effective_at < cuts[-1])
    return statement if account_name is None else statement.where(entry.c.account_id == account_id(account_name))


def account_movements(account_name: str, *, since: datetime, at: datetime) -> sa.Select[Any]:
    """Each booked move other than use of one account since an instant, oldest first, for its balance over time.

    What live holds keep is in it as held, from when they were placed.
    """
    booked = (
        sa.select(
            entry.c.transaction_id,
            entry.c.batch_id,
            batch.c.credit_type,
            _MOVEMENT.label("movement"),
            _MOVED.label("amount_micro"),
            entry.c.effective_at,
        )
        .select_from(entry.join(batch, batch.c.id == entry.c.batch_id))
        .where(
            is_movement(),
            entry.c.account_id == account_id(account_name),
            entry.c.effective_at >= since,
        )
    )
    kept = (
        sa.select(
            hold.c.made_by_id,
            hold_part.c.batch_id,
            batch.c.credit_type,
            sa.literal(Bucket.HELD.value),
            hold_part.c.amount_micro,
            hold.c.placed_at,
        )
        .select_from(
            hold.join(hold_part, hold_part.c.hold_id == hold.c.id).join(batch, batch.c.id == hold_part.c.batch_id)
        )
        .where(hold.c.account_id == account_id(account_name), is_live(at), hold.c.placed_at >= since)
    )
    both = sa.union_all(booked, kept).subquery("moved")
    return sa.select(both).order_by(both.c.effective_at, both.c.transaction_id)


def _conditions(wanted: TransactionFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.account is not None:
        own = transaction.c.account_id == account_id(wanted.account)
        # Without others the index on the account gives the order, too.
        found.append(sa.or_(own, transaction.c.id.in_(wanted.others)) if wanted.others else own)
    if wanted.kinds:
        found.append(transaction.c.kind.in_(wanted.kinds))
    if wanted.actor:
        found.append(transaction.c.actor == wanted.actor)
    if wanted.reason_code:
        found.append(transaction.c.reason_code == wanted.reason_code)
    if wanted.since is not None:
        found.append(transaction.c.recorded_at >= wanted.since)
    if wanted.until is not None:
        found.append(transaction.c.recorded_at < wanted.until)
    if wanted.below_id is not None:
        found.append(transaction.c.id < wanted.below_id)
    if wanted.batch_id is not None:
        of_batch = sa.select(entry.c.transaction_id).where(entry.c.batch_id == wanted.batch_id)
        found.append(transaction.c.id.in_(of_batch))
    if wanted.amount_min_micro is not None or wanted.amount_max_micro is not None:
        found.append(transaction.c.id.in_(_moving_between(wanted)))
    if wanted.text.strip():
        found.append(_mentions(wanted.text.strip()))
    return found


def _moving_between(wanted: TransactionFilter) -> sa.Select[Any]:
    moved = total(entry.c.amount_micro)
    statement = sa.select(entry.c.transaction_id).group_by(entry.c.transaction_id)
    if wanted.account is not None:
        statement = statement.where(entry.c.account_id == account_id(wanted.account))
    if wanted.amount_min_micro is not None:
        statement = statement.having(moved >= wanted.amount_min_micro)
    if wanted.amount_max_micro is not None:
        statement = statement.having(moved <= wanted.amount_max_micro)
    return statement


def _mentions(text: str) -> sa.ColumnElement[bool]:
    columns = (
        transaction.c.actor,
        transaction.c.key,
        transaction.c.reason_code,
        transaction.c.note,
        transaction.c.ticket,
    )
    found = [contains(column, text) for column in columns]
    # Customers are few: their texts are searched once, not once per transaction.
    names = (account.c.external_id, customer.c.name, customer.c.email)
    known = sa.select(account.c.id).select_from(account.outerjoin(customer, customer.c.account_id == account.c.id))
    found.append(transaction.c.account_id.in_(known.where(sa.or_(*(contains(name, text) for name in names)))))
    found.append(transaction.c.id.in_(sa.select(batch.c.made_by_id).where(contains(batch.c.reference, text))))
    # Through the accounts, because the only index on event ids begins with the account.
    events = sa.select(usage_event.c.transaction_id).select_from(
        account.join(usage_event, usage_event.c.account_id == account.c.id)
    )
    found.append(transaction.c.id.in_(events.where(usage_event.c.event_id == text)))
    number = text.removeprefix("#")
    if number.isascii() and number.isdigit() and int(number) <= _MAX_ID:
        found.append(transaction.c.id == int(number))
    return sa.or_(*found)

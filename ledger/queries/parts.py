"""Pieces that several statements share: sums that stay integers, time filters, patterns, page cuts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import account, batch, hold, hold_part

Expression = sa.ColumnElement[Any]


def total(amount: Expression) -> sa.ColumnElement[int]:
    """Sum of a BIGINT as a BIGINT, 0 over no rows: PostgreSQL would answer NUMERIC, which pandas reads as float."""
    return sa.cast(sa.func.coalesce(sa.func.sum(amount), 0), sa.BigInteger)


def total_if(condition: sa.ColumnElement[bool], amount: Expression) -> sa.ColumnElement[int]:
    """Sum over the rows that meet a condition, as a BIGINT."""
    return total(sa.case((condition, amount), else_=0))


def counted() -> sa.ColumnElement[int]:
    """Number of rows, as a BIGINT."""
    return sa.cast(sa.func.count(), sa.BigInteger)


def is_lapsed(at: datetime) -> sa.ColumnElement[bool]:
    """Open holds whose time-out has come; the next command of their account books them."""
    # Written out, because SQLite takes a partial index only for the very words it was made with.
    return sa.and_(sa.text("hold.state = 'open'"), hold.c.expires_at <= at)


def is_live(at: datetime) -> sa.ColumnElement[bool]:
    """Holds that keep credits at that instant."""
    return sa.and_(sa.text("hold.state = 'open'"), sa.or_(hold.c.expires_at.is_(None), hold.c.expires_at > at))


def held(at: datetime) -> sa.ColumnElement[int]:
    """Credits of a batch that are held at that instant: those of lapsed holds are free, booked or not.

    A batch without held credits, which is nearly every one, asks no hold. Source: docs/accounting.md, rule 14.
    """
    lapsed = (
        sa.select(total(hold_part.c.amount_micro))
        .select_from(hold.join(hold_part, hold_part.c.hold_id == hold.c.id))
        .where(hold.c.account_id == batch.c.account_id, is_lapsed(at), hold_part.c.batch_id == batch.c.id)
        .correlate(batch)
        .scalar_subquery()
    )
    none = sa.literal(0, sa.BigInteger)
    return sa.case((batch.c.held_micro == 0, none), else_=batch.c.held_micro - lapsed)


def free(at: datetime) -> sa.ColumnElement[int]:
    """Credits of a batch that are neither used nor held at that instant."""
    return batch.c.remaining_micro - held(at)


def left(at: datetime) -> sa.ColumnElement[int]:
    """Credits of a batch that somebody may still use: of an expired one those that a hold keeps."""
    return sa.case((is_alive(at), batch.c.remaining_micro), else_=held(at))


def next_expiry(at: datetime) -> sa.ColumnElement[Any]:
    """The soonest end of the batches that are not expired."""
    ends = sa.case((is_alive(at), batch.c.expires_at), else_=None)
    return sa.func.min(ends, type_=batch.c.expires_at.type)


def is_on_shelf(at: datetime) -> sa.ColumnElement[bool]:
    """Batches that may have something left: not expired ones, and those of which a hold may keep credits."""
    return sa.and_(~batch.c.is_spent, sa.or_(is_alive(at), batch.c.held_micro > 0))


def is_movement() -> sa.ColumnElement[bool]:
    """Entries that brought credits to the shelf or took them away other than by use; a few among all entries.

    In the very words of the partial indexes, because SQLite takes one only for the words it was made with.
    """
    words = " AND ".join(
        f"entry.{side}_bucket <> '{bucket.value}'"
        for side in ("to", "from")
        for bucket in (Bucket.CONSUMED, Bucket.HELD)
    )
    return sa.and_(sa.text(words))


def is_alive(at: datetime) -> sa.ColumnElement[bool]:
    """Batches not expired at that instant, those not yet effective included; whether the sweep ran does not matter."""
    return sa.or_(batch.c.expires_at.is_(None), batch.c.expires_at > at)


def is_open(at: datetime) -> sa.ColumnElement[bool]:
    """Batches whose credits can be used at that instant: effective_at <= at < expires_at."""
    return sa.and_(batch.c.effective_at <= at, is_alive(at))


def account_id(external_id: str) -> sa.ScalarSelect[int]:
    """The row id of an account, for filters that must use an index on account_id."""
    return sa.select(account.c.id).where(account.c.external_id == external_id).scalar_subquery()


def contains(column: Expression, text: str) -> sa.ColumnElement[bool]:
    """Whether a column contains what somebody typed, in any case; % and _ stand for themselves."""
    return column.ilike(f"%{_as_typed(text)}%", escape="\\")


def begins(column: Expression, text: str) -> sa.ColumnElement[bool]:
    """Whether a column begins with what somebody typed, in any case; % and _ stand for themselves."""
    return column.ilike(f"{_as_typed(text)}%", escape="\\")


def _as_typed(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def segment(instant: Expression, cuts: tuple[Any, ...]) -> sa.ColumnElement[int]:
    """In which stretch between sorted cuts an instant or day lies: 0 before the first cut, len(cuts) from the last on.

    Sums by segment add up to the sum of any period that begins and ends on a cut, so one statement serves many periods.
    """
    if not cuts:
        return sa.literal(0, sa.BigInteger)
    whens = [(instant < cut, sa.literal(number, sa.BigInteger)) for number, cut in enumerate(cuts)]
    return sa.cast(sa.case(*whens, else_=sa.literal(len(cuts), sa.BigInteger)), sa.BigInteger)


def page(statement: sa.Select[Any], *, limit: int | None, offset: int) -> sa.Select[Any]:
    """Cut one page out of a sorted statement; ``limit`` None takes all."""
    cut = statement if limit is None else statement.limit(limit)
    return cut.offset(offset) if offset else cut

"""Pieces that several statements share: sums that stay integers, time filters, patterns, page cuts."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import account, batch

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


def free() -> sa.ColumnElement[int]:
    """Credits of a batch that are neither used nor held."""
    return batch.c.remaining_micro - batch.c.held_micro


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
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return column.ilike(f"%{escaped}%", escape="\\")


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

"""Pieces of the checks: each check answers (place, stated, proven) for every disagreement and nothing else."""

from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import account, entry

Check = sa.Select[str, int, int]
# One account's row id, or None for all accounts.
Of = sa.ScalarSelect[int] | None


def account_id(external_id: str) -> sa.ScalarSelect[int]:
    """The row id of an account, for filters."""
    return sa.select(account.c.id).where(account.c.external_id == external_id).scalar_subquery()


def of(column: sa.ColumnElement[Any], one: Of) -> sa.ColumnElement[bool]:
    """Rows of one account, or every row."""
    return sa.true() if one is None else column == one


def total(expression: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """A sum that stays an integer, 0 over nothing."""
    return sa.cast(sa.func.coalesce(sa.func.sum(expression), 0), sa.BigInteger)


def moved(bucket: Bucket) -> sa.ColumnElement[int]:
    """What an entry brings to a bucket; negative when it takes away."""
    return sa.case(
        (entry.c.to_bucket == bucket.value, entry.c.amount_micro),
        (entry.c.from_bucket == bucket.value, -entry.c.amount_micro),
        else_=0,
    )


def or_zero(expression: sa.ColumnElement[Any]) -> sa.ColumnElement[int]:
    """0 where an outer join found nothing."""
    return sa.func.coalesce(expression, 0, type_=sa.BigInteger)


def place(word: str, id_: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    """Such as "batch 12"."""
    return sa.literal(word + " ") + sa.cast(id_, sa.Text)

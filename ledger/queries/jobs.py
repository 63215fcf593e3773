"""Statements about the product's own state: its schema, its jobs, and what waits for them."""

from typing import Any

import sqlalchemy as sa

from ledger.models import company, seal, transaction
from ledger.queries.parts import counted

_ALEMBIC = sa.table("alembic_version", sa.column("version_num", sa.Text))


def schema_version() -> sa.Select[Any]:
    """The migration that the database is at."""
    return sa.select(_ALEMBIC.c.version_num)


def books_head() -> sa.Select[Any]:
    """How far the books and their seal went, in one row; None where there is nothing yet.

    unsealed counts the transactions after the newest sealed one: a lookup by key however many there are before.
    """
    newest = sa.select(transaction.c.id, transaction.c.recorded_at).order_by(transaction.c.id.desc()).limit(1)
    sealed = sa.select(seal.c.transaction_id, seal.c.position, seal.c.hash).order_by(seal.c.position.desc()).limit(1)
    sealed_id = sa.func.coalesce(sealed.with_only_columns(seal.c.transaction_id).scalar_subquery(), 0)
    behind = sa.select(counted()).where(transaction.c.id > sealed_id)
    oldest = sa.select(transaction.c.recorded_at).where(transaction.c.id > sealed_id).order_by(transaction.c.id)
    return sa.select(
        newest.with_only_columns(transaction.c.id).scalar_subquery().label("newest_id"),
        newest.with_only_columns(transaction.c.recorded_at).scalar_subquery().label("newest_at"),
        sealed.with_only_columns(seal.c.position).scalar_subquery().label("sealed"),
        sealed.with_only_columns(seal.c.hash).scalar_subquery().label("seal_hash"),
        behind.scalar_subquery().label("unsealed"),
        oldest.limit(1).scalar_subquery().label("unsealed_since"),
        sa.select(company.c.sandbox_now).scalar_subquery().label("sandbox_now"),
    )

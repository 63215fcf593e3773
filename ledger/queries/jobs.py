"""Statements about the product's own state: its schema, its jobs, and what waits for them."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import company, forecast_run, job, job_run, lease, mail, seal, transaction
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


def jobs() -> sa.Select[Any]:
    """Every job that ever was due, by name."""
    return sa.select(*job.c).order_by(job.c.name)


def job_runs(*, name: str | None = None, limit: int = 50) -> sa.Select[Any]:
    """The newest runs of one job or all, newest first."""
    statement: sa.Select[Any] = sa.select(*(c for c in job_run.c if c.name != "id"))
    statement = statement.order_by(job_run.c.id.desc()).limit(limit)
    return statement if name is None else statement.where(job_run.c.job == name)


def job_runner(at: datetime) -> sa.Select[Any]:
    """Who runs jobs at that real instant; no row when nobody does."""
    return sa.select(lease.c.holder).where(lease.c.name == "jobs", lease.c.until > at)


def waiting_mail(at: datetime) -> sa.Select[Any]:
    """How many mails wait to be sent at that instant of the ledger, and since when the one that waits longest."""
    # Written out, because SQLite takes a partial index only for the very words it was made with.
    is_due = (sa.text("state = 'queued'"), mail.c.next_try_at <= at)
    oldest: sa.ColumnElement[Any] = sa.func.min(mail.c.queued_at, type_=mail.c.queued_at.type)
    return sa.select(counted().label("mails"), oldest.label("oldest")).where(*is_due)


def forecast_day() -> sa.Select[Any]:
    """The last day that any stored forecast knew; None without any."""
    newest = sa.func.max(forecast_run.c.as_of, type_=forecast_run.c.as_of.type)
    return sa.select(newest.label("as_of"))

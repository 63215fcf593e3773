"""Statements of alerts: who is to be looked at and what is known about them, and what was raised.

Statements of the search take the row ids of the accounts that are looked at.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.core.payments import PaymentState
from ledger.core.records import Bucket
from ledger.models import (
    account,
    alert,
    alert_look,
    alert_rule,
    allocation,
    batch,
    customer,
    entry,
    forecast_run,
    payment,
    plan,
    recharge_rule,
    subscription,
    usage_daily,
)
from ledger.queries.parts import counted, is_movement, total
from ledger.queries.shelf import spendable

# Credits that come in are a funding when they are at least this part of what is then on the shelf (docs/alerts.md).
FUNDING_PART = 10
# Longer than it takes to ask a provider and to book what it says.
FOLLOWED_LATE = timedelta(minutes=5)
# Beyond, reading all rows is shorter than naming the accounts.
_NAMED_MAX = 500

# Of an account: what a look at its lines begins with.
_STANDING = (
    account.c.id,
    account.c.external_id,
    account.c.version,
    account.c.owed_micro,
    account.c.overdraft_limit_micro,
    account.c.overdraft_until,
)


def due_looks(*, at: datetime, today: date, forecasts_since: date) -> sa.Select[Any]:
    """Accounts whose books moved since the last look, that are new to the day or have a new forecast, or wait for a
    time: with what the last look knew."""
    newest = (
        sa.select(forecast_run.c.account_id, sa.func.max(forecast_run.c.as_of).label("as_of"))
        .where(forecast_run.c.as_of >= forecasts_since)
        .group_by(forecast_run.c.account_id)
        .subquery("newest")
    )
    look = alert_look
    is_newer = newest.c.as_of > sa.func.coalesce(look.c.forecast_as_of, date(1970, 1, 1))
    return (
        sa.select(
            *_STANDING,
            (look.c.looked_on.is_(None) | (look.c.looked_on != today)).label("is_new_day"),
            is_newer.label("has_new_forecast"),
        )
        .select_from(
            account.join(customer, customer.c.account_id == account.c.id)
            .outerjoin(look, look.c.account_id == account.c.id)
            .outerjoin(newest, newest.c.account_id == account.c.id)
        )
        .where(
            sa.or_(
                look.c.account_id.is_(None),
                look.c.version != account.c.version,
                look.c.looked_on != today,
                look.c.again_at <= at,
                is_newer,
                _has_followed(at),
            )
        )
        .order_by(account.c.id)
    )


def _has_followed(at: datetime) -> sa.ColumnElement[bool]:
    """Whether something was followed at a provider since the last look: a blocked payment moves no credits.

    An answer counts from when it was asked for, so one that is booked late is looked for a while longer.
    """
    return sa.exists().where(
        payment.c.account_id == account.c.id,
        sa.or_(payment.c.followed_at > alert_look.c.looked_at, payment.c.followed_at >= at - FOLLOWED_LATE),
    )


def troubles(ids: Sequence[int]) -> sa.Select[Any]:
    """Payments that are blocked or disputed, of some accounts, oldest first."""
    statement = sa.select(
        payment.c.account_id,
        payment.c.name,
        payment.c.state,
        payment.c.total_cents,
        payment.c.paid_currency,
        payment.c.disputed_cents,
        payment.c.credits_micro,
        payment.c.error,
    ).where(sa.or_(payment.c.state == PaymentState.BLOCKED.value, payment.c.disputed_cents > 0))
    return _among(statement, payment.c.account_id, ids).order_by(payment.c.id)


def stopped_recharges(ids: Sequence[int]) -> sa.Select[Any]:
    """Rules of auto-recharge that have stopped, of some accounts."""
    rule = recharge_rule
    statement = sa.select(rule.c.account_id, rule.c.stopped_at, rule.c.stopped_because, rule.c.declines)
    return _among(statement.where(rule.c.is_on, rule.c.stopped_at.is_not(None)), rule.c.account_id, ids)


def all_looks(account_name: str | None = None) -> sa.Select[Any]:
    """One account or all as `due_looks` answers them, whether due or not, with everything to be looked at."""
    statement = sa.select(
        *_STANDING,
        sa.true().label("is_new_day"),
        sa.true().label("has_new_forecast"),
    ).join(customer, customer.c.account_id == account.c.id)
    return statement if account_name is None else statement.where(account.c.external_id == account_name)


def watched_batches(ids: Sequence[int], *, at: datetime) -> sa.Select[Any]:
    """As `spendable`, of some accounts."""
    return _among(spendable(at=at), batch.c.account_id, ids)


def fundings(ids: Sequence[int], *, at: datetime) -> sa.Select[Any]:
    """What was on the shelf right after the last funding, by account; no row for who was never funded."""
    came = sa.select(sa.func.max(entry.c.id)).where(
        is_movement(),
        entry.c.to_bucket == Bucket.AVAILABLE.value,
        entry.c.from_bucket.in_([Bucket.ISSUED.value, Bucket.TRANSFERRED.value]),
        entry.c.amount_micro * FUNDING_PART >= entry.c.balance_micro,
        entry.c.effective_at <= at,
    )
    last = _among(came, entry.c.account_id, ids).group_by(entry.c.account_id)
    return sa.select(entry.c.account_id, entry.c.balance_micro).where(entry.c.id.in_(last))


def plan_uses(ids: Sequence[int], *, today: date) -> sa.Select[Any]:
    """Running billing periods: what the plan gave for each, and what of it is left, used or moved."""
    statement = (
        sa.select(
            subscription.c.account_id,
            plan.c.label,
            subscription.c.state,
            subscription.c.period_start,
            subscription.c.period_end,
            total(allocation.c.amount_micro).label("allowance_micro"),
            total(batch.c.remaining_micro).label("left_micro"),
        )
        .select_from(
            subscription.join(plan, plan.c.id == subscription.c.plan_id)
            .join(
                allocation,
                (allocation.c.account_id == subscription.c.account_id)
                & (allocation.c.period_start == subscription.c.period_start)
                & (allocation.c.kind != "rollover"),
            )
            .outerjoin(batch, batch.c.id == allocation.c.batch_id)
        )
        .where(
            subscription.c.state.in_(("active", "cancelled")),
            subscription.c.period_start <= today,
            subscription.c.period_end > today,
        )
        .group_by(
            subscription.c.account_id,
            plan.c.label,
            subscription.c.state,
            subscription.c.period_start,
            subscription.c.period_end,
        )
    )
    return _among(statement, subscription.c.account_id, ids)


def watched_forecasts(ids: Sequence[int]) -> sa.Select[Any]:
    """The newest stored forecast of each account."""
    newest = sa.select(forecast_run.c.account_id, sa.func.max(forecast_run.c.as_of).label("as_of"))
    chosen = _among(newest, forecast_run.c.account_id, ids).group_by(forecast_run.c.account_id).subquery("newest")
    return sa.select(forecast_run.c.account_id, forecast_run.c.body).join(
        chosen, (chosen.c.account_id == forecast_run.c.account_id) & (chosen.c.as_of == forecast_run.c.as_of)
    )


def feature_days(ids: Sequence[int], *, since: date, until: date) -> sa.Select[Any]:
    """Use in [since, until) by account, feature and day; days without use are not in it."""
    statement = (
        sa.select(
            usage_daily.c.account_id,
            usage_daily.c.feature,
            usage_daily.c.day,
            total(usage_daily.c.used_micro).label("used_micro"),
        )
        .where(usage_daily.c.day >= since, usage_daily.c.day < until)
        .group_by(usage_daily.c.account_id, usage_daily.c.feature, usage_daily.c.day)
    )
    return _among(statement, usage_daily.c.account_id, ids)


def alerts(*, account_name: str | None = None, open_only: bool = False, limit: int | None = None) -> sa.Select[Any]:
    """Alerts with whom they are about, newest first."""
    statement = (
        sa.select(
            alert.c.id.label("alert_id"),
            account.c.external_id.label("account"),
            customer.c.name,
            customer.c.owner,
            alert.c.kind,
            alert.c.level,
            alert.c.subject,
            alert.c.severity,
            alert.c.raised_at,
            alert.c.figures,
            alert.c.state,
            alert.c.snoozed_until,
            alert.c.recovered_at,
            alert.c.handled_by,
            alert.c.handled_at,
        )
        .select_from(
            alert.join(account, account.c.id == alert.c.account_id).join(
                customer, customer.c.account_id == alert.c.account_id
            )
        )
        .order_by(alert.c.raised_at.desc(), alert.c.id.desc())
        .limit(limit)
    )
    if account_name is not None:
        statement = statement.where(account.c.external_id == account_name)
    # In the very words of the partial index.
    return statement.where(sa.text("alert.state <> 'done'")) if open_only else statement


def alert_customers() -> sa.Select[Any]:
    """Who has a rule of its own."""
    return (
        sa.select(account.c.id, account.c.external_id, customer.c.name)
        .select_from(account.join(customer, customer.c.account_id == account.c.id))
        .where(account.c.id.in_(sa.select(alert_rule.c.account_id)))
    )


def alert_counts(*, owner: str) -> sa.Select[Any]:
    """Open alerts that are not snoozed: of one account manager's customers, and in all; and what moves with them."""
    mine: sa.ColumnElement[Any] = total(sa.case((customer.c.owner == owner, 1), else_=0))
    columns: list[sa.ColumnElement[Any]] = [mine.label("mine"), counted().label("open")]
    return (
        sa.select(*columns)
        .select_from(alert.join(customer, customer.c.account_id == alert.c.account_id))
        .where(sa.text("alert.state <> 'done'"), alert.c.state != "snoozed")
    )


def alert_head() -> sa.Select[Any]:
    """What moves with every change of an alert: key of whatever shows them."""
    return sa.select(
        sa.func.coalesce(sa.func.max(alert.c.id), 0).label("last"),
        counted().label("open"),
    ).where(sa.text("alert.state <> 'done'"))


def _among(statement: sa.Select[Any], column: sa.ColumnElement[int], ids: Sequence[int]) -> sa.Select[Any]:
    return statement.where(column.in_(ids)) if len(ids) <= _NAMED_MAX else statement

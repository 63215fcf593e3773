"""Statements about use: daily rollups, single events, prices, stored forecasts."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import account, feature_price, forecast_run, transaction, usage_daily, usage_event
from ledger.queries.holds import given_back
from ledger.queries.parts import account_id, page, segment, total

_USED = total(usage_daily.c.used_micro).label("used_micro")
_EVENTS = total(usage_daily.c.events).label("events")


def daily_usage(*, since: date, until: date, account_name: str | None = None) -> sa.Select[Any]:
    """Use per company-zone day in [since, until), feature and credit type, of one account or all together; by day."""
    keys = (usage_daily.c.day, usage_daily.c.feature, usage_daily.c.credit_type)
    statement = sa.select(*keys, _USED, _EVENTS).where(*_days(since, until)).group_by(*keys).order_by(*keys)
    return _of(statement, account_name)


def daily_usage_by_type(*, since: date, until: date, account_name: str | None = None) -> sa.Select[Any]:
    """The same with all features together: fewer keys to group by and fewer rows to answer."""
    keys = (usage_daily.c.day, usage_daily.c.credit_type)
    statement = sa.select(*keys, _USED, _EVENTS).where(*_days(since, until)).group_by(*keys).order_by(*keys)
    return _of(statement, account_name)


def account_daily_usage(*, since: date, until: date) -> sa.Select[Any]:
    """Use per account and company-zone day in [since, until), all features and types together; by account and day."""
    return (
        sa.select(account.c.external_id.label("account"), usage_daily.c.day, _USED, _EVENTS)
        .select_from(usage_daily.join(account, account.c.id == usage_daily.c.account_id))
        .where(*_days(since, until))
        .group_by(account.c.external_id, usage_daily.c.day)
        .order_by(account.c.external_id, usage_daily.c.day)
    )


def feature_accounts(
    *, since: date, until: date, feature: str | None = None, account_name: str | None = None
) -> sa.Select[Any]:
    """Use per feature and account in [since, until), most used first: which customers use what."""
    statement = (
        sa.select(usage_daily.c.feature, account.c.external_id.label("account"), _USED, _EVENTS)
        .select_from(usage_daily.join(account, account.c.id == usage_daily.c.account_id))
        .where(*_days(since, until))
        .group_by(usage_daily.c.feature, account.c.external_id)
        .order_by(usage_daily.c.feature, _USED.desc(), account.c.external_id)
    )
    return _of(statement if feature is None else statement.where(usage_daily.c.feature == feature), account_name)


def used(cuts: tuple[date, ...], *, account_name: str | None = None) -> sa.Select[Any]:
    """Use by segment of days between the cuts and credit type: segment, credit_type, amount_micro."""
    number = segment(usage_daily.c.day, cuts).label("segment")
    used_micro = total(usage_daily.c.used_micro).label("amount_micro")
    statement = sa.select(number, usage_daily.c.credit_type, used_micro).group_by(
        sa.text("1"), usage_daily.c.credit_type
    )
    if cuts:
        statement = statement.where(*_days(cuts[0], cuts[-1]))
    return _of(statement, account_name)


def first_used_day(account_name: str | None = None) -> sa.Select[Any]:
    """The first day with use of one account, or of anybody: one row, day (None without use)."""
    return _of(sa.select(sa.func.min(usage_daily.c.day, type_=sa.Date()).label("day")), account_name)


def events(
    account_name: str, *, since: datetime, until: datetime, limit: int | None = 200, offset: int = 0
) -> sa.Select[Any]:
    """Usage events of one account that occurred in [since, until), in booking order, with what was given back."""
    statement = (
        sa.select(
            usage_event.c.event_id,
            usage_event.c.feature,
            usage_event.c.quantity_micro,
            usage_event.c.cost_micro,
            given_back(usage_event).label("given_back_micro"),
            usage_event.c.occurred_at,
            usage_event.c.transaction_id,
        )
        .where(
            usage_event.c.account_id == account_id(account_name),
            usage_event.c.occurred_at >= since,
            usage_event.c.occurred_at < until,
        )
        .order_by(usage_event.c.id)
    )
    return page(statement, limit=limit, offset=offset)


def feature_prices() -> sa.Select[Any]:
    """Every version of every feature's price, by feature and from when it is in force."""
    return (
        sa.select(
            feature_price.c.feature,
            feature_price.c.label,
            feature_price.c.unit,
            feature_price.c.price_micro,
            feature_price.c.effective_at,
            transaction.c.actor,
            feature_price.c.ends_at,
            feature_price.c.factors,
        )
        .select_from(feature_price.join(transaction, transaction.c.id == feature_price.c.transaction_id))
        .order_by(feature_price.c.feature, feature_price.c.effective_at)
    )


def forecasts(*, as_of: date, account_name: str | None = None) -> sa.Select[Any]:
    """The newest stored forecast of each account that was made from days up to ``as_of``; by account."""
    newest = (
        sa.select(forecast_run.c.account_id, sa.func.max(forecast_run.c.as_of).label("as_of"))
        .where(forecast_run.c.as_of <= as_of)
        .group_by(forecast_run.c.account_id)
    )
    if account_name is not None:
        newest = newest.where(forecast_run.c.account_id == account_id(account_name))
    last = newest.subquery("newest")
    same = sa.and_(forecast_run.c.account_id == last.c.account_id, forecast_run.c.as_of == last.c.as_of)
    return (
        sa.select(
            account.c.external_id.label("account"),
            forecast_run.c.as_of,
            forecast_run.c.computed_at,
            forecast_run.c.body,
        )
        .select_from(forecast_run.join(last, same).join(account, account.c.id == forecast_run.c.account_id))
        .order_by(account.c.external_id)
    )


def _days(since: date, until: date) -> tuple[sa.ColumnElement[bool], ...]:
    return (usage_daily.c.day >= since, usage_daily.c.day < until)


def _of(statement: sa.Select[Any], account_name: str | None) -> sa.Select[Any]:
    return statement if account_name is None else statement.where(usage_daily.c.account_id == account_id(account_name))

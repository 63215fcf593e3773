"""Statements about the company, its customers, and what caches are keyed by."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import CreditType
from ledger.models import account, batch, calibration, company, customer, forecast_run, transaction, usage_daily
from ledger.queries.parts import (
    account_id,
    begins,
    contains,
    free,
    held,
    is_alive,
    is_on_shelf,
    is_open,
    left,
    next_expiry,
    page,
    total,
    total_if,
)

_PROFILE = (
    account.c.external_id.label("account"),
    customer.c.name,
    customer.c.email,
    customer.c.owner,
    customer.c.tier,
    customer.c.account_type,
    account.c.zone,
    customer.c.stripe_id,
    account.c.opened_at,
)
_WHOLE_PROFILE = (*_PROFILE, account.c.organisation, customer.c.details, account.c.version)
_CUSTOMERS = account.join(customer, customer.c.account_id == account.c.id)
_SEARCHED = (account.c.external_id, customer.c.name, customer.c.email, customer.c.stripe_id)


def companies() -> sa.Select[Any]:
    """The one row that describes the company: name, zone, currency, fiscal_year_start, is_demo."""
    return sa.select(company.c.name, company.c.zone, company.c.currency, company.c.fiscal_year_start, company.c.is_demo)


def head(account_name: str | None = None) -> sa.Select[Any]:
    """What cached answers are keyed by: it changes with every write that can change them.

    One row: accounts, versions, last_transaction. For one account 1, its version, 0 (feature prices are not part of
    it); for all the number of accounts, the sum of their versions, the newest transaction id.
    """
    if account_name is not None:
        one, zero = sa.literal(1, sa.BigInteger), sa.literal(0, sa.BigInteger)
        columns: tuple[sa.ColumnElement[Any], ...] = (
            one.label("accounts"),
            account.c.version.label("versions"),
            zero.label("last_transaction"),
        )
        return sa.select(*columns).where(account.c.external_id == account_name)
    newest = sa.select(sa.func.coalesce(sa.func.max(transaction.c.id), 0)).scalar_subquery()
    sums: tuple[sa.ColumnElement[Any], ...] = (
        sa.cast(sa.func.count(account.c.id), sa.BigInteger).label("accounts"),
        total(account.c.version).label("versions"),
        sa.cast(newest, sa.BigInteger).label("last_transaction"),
    )
    return sa.select(*sums)


def forecast_head() -> sa.Select[Any]:
    """When a stored forecast, or what its range is made from, last changed: one row, computed_at (None without any)."""
    stored = sa.union_all(sa.select(forecast_run.c.computed_at), sa.select(calibration.c.computed_at)).subquery()
    return sa.select(sa.func.max(stored.c.computed_at, type_=forecast_run.c.computed_at.type).label("computed_at"))


def newest_calibration() -> sa.Select[Any]:
    """When the newest stored calibration was made, and its body; no row on a new installation."""
    return sa.select(calibration.c.computed_at, calibration.c.body).order_by(calibration.c.as_of.desc()).limit(1)


def calibration_head() -> sa.Select[Any]:
    """The day of the newest stored calibration and when it was made, without its body; no row on a new installation."""
    return sa.select(calibration.c.as_of, calibration.c.computed_at).order_by(calibration.c.as_of.desc()).limit(1)


def customers(
    *, at: datetime, in_30_days: datetime, used_since: date, used_until: date, account_name: str | None = None
) -> sa.Select[Any]:
    """Customers with what they have, what they used on the 28 days [used_since, used_until), when they last bought.

    Sorted by account. available counts open batches less holds; balance and held also count batches not yet effective;
    expiring counts free credits whose batch ends in (at, in_30_days].
    """
    on_shelf = [is_on_shelf(at)]
    lately = [usage_daily.c.day >= used_since]
    # Parts that were transferred were bought by whoever paid.
    bought = [batch.c.credit_type == CreditType.PURCHASED.value, batch.c.parent_id.is_(None)]
    if account_name is not None:
        on_shelf.append(batch.c.account_id == account_id(account_name))
        lately.append(usage_daily.c.account_id == account_id(account_name))
        bought.append(batch.c.account_id == account_id(account_name))
    shelf = (
        sa.select(
            batch.c.account_id,
            total_if(is_open(at), free(at)).label("available_micro"),
            total(held(at)).label("held_micro"),
            total(left(at)).label("balance_micro"),
            total_if(sa.and_(is_alive(at), batch.c.expires_at <= in_30_days), free(at)).label("expiring_30d_micro"),
            next_expiry(at).label("next_expiry_at"),
        )
        .where(*on_shelf)
        .group_by(batch.c.account_id)
        .subquery("shelf")
    )
    used = (
        sa.select(
            usage_daily.c.account_id,
            total_if(usage_daily.c.day < used_until, usage_daily.c.used_micro).label("used_micro"),
            sa.func.max(usage_daily.c.day, type_=sa.Date()).label("last_day"),
        )
        .where(*lately)
        .group_by(usage_daily.c.account_id)
        .subquery("used")
    )
    top_ups = (
        sa.select(batch.c.account_id, sa.func.max(batch.c.granted_at, type_=batch.c.granted_at.type).label("last_at"))
        .where(*bought)
        .group_by(batch.c.account_id)
        .subquery("top_ups")
    )
    # One probe of an index, and only for accounts without use lately: grouping would read the whole rollup.
    earlier = sa.select(sa.func.max(usage_daily.c.day)).where(usage_daily.c.account_id == account.c.id)
    last_used = sa.func.coalesce(used.c.last_day, earlier.scalar_subquery(), type_=sa.Date())

    def or_zero(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(column, sa.literal(0, sa.BigInteger), type_=sa.BigInteger)

    statement = (
        sa.select(
            *_PROFILE,
            account.c.owed_micro,
            account.c.overdraft_limit_micro,
            account.c.overdraft_until,
            or_zero(shelf.c.available_micro).label("available_micro"),
            or_zero(shelf.c.held_micro).label("held_micro"),
            or_zero(shelf.c.balance_micro).label("balance_micro"),
            or_zero(shelf.c.expiring_30d_micro).label("expiring_30d_micro"),
            shelf.c.next_expiry_at,
            or_zero(used.c.used_micro).label("used_28d_micro"),
            last_used.label("last_used_day"),
            top_ups.c.last_at.label("last_top_up_at"),
        )
        .select_from(
            _CUSTOMERS.outerjoin(shelf, shelf.c.account_id == account.c.id)
            .outerjoin(used, used.c.account_id == account.c.id)
            .outerjoin(top_ups, top_ups.c.account_id == account.c.id)
        )
        .order_by(account.c.external_id)
    )
    return statement if account_name is None else statement.where(account.c.external_id == account_name)


def profiles(account_name: str) -> sa.Select[Any]:
    """One customer as it was opened or last changed, with details and version; no row when unknown."""
    return sa.select(*_WHOLE_PROFILE).select_from(_CUSTOMERS).where(account.c.external_id == account_name)


def customer_page(text: str, *, after: str, limit: int) -> sa.Select[Any]:
    """Customers by account id, those behind ``after`` only, as `profiles` has them; of a search, as `find_customers`.

    Where a page ended is said by an id, so that customers opened meanwhile move no page.
    """
    statement = sa.select(*_WHOLE_PROFILE).select_from(_CUSTOMERS)
    if text:
        statement = statement.where(sa.or_(*(contains(column, text) for column in _SEARCHED)))
    if after:
        statement = statement.where(account.c.external_id > after)
    return statement.order_by(account.c.external_id).limit(limit)


def find_customers(text: str, *, limit: int = 8) -> sa.Select[Any]:
    """Customers whose account id, name, e-mail or Stripe id contains a text: account, name, email.

    The exact id comes first, then names that begin with the text, other names, ids, and last e-mail and Stripe id.
    """
    nearness = sa.case(
        (account.c.external_id == text, 0),
        (begins(customer.c.name, text), 1),
        (contains(customer.c.name, text), 2),
        (contains(account.c.external_id, text), 3),
        else_=4,
    )
    statement = (
        sa.select(account.c.external_id.label("account"), customer.c.name, customer.c.email)
        .select_from(_CUSTOMERS)
        .where(sa.or_(*(contains(column, text) for column in _SEARCHED)))
        .order_by(nearness, customer.c.name, account.c.external_id)
    )
    return page(statement, limit=limit, offset=0)

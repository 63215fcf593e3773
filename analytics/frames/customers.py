"""The company, its customers, and what caches are keyed by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask, plain_rows
from analytics.frames.schema import Schema, day, instant, maybe_whole, micro, text
from ledger import queries
from ledger.core.amounts import share_of_cost_cents
from ledger.core.lifecycle import end_of_day
from ledger.core.records import AccountType
from ledger.errors import NotFound
from ledger.queries.accounts import customer_page

RATE_DAYS = 28
SOON_DAYS = 30
MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Company:
    """What the whole ledger agrees on. ``zone`` cuts days and months; the fiscal year starts in that month."""

    name: str
    zone: ZoneInfo
    currency: str
    fiscal_year_start: int
    is_demo: bool


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer's profile; ``zone`` is the customer's own, in which its credits expire at the end of a day.

    Accounts of one ``organisation`` may move credits among each other; empty: none.
    """

    account: str
    name: str
    email: str
    owner: str
    tier: str
    account_type: AccountType
    zone: ZoneInfo
    stripe_id: str | None
    opened_at: datetime
    organisation: str
    details: Mapping[str, Any]
    version: int


CUSTOMERS_READ = Schema(
    "one customer",
    (
        text("account", "external id"),
        text("name", "name as typed"),
        text("email", "e-mail, or empty"),
        text("owner", "e-mail of the account manager, or empty"),
        text("tier", "tier, or empty"),
        text("account_type", "prepaid, hybrid, subscription or lead"),
        text("zone", "the customer's time zone"),
        text("stripe_id", "NaN when not linked"),
        instant("opened_at", "when the account was opened"),
        micro("owed_micro", "used on debt and not repaid"),
        micro("overdraft_limit_micro", "the most that it may owe; 0: nothing"),
        instant("overdraft_until", "no new debt from then on; NaT means no end"),
        micro("available_micro", "usable now: open batches less holds"),
        micro("held_micro", "held"),
        micro("balance_micro", "on the shelf: available, held and not yet effective"),
        micro("expiring_30d_micro", "of batches that end within 30 days"),
        instant("next_expiry_at", "NaT when nothing expires"),
        micro("used_28d_micro", "used on the last 28 complete days"),
        day("last_used_day", "NaT when never used"),
        instant("last_top_up_at", "NaT when never bought"),
    ),
)
CUSTOMERS = CUSTOMERS_READ.extended(
    "one customer, by account",
    maybe_whole("value_cents", "cost basis of remaining purchased credits, cents; absent when in several currencies"),
    text("currency", "its currency; 'mixed' when in several, NaN without purchased credits"),
)
VALUES = Schema(
    "one currency of one account, by account and currency",
    (
        text("account", "external id"),
        text("currency", "ISO code"),
        maybe_whole("value_cents", "cost basis of remaining purchased credits, cents"),
    ),
)
FOUND = Schema(
    "one match: exact id first, then names that begin with the text, other names, ids, the rest",
    (text("account", "external id"), text("name", "name as typed"), text("email", "e-mail, or empty")),
)


def today(at: datetime, zone: ZoneInfo) -> date:
    """The local day of an instant."""
    return at.astimezone(zone).date()


def load_company(connection: sa.Connection) -> Company:
    """The company."""
    row = ask(connection, queries.companies).one()
    return Company(row.name, ZoneInfo(row.zone), row.currency, row.fiscal_year_start, row.is_demo)


def load_head(connection: sa.Connection, account: str | None = None) -> tuple[int, int, int]:
    """What caches are keyed by; moves with every write that changes an answer. Raises NotFound."""
    row = ask(connection, queries.head, account_name=account).one_or_none()
    if row is None:
        raise NotFound(what="account", id=str(account))
    return (row.accounts, row.versions, row.last_transaction)


def load_forecast_head(connection: sa.Connection) -> datetime | None:
    """When a stored forecast or calibration last changed; part of the key of whatever shows forecasts."""
    found: datetime | None = ask(connection, queries.forecast_head).scalar_one()
    return found


def load_calibration_head(connection: sa.Connection) -> tuple[date, datetime] | None:
    """The last day that the newest stored calibration knew and when it was made; None on a new installation."""
    row = ask(connection, queries.calibration_head).one_or_none()
    return None if row is None else (row.as_of, row.computed_at)


def load_calibration_body(connection: sa.Connection) -> dict[str, Any] | None:
    """The newest stored calibration as `analytics.calibration` wrote it; None on a new installation."""
    row = ask(connection, queries.newest_calibration).one_or_none()
    return None if row is None else row.body


def load_customers(
    connection: sa.Connection, *, at: datetime, zone: ZoneInfo, account: str | None = None
) -> pd.DataFrame:
    """All customers with balance, value, expiry and use: see CUSTOMERS. Two statements, whatever their number.

    ``zone`` is the company zone; 28 days are the last complete ones before the day of ``at``, 30 days end with the
    30th day after it. ``account`` reads that customer alone.
    """
    this_day = today(at, zone)
    answer = ask(
        connection,
        queries.customers,
        at=at,
        in_30_days=end_of_day(this_day + timedelta(days=SOON_DAYS), zone),
        used_since=this_day - timedelta(days=RATE_DAYS),
        used_until=this_day,
        account_name=account,
    )
    columns = CUSTOMERS_READ.read(answer)
    values: dict[str, list[tuple[str, int]]] = {}
    for (name, currency), cents in _values(connection, at=at, account=account).items():
        values.setdefault(name, []).append((currency, cents))
    found = [values.get(name, []) for name in columns["account"]]
    columns["value_cents"] = [each[0][1] if len(each) == 1 else None if each else 0 for each in found]
    columns["currency"] = [None if not each else each[0][0] if len(each) == 1 else MIXED for each in found]
    return CUSTOMERS.frame(columns)


def load_values(connection: sa.Connection, *, at: datetime, account: str | None = None) -> pd.DataFrame:
    """Cost basis of remaining purchased credits by account and currency: see VALUES. Rounded per batch, half up."""
    sums = _values(connection, at=at, account=account)
    keys = sorted(sums)
    return VALUES.frame(
        {
            "account": [account for account, _ in keys],
            "currency": [currency for _, currency in keys],
            "value_cents": [sums[key] for key in keys],
        }
    )


def load_customer(connection: sa.Connection, account: str) -> Customer:
    """One customer's profile. Raises NotFound."""
    row = ask(connection, queries.profiles, account_name=account).one_or_none()
    if row is None:
        raise NotFound(what="customer", id=account)
    return _customer(row)


def load_customer_page(
    connection: sa.Connection, *, search: str = "", after: str = "", limit: int = 50
) -> list[Customer]:
    """Customers by account id, from the one behind ``after`` on; ``search`` as for `find_customers`, empty: all."""
    return [_customer(row) for row in connection.execute(customer_page(search.strip(), after=after, limit=limit))]


def find_customers(connection: sa.Connection, wanted: str, *, limit: int = 8) -> pd.DataFrame:
    """Customers whose id, name, e-mail or Stripe id contains a text: see FOUND. An empty text finds nobody."""
    if not wanted.strip():
        return FOUND.empty()
    return FOUND.load(connection.execute(queries.find_customers(wanted.strip(), limit=limit)))


def _customer(row: Any) -> Customer:
    return Customer(
        account=row.account,
        name=row.name,
        email=row.email,
        owner=row.owner,
        tier=row.tier,
        account_type=AccountType(row.account_type),
        zone=ZoneInfo(row.zone),
        stripe_id=row.stripe_id,
        opened_at=row.opened_at,
        organisation=row.organisation,
        details=row.details,
        version=row.version,
    )


def _values(connection: sa.Connection, *, at: datetime, account: str | None) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for name, currency, cost, granted, remaining in plain_rows(
        ask(connection, queries.paid, at=at, account_name=account)
    ):
        part = share_of_cost_cents(cost, part_micro=remaining, whole_micro=granted)
        sums[name, currency] = sums.get((name, currency), 0) + part
    return sums

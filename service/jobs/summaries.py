"""Mails that sum a time up: the week of each account manager, and the month that finance may close.

Each is queued once, under a key that names its week or month, so it does not matter how often a night comes.
"""

from collections.abc import Collection, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics import frames, outlook
from analytics.alert_words import runway_text
from analytics.periods import months_back
from ledger import Ledger
from ledger.models import mail, period_close
from ledger.outbox import NewMail, addresses_in, insert_mails, is_address
from ledger.queries import TransactionFilter
from ledger.settings import settings
from service.jobs.kit import Figures, Progress

_WEEK = timedelta(days=7)
_CLOSED_THROUGH = sa.select(period_close.c.closed_through).order_by(period_close.c.id.desc()).limit(1)


def tell(ledger: Ledger, _progress: Progress) -> Figures:
    """Queue the digests of the last complete week and the notice of the last month; answers how many are new."""
    now, zone = ledger.clock.now(), ledger.company_zone
    with ledger.database.reading() as connection:
        weeks = list(_weeks(connection, at=now, zone=zone))
        months = list(_months(connection, at=now, zone=zone))
    with ledger.database.engine.begin() as connection:
        return {
            "weekly_mails": insert_mails(connection, weeks, now),
            "monthly_mails": insert_mails(connection, months, now),
        }


def _weeks(connection: sa.Connection, *, at: datetime, zone: ZoneInfo) -> Iterator[NewMail]:
    """One mail for each account manager with customers, about the week that ended last Sunday."""
    today = frames.today(at, zone)
    until = today - timedelta(days=today.weekday())
    since = until - _WEEK
    customers = frames.load_customers(connection, at=at, zone=zone)
    keys = {f"weekly_digest:{owner}:{since}": owner for owner in customers["owner"].unique() if is_address(owner)}
    for key in _queued(connection, keys):
        del keys[key]
    if not keys:
        return
    usage = frames.load_account_daily_usage(connection, since=since, until=until)
    used = usage.groupby("account")["used_micro"].sum()
    stored_at = frames.load_forecast_head(connection)
    runways = _runways(outlook.load_fleet(connection, at=at, zone=zone, stored_at=stored_at), today)
    for key, owner in keys.items():
        own = customers[customers["owner"] == owner].assign(used=lambda one: one["account"].map(used).fillna(0))
        rows = own.sort_values(["used", "name"], ascending=[False, True])
        items = [
            {
                "customer": row["name"],
                "account": row["account"],
                "balance_micro": int(row["available_micro"]),
                "used_micro": int(row["used"]),
                "runway": runways.get(row["account"], ""),
            }
            for row in rows.to_dict("records")
        ]
        variables: dict[str, Any] = {
            "owner": owner,
            "first_day": since.isoformat(),
            "last_day": (until - timedelta(days=1)).isoformat(),
            "used_micro": sum(one["used_micro"] for one in items),
            "customers": items,
            "link": settings().page_address("customers"),
        }
        yield NewMail(key, "weekly_digest", owner, variables)


def _runways(fleet: pd.DataFrame, today: date) -> dict[str, str]:
    """How long each account lasts, in words; accounts of which nothing can be said are left out."""
    found = {}
    for row in fleet.to_dict("records"):
        figures = {}
        if pd.isna(row["cannot_say"]) and not pd.isna(row["runway_days"]):
            figures["runway_days"] = int(row["runway_days"])
        if not pd.isna(row["low_80"]):
            figures["low_days"] = max(0, (row["low_80"].date() - today).days)
        if words := runway_text(figures):
            found[str(row["account"])] = words
    return found


def _months(connection: sa.Connection, *, at: datetime, zone: ZoneInfo) -> Iterator[NewMail]:
    """One mail for each address of FINANCE_MAIL, about the calendar month that is over.

    None when nothing was booked in it, and none when it is closed already.
    """
    month = months_back(frames.today(at, zone), 2)[0]
    keys = {f"month_ready:{address}:{month.since}": address for address in addresses_in(settings().finance_mail)}
    for key in _queued(connection, keys):
        del keys[key]
    closed_through = connection.execute(_CLOSED_THROUGH).scalar_one_or_none()
    if not keys or (closed_through is not None and closed_through >= month.until - timedelta(days=1)):
        return
    since, until = (datetime.combine(day, time(), zone) for day in (month.since, month.until))
    booked = frames.count_transactions(connection, TransactionFilter(since=since, until=until))
    if not booked:
        return
    moved = frames.load_movements(connection, since=since, until=until, at=at, zone=zone)
    sums = moved.groupby("movement")["amount_micro"].sum()
    variables: dict[str, Any] = {
        "month": f"{month.since:%B %Y}",
        "issued_micro": int(sums.get("issued", 0)),
        "consumed_micro": int(sums.get("used", 0)),
        "expired_micro": int(sums.get("expired", 0)),
        "transactions": booked,
        "link": settings().page_address("audit"),
    }
    for key, address in keys.items():
        yield NewMail(key, "month_ready", address, variables)


def _queued(connection: sa.Connection, keys: Collection[str]) -> list[str]:
    """Which of these mails have been queued before."""
    return list(connection.execute(sa.select(mail.c.key).where(mail.c.key.in_(list(keys)))).scalars())

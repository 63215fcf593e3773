"""Gift codes by set and one by one; pools with their members, limits and use."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, flag, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.limits import Period, stopped_by, windows

CODE_SETS = Schema(
    "one set of gift codes, newest first",
    (
        whole("set_id", "number"),
        text("label", "what it is for"),
        text("credit_type", "credit type"),
        micro("amount_micro", "worth of one code"),
        whole("codes", "codes issued"),
        whole("redeemed", "codes redeemed"),
        whole("left", "codes that can still be redeemed"),
        text("state", "open, over or disabled"),
        whole("per_customer_limit", "codes that one customer may redeem"),
        maybe_whole("expires_days", "life of redeemed credits in days; absent: default of the type"),
        instant("valid_until", "redeemed before then; NaT: no end"),
        instant("issued_at", "when it was issued"),
        text("actor", "who issued it"),
    ),
)
CODES = Schema(
    "one gift code, those redeemed last first",
    (
        whole("code_id", "number"),
        text("hint", "last characters"),
        text("state", "open, redeemed or disabled"),
        instant("redeemed_at", "when; NaT: not yet"),
        text("account", "by whom, external id; NaN: not yet"),
        text("name", "by whom; NaN: not yet"),
        maybe_whole("transaction_id", "in which transaction"),
    ),
)
POOLS = Schema(
    "one pool, by name",
    (
        text("account", "external id"),
        text("name", "name"),
        text("organisation", "organisation, or empty"),
        text("zone", "time zone of its limits"),
        text("owner", "account manager, or empty"),
        whole("members", "members"),
        whole("active", "active members"),
        micro("available_micro", "credits that can be used"),
        micro("used_micro", "credits used since the given day"),
    ),
)
_BY_PERIOD = tuple(
    column
    for period in Period
    for column in (
        maybe_whole(f"{period}_limit_micro", f"limit per {period} in micro-credits; absent: no limit"),
        micro(f"{period}_used_micro", f"used in this {period}"),
    )
)
MEMBERS = Schema(
    "one member of a pool, by name",
    (
        text("member", "as usage names it"),
        text("label", "name"),
        *_BY_PERIOD,
        flag("is_active", "may use the pool"),
        instant("joined_at", "since"),
    ),
)
MEMBER_USAGE = Schema(
    "one member with use in the period, most first",
    (
        text("member", "as usage names it; empty: nobody was named"),
        micro("used_micro", "credits used, less what was given back"),
        whole("events", "usage events"),
        instant("last_used_at", "last use"),
    ),
)
STOPPED = Schema(
    "one active member that used something this month, by name",
    (
        text("member", "as usage names it"),
        micro("hour_used_micro", "most used in one hour of today"),
        micro("day_used_micro", "used today"),
        micro("month_used_micro", "used this month"),
        text("stopped_by", "limit that would have been passed: hour, day or month; empty: none"),
    ),
)


def load_code_sets(connection: sa.Connection, *, at: datetime, limit: int | None = 200) -> pd.DataFrame:
    """Sets of gift codes with what is left of them: see CODE_SETS."""
    rows = []
    for row in ask(connection, queries.gift_code_sets, limit=limit):
        is_over = row.valid_until is not None and row.valid_until <= at
        state = "disabled" if row.disabled_at is not None else "over" if is_over else "open"
        left = row.codes - row.redeemed - row.disabled if state == "open" else 0
        rows.append({**row._mapping, "state": state, "left": left})
    return _frame(CODE_SETS, rows)


def load_codes(connection: sa.Connection, set_id: int, *, limit: int | None = 200, offset: int = 0) -> pd.DataFrame:
    """The codes of one set: see CODES."""
    rows = []
    for row in ask(connection, queries.gift_codes, set_id=set_id, limit=limit, offset=offset):
        state = "redeemed" if row.redeemed_at is not None else "open" if row.disabled_at is None else "disabled"
        rows.append({**row._mapping, "state": state})
    return _frame(CODES, rows)


def load_pools(connection: sa.Connection, *, at: datetime, since: date) -> pd.DataFrame:
    """Pools with what they have and used since a company day: see POOLS."""
    return POOLS.load(ask(connection, queries.pools, at=at, since=since))


def load_members(connection: sa.Connection, *, account: str, at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """The members of a pool with their limits and what they used in the running hour, day and month: see MEMBERS.

    ``zone`` is the pool's.
    """
    running = {one.period.value: one.starts_at for one in windows(at, zone)}
    used = {
        (row.member, row.period): row.used_micro
        for row in ask(connection, queries.pool_counters, account_name=account, since=min(running.values()))
        if row.starts_at == running[row.period]
    }
    rows = []
    for row in ask(connection, queries.pool_members, account_name=account):
        counters = {f"{period}_used_micro": used.get((row.member, period.value), 0) for period in Period}
        rows.append({**row._mapping, **counters})
    return _frame(MEMBERS, rows)


def load_member_usage(connection: sa.Connection, *, account: str, since: datetime, until: datetime) -> pd.DataFrame:
    """Use of an account by member that occurred in [since, until): see MEMBER_USAGE."""
    return MEMBER_USAGE.load(ask(connection, queries.member_usage, account_name=account, since=since, until=until))


def load_stopped(
    connection: sa.Connection,
    *,
    account: str,
    at: datetime,
    zone: ZoneInfo,
    hour_limit_micro: int | None = None,
    day_limit_micro: int | None = None,
    month_limit_micro: int | None = None,
) -> pd.DataFrame:
    """Who of a pool would have been stopped today if these had been everybody's limits: see STOPPED.

    Compared are the hours of today, today, and this month, in the pool's zone; None is no limit.
    """
    limits = dict(zip(Period, (hour_limit_micro, day_limit_micro, month_limit_micro), strict=True))
    running = {one.period: one.starts_at for one in windows(at, zone)}
    # Of hours those of today count, of days and months the running ones.
    since = running | {Period.HOUR: running[Period.DAY]}
    active = [row.member for row in ask(connection, queries.pool_members, account_name=account) if row.is_active]
    used: dict[str, dict[Period, list[int]]] = {name: {period: [0] for period in Period} for name in active}
    for row in ask(connection, queries.pool_counters, account_name=account, since=running[Period.MONTH]):
        period = Period(row.period)
        if row.member in used and row.starts_at >= since[period]:
            used[row.member][period].append(row.used_micro)
    rows = []
    for name, amounts in used.items():
        if not max(amounts[Period.MONTH]):
            continue
        most = {f"{period}_used_micro": max(amounts[period]) for period in Period}
        stop = stopped_by(limits, amounts)
        rows.append({"member": name, **most, "stopped_by": "" if stop is None else stop.value})
    return _frame(STOPPED, rows)


def _frame(schema: Schema, rows: list[dict[str, Any]]) -> pd.DataFrame:
    return schema.frame({name: [row[name] for row in rows] for name in schema.names} if rows else {})

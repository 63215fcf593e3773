"""Batches: what is on the shelf, in which order it burns, when it ends, what was paid for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask, plain_rows
from analytics.frames.customers import SOON_DAYS, today
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.amounts import share_of_cost_cents
from ledger.core.burn import burn_order
from ledger.core.lifecycle import end_of_day, last_day
from ledger.core.records import Batch, CreditType


class BatchState(StrEnum):
    """What can be done with a batch at an instant."""

    OPEN = "open"
    SCHEDULED = "scheduled"
    EXPIRED = "expired"
    USED_UP = "used up"


BATCHES_READ = Schema(
    "one batch",
    (
        whole("batch_id", "id"),
        text("credit_type", "credit type"),
        micro("granted_micro", "given at first"),
        micro("left_micro", "still usable, now or later, holds included; of an expired one what is held"),
        micro("held_micro", "held"),
        micro("expired_micro", "expired unused, whether the sweep has booked it or not"),
        micro("removed_micro", "taken away by corrections, refunds, transfers and reversals"),
        whole("priority", "a lower number burns first"),
        instant("granted_at", "when it was booked"),
        instant("effective_at", "usable from"),
        instant("expires_at", "not usable from then on; NaT means never"),
        maybe_whole("cost_cents", "price paid, cents; absent when not bought"),
        text("currency", "of the price; NaN when not bought"),
        text("source", "how it came in"),
        text("campaign", "campaign, or empty"),
        text("reference", "payment or document, or empty"),
        whole("transaction_id", "transaction that made it"),
    ),
)
BATCHES = BATCHES_READ.extended(
    "one batch of one account: open ones in burn order, then scheduled, expired, used up, newest first",
    micro("used_micro", "consumed"),
    maybe_whole("value_cents", "cost basis of what is left, cents; absent when not bought"),
    maybe_whole("burn_number", "1 burns first; absent unless open with free credits"),
    text("state", "open, scheduled, expired or used up"),
    text("only_for", "the only features that it pays for, separated by ', '; NaN when all"),
)
BALANCES = Schema(
    "one credit type, always all five, in their order",
    (
        text("credit_type", "credit type"),
        micro("available_micro", "usable now"),
        micro("held_micro", "held"),
        micro("scheduled_micro", "not yet effective"),
        whole("batches", "number of batches with credits"),
        instant("next_expiry_at", "NaT when nothing expires"),
    ),
)
EXPIRING_READ = Schema(
    "one batch with credits that will end, soonest first",
    (
        text("account", "external id"),
        text("name", "customer"),
        text("owner", "account manager, or empty"),
        whole("batch_id", "id"),
        text("credit_type", "credit type"),
        micro("left_micro", "credits that end, holds excluded"),
        micro("granted_micro", "given at first"),
        instant("effective_at", "usable from"),
        instant("expires_at", "not usable from then on"),
        maybe_whole("cost_cents", "price paid, cents; absent when not bought"),
        text("currency", "of the price; NaN when not bought"),
        text("campaign", "campaign, or empty"),
    ),
)
EXPIRING = EXPIRING_READ.extended(
    EXPIRING_READ.row,
    maybe_whole("value_cents", "cost basis of what is left, cents; absent when not bought"),
    whole("days_left", "company-zone days from today to the last usable one; 0 ends today"),
)
TOP_UPS = Schema(
    "one top-up, newest first",
    (
        text("account", "external id"),
        text("name", "customer"),
        whole("batch_id", "batch it made"),
        whole("transaction_id", "transaction that booked it"),
        instant("granted_at", "when it was booked"),
        micro("granted_micro", "credits bought"),
        whole("cost_cents", "price paid, cents"),
        text("currency", "of the price"),
        text("source", "way of payment"),
        text("reference", "payment"),
        micro("refunded_micro", "credits of it that were refunded"),
        whole("refunded_cents", "money given back for them, cents"),
    ),
)


_TYPES = {kind.value: kind for kind in CreditType}


@dataclass(frozen=True, slots=True, eq=False)
class Holdings:
    """What one account holds at an instant, all of it from one statement.

    Available counts open batches less holds; balance and held also count batches not yet effective; expiring are free
    credits whose batch ends within 30 days. ``value_cents`` is what was paid for the purchased credits that are left,
    by currency in its order. ``batches`` is a frame of BATCHES, ``by_type`` one of BALANCES.
    """

    available_micro: int
    held_micro: int
    balance_micro: int
    expiring_30d_micro: int
    next_expiry_at: datetime | None
    value_cents: Mapping[str, int]
    batches: pd.DataFrame
    by_type: pd.DataFrame


def load_holdings(connection: sa.Connection, *, account: str, at: datetime, zone: ZoneInfo) -> Holdings:
    """What one account holds: see Holdings. ``zone`` is the company zone, in which the 30 days are counted.

    The figures are those that `load_customers`, `load_values`, `load_balance_by_type` and `load_batches` have of it.
    """
    found = ask(connection, queries.batches, account_name=account, at=at).all()
    alive = [row for row in found if row.remaining_micro and (row.expires_at is None or row.expires_at > at)]
    ends = [row.expires_at for row in alive if row.expires_at is not None]
    soon = end_of_day(today(at, zone) + timedelta(days=SOON_DAYS), zone)
    values: dict[str, int] = {}
    for row in found:
        if row.cost_cents is not None and (left := _left(row, at)):
            part = share_of_cost_cents(row.cost_cents, part_micro=left, whole_micro=row.granted_micro)
            values[row.currency] = values.get(row.currency, 0) + part
    return Holdings(
        available_micro=sum(_free(row) for row in alive if row.effective_at <= at),
        held_micro=sum(row.held_micro for row in found),
        balance_micro=sum(_left(row, at) for row in found),
        expiring_30d_micro=sum(_free(row) for row in alive if row.expires_at is not None and row.expires_at <= soon),
        next_expiry_at=min(ends, default=None),
        value_cents=dict(sorted(values.items())),
        batches=_batches(found, at),
        by_type=_by_type(found, alive, at),
    )


def load_batches(connection: sa.Connection, *, account: str, at: datetime) -> pd.DataFrame:
    """Every batch of one account with its state and place in the burn order at an instant: see BATCHES.

    The burn order is ledger.core.burn's own. Used credits are what was granted less what is left, expired and removed.
    """
    return _batches(ask(connection, queries.batches, account_name=account, at=at).all(), at)


def load_balance_by_type(connection: sa.Connection, *, at: datetime, account: str | None = None) -> pd.DataFrame:
    """Credits by type of one account or of all together: see BALANCES."""
    return _balances({row[0]: tuple(row) for row in ask(connection, queries.balances, at=at, account_name=account)})


def load_expiring(
    connection: sa.Connection, *, at: datetime, zone: ZoneInfo, within_days: int, account: str | None = None
) -> pd.DataFrame:
    """Batches whose last usable company-zone day is at most ``within_days`` after the day of ``at``: see EXPIRING.

    Batches not yet effective are in it: they end, too.
    """
    until = end_of_day(today(at, zone) + timedelta(days=within_days), zone)
    answer = ask(connection, queries.expiring, at=at, until=until, account_name=account)
    return expiring_frame(EXPIRING_READ.read(answer), at=at, zone=zone)


def expiring_frame(columns: dict[str, Sequence[Any]], *, at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """EXPIRING from the columns of EXPIRING_READ."""
    this_day = today(at, zone)
    amounts = zip(columns["cost_cents"], columns["left_micro"], columns["granted_micro"], strict=True)
    columns["value_cents"] = [_value(*amount) for amount in amounts]
    columns["days_left"] = [(last_day(ends, zone) - this_day).days for ends in columns["expires_at"]]
    return EXPIRING.frame(columns)


def load_top_ups(
    connection: sa.Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    account: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> pd.DataFrame:
    """Top-ups booked in [since, until), newest first: see TOP_UPS."""
    answer = ask(
        connection, queries.payments, since=since, until=until, account_name=account, limit=limit, offset=offset
    )
    return TOP_UPS.load(answer)


def load_core_batches(connection: sa.Connection, *, at: datetime, account: str) -> list[Batch]:
    """The batches of one account as the ledger's core sees them: with credits, not expired, scheduled ones included."""
    return load_all_core_batches(connection, at=at, account=account).get(account, [])


def load_all_core_batches(
    connection: sa.Connection, *, at: datetime, account: str | None = None
) -> Mapping[str, list[Batch]]:
    """The same for every account that has any, by account, in one statement; or for one account alone."""
    found: dict[str, list[Batch]] = {}
    rows = plain_rows(ask(connection, queries.spendable, at=at, account_name=account))
    for name, number, kind, remaining, held, priority, starts, ends, scope in rows:
        only = None if scope is None else frozenset(scope)
        one = Batch(number, _TYPES[kind], remaining, held, priority, starts, ends, only)
        found.setdefault(name, []).append(one)
    return found


def _batches(rows: Sequence[Any], at: datetime) -> pd.DataFrame:
    order = {b.id: n for n, b in enumerate(burn_order((_core(row) for row in rows), at=at), start=1)}
    states = [_state(row, at) for row in rows]
    gone = [row.remaining_micro - _left(row, at) for row in rows]
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows]
        for name in BATCHES_READ.names
        if name not in ("left_micro", "transaction_id")
    }
    columns["left_micro"] = [row.remaining_micro - lost for row, lost in zip(rows, gone, strict=True)]
    columns["expired_micro"] = [row.expired_micro + lost for row, lost in zip(rows, gone, strict=True)]
    columns["transaction_id"] = [row.made_by_id for row in rows]
    columns["used_micro"] = [
        row.granted_micro - row.remaining_micro - row.expired_micro - row.removed_micro for row in rows
    ]
    columns["value_cents"] = [
        _value(row.cost_cents, left, row.granted_micro) for row, left in zip(rows, columns["left_micro"], strict=True)
    ]
    columns["burn_number"] = [order.get(row.batch_id) for row in rows]
    columns["state"] = [state.value for state in states]
    columns["only_for"] = [None if row.features is None else ", ".join(sorted(row.features)) for row in rows]
    rank = {state: number for number, state in enumerate(BatchState)}
    places = sorted(
        range(len(rows)), key=lambda i: (rank[states[i]], order.get(rows[i].batch_id, 0), -rows[i].batch_id)
    )
    return BATCHES.frame({name: [column[i] for i in places] for name, column in columns.items()})


def _by_type(every: Sequence[Any], alive: Sequence[Any], at: datetime) -> pd.DataFrame:
    found = {}
    for kind in CreditType:
        rows = [row for row in alive if row.credit_type == kind]
        # A hold may keep credits of a batch that has expired.
        held = sum(row.held_micro for row in every if row.credit_type == kind)
        if rows or held:
            free = sum(_free(row) for row in rows if row.effective_at <= at)
            later = sum(_free(row) for row in rows if row.effective_at > at)
            ends = [row.expires_at for row in rows if row.expires_at is not None]
            found[kind.value] = (kind.value, free, held, later, len(rows), min(ends, default=None))
    return _balances(found)


def _balances(found: Mapping[str, tuple[Any, ...]]) -> pd.DataFrame:
    rows = [found.get(kind.value, (kind.value, 0, 0, 0, 0, None)) for kind in CreditType]
    return BALANCES.frame(dict(zip(BALANCES.names, zip(*rows, strict=True), strict=True)))


def _free(row: Any) -> int:
    free: int = row.remaining_micro - row.held_micro
    return free


def _left(row: Any, at: datetime) -> int:
    is_alive = row.expires_at is None or row.expires_at > at
    left: int = row.remaining_micro if is_alive else row.held_micro
    return left


def _core(row: Any) -> Batch:
    return Batch(
        id=row.batch_id,
        credit_type=CreditType(row.credit_type),
        remaining_micro=row.remaining_micro,
        held_micro=row.held_micro,
        priority=row.priority,
        effective_at=row.effective_at,
        expires_at=row.expires_at,
        features=None if row.features is None else frozenset(row.features),
    )


def _state(row: Any, at: datetime) -> BatchState:
    if row.remaining_micro == 0:
        return BatchState.EXPIRED if row.expired_micro else BatchState.USED_UP
    if row.expires_at is not None and row.expires_at <= at:
        return BatchState.EXPIRED
    return BatchState.SCHEDULED if row.effective_at > at else BatchState.OPEN


def _value(cost_cents: int | None, left_micro: int, granted_micro: int) -> int | None:
    if cost_cents is None:
        return None
    return share_of_cost_cents(cost_cents, part_micro=left_micro, whole_micro=granted_micro)

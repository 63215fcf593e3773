"""What all customers hold, in one round trip: for pages that show value, expiry and waste beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask, plain_rows
from analytics.frames.customers import today
from analytics.frames.shelf import EXPIRING_READ, expiring_frame
from ledger import queries
from ledger.core.amounts import share_of_cost_cents
from ledger.core.lifecycle import end_of_day
from ledger.core.records import Batch, CreditType

_TYPES = {kind.value: kind for kind in CreditType}


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """What all customers hold at an instant, all of it from one statement.

    ``value_cents`` is what was paid for the purchased credits that are left, by currency in its order; ``expiring`` is
    a frame of EXPIRING; ``batches`` are those of `load_all_core_batches`.
    """

    value_cents: Mapping[str, int]
    expiring: pd.DataFrame
    batches: Mapping[str, list[Batch]]


class _Row(NamedTuple):
    """A row of queries.on_shelf."""

    account: str
    batch_id: int
    credit_type: str
    remaining_micro: int
    held_micro: int
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    features: list[str] | None
    granted_micro: int
    cost_cents: int | None
    currency: str | None
    campaign: str


_BY_ID = attrgetter("batch_id")


def load_portfolio(
    connection: sa.Connection, *, at: datetime, zone: ZoneInfo, within_days: int, customers: pd.DataFrame
) -> Portfolio:
    """What all customers hold: see Portfolio. ``customers`` is CUSTOMERS as of ``at``; of others nothing expires in it.

    The figures are those that `load_values`, `load_expiring` and `load_all_core_batches` have.
    """
    found = [_Row._make(row) for row in plain_rows(ask(connection, queries.on_shelf, at=at))]
    found.sort(key=_BY_ID)
    alive = [row for row in found if row.expires_at is None or row.expires_at > at]
    batches: dict[str, list[Batch]] = {}
    for row in alive:
        batches.setdefault(row.account, []).append(_batch(row))
    until = end_of_day(today(at, zone) + timedelta(days=within_days), zone)
    ending = [row for row in alive if row.expires_at is not None and row.expires_at <= until]
    return Portfolio(_paid(found, at), _expiring(ending, customers, at=at, zone=zone), batches)


def _batch(row: _Row) -> Batch:
    return Batch(
        row.batch_id,
        _TYPES[row.credit_type],
        row.remaining_micro,
        row.held_micro,
        row.priority,
        row.effective_at,
        row.expires_at,
        None if row.features is None else frozenset(row.features),
    )


def _paid(rows: Sequence[_Row], at: datetime) -> Mapping[str, int]:
    values: dict[str, int] = {}
    for row in rows:
        if row.cost_cents is not None and row.currency is not None:
            is_alive = row.expires_at is None or row.expires_at > at
            left = row.remaining_micro if is_alive else row.held_micro
            part = share_of_cost_cents(row.cost_cents, part_micro=left, whole_micro=row.granted_micro)
            values[row.currency] = values.get(row.currency, 0) + part
    return dict(sorted(values.items()))


def _expiring(rows: Sequence[_Row], customers: pd.DataFrame, *, at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    # As lists, because going through a column of texts one by one is ten times slower.
    accounts, *known = (customers[name].tolist() for name in ("account", "name", "owner"))
    who = dict(zip(accounts, zip(*known, strict=True), strict=True))
    shown = [row for row in rows if row.remaining_micro > row.held_micro and row.account in who]
    shown.sort(key=lambda row: (row.expires_at, row.batch_id))
    columns: dict[str, Sequence[Any]] = {
        name: [getattr(row, name) for row in shown] for name in EXPIRING_READ.names if name in _Row._fields
    }
    columns["name"], columns["owner"] = ([who[row.account][place] for row in shown] for place in (0, 1))
    columns["left_micro"] = [row.remaining_micro - row.held_micro for row in shown]
    return expiring_frame(columns, at=at, zone=zone)

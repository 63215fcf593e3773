"""What all customers hold, in one round trip: for pages that show value, expiry and waste beside each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter
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
_BATCH_ID = itemgetter(1)


@dataclass(frozen=True, slots=True, eq=False)
class Portfolio:
    """What all customers hold at an instant, all of it from one statement.

    ``value_cents`` is what was paid for the purchased credits that are left, by currency in its order; ``expiring`` is
    a frame of EXPIRING; ``batches`` are those of `load_all_core_batches`.
    """

    value_cents: Mapping[str, int]
    expiring: pd.DataFrame
    batches: Mapping[str, list[Batch]]


def load_portfolio(
    connection: sa.Connection, *, at: datetime, zone: ZoneInfo, within_days: int, customers: pd.DataFrame
) -> Portfolio:
    """What all customers hold: see Portfolio. ``customers`` is CUSTOMERS as of ``at``; of others nothing expires in it.

    The figures are those that `load_values`, `load_expiring` and `load_all_core_batches` have.
    """
    until = end_of_day(today(at, zone) + timedelta(days=within_days), zone)
    # As lists, because going through a column of texts one by one is ten times slower.
    accounts, *known = (customers[name].tolist() for name in ("account", "name", "owner"))
    who = dict(zip(accounts, zip(*known, strict=True), strict=True))
    values: dict[str, int] = {}
    batches: dict[str, list[Batch]] = {}
    ending = []
    rows = sorted(plain_rows(ask(connection, queries.on_shelf, at=at)), key=_BATCH_ID)
    for account, number, kind, remaining, held, priority, starts, ends, only, granted, cost, currency, campaign in rows:
        is_alive = ends is None or ends > at
        if is_alive:
            features = None if only is None else frozenset(only)
            batch = Batch(number, _TYPES[kind], remaining, held, priority, starts, ends, features)
            batches.setdefault(account, []).append(batch)
        if cost is not None:
            left = remaining if is_alive else held
            part = share_of_cost_cents(cost, part_micro=left, whole_micro=granted)
            values[currency] = values.get(currency, 0) + part
        if ends is not None and at < ends <= until and remaining > held and account in who:
            given = (granted, starts, ends, cost, currency, campaign)
            ending.append((account, *who[account], number, kind, remaining - held, *given))
    names = EXPIRING_READ.names
    ending.sort(key=itemgetter(names.index("expires_at"), names.index("batch_id")))
    columns = zip(*ending, strict=True) if ending else ((),) * len(names)
    expiring = expiring_frame(dict(zip(names, columns, strict=True)), at=at, zone=zone)
    return Portfolio(dict(sorted(values.items())), expiring, batches)

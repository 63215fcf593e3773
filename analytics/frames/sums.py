"""Sums of the whole company between cuts of days, from which the KPIs of any of its periods are added up."""

from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from ledger import queries

# Repaid debt is what moved to `owed`: credits used before they were there.
ISSUED, USED, EXPIRED, REPAID = "issued", "used", "expired", "owed"


class Sum(NamedTuple):
    """Credits of one movement and credit type between two cuts.

    ``since`` is the first company-zone day of that stretch; the movement is issued (effective from), used (day of the
    event), expired (the batch's date) or removed.
    """

    since: date
    movement: str
    credit_type: str
    amount_micro: int


class Purchases(NamedTuple):
    """What one account bought in one currency between two cuts; ``since`` is None for all before the first cut."""

    account: str
    since: date | None
    currency: str
    purchases: int
    cost_cents: int


def load_sums(
    connection: sa.Connection,
    *,
    cuts: tuple[date, ...],
    at: datetime,
    zone: ZoneInfo,
    usage: pd.DataFrame | None = None,
) -> list[Sum]:
    """What was issued, used, expired and removed between the cuts, up to an instant; rows of one kind may repeat.

    ``usage`` is DAILY_USAGE_BY_TYPE (or DAILY_USAGE) of all customers, if it was loaded anyway and covers the cuts: it
    spares a statement.

    `analytics.periods.cuts` makes the cuts. A batch counts as expired from its own date, whether the sweep has booked
    it or not.
    """
    midnights = _midnights(cuts, zone)
    found: list[Sum] = []
    for number, movement, kind, amount in ask(connection, queries.movements, cuts=midnights, at=at):
        found.append(Sum(cuts[number - 1], movement, kind, amount))
    due = ask(connection, queries.unswept, cuts=midnights, at=at)
    found += [Sum(cuts[number - 1], EXPIRED, kind, amount) for number, kind, amount in due]
    if usage is None:
        used = ask(connection, queries.used, cuts=cuts)
        return found + [Sum(cuts[number - 1], USED, kind, amount) for number, kind, amount in used]
    return found + _used(usage, cuts)


def load_purchases(
    connection: sa.Connection, *, cuts: tuple[date, ...], at: datetime, zone: ZoneInfo
) -> list[Purchases]:
    """Who bought how often between the cuts and before, up to an instant."""
    answer = ask(connection, queries.purchases, cuts=_midnights(cuts, zone), at=at)
    return [
        Purchases(account, cuts[number - 1] if number else None, currency, count, cents)
        for account, number, currency, count, cents in answer
    ]


def _used(usage: pd.DataFrame, cuts: tuple[date, ...]) -> list[Sum]:
    stretch = np.searchsorted(np.array(cuts, dtype="datetime64[us]"), usage["day"].to_numpy(), side="right")
    sums: dict[tuple[int, str], int] = {}
    amounts = zip(stretch.tolist(), usage["credit_type"].tolist(), usage["used_micro"].tolist(), strict=True)
    for number, kind, amount in amounts:
        if 0 < number < len(cuts):
            sums[number, kind] = sums.get((number, kind), 0) + amount
    return [Sum(cuts[number - 1], USED, kind, amount) for (number, kind), amount in sums.items()]


def _midnights(cuts: tuple[date, ...], zone: ZoneInfo) -> tuple[datetime, ...]:
    if len(cuts) < 2:
        raise ValueError("sums need at least a first day and an end")
    return tuple(datetime.combine(cut, time(), tzinfo=zone) for cut in cuts)

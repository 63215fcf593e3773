"""Sums of the whole company between cuts of days, from which the KPIs of any of its periods are added up."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, day, micro, text, whole
from ledger import queries
from ledger.core.records import Bucket

ISSUED, USED, EXPIRED = "issued", "used", "expired"

SUMS = Schema(
    "one movement and credit type between two cuts, by the day on which that stretch begins",
    (
        day("since", "first company-zone day of the stretch"),
        text("movement", "issued (effective from), used (day of the event), expired (the batch's date) or removed"),
        text("credit_type", "credit type"),
        micro("amount_micro", "credits moved"),
    ),
)
PURCHASES = Schema(
    "one account, currency and stretch between two cuts in which it bought; those before the first cut in one row",
    (
        text("account", "external id"),
        day("since", "first company-zone day of the stretch; NaT before the first cut"),
        text("currency", "of the prices"),
        whole("purchases", "number of top-ups booked"),
        whole("cost_cents", "prices paid, cents"),
    ),
)


def load_sums(
    connection: sa.Connection,
    *,
    cuts: tuple[date, ...],
    at: datetime,
    zone: ZoneInfo,
    usage: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was issued, used, expired and removed between the cuts, up to an instant: see SUMS.

    ``usage`` is DAILY_USAGE of all customers, if it was loaded anyway and covers the cuts: it spares a statement.

    `analytics.periods.cuts` makes the cuts. A batch counts as expired from its own date, whether the sweep has booked
    it or not.
    """
    midnights = _midnights(cuts, zone)
    rows: list[tuple[date, str, str, int]] = []
    for number, source, target, kind, amount in ask(connection, queries.movements, cuts=midnights, at=at):
        movement = ISSUED if source == Bucket.ISSUED else target
        rows.append((cuts[number - 1], movement, kind, amount))
    due = ask(connection, queries.unswept, cuts=midnights, at=at)
    rows += [(cuts[number - 1], EXPIRED, kind, amount) for number, kind, amount in due]
    if usage is None:
        used = ask(connection, queries.used, cuts=cuts)
        rows += [(cuts[number - 1], USED, kind, amount) for number, kind, amount in used]
    else:
        rows += _used(usage, cuts)
    return SUMS.frame(
        {
            "since": [since for since, *_ in rows],
            "movement": [movement for _, movement, _, _ in rows],
            "credit_type": [kind for _, _, kind, _ in rows],
            "amount_micro": [amount for *_, amount in rows],
        }
    )


def load_purchases(connection: sa.Connection, *, cuts: tuple[date, ...], at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """Who bought how often between the cuts and before, up to an instant: see PURCHASES."""
    rows = ask(connection, queries.purchases, cuts=_midnights(cuts, zone), at=at).all()
    return PURCHASES.frame(
        {
            "account": [row.account for row in rows],
            "since": [cuts[row.segment - 1] if row.segment else None for row in rows],
            "currency": [row.currency for row in rows],
            "purchases": [row.purchases for row in rows],
            "cost_cents": [row.cost_cents for row in rows],
        }
    )


def _used(usage: pd.DataFrame, cuts: tuple[date, ...]) -> list[tuple[date, str, str, int]]:
    stretch = np.searchsorted(np.array(cuts, dtype="datetime64[us]"), usage["day"].to_numpy(), side="right")
    sums: dict[tuple[int, str], int] = {}
    amounts = zip(stretch.tolist(), usage["credit_type"].tolist(), usage["used_micro"].tolist(), strict=True)
    for number, kind, amount in amounts:
        if 0 < number < len(cuts):
            sums[number, kind] = sums.get((number, kind), 0) + amount
    return [(cuts[number - 1], USED, kind, amount) for (number, kind), amount in sums.items()]


def _midnights(cuts: tuple[date, ...], zone: ZoneInfo) -> tuple[datetime, ...]:
    if len(cuts) < 2:
        raise ValueError("sums need at least a first day and an end")
    return tuple(datetime.combine(cut, time(), tzinfo=zone) for cut in cuts)

"""Sums of the whole company between cuts of days, from which the KPIs of any of its periods are added up."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.schema import Schema, day, micro, text, whole
from ledger import queries

ISSUED, USED, EXPIRED = "issued", "used", "expired"

SUMS = Schema(
    "one movement and credit type between two cuts, by the day on which that stretch begins",
    (
        day("since", "first company-zone day of the stretch"),
        text("movement", "issued (effective from), used (by day of the event) or expired (by the batch's date)"),
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


def load_sums(connection: sa.Connection, *, cuts: tuple[date, ...], at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """What was issued, used and expired between the cuts, up to an instant: see SUMS.

    `analytics.periods.cuts` makes the cuts. A batch counts as expired from its own date, whether the sweep has booked
    it or not.
    """
    midnights = _midnights(cuts, zone)
    rows: list[tuple[int, str, str, int]] = []
    for movement, statement in (
        (ISSUED, queries.issued(midnights, at=at)),
        (USED, queries.used(cuts)),
        (EXPIRED, queries.expired(midnights)),
        (EXPIRED, queries.unswept(midnights, at=at)),
    ):
        rows += [(r.segment, movement, r.credit_type, r.amount_micro) for r in connection.execute(statement)]
    return SUMS.frame(
        {
            "since": [cuts[number - 1] for number, *_ in rows],
            "movement": [movement for _, movement, _, _ in rows],
            "credit_type": [kind for _, _, kind, _ in rows],
            "amount_micro": [amount for *_, amount in rows],
        }
    )


def load_purchases(connection: sa.Connection, *, cuts: tuple[date, ...], at: datetime, zone: ZoneInfo) -> pd.DataFrame:
    """Who bought how often between the cuts and before, up to an instant: see PURCHASES."""
    rows = connection.execute(queries.purchases(_midnights(cuts, zone), at=at)).all()
    return PURCHASES.frame(
        {
            "account": [row.account for row in rows],
            "since": [cuts[row.segment - 1] if row.segment else None for row in rows],
            "currency": [row.currency for row in rows],
            "purchases": [row.purchases for row in rows],
            "cost_cents": [row.cost_cents for row in rows],
        }
    )


def _midnights(cuts: tuple[date, ...], zone: ZoneInfo) -> tuple[datetime, ...]:
    if len(cuts) < 2:
        raise ValueError("sums need at least a first day and an end")
    return tuple(datetime.combine(cut, time(), tzinfo=zone) for cut in cuts)

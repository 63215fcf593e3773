"""Tables outside the books: what can be computed again, and half-filled forms."""

import sqlalchemy as sa

from ledger.models.base import Id, Instant, Json, metadata
from ledger.models.books import account

forecast_run = sa.Table(
    "forecast_run",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("as_of", sa.Date, primary_key=True, comment="last complete day in the company zone"),
    sa.Column("computed_at", Instant, nullable=False),
    sa.Column("body", Json, nullable=False),
    comment="Derived: daily burn ahead per customer; can be thrown away and computed again",
)

calibration = sa.Table(
    "calibration",
    metadata,
    sa.Column("as_of", sa.Date, primary_key=True, comment="last complete day in the company zone"),
    sa.Column("computed_at", Instant, nullable=False),
    sa.Column("body", Json, nullable=False),
    comment="Derived: how wrong forecasts of the past were, pooled; can be thrown away and computed again",
)

draft = sa.Table(
    "draft",
    metadata,
    sa.Column("actor", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Index("ix_draft_actor_form", "actor", "form"),
    comment="Half-filled forms, so that a reload loses nothing; removed when the outcome is known",
)

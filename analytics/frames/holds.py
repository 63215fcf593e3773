"""Holds, and uses with what was given back of them."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.errors import NotFound

OPEN_HOLDS = Schema(
    "one hold that keeps credits, the next to time out first",
    (
        whole("hold_id", "number"),
        text("account", "external id"),
        text("name", "customer; NaN for an account without one"),
        text("reference", "the caller's name of it"),
        text("feature", "feature it is for"),
        text("member", "who of a pool, or empty"),
        micro("amount_micro", "credits held"),
        instant("placed_at", "since when"),
        instant("expires_at", "when it times out; NaT means never"),
        text("actor", "who placed it"),
        whole("transaction_id", "transaction that placed it"),
    ),
)
PAST_HOLDS = Schema(
    "one hold that is over, the newest first",
    (
        whole("hold_id", "number"),
        text("reference", "the caller's name of it"),
        text("feature", "feature it was for"),
        text("member", "who of a pool, or empty"),
        micro("amount_micro", "credits that were held"),
        micro("captured_micro", "of them used"),
        text("state", "captured, released or lapsed"),
        instant("placed_at", "since when it held"),
        instant("ended_at", "until when"),
        whole("made_by_id", "transaction that placed it"),
        maybe_whole("resolved_by_id", "transaction that ended it; absent while a lapse is not booked"),
    ),
)
EVENT_PARTS = Schema(
    "one batch that paid for a use, last taken first",
    (
        maybe_whole("batch_id", "batch; absent for what went on debt"),
        text("credit_type", "its credit type; NaN for debt"),
        instant("expires_at", "its end; NaT means never, or debt"),
        micro("taken_micro", "taken from it"),
        micro("given_back_micro", "given back since"),
    ),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One usage event: what it cost and what of that was given back. Amounts in micro-credits."""

    event_id: str
    feature: str
    quantity_micro: int
    cost_micro: int
    given_back_micro: int
    occurred_at: datetime
    recorded_at: datetime
    transaction_id: int
    member: str

    @property
    def left_micro(self) -> int:
        """What was never given back."""
        return self.cost_micro - self.given_back_micro


def load_open_holds(
    connection: sa.Connection, *, at: datetime, account: str | None = None, limit: int | None = 200, offset: int = 0
) -> pd.DataFrame:
    """Holds of one account, or of all, that keep credits at an instant: see OPEN_HOLDS."""
    answer = ask(connection, queries.open_holds, at=at, account_name=account, limit=limit, offset=offset)
    return OPEN_HOLDS.load(answer)


def load_open_holds_total(connection: sa.Connection, *, at: datetime, account: str | None = None) -> tuple[int, int]:
    """How many holds keep credits at an instant, and how many micro-credits."""
    row = ask(connection, queries.open_holds_total, at=at, account_name=account).one()
    return row.holds, row.amount_micro


def load_past_holds(
    connection: sa.Connection, *, account: str, at: datetime, limit: int | None = 50, offset: int = 0
) -> pd.DataFrame:
    """Holds of one account that are over, the newest first: see PAST_HOLDS."""
    return PAST_HOLDS.load(ask(connection, queries.past_holds, account_name=account, at=at, limit=limit, offset=offset))


def load_event(connection: sa.Connection, *, account: str, event_id: str) -> Event:
    """One usage event. Raises NotFound."""
    row = ask(connection, queries.event_by_id, account_name=account, event_id=event_id).one_or_none()
    if row is None:
        raise NotFound(what=f"usage event of {account},", id=event_id)
    return Event(*row)


def load_event_parts(connection: sa.Connection, *, account: str, event_id: str) -> pd.DataFrame:
    """Which batches paid for a use and what they got back: see EVENT_PARTS."""
    return EVENT_PARTS.load(ask(connection, queries.event_parts, account_name=account, event_id=event_id))

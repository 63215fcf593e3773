"""Keys of the HTTP API, for those who make and revoke them."""

from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, text, whole
from ledger import queries

API_KEYS = Schema(
    "one key, newest first",
    (
        whole("key_id", "number"),
        text("name", "what people call it, as typed"),
        text("prefix", "how the key begins"),
        text("scopes", "what it may do, separated by commas"),
        text("state", "active, ending (it works until its end), expired or revoked"),
        maybe_whole("per_minute", "requests allowed a minute; missing: the setting"),
        instant("made_at", "when it was made"),
        text("made_by", "who made it"),
        instant("last_used_at", "to the minute; NaT: never"),
        instant("ends_at", "when it stops or stopped working; NaT: no end"),
        maybe_whole("replaces_id", "number of the key that it was rotated from; missing: none"),
    ),
)


def load_api_keys(connection: sa.Connection, *, at: datetime) -> pd.DataFrame:
    """Every key with its state at an instant, the newest first."""
    rows = [
        row._asdict()
        | {
            "scopes": ", ".join(row.scopes),
            "state": _state(row.expires_at, row.revoked_at, at),
            "ends_at": row.revoked_at or row.expires_at,
        }
        for row in ask(connection, queries.api_keys)
    ]
    return API_KEYS.frame({name: [row[name] for row in rows] for name in API_KEYS.names})


def _state(expires_at: datetime | None, revoked_at: datetime | None, at: datetime) -> str:
    if revoked_at is not None:
        return "revoked"
    if expires_at is None:
        return "active"
    return "expired" if expires_at <= at else "ending"

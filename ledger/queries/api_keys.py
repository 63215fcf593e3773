"""Statements about keys of the HTTP API; what could sign anybody in is not among the columns."""

from typing import Any

import sqlalchemy as sa

from ledger.models import api_key, transaction


def api_keys() -> sa.Select[Any]:
    """Every key with who made it, the newest first."""
    return (
        sa.select(
            api_key.c.id.label("key_id"),
            api_key.c.name,
            api_key.c.prefix,
            api_key.c.scopes,
            api_key.c.per_minute,
            api_key.c.made_at,
            transaction.c.actor.label("made_by"),
            api_key.c.last_used_at,
            api_key.c.expires_at,
            api_key.c.revoked_at,
            api_key.c.replaces_id,
        )
        .join(transaction, transaction.c.id == api_key.c.made_by_id)
        .order_by(api_key.c.id.desc())
    )

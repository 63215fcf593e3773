"""Half-filled forms. A draft's key is the idempotency key of the write that it becomes; it moves no credits."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.core.policy import Actor
from ledger.database import answering
from ledger.facade import Ledger
from ledger.models import draft


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody had typed into a form."""

    key: str
    form: str
    body: Mapping[str, Any]
    changed_at: datetime


def save_draft(ledger: Ledger, *, actor: Actor, key: str, form: str, body: Mapping[str, Any]) -> None:
    """Keep what a person has typed so far; ``body`` holds plain JSON values."""
    values = {"form": form, "body": dict(body), "changed_at": ledger.clock.now()}
    insert = sqlite.insert(draft) if ledger.database.is_sqlite else postgresql.insert(draft)
    statement = insert.values(actor=actor.id, key=key, **values).on_conflict_do_update(
        index_elements=[draft.c.actor, draft.c.key], set_=values
    )
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(statement)


def load_draft(ledger: Ledger, *, actor: Actor, key: str) -> Draft | None:
    """The draft under a key, if this person wrote it."""
    with ledger.database.reading() as connection:
        row = connection.execute(
            sa.select(draft.c.key, draft.c.form, draft.c.body, draft.c.changed_at).where(
                draft.c.key == key, draft.c.actor == actor.id
            )
        ).one_or_none()
    return None if row is None else Draft(row.key, row.form, row.body, row.changed_at)


def latest_draft(ledger: Ledger, *, actor: Actor, form: str) -> Draft | None:
    """The newest unfinished draft of a person in a form, to offer "continue your draft"."""
    with ledger.database.reading() as connection:
        row = connection.execute(
            sa.select(draft.c.key, draft.c.form, draft.c.body, draft.c.changed_at)
            .where(draft.c.actor == actor.id, draft.c.form == form)
            .order_by(draft.c.changed_at.desc())
            .limit(1)
        ).one_or_none()
    return None if row is None else Draft(row.key, row.form, row.body, row.changed_at)


def remove_draft(ledger: Ledger, *, actor: Actor, key: str) -> None:
    """Forget a draft whose outcome is known, or that its author threw away."""
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(sa.delete(draft).where(draft.c.key == key, draft.c.actor == actor.id))


def remove_old_drafts(ledger: Ledger, *, before: datetime) -> int:
    """Forget drafts that nobody touched since; answers how many."""
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(sa.delete(draft).where(draft.c.changed_at < before)).rowcount

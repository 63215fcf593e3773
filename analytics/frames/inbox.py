"""Messages of payment providers: what came, what became of it, and the counts of what failed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, text, whole
from ledger import NotFound, queries
from ledger.queries import InboxFilter

INBOX_STATE_WORDS = {
    "new": "Waiting",
    "waiting": "Trying again",
    "settled": "Settled",
    "ignored": "Ignored",
    "unmatched": "Nobody's",
    "failed": "Failed",
}
PROVIDER_WORDS = {"stripe": "Stripe", "polar": "Polar", "mock": "Mock provider"}
INBOX = Schema(
    "one message of a provider, newest first",
    (
        text("provider", "stripe, polar or mock"),
        text("provider_words", "the provider as people call it"),
        text("event_id", "the provider's name of the message"),
        text("kind", "as the provider calls it"),
        text("about", "what to ask about: the provider's kind and name of it, or empty"),
        text("account", "external id of the customer; missing for none"),
        text("name", "name of that customer, as typed; missing for none"),
        text("state", "new, waiting, settled, ignored, unmatched or failed"),
        text("words", "the state in words"),
        instant("happened_at", "as the provider says; NaT when it does not"),
        instant("received_at", "when it first came"),
        whole("deliveries", "how often it came"),
        whole("tries", "how often it was tried in vain"),
        instant("next_try_at", "when it is tried next; NaT when never"),
        instant("settled_at", "when it ended; NaT before"),
        text("outcome", "what became of it, or why nothing yet"),
    ),
)


TROUBLED = Schema(
    "one payment that waits for a decision, or failed lately",
    (
        text("payment", "our name of it"),
        text("account", "external id"),
        text("name", "name of the customer, as typed; missing for a pool"),
        text("provider", "stripe, polar or mock"),
        text("state", "blocked or failed"),
        whole("credits_micro", "all that is bought"),
        whole("price_cents", "without tax"),
        text("currency", "of the price"),
        instant("created_at", "when it was begun"),
        instant("paid_at", "as the provider says; NaT when it was not"),
        text("error", "why"),
    ),
)


@dataclass(frozen=True, slots=True)
class MessageEntry:
    """One message in full. ``body`` is as it came, empty once it was removed; ``about`` is empty for nothing."""

    provider: str
    provider_words: str
    event_id: str
    kind: str
    about: str
    account: str | None
    name: str | None
    state: str
    words: str
    happened_at: datetime | None
    received_at: datetime
    deliveries: int
    tries: int
    next_try_at: datetime | None
    settled_at: datetime | None
    outcome: str
    transaction_id: int | None
    body: str


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed lately: payments that wait for a decision (whenever), payments, messages and mails."""

    blocked: int
    payments: int
    messages: int
    mails: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.blocked + self.payments + self.messages + self.mails


def load_inbox(
    connection: sa.Connection, *, wanted: InboxFilter, limit: int | None = None, offset: int = 0
) -> pd.DataFrame:
    """Messages as `INBOX`, newest first."""
    rows = [_listed(row) for row in ask(connection, queries.inbox_messages, wanted=wanted, limit=limit, offset=offset)]
    return INBOX.frame({name: [row[name] for row in rows] for name in INBOX.names})


def load_inbox_count(connection: sa.Connection, *, wanted: InboxFilter) -> int:
    """How many messages `load_inbox` would list without a limit."""
    return int(ask(connection, queries.inbox_count, wanted=wanted).scalar_one())


def load_message(connection: sa.Connection, *, provider: str, event_id: str) -> MessageEntry:
    """One message in full. Raises NotFound."""
    row = ask(connection, queries.inbox_message, provider=provider, event_id=event_id).one_or_none()
    if row is None:
        raise NotFound(what="message", id=event_id)
    return MessageEntry(**_listed(row), transaction_id=row.transaction_id, body=row.body)


def load_failures(connection: sa.Connection, *, since: datetime) -> Failures:
    """What failed since an instant, and the payments that wait for a decision."""
    return Failures(*ask(connection, queries.failures, since=since).one())


def load_troubled_payments(connection: sa.Connection, *, since: datetime) -> pd.DataFrame:
    """Payments that wait for a decision, or failed since an instant, as `TROUBLED`."""
    return TROUBLED.load(ask(connection, queries.troubled_payments, since=since))


def _listed(row: Any) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "provider_words": PROVIDER_WORDS.get(row.provider, row.provider),
        "event_id": row.event_id,
        "kind": row.kind,
        "about": f"{row.about_kind} {row.about_ref}".strip(),
        "account": row.account,
        "name": row.name,
        "state": row.state,
        "words": INBOX_STATE_WORDS[row.state],
        "happened_at": row.happened_at,
        "received_at": row.received_at,
        "deliveries": row.deliveries,
        "tries": row.tries,
        "next_try_at": row.next_try_at,
        "settled_at": row.settled_at,
        "outcome": row.outcome,
    }

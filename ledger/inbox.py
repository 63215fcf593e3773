"""The door for messages of payment providers: checked, written down once each, answered; what they mean is asked later.

This module is the only writer of the table inbox (docs/decisions/0008, 0009). A message is known by the provider's
event id, so a message that comes twice is one row that counts its deliveries. What becomes of the rows is the work of
ledger/selling/settling.py.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.clock import SystemClock
from ledger.commands import text_faults
from ledger.core.payments import Provider
from ledger.database import answering
from ledger.facade import Ledger
from ledger.gateways.provider import AboutKind, Event, EventUnreadable, Gateway, SignatureRefused
from ledger.gateways.registry import gateway
from ledger.models import inbox

# A message with all of a payment in it is a few KiB.
BODY_MAX_BYTES = 256 * 1024
NAME_MAX_CHARS = 255
OUTCOME_MAX_CHARS = 500
# Tries are so far apart at first, and each pause is twice the last up to the longest: three days in all, as long as a
# provider goes on delivering a message itself.
PAUSE_FIRST = timedelta(seconds=10)
PAUSE_LONGEST = timedelta(hours=4)
TRIES_MAX = 28
# Rows that may still move, written out as in the partial index.
_UNSETTLED = sa.text("state IN ('new', 'waiting')")
_UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was written down; ``is_known`` when it had been before."""

    event_id: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A row of the inbox that waits for its outcome. ``about`` is what to ask the provider for."""

    provider: Provider
    event_id: str
    kind: str
    about: AboutKind
    ref: str
    state: str
    tries: int
    deliveries: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a message: settled, ignored, unmatched or failed, in words, and whom it was about."""

    state: str
    outcome: str
    transaction_id: int | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Refusals:
    """Messages with a signature that does not fit, since this process started: how many, and the newest."""

    count: int = 0
    last_at: datetime | None = None
    last_why: str = ""


_refused: dict[Provider, Refusals] = {}
_refused_lock = threading.Lock()


def accept(
    ledger: Ledger, provider: Provider, body: bytes, headers: Mapping[str, str], *, using: Gateway | None = None
) -> Accepted:
    """Check a message as it came and write it down; nothing else happens before the answer.

    Header names are lower case. ``using`` is the gateway where the caller has it. Raises SignatureRefused (nothing is
    kept, the refusal is counted), ProviderNotSetUp, Unavailable.
    """
    known = using or gateway(ledger, provider)
    # Signatures carry the machine's time, also where the books have a clock of their own.
    clock = SystemClock()
    at = clock.now()
    try:
        event = known.read_event(body, headers, at=at)
    except SignatureRefused as error:
        _count_refusal(provider, at, str(error))
        raise
    except EventUnreadable as error:
        return receive_unreadable(ledger, provider, body, why=str(error))
    return receive(ledger, provider, event, body)


def receive(ledger: Ledger, provider: Provider, event: Event, body: bytes) -> Accepted:
    """Write a message down, once however often it comes.

    One of a kind that is of no consequence is ignored at once. One that nobody could be found for, or that failed, is
    tried again when the provider delivers it again: somebody has pressed its button for that.
    """
    faults = text_faults("id", event.id, longest=NAME_MAX_CHARS) + text_faults(
        "ref", event.ref, required=event.about is not AboutKind.NOTHING, longest=NAME_MAX_CHARS
    )
    if faults:
        return receive_unreadable(ledger, provider, body, why="; ".join(f"{one.field} {one.message}" for one in faults))
    if event.about is AboutKind.NOTHING:
        ending = Ending("ignored", f"Messages of the kind {event.kind!r} are of no consequence for the books.")
        return _insert(ledger, provider, event, body, ending)
    return _insert(ledger, provider, event, body, None)


def receive_unreadable(ledger: Ledger, provider: Provider, body: bytes, *, why: str) -> Accepted:
    """Write down a message of the provider that cannot be read: it is shown as failed, under the hash of its body."""
    event = Event(f"sha256:{hashlib.sha256(body).hexdigest()}", _UNREADABLE, ledger.clock.now(), AboutKind.NOTHING)
    return _insert(ledger, provider, event, body, Ending("failed", f"It cannot be read: {why}"), is_dated=False)


def due(ledger: Ledger, *, limit: int) -> list[Message]:
    """Messages whose time has come, those that waited longest first."""
    at = ledger.clock.now()
    statement = (
        sa.select(*_COLUMNS)
        .where(_UNSETTLED, inbox.c.next_try_at <= at)
        .order_by(inbox.c.next_try_at, inbox.c.received_at, inbox.c.event_id)
        .limit(limit)
    )
    with ledger.database.reading() as connection:
        return [_message(row) for row in connection.execute(statement)]


def is_due(ledger: Ledger) -> bool:
    """Whether any message waits for its turn now."""
    statement = sa.select(inbox.c.event_id).where(_UNSETTLED, inbox.c.next_try_at <= ledger.clock.now()).limit(1)
    with ledger.database.reading() as connection:
        return connection.execute(statement).first() is not None


def find(ledger: Ledger, provider: Provider, event_id: str) -> Message | None:
    """One message; None when it never came."""
    statement = sa.select(*_COLUMNS).where(*_is(provider, event_id))
    with ledger.database.reading() as connection:
        row = connection.execute(statement).one_or_none()
    return None if row is None else _message(row)


def end(ledger: Ledger, messages: Sequence[Message], ending: Ending) -> None:
    """Note what became of messages; one that was delivered again since it was read here stays as it is."""
    at = ledger.clock.now()
    values: dict[str, Any] = {
        "state": ending.state,
        "outcome": ending.outcome[:OUTCOME_MAX_CHARS],
        "transaction_id": ending.transaction_id,
        "account_id": ending.account_id,
        "next_try_at": None,
        "settled_at": at,
    }
    _write(ledger, messages, values)


def postpone(ledger: Ledger, messages: Sequence[Message], why: str) -> None:
    """Note a try that led nowhere: again after a pause that doubles, until `TRIES_MAX` tries were in vain."""
    at = ledger.clock.now()
    over = [one for one in messages if one.tries + 1 >= TRIES_MAX]
    if over:
        end(ledger, over, Ending("failed", f"Given up after {TRIES_MAX} tries. {why}"))
    for one in messages:
        if one.tries + 1 < TRIES_MAX:
            pause = min(PAUSE_FIRST * 2 ** min(one.tries, 20), PAUSE_LONGEST)
            values = {"state": "waiting", "outcome": why[:OUTCOME_MAX_CHARS], "next_try_at": at + pause}
            _write(ledger, [one], values | {"tries": one.tries + 1})


def refusals() -> dict[Provider, Refusals]:
    """What this process refused for its signature, by provider."""
    with _refused_lock:
        return dict(_refused)


def forget_bodies(ledger: Ledger, *, before: datetime) -> int:
    """Empty the bodies of messages that came before an instant and have ended; answers how many."""
    old = sa.update(inbox).where(inbox.c.received_at < before, inbox.c.body != "", inbox.c.settled_at.is_not(None))
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(old.values(body="")).rowcount


_COLUMNS = (
    *(inbox.c.provider, inbox.c.event_id, inbox.c.kind, inbox.c.about_kind, inbox.c.about_ref, inbox.c.state),
    *(inbox.c.tries, inbox.c.deliveries, inbox.c.received_at),
)


def _message(row: Any) -> Message:
    provider, event_id, kind, about, ref, state, tries, deliveries, received_at = row
    return Message(Provider(provider), event_id, kind, AboutKind(about), ref, state, tries, deliveries, received_at)


def _is(provider: Provider, event_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return inbox.c.provider == provider.value, inbox.c.event_id == event_id


def _insert(
    ledger: Ledger, provider: Provider, event: Event, body: bytes, ending: Ending | None, *, is_dated: bool = True
) -> Accepted:
    at = ledger.clock.now()
    row = {
        "provider": provider.value,
        "event_id": event.id,
        # PostgreSQL keeps no zero characters in texts.
        "kind": event.kind.replace("\x00", "\ufffd")[:NAME_MAX_CHARS],
        "about_kind": event.about.value,
        "about_ref": event.ref,
        "state": "new" if ending is None else ending.state,
        "happened_at": event.happened_at if is_dated else None,
        "received_at": at,
        "deliveries": 1,
        "tries": 0,
        "next_try_at": at if ending is None else None,
        "settled_at": None if ending is None else at,
        "outcome": "" if ending is None else ending.outcome[:OUTCOME_MAX_CHARS],
        "body": body.decode(errors="replace").replace("\x00", "\ufffd"),
    }
    insert = (sqlite.insert if ledger.database.is_sqlite else postgresql.insert)(inbox)
    # Asked for again by a person at the provider; what is on its way already is left alone.
    is_tried_again = sa.and_(inbox.c.state.in_(("unmatched", "failed")), inbox.c.about_kind != "")
    again: dict[str, Any] = {"state": "new", "tries": 0, "next_try_at": at, "settled_at": None}
    known: dict[str, Any] = {
        name: sa.case((is_tried_again, sa.bindparam(None, value, type_=inbox.c[name].type)), else_=inbox.c[name])
        for name, value in again.items()
    }
    statement = (
        insert.values(row)
        .on_conflict_do_update(
            index_elements=[inbox.c.provider, inbox.c.event_id],
            set_=known | {"deliveries": inbox.c.deliveries + 1},
        )
        .returning(inbox.c.deliveries)
    )
    with answering(), ledger.database.engine.begin() as connection:
        deliveries = connection.execute(statement).scalar_one()
    return Accepted(event.id, is_known=deliveries > 1)


def _write(ledger: Ledger, messages: Sequence[Message], values: Mapping[str, Any]) -> None:
    with answering(), ledger.database.engine.begin() as connection:
        for one in messages:
            is_as_read = inbox.c.deliveries == one.deliveries
            connection.execute(sa.update(inbox).where(*_is(one.provider, one.event_id), is_as_read).values(**values))


def _count_refusal(provider: Provider, at: datetime, why: str) -> None:
    with _refused_lock:
        before = _refused.get(provider, Refusals())
        _refused[provider] = replace(before, count=before.count + 1, last_at=at, last_why=why)

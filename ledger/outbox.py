"""The door for mails: queued with the fact that they tell of, claimed by senders, and marked with what became of them.

This module is the only writer of the tables mail and mail_block (docs/decisions/0008). A mail has a key; the same key
is the same mail, so who queues it twice sends it once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.context import Context
from ledger.database import answering
from ledger.models import mail, mail_block
from ledger.statements import Prepared

if TYPE_CHECKING:
    # The facade knows every handler, and handlers queue mails.
    from ledger.facade import Ledger
    from ledger.mail import Letter

ADDRESS_MAX_CHARS = 254
# After that many tries, the first a minute apart and each pause twice the last up to four hours: 16 hours in all.
TRIES_MAX = 12
PAUSE_FIRST = timedelta(minutes=1)
PAUSE_LONGEST = timedelta(hours=4)
# A sender that died is waited for so long. An honest try is far shorter (ledger/gateways/mail.py has the time-outs).
CLAIM = timedelta(minutes=15)
# What could not be told within a week is no news any more: a receipt from a mail server mended after a month irritates.
AGE_MAX = timedelta(days=7)
# One address and nothing else: no name, no list, no blanks, nothing that could begin another header. What looks right
# and does not exist is the mail server's to refuse.
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x20\x7f]+@[A-Za-z0-9\-.]+[A-Za-z0-9]", re.ASCII)
NO_ADDRESS = "is no e-mail address"


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to be sent: the template's name and what it is filled with, as plain JSON values.

    ``key`` names the mail for ever, such as "gift:8123": a key that is known already is left alone.
    """

    key: str
    template: str
    to_address: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    account_id: int | None = None


def insert_mails(connection: sa.Connection, mails: Iterable[NewMail], at: datetime) -> int:
    """Queue mails inside the caller's transaction; answers how many were new.

    A mail to what is no e-mail address is kept as dropped, with the reason, so that the log shows it.
    """
    rows = [_row(one, at=at, made_by_id=None) for one in mails]
    if not rows:
        return 0
    statement = _insert(is_postgresql=connection.dialect.name == "postgresql").returning(mail.c.id)
    return len(connection.execute(statement, rows).all())


def queue_mail(context: Context, new: NewMail, *, mail_id: int | None = None) -> None:
    """Queue a mail with the command that is being carried out; nothing is queued when the command is only previewed.

    To be called after `Context.load` or `begin`, when the transaction's id is known. ``mail_id`` is one that
    `Work.next_ids` reserved, for who wants to name the mail in a receipt.
    """
    row = _row(new, at=context.at, made_by_id=context.transaction_id)
    if mail_id is not None:
        row["id"] = mail_id
    context.queue(_QUEUE[context.work.is_postgresql, mail_id is not None], row)


def allow_again(context: Context, address: str) -> None:
    """Lift the block of an address, with the command that is being carried out."""
    context.queue(_ALLOW, {"blocked": block_name(address)})


def is_address(text: str) -> bool:
    """Whether a text is one e-mail address that can stand in a header of a mail."""
    return len(text) <= ADDRESS_MAX_CHARS and _ADDRESS.fullmatch(text) is not None


def addresses_in(setting: str) -> tuple[str, ...]:
    """The e-mail addresses of a setting that separates them by commas, each once. What is none is left out.

    >>> addresses_in("ops@example.com, kim@example.com")
    ('ops@example.com', 'kim@example.com')
    """
    found = (part.strip() for part in setting.split(","))
    return tuple(dict.fromkeys(one for one in found if is_address(one)))


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A mail that this sender, and nobody else until ``claimed_until``, tries to send now."""

    id: int
    key: str
    template: str
    to_address: str
    variables: Mapping[str, Any]
    tries: int
    claimed_until: datetime


def is_mail_due(ledger: "Ledger") -> bool:
    """Whether any mail waits for a sender now."""
    with ledger.database.reading() as connection:
        return connection.execute(_due(ledger.clock.now())).first() is not None


def claim_mail(ledger: "Ledger") -> tuple[ClaimedMail | None, int]:
    """Take the mail that has waited longest, or None when none is due; several senders never get the same one.

    What must not be sent any more is dropped on the way, with the reason: its address is blocked, or it is too old. The
    second figure is how many.
    """
    at, dropped = ledger.clock.now(), 0
    with answering(), ledger.database.engine.begin() as connection:
        # SQLite knows no row locks: there the whole transaction holds the file alone (ledger/database.py).
        while (row := connection.execute(_due(at).with_for_update(skip_locked=True, of=mail)).first()) is not None:
            why = _why_dropped(connection, row, at)
            if why is None:
                until = at + CLAIM
                values = {"claimed_until": until, "tries": row.tries + 1}
                connection.execute(sa.update(mail).where(mail.c.id == row.id).values(values))
                taken = (row.id, row.key, row.template, row.to_address, row.variables, row.tries + 1, until)
                return ClaimedMail(*taken), dropped
            ended = {"state": "dropped", "next_try_at": None, "claimed_until": None, "error": why}
            connection.execute(sa.update(mail).where(mail.c.id == row.id).values(ended))
            dropped += 1
    return None, dropped


def mark_sent(ledger: "Ledger", claimed: ClaimedMail, letter: "Letter", *, message_id: str) -> bool:
    """Note that the mail server took a mail, and what exactly. False when the claim had run out: see `CLAIM`."""
    at = ledger.clock.now()
    ended = {"state": "sent", "next_try_at": None, "sent_at": at, "message_id": message_id, "error": ""}
    return _mark(ledger, claimed, ended | _wording(letter))


def mark_failed(ledger: "Ledger", claimed: ClaimedMail, error: str) -> bool:
    """Note a try that failed: again after a pause that doubles each time, until `TRIES_MAX` tries were in vain."""
    at = ledger.clock.now()
    if claimed.tries >= TRIES_MAX:
        return _mark(ledger, claimed, {"state": "failed", "next_try_at": None, "error": error})
    pause = min(PAUSE_FIRST * 2 ** (claimed.tries - 1), PAUSE_LONGEST)
    return _mark(ledger, claimed, {"next_try_at": at + pause, "error": error})


def mark_hopeless(ledger: "Ledger", claimed: ClaimedMail, error: str) -> bool:
    """Note that a mail cannot be sent however often it is tried, such as one whose variables are wrong."""
    return _mark(ledger, claimed, {"state": "failed", "next_try_at": None, "error": error})


def mark_bounced(ledger: "Ledger", claimed: ClaimedMail, letter: "Letter", error: str) -> bool:
    """Note that the address was refused for good, and send nothing more to it until somebody allows it again."""
    at = ledger.clock.now()
    ended = {"state": "bounced", "next_try_at": None, "bounced_at": at, "error": error}
    is_sqlite = ledger.database.is_sqlite
    insert = (sqlite.insert if is_sqlite else postgresql.insert)(mail_block)
    block = insert.values(address=block_name(claimed.to_address), since=at, reason=error).on_conflict_do_nothing()
    return _mark(ledger, claimed, ended | _wording(letter), block)


def note_delay(ledger: "Ledger", error: str) -> int:
    """Write beside all mails that are due why nobody can send them now; it counts as no try. Answers how many."""
    at = ledger.clock.now()
    waiting = sa.update(mail).where(_IS_QUEUED, mail.c.next_try_at <= at).values(error=error)
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(waiting).rowcount


def forget_bodies(ledger: "Ledger", *, before: datetime) -> int:
    """Remove the wording and the variables of mails that ended, if queued before an instant. Answers how many."""
    old = sa.update(mail).where(
        mail.c.queued_at < before, mail.c.state != "queued", mail.c.body_text.is_not(None) | (mail.c.variables != {})
    )
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(old.values(body_text=None, body_html=None, variables={})).rowcount


def block_name(address: str) -> str:
    """How an address is written in mail_block: Kim@Example.com and kim@example.com are one."""
    return address.strip().casefold()


# Written out, because SQLite takes a partial index only for the very words it was made with.
_IS_QUEUED = sa.text("state = 'queued'")


def _due(at: datetime) -> sa.Select[Any]:
    return (
        sa.select(mail)
        .where(_IS_QUEUED, mail.c.next_try_at <= at, sa.or_(mail.c.claimed_until.is_(None), mail.c.claimed_until <= at))
        .order_by(mail.c.next_try_at, mail.c.id)
        .limit(1)
    )


def _why_dropped(connection: sa.Connection, row: Any, at: datetime) -> str | None:
    if at - row.queued_at > AGE_MAX:
        tried = f"; last try: {row.error}" if row.error else ""
        return f"was not sent within {AGE_MAX.days} days{tried}"
    block = connection.execute(
        sa.select(mail_block).where(mail_block.c.address == block_name(row.to_address))
    ).one_or_none()
    return None if block is None else f"the address bounced on {block.since:%Y-%m-%d}: {block.reason}"


def _wording(letter: "Letter") -> dict[str, str]:
    return {"subject": letter.subject, "body_text": letter.text, "body_html": letter.html}


def _mark(ledger: "Ledger", claimed: ClaimedMail, values: dict[str, Any], *others: Any) -> bool:
    """Write how a try ended, unless the claim ran out and the mail is somebody else's by now."""
    is_ours = (mail.c.id == claimed.id, _IS_QUEUED, mail.c.claimed_until == claimed.claimed_until)
    with answering(), ledger.database.engine.begin() as connection:
        marked = connection.execute(sa.update(mail).where(*is_ours).values(claimed_until=None, **values))
        if marked.rowcount:
            for other in others:
                connection.execute(other)
    return bool(marked.rowcount)


def _row(new: NewMail, *, at: datetime, made_by_id: int | None) -> dict[str, Any]:
    address = new.to_address.strip()
    is_good = is_address(address)
    return {
        "key": new.key,
        "template": new.template,
        "to_address": address,
        "account_id": new.account_id,
        "variables": dict(new.variables),
        "state": "queued" if is_good else "dropped",
        "queued_at": at,
        "tries": 0,
        "next_try_at": at if is_good else None,
        "error": "" if is_good else f"{address!r} {NO_ADDRESS}",
        "made_by_id": made_by_id,
    }


def _insert(*, is_postgresql: bool) -> Any:
    insert = (postgresql.insert if is_postgresql else sqlite.insert)(mail)
    return insert.on_conflict_do_nothing(index_elements=[mail.c.key])


_COLUMNS = (
    *("key", "template", "to_address", "account_id", "variables", "state", "queued_at", "tries", "next_try_at"),
    *("error", "made_by_id"),
)
_BOUND = {name: sa.bindparam(name, type_=mail.c[name].type) for name in ("id", *_COLUMNS)}
_WITHOUT_ID = {name: bound for name, bound in _BOUND.items() if name != "id"}
_ALLOW = Prepared(sa.delete(mail_block).where(mail_block.c.address == sa.bindparam("blocked")))
# By database, and by whether the id is given.
_QUEUE = {
    (is_postgresql, has_id): Prepared(_insert(is_postgresql=is_postgresql).values(_BOUND if has_id else _WITHOUT_ID))
    for is_postgresql in (True, False)
    for has_id in (True, False)
}

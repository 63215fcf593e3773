"""The door for mails: queued with the fact that they tell of, claimed by senders, and marked with what became of them.

This module is the only writer of the tables mail and mail_block (docs/decisions/0008). A mail has a key; the same key
is the same mail, so who queues it twice sends it once.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.context import Context
from ledger.database import Prepared
from ledger.models import mail

ADDRESS_MAX_CHARS = 254
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


def queue_mail(context: Context, new: NewMail) -> None:
    """Queue a mail with the command that is being carried out; nothing is queued when the command is only previewed.

    To be called after `Context.load` or `begin`, when the transaction's id is known.
    """
    prepared = _QUEUE_POSTGRESQL if context.work.is_postgresql else _QUEUE_SQLITE
    context.queue(prepared, _row(new, at=context.at, made_by_id=context.transaction_id))


def is_address(text: str) -> bool:
    """Whether a text is one e-mail address that can stand in a header of a mail."""
    return len(text) <= ADDRESS_MAX_CHARS and _ADDRESS.fullmatch(text) is not None


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
_BOUND = {name: sa.bindparam(name, type_=mail.c[name].type) for name in _COLUMNS}
_QUEUE_POSTGRESQL = Prepared(_insert(is_postgresql=True).values(_BOUND))
_QUEUE_SQLITE = Prepared(_insert(is_postgresql=False).values(_BOUND))

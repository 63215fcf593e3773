"""The log of mails: what was queued, what became of it, and the exact words that were sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, text, whole
from ledger import NotFound, queries
from ledger.mail import TEMPLATES
from ledger.queries import MailFilter

# What the states of a mail are called; a mail that waits after a failed try is "trying again".
MAIL_STATE_WORDS = {
    "queued": "Waiting",
    "retried": "Trying again",
    "sent": "Sent",
    "failed": "Failed",
    "bounced": "Bounced",
    "dropped": "Not sent",
}
MAILS = Schema(
    "one mail, newest first",
    (
        whole("mail_id", "number"),
        instant("queued_at", "when it was queued"),
        text("template", "name of the template"),
        text("what", "what kind of mail, in words"),
        text("to_address", "whom it goes to, as typed"),
        text("account", "external id of the customer that it is about; missing for none"),
        text("name", "name of that customer, as typed; missing for none"),
        text("state", "queued, retried, sent, failed, bounced or dropped"),
        text("words", "the state in words"),
        whole("tries", "how often a server was asked to take it"),
        instant("next_try_at", "when it is tried next; NaT when never"),
        instant("sent_at", "when the mail server took it; NaT before"),
        text("error", "what went wrong last, or empty"),
        text("subject", "as sent; missing before"),
    ),
)
BLOCKED = Schema(
    "one address that gets nothing more, the newest first",
    (
        text("address", "in lower case"),
        instant("since", "when it was refused for good"),
        text("reason", "what its mail server said"),
    ),
)


@dataclass(frozen=True, slots=True)
class MailEntry:
    """One mail in full; subject and bodies are as sent, None before, and again once they were removed."""

    mail_id: int
    key: str
    template: str
    what: str
    to_address: str
    account: str | None
    name: str | None
    state: str
    words: str
    tries: int
    queued_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None
    error: str
    subject: str | None
    body_text: str | None
    body_html: str | None
    message_id: str | None
    made_by_id: int | None
    variables: Mapping[str, Any]


def load_mails(
    connection: sa.Connection, *, wanted: MailFilter, limit: int | None = None, offset: int = 0
) -> pd.DataFrame:
    """Mails as `MAILS`, newest first."""
    rows = [_listed(row) for row in ask(connection, queries.mails, wanted=wanted, limit=limit, offset=offset)]
    return MAILS.frame({name: [row[name] for row in rows] for name in MAILS.names})


def load_mails_count(connection: sa.Connection, *, wanted: MailFilter) -> int:
    """How many mails `load_mails` would list without a limit."""
    return int(ask(connection, queries.mails_count, wanted=wanted).scalar_one())


def load_mail(connection: sa.Connection, *, mail_id: int) -> MailEntry:
    """One mail in full. Raises NotFound."""
    row = ask(connection, queries.mail_in_full, mail_id=mail_id).one_or_none()
    if row is None:
        raise NotFound(what="mail", id=str(mail_id))
    more = ("key", "variables", "body_text", "body_html", "message_id", "made_by_id")
    return MailEntry(**_listed(row), **{name: getattr(row, name) for name in more})


def load_blocked_addresses(connection: sa.Connection, *, limit: int = 200) -> pd.DataFrame:
    """Addresses that bounced for good as `BLOCKED`."""
    return BLOCKED.load(ask(connection, queries.blocked_addresses, limit=limit))


def _listed(row: Any) -> dict[str, Any]:
    """A row of `queries.mails` with the words for people."""
    state = "retried" if row.state == "queued" and row.tries else row.state
    template = TEMPLATES.get(row.template)
    return {
        "mail_id": row.mail_id,
        "queued_at": row.queued_at,
        "template": row.template,
        "what": template.title if template else row.template,
        "to_address": row.to_address,
        "account": row.account,
        "name": row.name,
        "state": state,
        "words": MAIL_STATE_WORDS[state],
        "tries": row.tries,
        "next_try_at": row.next_try_at,
        "sent_at": row.sent_at,
        "error": row.error,
        "subject": row.subject,
    }

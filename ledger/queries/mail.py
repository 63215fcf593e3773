"""Statements about the outbox: what was queued, what became of it, and which addresses get nothing more."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ledger.models import account, customer, mail, mail_block
from ledger.queries.parts import account_id, contains, counted

_LISTED = (
    *(mail.c.id.label("mail_id"), mail.c.queued_at, mail.c.template, mail.c.to_address, mail.c.state, mail.c.tries),
    *(mail.c.next_try_at, mail.c.sent_at, mail.c.error, mail.c.subject),
)
_WHOM = (account.c.external_id.label("account"), customer.c.name)
_WITH_CUSTOMER = mail.outerjoin(account, account.c.id == mail.c.account_id).outerjoin(
    customer, customer.c.account_id == mail.c.account_id
)


@dataclass(frozen=True, slots=True)
class MailFilter:
    """Which mails: of some states or all, to addresses that contain a text, about one customer (external id)."""

    states: tuple[str, ...] = ()
    text: str = ""
    account: str | None = None


def mails(wanted: MailFilter, *, limit: int | None = None, offset: int = 0) -> sa.Select[Any]:
    """Mails, newest first."""
    statement = sa.select(*_LISTED, *_WHOM).select_from(_WITH_CUSTOMER).where(*_conditions(wanted))
    return statement.order_by(mail.c.id.desc()).limit(limit).offset(offset)


def mails_count(wanted: MailFilter) -> sa.Select[Any]:
    """How many `mails` there are."""
    return sa.select(counted()).select_from(mail).where(*_conditions(wanted))


def mail_in_full(mail_id: int) -> sa.Select[Any]:
    """One mail with all that is known of it."""
    more = (mail.c.key, mail.c.variables, mail.c.body_text, mail.c.body_html, mail.c.message_id, mail.c.made_by_id)
    return sa.select(*_LISTED, *_WHOM, *more).select_from(_WITH_CUSTOMER).where(mail.c.id == mail_id)


def blocked_addresses(*, limit: int) -> sa.Select[Any]:
    """Addresses that get nothing more, the newest first."""
    return (
        sa.select(mail_block.c.address, mail_block.c.since, mail_block.c.reason)
        .order_by(mail_block.c.since.desc(), mail_block.c.address)
        .limit(limit)
    )


def _conditions(wanted: MailFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.states:
        found.append(mail.c.state.in_(wanted.states))
    if wanted.text.strip():
        found.append(contains(mail.c.to_address, wanted.text.strip()))
    if wanted.account is not None:
        found.append(mail.c.account_id == account_id(wanted.account))
    return found

"""Statements about messages of providers: what came, what became of it, and what of the product's traffic failed."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import account, customer, inbox, mail, payment
from ledger.queries.parts import contains, counted

_LISTED = (
    *(inbox.c.provider, inbox.c.event_id, inbox.c.kind, inbox.c.about_kind, inbox.c.about_ref, inbox.c.state),
    *(inbox.c.happened_at, inbox.c.received_at, inbox.c.deliveries, inbox.c.tries, inbox.c.next_try_at),
    *(inbox.c.settled_at, inbox.c.outcome, inbox.c.transaction_id),
)
_WHOM = (account.c.external_id.label("account"), customer.c.name)
_WITH_CUSTOMER = inbox.outerjoin(account, account.c.id == inbox.c.account_id).outerjoin(
    customer, customer.c.account_id == inbox.c.account_id
)


@dataclass(frozen=True, slots=True)
class InboxFilter:
    """Which messages: of some states or all, of one provider or all, with a text in the id, the kind or the name."""

    states: tuple[str, ...] = ()
    provider: str = ""
    text: str = ""


def inbox_messages(wanted: InboxFilter, *, limit: int | None = None, offset: int = 0) -> sa.Select[Any]:
    """Messages, newest first."""
    return (
        sa.select(*_LISTED, *_WHOM)
        .select_from(_WITH_CUSTOMER)
        .where(*_conditions(wanted))
        .order_by(inbox.c.received_at.desc(), inbox.c.event_id)
        .limit(limit)
        .offset(offset)
    )


def inbox_count(wanted: InboxFilter) -> sa.Select[Any]:
    """How many `inbox_messages` there are."""
    return sa.select(counted()).select_from(inbox).where(*_conditions(wanted))


def inbox_message(provider: str, event_id: str) -> sa.Select[Any]:
    """One message with its body."""
    return (
        sa.select(*_LISTED, *_WHOM, inbox.c.body)
        .select_from(_WITH_CUSTOMER)
        .where(inbox.c.provider == provider, inbox.c.event_id == event_id)
    )


def failures(*, since: datetime) -> sa.Select[Any]:
    """One row: payments that wait for a decision, and payments, messages and mails that failed since an instant."""

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
        return sa.select(counted()).select_from(table).where(*conditions).scalar_subquery()

    undelivered = mail.c.state.in_(("failed", "bounced"))
    columns: tuple[sa.ColumnElement[Any], ...] = (
        count(payment, payment.c.state == "blocked").label("blocked"),
        count(payment, payment.c.state == "failed", payment.c.created_at >= since).label("payments"),
        count(inbox, inbox.c.state == "failed", inbox.c.received_at >= since).label("messages"),
        count(mail, undelivered, mail.c.queued_at >= since).label("mails"),
    )
    return sa.select(*columns)


def troubled_payments(*, since: datetime) -> sa.Select[Any]:
    """Payments that wait for a decision, and those that failed since an instant; the former first."""
    is_blocked = payment.c.state == "blocked"
    return (
        sa.select(
            payment.c.name.label("payment"),
            account.c.external_id.label("account"),
            customer.c.name,
            payment.c.provider,
            payment.c.state,
            payment.c.credits_micro,
            payment.c.price_cents,
            payment.c.currency,
            payment.c.created_at,
            payment.c.paid_at,
            payment.c.error,
        )
        .select_from(payment.join(account, account.c.id == payment.c.account_id))
        .outerjoin(customer, customer.c.account_id == account.c.id)
        .where(sa.or_(is_blocked, sa.and_(payment.c.state == "failed", payment.c.created_at >= since)))
        .order_by(sa.case((is_blocked, 0), else_=1), payment.c.id.desc())
    )


def _conditions(wanted: InboxFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.states:
        found.append(inbox.c.state.in_(wanted.states))
    if wanted.provider:
        found.append(inbox.c.provider == wanted.provider)
    if text := wanted.text.strip():
        found.append(
            sa.or_(*(contains(column, text) for column in (inbox.c.event_id, inbox.c.kind, inbox.c.about_ref)))
        )
    return found

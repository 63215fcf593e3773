"""Statements about requests for approval: who asked for what, and what became of it."""

from typing import Any

import sqlalchemy as sa

from ledger.models import account, approval, customer, transaction
from ledger.queries.parts import counted, page

_ASKED_IN = transaction.alias("asked_in")
# Written out, because SQLite takes a partial index only for the very words it was made with.
_WAITING = sa.text("approval.state = 'asked'")
_MAX_ID = 2**63 - 1


def approvals(
    *,
    is_waiting: bool,
    requester: str | None = None,
    not_requester: str | None = None,
    limit: int | None = 100,
    offset: int = 0,
) -> sa.Select[Any]:
    """Requests that wait, longest waiting first, or that were decided, newest decision first.

    ``requester`` keeps those that one person asked for, ``not_requester`` those of everybody else.
    """
    if is_waiting:
        statement = _requests().where(_WAITING).order_by(approval.c.asked_at, approval.c.id)
    else:
        statement = _requests().where(approval.c.state != "asked")
        statement = statement.order_by(approval.c.decided_at.desc(), approval.c.id.desc())
    if requester is not None:
        statement = statement.where(approval.c.requester == requester)
    if not_requester is not None:
        statement = statement.where(approval.c.requester != not_requester)
    return page(statement, limit=limit, offset=offset)


def approval_by_id(approval_id: int) -> sa.Select[Any]:
    """One request; no row when unknown."""
    return _requests().where(approval.c.id == min(max(approval_id, 0), _MAX_ID))


def approvals_waiting(not_requester: str) -> sa.Select[Any]:
    """How many requests of everybody but that person wait."""
    return sa.select(counted()).where(_WAITING, approval.c.requester != not_requester)


def _requests() -> sa.Select[Any]:
    return sa.select(
        approval.c.id.label("approval_id"),
        approval.c.kind,
        account.c.external_id.label("account"),
        customer.c.name,
        approval.c.weight_micro,
        approval.c.requester,
        approval.c.requester_role,
        approval.c.asked_at,
        approval.c.state,
        approval.c.decided_by,
        approval.c.decided_at,
        approval.c.decision_note,
        approval.c.asked_in_id,
        approval.c.decided_in_id,
        _ASKED_IN.c.reason_code,
        _ASKED_IN.c.note,
        _ASKED_IN.c.ticket,
        # What the account had when it was asked: the request itself moved nothing.
        _ASKED_IN.c.receipt["available"][1].as_integer().label("available_then_micro"),
        _ASKED_IN.c.receipt["balance"][1].as_integer().label("balance_then_micro"),
    ).select_from(
        approval.join(_ASKED_IN, _ASKED_IN.c.id == approval.c.asked_in_id)
        .outerjoin(account, account.c.id == approval.c.account_id)
        .outerjoin(customer, customer.c.account_id == approval.c.account_id)
    )

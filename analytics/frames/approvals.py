"""Requests for approval: what waits, for whom, and what became of the others."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.journal import KIND_WORDS
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.errors import NotFound

APPROVALS = Schema(
    "one request: waiting ones longest first, decided ones newest decision first",
    (
        whole("approval_id", "number"),
        text("kind", "kind of what is asked for: grant, refund, overdraft, …"),
        text("words", "the same in words"),
        text("account", "external id; NaN when it concerns no account"),
        text("name", "customer; NaN when it concerns no customer"),
        micro("weight_micro", "credits that it moves"),
        text("requester", "who asked"),
        text("requester_role", "as what"),
        instant("asked_at", "when"),
        text("state", "asked, approved, refused or withdrawn"),
        text("decided_by", "who decided; NaN while it waits"),
        instant("decided_at", "when; NaT while it waits"),
        text("decision_note", "what was said, or empty"),
        whole("asked_in_id", "transaction that asked"),
        maybe_whole("decided_in_id", "transaction that decided; absent while it waits"),
        text("reason_code", "reason, or empty"),
        text("note", "note, or empty"),
        text("ticket", "ticket, or empty"),
        micro("available_then_micro", "what the account could use when it was asked"),
        micro("balance_then_micro", "what it had on the shelf when it was asked"),
    ),
)


@dataclass(frozen=True, slots=True)
class Approval:
    """One request: its row of APPROVALS as fields, None where that has nothing."""

    approval_id: int
    kind: str
    words: str
    account: str | None
    name: str | None
    weight_micro: int
    requester: str
    requester_role: str
    asked_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None
    decision_note: str
    asked_in_id: int
    decided_in_id: int | None
    reason_code: str
    note: str
    ticket: str
    available_then_micro: int
    balance_then_micro: int


def load_approvals(
    connection: sa.Connection,
    *,
    is_waiting: bool,
    requester: str | None = None,
    not_requester: str | None = None,
    limit: int | None = 100,
    offset: int = 0,
) -> pd.DataFrame:
    """Requests that wait or were decided, of one person or of everybody else: see APPROVALS."""
    answer = ask(
        connection,
        queries.approvals,
        is_waiting=is_waiting,
        requester=requester,
        not_requester=not_requester,
        limit=limit,
        offset=offset,
    )
    rows = [_approval(row) for row in answer]
    return APPROVALS.frame({name: [row[name] for row in rows] for name in APPROVALS.names} if rows else {})


def load_approval(connection: sa.Connection, approval_id: int) -> Approval:
    """One request. Raises NotFound."""
    row = ask(connection, queries.approval_by_id, approval_id=approval_id).one_or_none()
    if row is None:
        raise NotFound(what="request for approval", id=str(approval_id))
    return Approval(**_approval(row))


def count_approvals_waiting(connection: sa.Connection, *, not_requester: str) -> int:
    """How many requests of everybody but that person wait for a decision."""
    return int(ask(connection, queries.approvals_waiting, not_requester=not_requester).scalar_one())


def _approval(row: Any) -> dict[str, Any]:
    return {
        "words": KIND_WORDS.get(row.kind, row.kind.replace("_", " ").capitalize()),
        **row._mapping,
    }

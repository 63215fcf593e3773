"""Money back and debt: what can still be refunded and why not, what was refunded, what an account may owe."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.refunds import Paid, RefundPolicy, plan_refund
from ledger.errors import NotFound

REFUNDABLE = Schema(
    "one purchased batch of one account that still has credits, oldest first",
    (
        whole("batch_id", "id"),
        instant("granted_at", "when it was booked"),
        micro("granted_micro", "bought"),
        micro("gone_micro", "used, or gone in another way; what was refunded is not in it"),
        micro("refunded_micro", "refunded before"),
        micro("held_micro", "held, so not refundable now"),
        micro("free_micro", "neither used nor held nor expired: what a refund can take"),
        whole("cost_cents", "price paid, cents"),
        whole("refunded_cents", "given back before, cents"),
        maybe_whole("refund_cents", "given back for all that is free, cents; absent when nothing can be"),
        text("currency", "of the price"),
        instant("expires_at", "not usable from then on; NaT means never"),
        text("payer", "account that paid"),
        text("reference", "its payment"),
        text("problem", "why nothing can be refunded, or empty"),
    ),
)
REFUNDS = Schema(
    "one refund, newest first",
    (
        whole("refund_id", "number"),
        text("account", "whose credits"),
        text("name", "customer; NaN for an account without one"),
        whole("batch_id", "batch"),
        micro("amount_micro", "credits taken"),
        whole("cents", "money to give back, cents"),
        text("currency", "of the money"),
        text("policy", "unused_share or time_left"),
        text("payer", "account that paid and gets the money"),
        text("reference", "its payment"),
        instant("recorded_at", "when it was booked"),
        text("actor", "who booked it"),
        whole("transaction_id", "transaction"),
    ),
)


@dataclass(frozen=True, slots=True)
class Overdraft:
    """What an account owes and may owe. ``until`` None: without an end; the people are None when it has none.

    ``claimed_micro`` were ever owed because money was taken back for credits that had been used, and not given back.
    """

    owed_micro: int
    limit_micro: int
    until: datetime | None
    requester: str | None
    approver: str | None
    claimed_micro: int = 0

    @property
    def is_claim(self) -> bool:
        """Whether what is owed is more than any overdraft allowed: money was taken back for credits already used."""
        return self.owed_micro > self.limit_micro

    def is_open(self, at: datetime) -> bool:
        """Whether it allows debt at that instant."""
        return self.limit_micro > 0 and (self.until is None or at < self.until)


def load_refundable(connection: sa.Connection, *, account: str, at: datetime, policy: str) -> pd.DataFrame:
    """What can be refunded to one account at an instant, by a policy of core.refunds: see REFUNDABLE."""
    rows = [
        _refundable(row, at, RefundPolicy(policy))
        for row in ask(connection, queries.refundable, account_name=account, at=at)
    ]
    return REFUNDABLE.frame({name: [row[name] for row in rows] for name in REFUNDABLE.names} if rows else {})


def load_refunds(
    connection: sa.Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    account: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> pd.DataFrame:
    """Refunds booked in [since, until), newest first: see REFUNDS."""
    answer = ask(
        connection, queries.refunds, since=since, until=until, account_name=account, limit=limit, offset=offset
    )
    return REFUNDS.load(answer)


def load_overdraft(connection: sa.Connection, *, account: str) -> Overdraft:
    """What one account owes and may owe. Raises NotFound."""
    row = ask(connection, queries.overdrafts, account_name=account).one_or_none()
    if row is None:
        raise NotFound(what="account", id=account)
    return Overdraft(*row)


def _refundable(row: Any, at: datetime, policy: RefundPolicy) -> dict[str, Any]:
    has_expired = row.expires_at is not None and row.expires_at <= at
    free = 0 if has_expired else row.remaining_micro - row.held_micro
    cents, problem = None, ""
    if has_expired:
        problem = "it has expired"
    elif not free:
        problem = "all that is left is held"
    else:
        paid = Paid(
            row.granted_micro,
            row.remaining_micro,
            free,
            row.cost_cents,
            row.effective_at,
            row.expires_at,
            row.refunded_cents,
        )
        cents = plan_refund(paid, free, policy=policy, at=at)
        if not cents:
            problem = "nothing is given back any more: the time left is less than was refunded"
            if policy is RefundPolicy.UNUSED_SHARE:
                problem = "what is left is worth less than a cent"
    return {
        **{name: getattr(row, name) for name in REFUNDABLE.names if hasattr(row, name)},
        "gone_micro": row.granted_micro - row.remaining_micro - row.refunded_micro,
        "free_micro": free,
        "refund_cents": cents or None,
        "problem": problem,
    }

"""The plan that a customer is on, and what plans gave it."""

from dataclasses import dataclass
from datetime import date, datetime

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.catalog import PlanVersion
from analytics.frames.schema import Schema, day, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.amounts import Money

ALLOCATIONS = Schema(
    "what a plan gave for one billing period, newest period first",
    (
        day("period_start", "first day of the period, customer's zone"),
        day("period_end", "first day of the next period, customer's zone"),
        text("label", "plan"),
        text("kind", "allowance, upgrade or rollover"),
        micro("amount_micro", "given"),
        micro("left_micro", "left and not expired"),
        micro("expired_micro", "expired, booked or not; the rest was used or moved"),
        instant("effective_at", "usable from; NaT when nothing was given"),
        instant("expires_at", "usable until; NaT when nothing was given"),
        maybe_whole("batch_id", "batch, absent when nothing was given"),
        whole("transaction_id", "entry"),
    ),
)


@dataclass(frozen=True, slots=True)
class CustomerPlan:
    """The plan of one customer: the terms of its running period, and what comes next. Days are the customer's.

    ``provider`` bills it as ``provider_ref``; None: periods begin by the calendar alone. ``paid_through`` is then the
    first day that is not paid for.
    """

    terms: PlanVersion
    next_code: str
    state: str
    anchor_day: int
    period_start: date
    period_end: date
    started_at: datetime
    ended_at: datetime | None
    provider: str | None = None
    provider_ref: str | None = None
    customer_ref: str | None = None
    paid_through: date | None = None

    def is_on(self, today: date) -> bool:
        """Whether the plan still runs on that day of the customer; a cancelled one does until its period is over."""
        return self.state == "active" or (self.state == "cancelled" and today < self.period_end)


def load_plan_of(connection: sa.Connection, *, account: str) -> CustomerPlan | None:
    """The plan of one customer, None when it never had one."""
    row = ask(connection, queries.subscriptions, account_name=account).one_or_none()
    if row is None:
        return None
    code, label, credits, cents, currency, months, cap, share, periods, since, *running = row
    terms = PlanVersion(code, label, credits, Money(cents, currency), months, cap, share, periods, since)
    return CustomerPlan(terms, *running)


def load_allocations(connection: sa.Connection, *, account: str, at: datetime, limit: int | None = 60) -> pd.DataFrame:
    """What plans gave one customer: see ALLOCATIONS."""
    return ALLOCATIONS.load(ask(connection, queries.allocations, account_name=account, at=at, limit=limit))

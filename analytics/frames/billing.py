"""What providers bill a customer for, as it was followed here, and what they were told of."""

from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, micro, text, whole
from ledger import queries

BILLED_INVOICES = Schema(
    "a paid invoice of a subscription, newest first",
    (
        instant("paid_at", "when it was paid, as the provider says"),
        text("provider", "who billed it"),
        text("ref", "the provider's name of it"),
        text("plan_code", "plan that it pays for"),
        instant("period_start", "what it pays for begins, as the provider says"),
        instant("period_end", "and ends"),
        whole("total_cents", "all of it, with tax"),
        text("currency", "of the cents"),
        micro("metered_micro", "billed for use beyond the credits"),
        whole("metered_cents", "their money"),
        whole("transaction_id", "entry that followed it"),
    ),
)
METER_EVENTS = Schema(
    "what a provider's meter is told, newest first",
    (
        instant("happened_at", "last use in it"),
        micro("amount_micro", "used beyond the credits"),
        text("state", "asked (will be sent), sent or failed"),
        whole("tries", "how often it was sent"),
        text("error", "why it was not sent, or empty"),
        text("name", "the provider knows it by this name"),
    ),
)
MIRROR = Schema(
    "what a provider's customer balance is told, newest first",
    (
        instant("happened_at", "when it moved here"),
        text("kind", "opening, movement or usage (of a day)"),
        whole("cents", "less than 0 is to the customer's credit"),
        text("currency", "of the cents"),
        text("description", "in words"),
        text("state", "asked (will be sent), sent or failed"),
        text("error", "why it was not sent, or empty"),
        text("provider_ref", "the provider's name of it; absent until it is sent"),
        text("name", "our name of it, in the provider's metadata"),
    ),
)


@dataclass(frozen=True, slots=True)
class PlanPrice:
    """A subscription price at a provider and the plan that it stands for."""

    provider: str
    price_ref: str
    plan_code: str
    linked_at: datetime


def load_plan_prices(connection: sa.Connection) -> list[PlanPrice]:
    """Every linked price, by plan."""
    return [PlanPrice(*row) for row in ask(connection, queries.plan_prices)]


def load_billed_invoices(connection: sa.Connection, *, account: str, limit: int | None = 36) -> pd.DataFrame:
    """Paid invoices of one customer: see BILLED_INVOICES."""
    return BILLED_INVOICES.load(ask(connection, queries.billed_invoices, account_name=account, limit=limit))


def load_meter_events(connection: sa.Connection, *, account: str, limit: int | None = 60) -> pd.DataFrame:
    """What the meter is told of one customer: see METER_EVENTS."""
    return METER_EVENTS.load(ask(connection, queries.meter_events, account_name=account, limit=limit))


def load_mirror(connection: sa.Connection, *, account: str, limit: int | None = 100) -> pd.DataFrame:
    """What the provider's customer balance is told of one customer: see MIRROR."""
    return MIRROR.load(ask(connection, queries.mirror_rows, account_name=account, limit=limit))

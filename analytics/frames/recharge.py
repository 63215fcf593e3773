"""Auto-recharge and money back as pages read them: a customer's rule, its cards, the balance that a rule watches."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.payments import Provider, RechargeTerms

CARDS = Schema(
    "one card that a provider keeps for a customer",
    (
        text("provider", "stripe, polar or mock"),
        text("words", "as people know it: visa •••• 4242, 12/27"),
        instant("noted_at", "when we learned of it"),
    ),
)
PROVIDER_REFUNDS = Schema(
    "money that a provider was asked to give back, newest first",
    (
        text("name", "our name of it: ref_…"),
        text("account", "whose payment"),
        text("customer", "its name; NaN for an account without one"),
        text("payment", "our name of the payment"),
        text("provider", "stripe, polar or mock"),
        text("sent_to", "card or balance"),
        whole("cents", "with tax, cents"),
        text("currency", "of the money"),
        text("state", "asked, sent, done, failed or replaced"),
        text("error", "why it failed or is late, or empty"),
        whole("tries", "how often it was tried"),
        instant("next_try_at", "when it is tried again; NaT when it is not"),
        instant("asked_at", "when it was asked for"),
        instant("ended_at", "when it ended; NaT before"),
        text("provider_ref", "the provider's name of it; NaN before it has one"),
        maybe_whole("made_by_id", "the transaction that asked for it"),
    ),
)
BALANCE_STEPS = Schema(
    "one change of what an account can use less what it owes, in order",
    (
        instant("at", "when it was booked"),
        micro("net_micro", "right after it"),
    ),
)


@dataclass(frozen=True, slots=True)
class RechargeRule:
    """A customer's rule of auto-recharge: see the table recharge_rule. ``card`` is what it charges, or empty."""

    account: str
    terms: RechargeTerms
    provider: Provider
    currency: str
    card: str
    is_on: bool
    declines: int
    stopped_at: datetime | None
    stopped_because: str
    rests_until: datetime | None

    @property
    def runs(self) -> bool:
        """Whether it charges when its line is crossed."""
        return self.is_on and self.stopped_at is None


def load_recharge_rule(connection: sa.Connection, account: str) -> RechargeRule | None:
    """The rule of one customer, or None."""
    row = ask(connection, queries.recharge_rules, account_name=account).one_or_none()
    if row is None:
        return None
    terms = RechargeTerms(
        row.package_code,
        row.threshold_micro,
        row.runway_days,
        row.day_cap_cents,
        row.month_cap_cents,
        timedelta(minutes=row.cool_down_minutes),
        row.stop_after,
    )
    return RechargeRule(
        row.external_id,
        terms,
        Provider(row.provider),
        row.currency,
        row.words or "",
        row.is_on,
        row.declines,
        row.stopped_at,
        row.stopped_because,
        row.rests_until,
    )


def load_cards(connection: sa.Connection, account: str) -> pd.DataFrame:
    """The cards that providers keep for one customer: see CARDS."""
    return CARDS.load(ask(connection, queries.saved_cards, account_name=account))


def load_provider_refunds(
    connection: sa.Connection, *, account: str | None = None, states: tuple[str, ...] = ()
) -> pd.DataFrame:
    """Money that providers were asked to give back, of one customer or all: see PROVIDER_REFUNDS."""
    return PROVIDER_REFUNDS.load(ask(connection, queries.provider_refunds, account_name=account, states=states))


def load_balance_steps(connection: sa.Connection, *, account: str, since: datetime) -> pd.DataFrame:
    """What one account could use less what it owed, from an instant on, beginning with that instant: see BALANCE_STEPS.

    Credits that begin later count from when they were booked, which is how the books keep their totals.
    """
    rows = ask(connection, queries.balance_steps, account_name=account, since=since).all()
    before = ask(connection, queries.balance_before, account_name=account, since=since).scalar_one_or_none()
    owed_now: int = ask(connection, queries.owed_now, account_name=account).scalar_one()
    owed = owed_now - sum(row.owed_change_micro for row in rows)
    at, net = ([], []) if before is None else ([since], [before - owed])
    for row in rows:
        owed += row.owed_change_micro
        at.append(row.recorded_at)
        net.append(row.balance_micro - owed)
    return BALANCE_STEPS.frame({"at": at, "net_micro": net})

"""The five KPIs of the portfolio: each with its formula, both numbers, a target and a word, or the reason it is absent.

Credits and prices count in company-zone days. Source: docs/accounting.md for what issued, used and expired mean.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import sqlalchemy as sa

from analytics import frames
from analytics.figures import Figure, Unit, ratio
from analytics.frames import RATE_DAYS, Purchases, Sum
from analytics.frames.sums import EXPIRED, ISSUED, REPAID, USED
from analytics.periods import Period, cuts
from ledger.core.amounts import Money
from ledger.core.records import CreditType

RUNWAY_SHORT_DAYS = 30


class Kpi(StrEnum):
    """The five KPIs, in the order in which they are shown."""

    UTILIZATION = "utilization"
    EXPIRATION_RATE = "expiration_rate"
    RUNWAY = "runway"
    TOP_UP_RATE = "top_up_rate"
    REVENUE_SHARE = "revenue_share"


class State(StrEnum):
    """The word beside a KPI."""

    ON_TARGET = "On target"
    OFF_TARGET = "Off target"
    NOT_ENOUGH_DATA = "Not enough data"
    NO_TARGET = "No target"


@dataclass(frozen=True, slots=True)
class Target:
    """A level to stay above, or below when ``less_is_better``; the level itself does not meet it."""

    level: float
    less_is_better: bool = False

    def is_met(self, value: float) -> bool:
        """Whether a value is on the right side."""
        return value < self.level if self.less_is_better else value > self.level


TARGETS: dict[Kpi, Target] = {
    Kpi.UTILIZATION: Target(0.90),
    Kpi.EXPIRATION_RATE: Target(0.05, less_is_better=True),
    Kpi.RUNWAY: Target(30),
    Kpi.TOP_UP_RATE: Target(0.40),
}
LABELS: dict[Kpi, str] = {
    Kpi.UTILIZATION: "Credit utilization",
    Kpi.EXPIRATION_RATE: "Expiration rate",
    Kpi.RUNWAY: "Average runway",
    Kpi.TOP_UP_RATE: "Top-up rate",
    Kpi.REVENUE_SHARE: "Credit revenue share",
}
FORMULAS: dict[Kpi, str] = {
    Kpi.UTILIZATION: "purchased credits used in the period ÷ credits purchased in the period",
    Kpi.EXPIRATION_RATE: "credits expired in the period ÷ credits issued in the period",
    Kpi.RUNWAY: f"mean over customers with use of available credits ÷ credits a day over the last {RATE_DAYS} days",
    Kpi.TOP_UP_RATE: "customers buying again in the period ÷ customers buying in the period",
    Kpi.REVENUE_SHARE: "revenue from credits booked in the period ÷ total revenue in the period",
}


@dataclass(frozen=True, slots=True)
class Score:
    """One KPI: its figure (numerator and denominator inside), its target and the word for both."""

    kpi: Kpi
    figure: Figure
    target: Target | None

    @property
    def label(self) -> str:
        """Its name for people."""
        return LABELS[self.kpi]

    @property
    def formula(self) -> str:
        """How it is computed, in words."""
        return FORMULAS[self.kpi]

    @property
    def state(self) -> State:
        """On target, off target, or why that cannot be said."""
        if self.figure.value is None:
            return State.NOT_ENOUGH_DATA
        if self.target is None:
            return State.NO_TARGET
        return State.ON_TARGET if self.target.is_met(self.figure.value) else State.OFF_TARGET


@dataclass(frozen=True, slots=True)
class Runway:
    """Days that available credits last at today's pace, over customers with use; absent with a reason without any."""

    mean_days: Figure
    median_days: Figure
    share_short: Figure


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The KPIs of one period; the runway, with its median and share of short ones, is as of now in any period."""

    period: Period
    scores: tuple[Score, ...]
    runway: Runway

    def score(self, kpi: Kpi) -> Score:
        """One of the five."""
        return next(score for score in self.scores if score.kpi is kpi)


def load_scorecards(
    connection: sa.Connection,
    periods: Iterable[Period],
    *,
    at: datetime,
    zone: ZoneInfo,
    currency: str,
    customers: pd.DataFrame,
    usage: pd.DataFrame | None = None,
    total_revenue: Money | None = None,
) -> list[Scorecard]:
    """The scorecard of each of some periods from four statements in all, whatever their number.

    ``customers`` is frames.CUSTOMERS as of ``at``; currency is the company's. ``usage`` is
    frames.DAILY_USAGE_BY_TYPE of all customers, if it was loaded anyway and covers every period: it spares the most
    expensive statement. The total revenue belongs to the first period and is not known for the others.
    """
    wanted = list(periods)
    days = cuts(*wanted)
    sums = frames.load_sums(connection, cuts=days, at=at, zone=zone, usage=usage)
    purchases = frames.load_purchases(connection, cuts=days, at=at, zone=zone)
    now = runway(customers)
    return [
        scorecard(sums, purchases, now, period, currency=currency, total_revenue=total_revenue if number == 0 else None)
        for number, period in enumerate(wanted)
    ]


def scorecard(
    sums: Iterable[Sum],
    purchases: Iterable[Purchases],
    runway_now: Runway,
    period: Period,
    *,
    currency: str,
    total_revenue: Money | None = None,
) -> Scorecard:
    """The KPIs of one period from sums and purchases cut at its ends, and the runway as of now."""
    figures = {
        Kpi.UTILIZATION: utilization(sums, period),
        Kpi.EXPIRATION_RATE: expiration_rate(sums, period),
        Kpi.RUNWAY: runway_now.mean_days,
        Kpi.TOP_UP_RATE: top_up_rate(purchases, period),
        Kpi.REVENUE_SHARE: revenue_share(purchases, period, currency=currency, total_revenue=total_revenue),
    }
    scores = tuple(Score(kpi, figures[kpi], TARGETS.get(kpi)) for kpi in Kpi)
    return Scorecard(period, scores, runway_now)


def utilization(sums: Iterable[Sum], period: Period) -> Figure:
    """Purchased credits used in the period ÷ credits purchased in it; may exceed 1 when earlier ones are used.

    Those that repaid debt were used by that.
    """
    purchased = CreditType.PURCHASED.value
    return ratio(
        _sum(sums, USED, period, purchased) + _sum(sums, REPAID, period, purchased),
        _sum(sums, ISSUED, period, purchased),
        unit=Unit.SHARE,
        parts=Unit.MICRO,
        reason_if_zero="no credits were purchased in the period",
    )


def expiration_rate(sums: Iterable[Sum], period: Period) -> Figure:
    """Credits whose batch ended unused in the period ÷ credits issued in it, all types."""
    return ratio(
        _sum(sums, EXPIRED, period),
        _sum(sums, ISSUED, period),
        unit=Unit.SHARE,
        parts=Unit.MICRO,
        reason_if_zero="no credits were issued in the period",
    )


def runway(customers: pd.DataFrame) -> Runway:
    """Available ÷ mean day of the last 28 days, over the customers with use; later expiries are not counted in."""
    days = runway_days(customers).dropna().to_numpy()
    count = len(days)
    if count == 0:
        reason = f"no customer used credits on the last {RATE_DAYS} days"
        absent = Figure(None, Unit.DAYS, reason, 0, 0, Unit.DAYS)
        return Runway(absent, absent, Figure(None, Unit.SHARE, reason, 0, 0, Unit.COUNT))
    short = int((days < RUNWAY_SHORT_DAYS).sum())
    return Runway(
        Figure(float(days.mean()), Unit.DAYS, None, float(days.sum()), count, Unit.DAYS),
        Figure(float(np.median(days)), Unit.DAYS, None, None, count, Unit.DAYS),
        Figure(short / count, Unit.SHARE, None, short, count, Unit.COUNT),
    )


def runway_days(customers: pd.DataFrame) -> pd.Series:
    """Days per row of frames.CUSTOMERS, in its order (float64); NaN without use on the last 28 days."""
    a_day = customers["used_28d_micro"].to_numpy(dtype=np.float64) / RATE_DAYS
    available = customers["available_micro"].to_numpy(dtype=np.float64)
    days = np.full(len(customers), np.nan)
    np.divide(available, a_day, out=days, where=a_day > 0)
    return pd.Series(days, index=customers.index, name="runway_days")


def top_up_rate(purchases: Iterable[Purchases], period: Period) -> Figure:
    """Share of the customers who bought in the period that had bought before, in the period or earlier."""
    times: dict[str, int] = {}
    buyers = set()
    for bought in purchases:
        if bought.since is None or bought.since < period.until:
            times[bought.account] = times.get(bought.account, 0) + bought.purchases
        if bought.since is not None and period.since <= bought.since < period.until:
            buyers.add(bought.account)
    return ratio(
        sum(times[account] >= 2 for account in buyers),
        len(buyers),
        unit=Unit.SHARE,
        parts=Unit.COUNT,
        reason_if_zero="no customer bought credits in the period",
    )


def revenue_share(
    purchases: Iterable[Purchases], period: Period, *, currency: str, total_revenue: Money | None
) -> Figure:
    """Prices of top-ups booked in the period ÷ total revenue, in the company's currency; others are left out."""
    cents = sum(
        bought.cost_cents
        for bought in purchases
        if bought.currency == currency and bought.since is not None and period.since <= bought.since < period.until
    )
    if total_revenue is None:
        reason = "the company's total revenue is not known"
        return Figure(None, Unit.SHARE, reason, cents, None, Unit.CENTS)
    if total_revenue.currency != currency:
        raise ValueError(f"total revenue in {total_revenue.currency} cannot be compared with revenue in {currency}")
    return ratio(
        cents,
        total_revenue.cents,
        unit=Unit.SHARE,
        parts=Unit.CENTS,
        reason_if_zero="total revenue in the period was 0",
    )


def series(cards: Iterable[Scorecard]) -> pd.DataFrame:
    """KPIs by period: columns since (day), kpi, value (float64, NaN when absent), reason. The runway is left out.

    It is known as of now only: what was available on a past day is not in these sums.
    """
    rows = [(card.period.since, score) for card in cards for score in card.scores if score.kpi is not Kpi.RUNWAY]
    return pd.DataFrame(
        {
            "since": np.array([since for since, _ in rows], dtype="datetime64[D]").astype("datetime64[us]"),
            "kpi": pd.array([score.kpi.value for _, score in rows], dtype="str"),
            "value": np.array(
                [np.nan if score.figure.value is None else score.figure.value for _, score in rows], dtype=np.float64
            ),
            "reason": pd.array([score.figure.reason for _, score in rows], dtype="str"),
        }
    )


def _sum(sums: Iterable[Sum], movement: str, period: Period, credit_type: str | None = None) -> int:
    return sum(
        found.amount_micro
        for found in sums
        if found.movement == movement
        and period.since <= found.since < period.until
        and credit_type in (None, found.credit_type)
    )

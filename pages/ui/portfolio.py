"""Questions about the whole portfolio that combine several loaders; each is asked through `Visit.made`."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd

from analytics import expiry, frames, kpis
from analytics.frames import RATE_DAYS
from analytics.periods import Period
from analytics.scopes import is_scoped
from ledger import MICRO
from ledger.core.amounts import divide_rounding_half_up
from pages.ui.guard import Visit


def scorecards(
    visit: Visit, periods: tuple[Period, ...], customers: pd.DataFrame, usage: pd.DataFrame
) -> list[kpis.Scorecard]:
    """The scorecard of each period; ``usage`` is frames.DAILY_USAGE_BY_TYPE that covers them."""

    def load() -> list[kpis.Scorecard]:
        return visit.ask_now(
            kpis.load_scorecards,
            periods=periods,
            at=visit.at,
            zone=visit.zone,
            currency=visit.company.currency,
            customers=customers,
            usage=usage,
        )

    return visit.kept("scorecards", load, periods)


def held(visit: Visit, customers: pd.DataFrame, *, within_days: int) -> frames.Portfolio:
    """What all customers hold, with the batches that end soon; shared by all readers and not to be changed."""
    return visit.kept(
        "held",
        lambda: visit.ask_now(
            frames.load_portfolio, at=visit.at, zone=visit.zone, within_days=within_days, customers=customers
        ),
        within_days,
    )


def waste(visit: Visit, customers: pd.DataFrame, *, within_days: int) -> pd.DataFrame:
    """Batches that end soon with what of them will be wasted at today's pace: see expiry.WASTE."""

    def load() -> pd.DataFrame:
        found = held(visit, customers, within_days=within_days)
        used = dict(zip(customers["account"].tolist(), customers["used_28d_micro"].tolist(), strict=True))
        mixes = {}
        if any(map(is_scoped, found.batches.values())):
            mixes = visit.ask_now(frames.load_feature_mix, today=visit.today)
        return expiry.with_waste(found.expiring, found.batches, used, at=visit.at, mixes=mixes)

    return visit.kept("waste", load, within_days).copy()


def cents_per_thousand(connection: Any, *, since: datetime, until: datetime) -> dict[str, int]:
    """What 1,000 credits cost on average in the top-ups of a period, in cents by currency, rounded half up."""
    bought = frames.load_top_ups(connection, since=since, until=until)
    sums = bought.groupby("currency")[["cost_cents", "granted_micro"]].sum()
    return {
        str(row["currency"]): divide_rounding_half_up(row["cost_cents"] * 1000 * MICRO, row["granted_micro"])
        for row in sums.reset_index().to_dict("records")
    }


def burn_a_day(customers: pd.DataFrame) -> pd.Series:
    """Credits used per day over the last 28 complete days, as shown in tables."""
    return (customers["used_28d_micro"] / MICRO / RATE_DAYS).round(2)


def is_idle_since(customers: pd.DataFrame, day: date) -> pd.Series:
    """Whether a customer has not used anything since a day, or never."""
    last = customers["last_used_day"]
    return last.isna() | (last < pd.Timestamp(day))


def exact_credits(micro: pd.Series) -> list[Decimal]:
    """Credits as exact decimals, for files."""
    return [Decimal(amount) / MICRO for amount in micro.tolist()]

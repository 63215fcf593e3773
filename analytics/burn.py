"""Burn: credits consumed per local day, as a rate, by feature and by type.

All functions take frames of use (frames.DAILY_USAGE, DAILY_USAGE_BY_TYPE when they need no features, or
ACCOUNT_DAILY_USAGE) and a period of company-zone days [since, until); they answer new frames and leave theirs alone.
"""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd

from analytics.figures import Change, Figure, Unit, change
from analytics.frames.schema import Schema, day, micro, real, text, whole
from analytics.periods import Period
from ledger.core.records import Bucket, CreditType

OTHER = "other"
FEATURES_SHOWN = 7
# Later weeks against earlier weeks of the same number: within this share of each other use is steady.
STEADY_SHARE = 0.15
TREND_RULE = "mean day of the later whole weeks against the earlier ones: over +15 % rising, under −15 % falling"

DAILY = Schema(
    "one company-zone day of the period, no gaps, sorted",
    (day("day", "company-zone day"), micro("used_micro", "used, 0 without use"), whole("events", "events")),
)
BY_FEATURE = Schema(
    "one feature used in the period or the other one, most used first",
    (
        text("feature", "feature"),
        micro("used_micro", "used in the period"),
        real("share", "of all use in the period, 0 to 1; NaN when there was none"),
        whole("events", "uses in the period"),
        real("credits_per_use", "credits; NaN without uses"),
        micro("before_micro", "used in the other period"),
        real("change", "against the other period as a share; NaN when that had none (new) or there is no other"),
        text("trend", "rising, steady, falling, or not enough data: see TREND_RULE"),
    ),
)
BY_TYPE = Schema(
    "one credit type, always all five, in their order; behind them owed, if anything was used on debt",
    (
        text("credit_type", "credit type"),
        micro("used_micro", "used in the period"),
        real("share", "of all use in the period, 0 to 1; NaN when there was none"),
    ),
)


def daily(usage: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Credits consumed per local day, zeros filled: see DAILY. Use outside the period is left out."""
    sums = usage.groupby("day")[["used_micro", "events"]].sum().reindex(_days(period), fill_value=0)
    return DAILY.check(sums.rename_axis("day").reset_index())


def histories(usage: pd.DataFrame, accounts: Iterable[str], period: Period) -> dict[str, pd.DataFrame]:
    """One gapless daily frame (day, used_micro) per account from ACCOUNT_DAILY_USAGE: the input of the forecast."""
    days = _days(period)
    inside = usage[(usage["day"] >= days[0]) & (usage["day"] <= days[-1])]
    position = (inside["day"] - days[0]).dt.days.to_numpy()
    used = inside["used_micro"].to_numpy()
    rows = inside.groupby("account").indices
    found = {}
    for account in accounts:
        values = np.zeros(len(days), dtype=np.int64)
        if account in rows:
            np.add.at(values, position[rows[account]], used[rows[account]])
        found[account] = pd.DataFrame({"day": days, "used_micro": values})
    return found


def daily_by_type(usage: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Use per day and credit type, every day with all five in their order: columns day, credit_type, used_micro.

    Behind them owed, if anything was used on debt in the period.
    """
    return _daily_by(usage, "credit_type", _types(_inside(usage, period)), period)


def daily_by_feature(usage: pd.DataFrame, period: Period, *, shown: int = FEATURES_SHOWN) -> pd.DataFrame:
    """Use per day and feature, the most used ones and the rest as 'other': columns day, feature, used_micro."""
    inside = _inside(usage, period)
    most = _by_use(inside, "feature").index
    names = list(most[:shown]) if len(most) > shown + 1 else list(most)
    if len(names) < len(most):
        inside = inside.assign(feature=inside["feature"].where(inside["feature"].isin(names), OTHER))
        names = [name for name in names if name != OTHER] + [OTHER]
    return _daily_by(inside, "feature", names, period)


def used_micro(usage: pd.DataFrame, period: Period) -> Figure:
    """Credits used in a period."""
    return Figure(int(_inside(usage, period)["used_micro"].sum()), Unit.MICRO)


def rate(usage: pd.DataFrame, window: Period) -> Figure:
    """Mean credits used per day of a window, days without use included, in micro-credits a day."""
    used = int(_inside(usage, window)["used_micro"].sum())
    return Figure(used / window.days, Unit.MICRO_PER_DAY, None, used, window.days, Unit.MICRO)


def rate_change(usage: pd.DataFrame, window: Period, before: Period | None) -> Change:
    """How the burn rate of a window moved against another one, whatever their lengths."""
    return change(rate(usage, window), None if before is None else rate(usage, before))


def by_feature(usage: pd.DataFrame, period: Period, before: Period | None = None) -> pd.DataFrame:
    """What credits were spent on and what changed: see BY_FEATURE. ``usage`` must cover both periods.

    The change compares mean days, so that periods of different length can be compared.
    """
    now = _inside(usage, period).groupby("feature")[["used_micro", "events"]].sum()
    then = pd.Series(dtype="int64") if before is None else _inside(usage, before).groupby("feature")["used_micro"].sum()
    features = now.index.union(then.index)
    now = now.reindex(features, fill_value=0)
    before_micro = then.reindex(features, fill_value=0).astype("int64")
    total = int(now["used_micro"].sum())
    before_days = 1 if before is None else before.days
    mean_before = (before_micro / before_days).replace(0, np.nan)
    table = pd.DataFrame(
        {
            "feature": pd.array(list(features), dtype="str"),
            "used_micro": now["used_micro"].to_numpy(),
            "share": (now["used_micro"] / total).to_numpy() if total else np.full(len(now), np.nan),
            "events": now["events"].to_numpy(),
            "credits_per_use": (now["used_micro"] / 1_000_000 / now["events"].replace(0, np.nan)).to_numpy(float),
            "before_micro": before_micro.to_numpy(),
            "change": (now["used_micro"] / period.days / mean_before - 1).to_numpy(float),
            "trend": pd.array(_trends(usage, period, list(features)), dtype="str"),
        }
    )
    return BY_FEATURE.check(table.sort_values(["used_micro", "feature"], ascending=[False, True], ignore_index=True))


def by_type(usage: pd.DataFrame, period: Period) -> pd.DataFrame:
    """Use by credit type: see BY_TYPE."""
    inside = _inside(usage, period)
    types = _types(inside)
    used = inside.groupby("credit_type")["used_micro"].sum().reindex(types, fill_value=0)
    total = int(used.sum())
    return BY_TYPE.check(
        pd.DataFrame(
            {
                "credit_type": pd.array(types, dtype="str"),
                "used_micro": used.to_numpy(dtype=np.int64),
                "share": (used / total).to_numpy(float) if total else np.full(len(types), np.nan),
            }
        )
    )


def _types(inside: pd.DataFrame) -> list[str]:
    """The five credit types, so that each keeps its colour, and what no type paid for when there is some."""
    on_debt = [Bucket.OWED.value] if (inside["credit_type"] == Bucket.OWED).any() else []
    return [kind.value for kind in CreditType] + on_debt


def trend_word(daily_micro: np.ndarray) -> str:
    """Where use is heading: rising, steady, falling, or not enough data. Rule: TREND_RULE.

    Compares whole weeks, so that weekends weigh the same on both sides; needs two. With an even number of weeks the
    first half stands against the second, an odd first week is left out.
    """
    weeks = len(daily_micro) // 14
    if weeks == 0:
        return "not enough data"
    later = float(daily_micro[-7 * weeks :].sum())
    earlier = float(daily_micro[-14 * weeks : -7 * weeks].sum())
    if abs(later - earlier) <= STEADY_SHARE * earlier:
        return "steady"
    return "rising" if later > earlier else "falling"


def _trends(usage: pd.DataFrame, period: Period, features: list[str]) -> list[str]:
    table = _daily_by(_inside(usage, period), "feature", features, period)
    values = table["used_micro"].to_numpy().reshape(period.days, len(features)) if features else np.empty((0, 0))
    return [trend_word(values[:, number]) for number in range(len(features))]


def _daily_by(usage: pd.DataFrame, key: str, names: list[str], period: Period) -> pd.DataFrame:
    days = _days(period)
    inside = _inside(usage, period)
    table = np.zeros((len(days), len(names)), dtype=np.int64)
    places = pd.Index(names).get_indexer(pd.Index(inside[key]))
    known = places >= 0
    row = (inside["day"] - days[0]).dt.days.to_numpy()[known]
    np.add.at(table, (row, places[known]), inside["used_micro"].to_numpy()[known])
    return pd.DataFrame(
        {
            "day": np.repeat(days.to_numpy(), len(names)),
            key: pd.array(names * len(days), dtype="str"),
            "used_micro": table.ravel(),
        }
    )


def _by_use(usage: pd.DataFrame, key: str) -> pd.Series:
    sums = usage.groupby(key)["used_micro"].sum().reset_index()
    return sums.sort_values(["used_micro", key], ascending=[False, True]).set_index(key)["used_micro"]


def _inside(usage: pd.DataFrame, period: Period) -> pd.DataFrame:
    return usage[(usage["day"] >= _stamp(period.since)) & (usage["day"] < _stamp(period.until))]


def _days(period: Period) -> pd.DatetimeIndex:
    return pd.date_range(_stamp(period.since), _stamp(period.last), freq="D", unit="us", name="day")


def _stamp(of: date) -> pd.Timestamp:
    return pd.Timestamp(of)

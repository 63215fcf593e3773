"""How wrong past forecasts were: the pools of error ratios that turn one forecast into a range.

For each account and each past origin the forecast is made again from what was known then, and
R(h) = (used + f) / (forecast + f) is kept for the first h days together, f being a quarter of the mean day.
The errors are *cumulative* on purpose: a level that was wrong stays wrong, so errors of sums do not cancel.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analytics.executors import Executor
from analytics.forecast import HORIZON_DAYS, Account, Floats, Forecast, Method, Regularity, forecast_many
from ledger.core.amounts import MICRO

DEFAULT_FILE = Path(__file__).with_name("calibration_default.json")
ORIGINS_DAYS_AGO = (90, 120, 150)
POOL_MEMBERS_MIN = 20
# The 95 % range of n past errors takes rank (n + 1) × 0.025, which is the first only from 39 on.
MEMBERS_MIN = 39
# Days that are stored: each in the first week, then by weeks. Cumulative errors change slowly.
HORIZONS = (*range(1, 8), 10, *range(14, HORIZON_DAYS, 7), HORIZON_DAYS)
_WEEK = 7


@dataclass(frozen=True, slots=True)
class Member:
    """One past forecast against what was really used: R(h) for h = 1 … 90, and the kind of forecast it was."""

    regularity: Regularity
    is_plain_mean: bool
    ratios: Floats


class Calibration:
    """Pools of error ratios by kind of forecast, each divided by its median so that the likely course stays put."""

    def __init__(self, members: Iterable[Member], *, source: str, built_on: date) -> None:
        """Raises ValueError when there is no member at all."""
        self.members = tuple(members)
        self.source = source
        self.built_on = built_on
        if not self.members:
            raise ValueError("a calibration needs at least one past forecast")
        self._all = _pool(self.members)
        self._pools: dict[tuple[bool, Regularity | None], Floats] = {}
        for is_plain_mean in (False, True):
            made_alike = [member for member in self.members if member.is_plain_mean is is_plain_mean]
            for kind in (*Regularity, None):
                members = [member for member in made_alike if kind in (member.regularity, None)]
                if len(members) >= POOL_MEMBERS_MIN:
                    self._pools[is_plain_mean, kind] = _pool(members)

    @property
    def is_enough(self) -> bool:
        """Whether there are past forecasts enough, of full ones, for a 95 % range."""
        return sum(not member.is_plain_mean for member in self.members) >= MEMBERS_MIN

    def ratios(self, forecast: Forecast) -> Floats:
        """The error ratios that apply to a forecast: shape (members, horizon days), median 1 on each day.

        Forecasts from a plain mean have their own, wider pools. A pool under 20 members gives way to all forecasts
        made alike, and those, under 20 again, to all.
        """
        if forecast.method is Method.NONE:
            return np.ones((1, self._all.shape[1]))
        is_plain_mean = forecast.method is Method.MEAN
        made_alike = self._pools.get((is_plain_mean, None), self._all)
        return self._pools.get((is_plain_mean, forecast.regularity), made_alike)

    @classmethod
    def exact(cls, horizon_days: int = HORIZON_DAYS) -> "Calibration":
        """A calibration that believes every forecast: one path, the forecast itself. For tests and what-if charts."""
        member = Member(Regularity.REGULAR, False, np.ones(horizon_days))
        return cls([member], source="no error assumed", built_on=date.min)

    def to_body(self, horizons: Sequence[int] | None = None) -> dict[str, Any]:
        """The calibration as plain JSON values, ratios to four significant digits.

        Args: horizons: the days h to keep, first and last included; the days between are interpolated on loading.
        """
        days = list(horizons or range(1, self._all.shape[1] + 1))
        return {
            "source": self.source,
            "built_on": self.built_on.isoformat(),
            "horizons": days,
            "members": [
                {
                    "regularity": member.regularity.value,
                    "is_plain_mean": member.is_plain_mean,
                    "ratios": [float(f"{member.ratios[day - 1]:.4g}") for day in days],
                }
                for member in self.members
            ],
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_body` wrote."""
        days = np.arange(1, body["horizons"][-1] + 1)
        return cls(
            (
                Member(
                    Regularity(member["regularity"]),
                    bool(member["is_plain_mean"]),
                    np.interp(days, body["horizons"], member["ratios"]),
                )
                for member in body["members"]
            ),
            source=body["source"],
            built_on=date.fromisoformat(body["built_on"]),
        )


@cache
def load_default() -> Calibration:
    """The calibration that ships with the product, for installations without enough history of their own."""
    return Calibration.from_body(json.loads(DEFAULT_FILE.read_text(encoding="utf-8")))


def build(
    histories: Mapping[Account, pd.DataFrame],
    *,
    source: str,
    origins_days_ago: Sequence[int] = ORIGINS_DAYS_AGO,
    processes: int | None = None,
    executor: Executor | None = None,
) -> Calibration:
    """The calibration that the past of these accounts teaches.

    Args:
        histories: as for `analytics.forecast.daily_burn`, by account, all ending on the same last complete day;
            at least as long as the nearest origin is ago, or an account teaches nothing.
        source: where the histories come from, in words; kept with the result.
        origins_days_ago: how many days before the end the forecasts are made again, each at least 90.

    For every origin there are two members: the forecast from all that was known, and one from its last week only,
    because new accounts are forecast from a plain mean whose errors are wider.
    Raises: ValueError when no account is long enough or the histories end on different days.
    """
    if min(origins_days_ago) < HORIZON_DAYS:
        raise ValueError(f"origins must be at least {HORIZON_DAYS} days ago, or the outcome is not known")
    last_days = {pd.Timestamp(history["day"].iloc[-1]).date() for history in histories.values() if len(history)}
    if len(last_days) != 1:
        raise ValueError(f"the histories must end on one day, not on {len(last_days)}")
    known: dict[tuple[Account, int, int | None], pd.DataFrame] = {}
    used: dict[tuple[Account, int, int | None], Floats] = {}
    for account, history in histories.items():
        for days_ago in origins_days_ago:
            origin = len(history) - days_ago
            after = history["used_micro"].iloc[max(origin, 0) :].to_numpy() / MICRO
            for days_known in (None, _WEEK):
                known[account, days_ago, days_known] = _last_rows(history.iloc[: max(origin, 0)], days_known)
                used[account, days_ago, days_known] = after[:HORIZON_DAYS]
    known = {key: frame for key, frame in known.items() if len(frame)}
    forecasts = forecast_many(known, processes=processes, executor=executor)
    members = [
        Member(forecast.regularity, forecast.method is Method.MEAN, error_ratios(forecast, used[key]))
        for key, forecast in forecasts.items()
        if forecast.method is not Method.NONE
    ]
    return Calibration(members, source=source, built_on=last_days.pop())


def error_ratios(forecast: Forecast, used: Floats) -> Floats:
    """R(h) = (used + f) ÷ (forecast + f), both summed over the first h days; used in credits, one value per day."""
    expected = np.cumsum(forecast.mean_daily) + forecast.unit_f
    ratios: Floats = (np.cumsum(used) + forecast.unit_f) / expected
    return ratios


def _last_rows(history: pd.DataFrame, days: int | None) -> pd.DataFrame:
    return history if days is None else history.iloc[-days:]


def _pool(members: Sequence[Member]) -> Floats:
    ratios = np.stack([member.ratios for member in members])
    pool: Floats = ratios / np.median(ratios, axis=0)
    return pool

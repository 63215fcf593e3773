"""Daily burn ahead: what a customer will probably use on each of the next days, and how far that can be trusted.

The method is the mean of two Prophet fits whose trend is never extrapolated; docs/benchmarks.md has the comparison
with other methods. The range around it is not Prophet's (its samples treat days as independent and are far too
narrow for sums): it comes from errors of past forecasts, see analytics/calibration.py.

Prophet is imported inside the fit, because pages that only read stored forecasts must not pay for its import.
"""

import logging
from collections.abc import Hashable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from analytics.executors import Executor, on_this_machine
from ledger.core.amounts import MICRO

if TYPE_CHECKING:
    from analytics.calibration import Calibration

Floats = npt.NDArray[np.float64]
Account = TypeVar("Account", bound=Hashable)

HORIZON_DAYS = 90
HISTORY_DAYS_MAX = 365

# Below these a fit follows noise: with 7 days Prophet misses the run-out date by 35 days, the plain mean by 15.
FIT_DAYS_MIN = 14
FIT_DAYS_WITH_USE_MIN = 5
TREND_DAYS_MIN = 42

_FLAT_LEG_DAYS = 84
_RESIDUAL_DAYS = 182


class Method(StrEnum):
    """How the daily burn was estimated."""

    NONE = "none"
    MEAN = "mean"
    LEGS_WITHOUT_TREND = "legs_without_trend"
    LEGS = "legs"


class Regularity(StrEnum):
    """How often a customer uses credits: by the share of days without use, under 10 %, under 50 %, or more."""

    REGULAR = "regular"
    IRREGULAR = "irregular"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """The expected daily burn of one account after ``as_of``.

    Attributes:
        as_of: the last complete day that was known; the first forecast day is the day after.
        method: how the figures were made.
        days_of_history, days_with_use: days from the first use to ``as_of`` (at most 365), and those with use.
        regularity: the class whose past forecast errors apply.
        mean_daily: expected use per day, credits (float, an estimate), one value per day of the horizon.
        unit_f: a quarter of the mean day of the history, credits; keeps error ratios finite on quiet days.
        reason: why there is no fit, or None when both legs were fitted in full.
    """

    as_of: date
    method: Method
    days_of_history: int
    days_with_use: int
    regularity: Regularity
    mean_daily: Floats
    unit_f: float
    reason: str | None

    @property
    def mean_per_day(self) -> float:
        """Expected use per day over the whole horizon, in credits."""
        return float(self.mean_daily.mean())

    def to_body(self) -> dict[str, Any]:
        """The forecast as plain JSON values; `from_body` gives back exactly the same numbers."""
        return {
            "as_of": self.as_of.isoformat(),
            "method": self.method.value,
            "days_of_history": self.days_of_history,
            "days_with_use": self.days_with_use,
            "regularity": self.regularity.value,
            "mean_daily_credits": [float(value) for value in self.mean_daily],
            "unit_f_credits": self.unit_f,
            "reason": self.reason,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "Forecast":
        """The forecast that `to_body` wrote. Raises KeyError or ValueError when the body is of another shape."""
        return cls(
            as_of=date.fromisoformat(body["as_of"]),
            method=Method(body["method"]),
            days_of_history=int(body["days_of_history"]),
            days_with_use=int(body["days_with_use"]),
            regularity=Regularity(body["regularity"]),
            mean_daily=np.asarray(body["mean_daily_credits"], dtype=np.float64),
            unit_f=float(body["unit_f_credits"]),
            reason=body["reason"],
        )


def daily_burn(history: pd.DataFrame, *, as_of: date | None = None, horizon_days: int = HORIZON_DAYS) -> Forecast:
    """What the account will probably use on each day after its last complete day.

    Args:
        history: one row per local day, sorted, no gaps, up to the last complete day; columns day (date or
            midnight datetime64) and used_micro (int64, >= 0). Days before the first use are ignored: a customer
            who starts late is new, not sparse. Only the last 365 days count.
        as_of: the last complete day; needed only when the history has no rows.
        horizon_days: number of days to forecast.

    Returns: a Forecast in credits per day. The same history always gives the same answer.
    Raises: ValueError when days are missing, unsorted or end elsewhere than as_of, or a use is negative.

    >>> three_days = pd.DataFrame({"day": pd.date_range("2027-03-01", periods=3), "used_micro": [2_000_000] * 3})
    >>> daily_burn(three_days, horizon_days=2).mean_daily.tolist()
    [2.0, 2.0]
    """
    last_day, credits = _checked(history, as_of)
    used_on = np.flatnonzero(credits)
    known = credits[used_on[0] :][-HISTORY_DAYS_MAX:] if used_on.size else credits[:0]
    days, days_with_use = len(known), int(np.count_nonzero(known))
    method, reason = _method(days, days_with_use, len(credits))
    if method is Method.NONE:
        mean_daily = np.zeros(horizon_days)
    elif method is Method.MEAN:
        mean_daily = np.full(horizon_days, known.mean())
    else:
        mean_daily = _mean_of_legs(known, last_day, horizon_days, with_trend=method is Method.LEGS)
    return Forecast(
        as_of=last_day,
        method=method,
        days_of_history=days,
        days_with_use=days_with_use,
        regularity=regularity(known),
        mean_daily=mean_daily,
        unit_f=float(known.mean()) / 4 if days_with_use else 0.0,
        reason=reason,
    )


def forecast_many(
    histories: Mapping[Account, pd.DataFrame],
    *,
    as_of: date | None = None,
    horizon_days: int = HORIZON_DAYS,
    processes: int | None = None,
    executor: Executor | None = None,
) -> dict[Account, Forecast]:
    """The forecast of many accounts, by account, in the order given; the same figures wherever they are computed.

    Args: histories as for `daily_burn`, by account; processes as for `executors.on_this_machine`, unless an executor
    is given.
    """
    work = [(history, as_of, horizon_days) for history in histories.values()]
    chosen = nullcontext(executor) if executor else on_this_machine(len(work), processes=processes)
    with chosen as computes:
        return dict(zip(histories, computes.map(_forecast_one, work), strict=True))


def paths(forecast: Forecast, calibration: "Calibration") -> Floats:
    """Possible courses of the daily burn: the forecast distorted by every error that past forecasts of its kind made.

    Returns: shape (paths, horizon), credits per day, >= 0. Each path is the running maximum of the cumulative
    forecast times one error ratio per horizon day, taken apart into days; errors of level therefore persist.
    """
    ratios = calibration.ratios(forecast)[:, : len(forecast.mean_daily)]
    if ratios.shape[1] < len(forecast.mean_daily):
        raise ValueError(f"the calibration reaches {ratios.shape[1]} days, the forecast {len(forecast.mean_daily)}")
    cumulative = np.maximum.accumulate(np.cumsum(forecast.mean_daily) * ratios, axis=1)
    return np.diff(cumulative, axis=1, prepend=0.0)


def regularity(daily_credits: Floats) -> Regularity:
    """The regularity class of a daily series; a series without any day counts as sparse."""
    without_use = float(np.mean(daily_credits == 0)) if daily_credits.size else 1.0
    if without_use < 0.1:
        return Regularity.REGULAR
    return Regularity.IRREGULAR if without_use < 0.5 else Regularity.SPARSE


def _forecast_one(work: tuple[pd.DataFrame, date | None, int]) -> Forecast:
    history, as_of, horizon_days = work
    return daily_burn(history, as_of=as_of, horizon_days=horizon_days)


def _checked(history: pd.DataFrame, as_of: date | None) -> tuple[date, Floats]:
    """The last complete day and the daily credits of a history that is proven free of gaps."""
    if history.empty:
        if as_of is None:
            raise ValueError("a history without rows needs as_of, the last complete day")
        return as_of, np.zeros(0)
    days = pd.to_datetime(history["day"]).to_numpy(dtype="datetime64[D]")
    if (np.diff(days) != np.timedelta64(1, "D")).any():
        raise ValueError("the history must have one row per day, sorted, without gaps")
    last_day: date = days[-1].item()
    if as_of is not None and as_of != last_day:
        raise ValueError(f"the history ends on {last_day}, not on {as_of}")
    used_micro = history["used_micro"].to_numpy(dtype=np.int64)
    if (used_micro < 0).any():
        raise ValueError("used_micro must not be negative")
    return last_day, used_micro / MICRO


def _method(days: int, days_with_use: int, days_given: int) -> tuple[Method, str | None]:
    """Which method the length of the history allows, and in words why not the full one."""
    if days_with_use == 0:
        return Method.NONE, f"no use in {days_given} days" if days_given else "no use yet"
    if days < FIT_DAYS_MIN:
        return Method.MEAN, f"only {days} days since the first use, a fit needs {FIT_DAYS_MIN}: plain mean"
    if days_with_use < FIT_DAYS_WITH_USE_MIN:
        return Method.MEAN, f"only {days_with_use} days with use, a fit needs {FIT_DAYS_WITH_USE_MIN}: plain mean"
    if days < TREND_DAYS_MIN:
        return Method.LEGS_WITHOUT_TREND, f"only {days} days since the first use, a trend needs {TREND_DAYS_MIN}"
    return Method.LEGS, None


def _mean_of_legs(known: Floats, last_day: date, horizon_days: int, *, with_trend: bool) -> Floats:
    flat = _flat_leg(known[-_FLAT_LEG_DAYS:], last_day, horizon_days)
    log = _log_leg(known, last_day, horizon_days, with_trend=with_trend)
    return (flat + log) / 2


def _flat_leg(known: Floats, last_day: date, horizon_days: int) -> Floats:
    """Level and weekly rhythm of the last weeks, without trend, never below zero."""
    fitted = _fit_and_predict(known, last_day, horizon_days, {"growth": "flat"})
    ahead: Floats = np.clip(fitted["yhat"].to_numpy()[len(known) :], 0.0, None)
    return ahead


def _log_leg(known: Floats, last_day: date, horizon_days: int, *, with_trend: bool) -> Floats:
    """Trend in logarithms, held at its last fitted value, plus the weekly rhythm.

    Back in credits by the mean over the last residuals: the plain inverse of a mean of logarithms is a median and
    too low for sums.
    """
    logs = np.log1p(known)
    trend = {"growth": "linear", "changepoint_prior_scale": 0.15, "changepoint_range": 0.9}
    fitted = _fit_and_predict(logs, last_day, horizon_days, trend if with_trend else {"growth": "flat"})
    residuals = (logs - fitted["yhat"].to_numpy()[: len(known)])[-_RESIDUAL_DAYS:]
    held_trend = fitted["trend"].to_numpy()[len(known) - 1]
    ahead: Floats = held_trend + fitted["weekly"].to_numpy()[len(known) :]
    credits: Floats = np.clip(np.exp(ahead) * np.exp(residuals).mean() - 1.0, 0.0, None)
    return credits


def _fit_and_predict(values: Floats, last_day: date, horizon_days: int, options: dict[str, Any]) -> pd.DataFrame:
    """Prophet's frame (yhat, trend, weekly) over the known days and then the horizon."""
    from prophet import Prophet

    # cmdstanpy configures its logger at first use, which undoes a level set earlier; disabling it holds.
    logging.getLogger("cmdstanpy").disabled = True
    first_day = pd.Timestamp(last_day) - pd.Timedelta(days=len(values) - 1)
    days = pd.date_range(first_day, periods=len(values) + horizon_days)
    model = Prophet(
        weekly_seasonality=True,
        yearly_seasonality=False,
        daily_seasonality=False,
        uncertainty_samples=0,
        **options,
    )
    model.fit(pd.DataFrame({"ds": days[: len(values)], "y": values}))
    return model.predict(pd.DataFrame({"ds": days}))

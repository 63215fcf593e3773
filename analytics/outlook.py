"""Who runs out when: stored forecasts spent through today's batches.

A forecast of use is slow to make and stored once a day; spending it through the batches is quick and done when somebody
looks, so that a grant made a minute ago is in the picture.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import sqlalchemy as sa

from analytics import burn, depletion, frames
from analytics.calibration import Calibration, load_default
from analytics.depletion import BalanceStatus, Projection, RunOut
from analytics.forecast import HISTORY_DAYS_MAX, HORIZON_DAYS, Floats, Forecast, daily_burn, paths
from analytics.frames.schema import Schema, day, flag, maybe_whole, real, text
from analytics.periods import Period
from analytics.scopes import Mix, is_scoped
from ledger.core.records import Batch

_DAY = timedelta(days=1)
# The newest one of the database that was asked last, by address and version.
_CALIBRATIONS: dict[tuple[Any, ...], Calibration] = {}
AHEAD_DAYS = (30, 60, 90)
MONTH_END = "Month end"

OUTLOOK = Schema(
    "one account with a forecast, by account",
    (
        text("account", "external id"),
        day("as_of", "last complete day that the forecast knew"),
        text("method", "none, mean, legs_without_trend or legs"),
        text("method_reason", "why the method is not the full one; NaN when it is"),
        real("burn_a_day", "expected use per day over the days covered, credits"),
        flag("is_out", "whether nothing can be used now"),
        maybe_whole("runway_days", "days through the likely run-out day; absent beyond the days covered"),
        day("likely", "likely run-out day; NaT beyond the days covered"),
        day("low_80", "early end of the 80 % range; NaT beyond the days covered"),
        day("high_80", "late end of the 80 % range; NaT beyond the days covered"),
        day("low_95", "early end of the 95 % range; NaT beyond the days covered"),
        day("high_95", "late end of the 95 % range; NaT beyond the days covered"),
        text("cause", "use, expiry or none"),
        text("cannot_say", "why no single day should be shown; NaN when one can"),
        real("wasted", "credits that most likely expire unused within the days covered"),
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """One account: the forecast of its use, and what becomes of its batches."""

    forecast: Forecast
    projection: Projection


def values_ahead(projection: Projection) -> list[tuple[str, BalanceStatus]]:
    """The balance in 30, 60 and 90 days and at the end of the month, as far as the days covered reach; by day."""
    wanted = [(f"In {days} days", projection.status_at(days)) for days in AHEAD_DAYS]
    wanted.append((MONTH_END, projection.status_at_month_end()))
    found = [(label, status) for label, status in wanted if status is not None]
    return sorted(found, key=lambda pair: pair[1].day)


def as_of(today: date) -> date:
    """The last complete day, up to which a forecast knows use."""
    return today - _DAY


def history_period(known_until: date) -> Period:
    """The days of use that a forecast made from days up to ``known_until`` looks at."""
    return Period(known_until - timedelta(days=HISTORY_DAYS_MAX - 1), known_until + _DAY)


def load_histories(
    connection: sa.Connection, accounts: Iterable[str], *, known_until: date
) -> dict[Hashable, pd.DataFrame]:
    """The daily use of some accounts as `forecast_many` wants it, by account; one statement for all."""
    period = history_period(known_until)
    usage = frames.load_account_daily_usage(connection, since=period.since, until=period.until)
    return dict(burn.histories(usage, accounts, period).items())


def make_one(connection: sa.Connection, *, account: str, known_until: date) -> Forecast:
    """The forecast of one account, made now: about 0.15 s, and two seconds more the first time in a process."""
    period = history_period(known_until)
    usage = frames.load_daily_usage(connection, since=period.since, until=period.until, account=account)
    return daily_burn(burn.daily(usage, period)[["day", "used_micro"]], as_of=known_until)


def stored(found: pd.DataFrame) -> dict[str, Forecast]:
    """The forecasts in a frame of frames.FORECASTS, by account."""
    return {
        str(account): Forecast.from_body(body) for account, body in zip(found["account"], found["body"], strict=True)
    }


def missing(accounts: Iterable[str], found: pd.DataFrame, *, known_until: date) -> list[str]:
    """The accounts without a stored forecast that knows the day ``known_until``, in the order given."""
    fresh = set(found.loc[found["as_of"] >= pd.Timestamp(known_until), "account"])
    return [account for account in accounts if account not in fresh]


def load_one(
    connection: sa.Connection, *, account: str, at: datetime, zone: ZoneInfo, stored_at: datetime | None
) -> Outlook | None:
    """The outlook of one account from its stored forecast; None when none is stored that reaches beyond today.

    ``stored_at`` is frames.load_forecast_head: when a forecast was last stored, None when never. It names the version
    that is read, so that an answer kept by its arguments is never of an older one.
    """
    if stored_at is None:
        return None
    today = frames.today(at, zone)
    forecasts = stored(frames.load_forecasts(connection, as_of=as_of(today), account=account))
    if account not in forecasts or not _reaches(forecasts[account], today):
        return None
    return spend_one(connection, account=account, forecast=forecasts[account], at=at, zone=zone)


def spend_one(connection: sa.Connection, *, account: str, forecast: Forecast, at: datetime, zone: ZoneInfo) -> Outlook:
    """A forecast spent through the batches of its account from an instant on."""
    batches = frames.load_core_batches(connection, account=account, at=at)
    mix: Mix = {}
    if is_scoped(batches):
        mix = frames.load_feature_mix(connection, today=frames.today(at, zone), account=account).get(account, {})
    courses, paths_from = _courses(forecast, calibration_in(connection), frames.today(at, zone), HORIZON_DAYS)
    found = depletion.project(batches, courses, start_at=at, zone=zone, paths_from=paths_from, mix=mix)
    return Outlook(forecast, found)


def load_fleet(
    connection: sa.Connection,
    *,
    at: datetime,
    zone: ZoneInfo,
    stored_at: datetime | None,
    horizon_days: int = HORIZON_DAYS,
) -> pd.DataFrame:
    """The outlook of every account with a stored forecast: see OUTLOOK. ``stored_at`` as for `load_one`."""
    if stored_at is None:
        return OUTLOOK.empty()
    forecasts = stored(frames.load_forecasts(connection, as_of=as_of(frames.today(at, zone))))
    batches = frames.load_all_core_batches(connection, at=at)
    mixes: Mapping[str, Mix] = {}
    if any(map(is_scoped, batches.values())):
        mixes = frames.load_feature_mix(connection, today=frames.today(at, zone))
    return fleet(
        batches,
        forecasts,
        at=at,
        zone=zone,
        horizon_days=horizon_days,
        mixes=mixes,
        calibration=calibration_in(connection),
    )


def calibration_in(connection: sa.Connection) -> Calibration:
    """The calibration that the nightly job learned from these books; the one shipped with the product before that."""
    head = frames.load_calibration_head(connection)
    if head is None:
        return load_default()
    key = (str(connection.engine.url), *head)
    # Reading one takes as long as drawing a page, and it changes once a night.
    if key not in _CALIBRATIONS:
        body = frames.load_calibration_body(connection)
        assert body is not None
        _CALIBRATIONS.clear()
        _CALIBRATIONS[key] = Calibration.from_body(body)
    return _CALIBRATIONS[key]


def fleet(
    batches: Mapping[str, Sequence[Batch]],
    forecasts: Mapping[str, Forecast],
    *,
    at: datetime,
    zone: ZoneInfo,
    horizon_days: int = HORIZON_DAYS,
    mixes: Mapping[str, Mix] | None = None,
    calibration: Calibration | None = None,
) -> pd.DataFrame:
    """Each forecast spent through the batches of its account: see OUTLOOK. ``mixes`` as `depletion.project` wants them.

    ``calibration`` is the one that ships with the product unless given.

    Forecasts so old that no day of them lies ahead are left out: they say nothing about today.
    """
    calibration, today = calibration or load_default(), frames.today(at, zone)
    rows = []
    for account, forecast in sorted(forecasts.items()):
        if _reaches(forecast, today):
            courses, paths_from = _courses(forecast, calibration, today, horizon_days)
            found = depletion.run_out(
                batches.get(account, ()),
                courses,
                start_at=at,
                zone=zone,
                paths_from=paths_from,
                mix=(mixes or {}).get(account),
            )
            rows.append(_row(account, forecast, found))
    return OUTLOOK.frame({name: [row[name] for row in rows] for name in OUTLOOK.names} if rows else {})


def _reaches(forecast: Forecast, today: date) -> bool:
    return forecast.as_of + timedelta(days=len(forecast.mean_daily)) >= today


def _courses(forecast: Forecast, calibration: Calibration, today: date, horizon_days: int) -> tuple[Floats, date]:
    """Burn paths up to the end of the horizon, which counts from today, and the day of their first column."""
    paths_from = forecast.as_of + _DAY
    gone = max((today - paths_from).days, 0)
    return paths(forecast, calibration)[:, : gone + horizon_days], paths_from


def _row(account: str, forecast: Forecast, found: RunOut) -> dict[str, object]:
    return {
        "account": account,
        "as_of": forecast.as_of,
        "method": forecast.method.value,
        "method_reason": forecast.reason,
        "burn_a_day": float(np.mean(forecast.mean_daily[: found.days_covered])),
        "is_out": found.is_out_now,
        "runway_days": found.runway_days,
        "likely": found.likely,
        "low_80": found.range_80.low,
        "high_80": found.range_80.high,
        "low_95": found.range_95.low,
        "high_95": found.range_95.high,
        "cause": found.cause.value,
        "cannot_say": found.cannot_say_reason,
        "wasted": found.wasted,
    }

"""The outlook of many customers says what the projection of each one says."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from analytics import depletion, outlook
from analytics.calibration import load_default
from analytics.forecast import Forecast, Method, Regularity, paths
from ledger.core.records import Batch, CreditType
from tests.kit.factories import make_batch

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = date(2026, 3, 10)


def forecast(*, a_day: float = 2.0, as_of: date = TODAY - timedelta(days=1)) -> Forecast:
    return Forecast(
        as_of=as_of,
        method=Method.LEGS,
        days_of_history=100,
        days_with_use=90,
        regularity=Regularity.REGULAR,
        mean_daily=np.full(90, a_day),
        unit_f=a_day / 4,
        reason=None,
    )


SHELVES: dict[str, list[Batch]] = {
    "plenty": [make_batch(credits=10_000, expires_in_days=None)],
    "short": [make_batch(credits=30, expires_in_days=80)],
    "wasting": [make_batch(credits=500, expires_in_days=20, credit_type=CreditType.PROMOTIONAL), make_batch(id=7)],
    "nothing": [],
    "later": [make_batch(credits=50, starts_in_days=10, expires_in_days=60)],
}


@pytest.mark.parametrize("account", SHELVES)
def test_a_row_says_what_the_projection_says(account: str) -> None:
    row = outlook.fleet(SHELVES, {account: forecast()}, at=NOW, zone=BERLIN).iloc[0]
    courses = paths(forecast(), load_default())
    full = depletion.project(SHELVES[account], courses, start_at=NOW, zone=BERLIN, paths_from=TODAY)
    assert row["is_out"] == full.is_out_now
    for column, day in (
        ("likely", full.likely),
        ("low_80", full.range_80.low),
        ("high_80", full.range_80.high),
        ("low_95", full.range_95.low),
        ("high_95", full.range_95.high),
    ):
        assert (None if pd.isna(row[column]) else row[column].date()) == day, column
    assert row["cause"] == full.cause.value
    assert row["wasted"] == pytest.approx(full.wasted["wasted_likely"].sum())
    assert (None if pd.isna(row["runway_days"]) else row["runway_days"]) == full.runway_days


def test_the_horizon_counts_from_today_also_with_a_forecast_of_last_week() -> None:
    old = forecast(as_of=TODAY - timedelta(days=8))
    found = outlook.fleet(SHELVES, {"plenty": old}, at=NOW, zone=BERLIN, horizon_days=30)
    assert found["burn_a_day"].tolist() == [2.0]
    assert outlook.fleet(SHELVES, {"short": old}, at=NOW, zone=BERLIN, horizon_days=30)["likely"].notna().all()


def test_a_forecast_without_a_day_ahead_is_left_out() -> None:
    stale = forecast(as_of=TODAY - timedelta(days=91))
    assert outlook.fleet(SHELVES, {"short": stale}, at=NOW, zone=BERLIN).empty
    on_its_last_day = forecast(as_of=TODAY - timedelta(days=90))
    assert len(outlook.fleet(SHELVES, {"short": on_its_last_day}, at=NOW, zone=BERLIN)) == 1


def test_missing_are_those_without_a_forecast_of_the_last_complete_day() -> None:
    found = pd.DataFrame(
        {
            "account": ["fresh", "old"],
            "as_of": pd.to_datetime(["2026-03-09", "2026-03-08"]),
            "computed_at": pd.to_datetime(["2026-03-10", "2026-03-09"], utc=True),
            "body": [{}, {}],
        }
    )
    wanted = ["old", "fresh", "none"]
    assert outlook.missing(wanted, found, known_until=outlook.as_of(TODAY)) == ["old", "none"]

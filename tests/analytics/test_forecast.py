"""Daily burn ahead on series with a known answer, against the naive method, and its ranges."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from types import ModuleType
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from analytics.calibration import Calibration, Member, build, error_ratios, load_default
from analytics.depletion import project
from analytics.forecast import Forecast, Method, Regularity, daily_burn, forecast_many, paths
from ledger.core.amounts import MICRO
from ledger.core.records import Batch, CreditType

FIRST_DAY = date(2026, 6, 1)  # A Monday.


def make_history(credits: np.ndarray | list[float]) -> pd.DataFrame:
    days = pd.date_range(FIRST_DAY, periods=len(credits))
    return pd.DataFrame({"day": days, "used_micro": np.rint(np.asarray(credits) * MICRO).astype("int64")})


def weekly_series(days: int, *, seed: int = 7, level: float = 100.0) -> np.ndarray:
    """Working weeks with some noise: weekends at a fifth of a working day."""
    noise = np.random.default_rng(seed).normal(1.0, 0.1, days).clip(0.5, 1.5)
    return level * np.where(np.arange(days) % 7 < 5, 1.0, 0.2) * noise


def run_out_index(daily: np.ndarray, balance: float) -> int:
    """The day index on which a course of daily use has spent the balance."""
    spent = np.cumsum(daily) >= balance
    return int(spent.argmax()) if spent.any() else len(daily)


def test_constant_use_is_forecast_exactly() -> None:
    forecast = daily_burn(make_history([10.0] * 100))
    assert forecast.method is Method.LEGS
    assert forecast.reason is None
    assert forecast.as_of == FIRST_DAY + timedelta(days=99)
    np.testing.assert_allclose(forecast.mean_daily, np.full(90, 10.0), rtol=1e-9)


def test_constant_use_gives_the_exact_run_out_day() -> None:
    forecast = daily_burn(make_history([10.0] * 100))
    zone = ZoneInfo("UTC")
    start = datetime.combine(forecast.as_of + timedelta(days=1), time(), tzinfo=UTC)
    batch = Batch(1, CreditType.PURCHASED, 400 * MICRO, 0, 0, start - timedelta(days=9), None)
    exact = project([batch], paths(forecast, Calibration.exact()), start_at=start, zone=zone)
    assert exact.likely == start.date() + timedelta(days=39)
    shipped = project([batch], paths(forecast, load_default()), start_at=start, zone=zone)
    assert shipped.likely and abs((shipped.likely - exact.likely).days) <= 4
    assert shipped.range_80.low and shipped.range_80.low < exact.likely
    assert shipped.range_80.high is None or shipped.range_80.high > exact.likely


def test_no_use_gives_zeros_with_a_reason() -> None:
    forecast = daily_burn(make_history([0.0] * 60))
    assert (forecast.method, forecast.reason, forecast.unit_f) == (Method.NONE, "no use in 60 days", 0.0)
    assert paths(forecast, load_default()).tolist() == [[0.0] * 90]


def test_account_without_any_day_needs_to_be_told_the_day() -> None:
    empty = make_history([])
    assert daily_burn(empty, as_of=FIRST_DAY).reason == "no use yet"
    with pytest.raises(ValueError, match="as_of"):
        daily_burn(empty)


def test_three_days_of_history_give_their_plain_mean() -> None:
    forecast = daily_burn(make_history([1.0, 2.0, 6.0]))
    assert forecast.method is Method.MEAN
    assert forecast.mean_daily.tolist() == [3.0] * 90
    assert forecast.unit_f == 0.75
    assert forecast.reason == "only 3 days since the first use, a fit needs 14: plain mean"


@pytest.mark.parametrize(
    ("days", "method"),
    [(13, Method.MEAN), (14, Method.LEGS_WITHOUT_TREND), (41, Method.LEGS_WITHOUT_TREND), (42, Method.LEGS)],
)
def test_method_follows_the_length_of_the_history(days: int, method: Method) -> None:
    assert daily_burn(make_history(weekly_series(days))).method is method


def test_few_days_with_use_give_the_plain_mean_of_a_long_history() -> None:
    credits = np.zeros(80)
    credits[[0, 20, 40, 60]] = 20.0
    forecast = daily_burn(make_history(credits))
    assert forecast.method is Method.MEAN
    assert forecast.regularity is Regularity.SPARSE
    assert forecast.mean_daily[0] == pytest.approx(1.0)


def test_days_before_the_first_use_do_not_count() -> None:
    late_start = make_history([0.0] * 200 + [8.0] * 10)
    forecast = daily_burn(late_start)
    assert (forecast.days_of_history, forecast.mean_daily[0]) == (10, 8.0)


def test_use_that_stopped_a_month_ago_is_forecast_far_below_its_old_level() -> None:
    series = weekly_series(200)
    series[-30:] = 0.0
    forecast = daily_burn(make_history(series))
    old_level = series[:-30].mean()
    assert forecast.mean_per_day < 0.5 * old_level


def test_level_shift_last_week_moves_the_forecast_towards_the_new_level() -> None:
    series = weekly_series(200)
    before = daily_burn(make_history(series)).mean_per_day
    series[-7:] *= 3
    after = daily_burn(make_history(series)).mean_per_day
    assert 1.05 * before < after < 3 * before


def test_growth_is_not_extrapolated() -> None:
    series = weekly_series(200) * np.linspace(1, 3, 200)
    forecast = daily_burn(make_history(series))
    assert forecast.mean_daily[:28].mean() == pytest.approx(forecast.mean_daily[56:84].mean())
    assert series[-84:].mean() * 0.9 < forecast.mean_per_day < series[-28:].mean() * 1.05


def test_weekly_rhythm_is_kept() -> None:
    forecast = daily_burn(make_history(weekly_series(182)))
    weekend = np.arange(90) % 7 >= 5
    assert forecast.mean_daily[weekend].mean() < 0.4 * forecast.mean_daily[~weekend].mean()
    assert (forecast.mean_daily >= 0).all()


def test_forecast_beats_the_naive_method_on_a_fixed_list_of_series() -> None:
    """Run-out error in days when the balance is what the next 5, 10, 20 or 60 days really used."""
    series = {
        "working week": weekly_series(290),
        "burst last month": weekly_series(290, seed=1) * np.where(np.arange(290) // 10 == 18, 4.0, 1.0),
        "outage last month": weekly_series(290, seed=2) * np.where(np.arange(290) // 14 == 13, 0.0, 1.0),
        "doubled last week": weekly_series(290, seed=3) * np.where(np.arange(290) < 193, 1.0, 2.0),
    }
    naive_errors, errors = [], []
    for credits in series.values():
        known, ahead = credits[:200], credits[200:]
        forecast = daily_burn(make_history(known)).mean_daily
        naive = np.full(90, known[-28:].mean())
        for days in (5, 10, 20, 60):
            actual = run_out_index(ahead, balance := float(ahead.cumsum()[days - 1]))
            naive_errors.append(abs(run_out_index(naive, balance) - actual))
            errors.append(abs(run_out_index(forecast, balance) - actual))
    assert np.mean(errors) < 0.9 * np.mean(naive_errors)


def test_same_history_gives_the_same_answer_and_survives_storage() -> None:
    history = make_history(weekly_series(120))
    first, second = daily_burn(history), daily_burn(history)
    assert first.mean_daily.tolist() == second.mean_daily.tolist()
    stored = Forecast.from_body(json.loads(json.dumps(first.to_body())))
    assert stored.to_body() == first.to_body()
    assert paths(stored, load_default()).tolist() == paths(first, load_default()).tolist()


def test_dates_and_timestamps_are_the_same_history() -> None:
    history = make_history([1.0, 2.0, 3.0])
    as_dates = history.assign(day=history["day"].dt.date)
    assert daily_burn(as_dates).to_body() == daily_burn(history).to_body()


@pytest.mark.parametrize(
    "history",
    [
        make_history([1.0] * 5).drop(index=2),
        make_history([1.0] * 5).iloc[::-1],
        make_history([1.0, -1.0]),
    ],
    ids=["gap", "unsorted", "negative"],
)
def test_faulty_history_is_refused(history: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"history|negative"):
        daily_burn(history)


def test_many_forecasts_are_the_same_in_processes_and_in_line(monkeypatch: pytest.MonkeyPatch) -> None:
    # A page test leaves its script behind as __main__, and a spawned worker would run that first.
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))
    histories = {name: make_history(weekly_series(60, seed=seed)) for seed, name in enumerate("abc")}
    in_line = forecast_many(histories, processes=1)
    in_processes = forecast_many(histories, processes=2)
    assert list(in_processes) == ["a", "b", "c"]
    assert {k: f.to_body() for k, f in in_processes.items()} == {k: f.to_body() for k, f in in_line.items()}


def test_reading_stored_forecasts_does_not_import_prophet() -> None:
    code = (
        "import sys, analytics.forecast, analytics.calibration, analytics.depletion; sys.exit('prophet' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def make_members(count: int, regularity: Regularity, level: float, *, is_plain_mean: bool = False) -> list[Member]:
    return [Member(regularity, is_plain_mean, np.full(90, level * (n + 1))) for n in range(count)]


def test_error_ratio_compares_sums_with_a_quarter_day_added() -> None:
    forecast = daily_burn(make_history([4.0] * 20))
    assert error_ratios(forecast, np.array([8.0] + [4.0] * 89))[[0, 1]] == pytest.approx([9 / 5, 13 / 9])


def test_pool_has_median_one_and_small_pools_give_way_to_all_members() -> None:
    members = make_members(25, Regularity.REGULAR, 1.0) + make_members(5, Regularity.SPARSE, 1.0)
    calibration = Calibration(members, source="test", built_on=FIRST_DAY)
    regular = daily_burn(make_history([4.0] * 20))
    assert calibration.ratios(regular).shape == (25, 90)
    np.testing.assert_allclose(np.median(calibration.ratios(regular), axis=0), 1.0)
    sparse = daily_burn(make_history(([4.0] + [0.0] * 6) * 10))
    assert calibration.ratios(sparse).shape == (30, 90)


def test_paths_never_go_back_and_keep_their_level_error() -> None:
    members = [Member(Regularity.REGULAR, False, np.linspace(2.0, 0.5, 90)), *make_members(1, Regularity.REGULAR, 1.0)]
    daily = paths(daily_burn(make_history([4.0] * 20)), Calibration(members, source="test", built_on=FIRST_DAY))
    assert daily.shape == (2, 90)
    assert (daily >= 0).all()
    cumulative = np.cumsum(daily, axis=1)
    assert (cumulative[0] > 0).all()


def test_built_calibration_survives_storage() -> None:
    histories = {n: make_history(weekly_series(150 + 30, seed=n)) for n in range(2)}
    built = build(histories, source="two customers", origins_days_ago=(90,), processes=1)
    assert [member.is_plain_mean for member in built.members] == [False, True, False, True]
    again = Calibration.from_body(json.loads(json.dumps(built.to_body())))
    assert again.to_body() == built.to_body()


def test_shipped_calibration_has_enough_members_for_a_95_percent_range_of_each_kind() -> None:
    kinds = [m.regularity for m in load_default().members if not m.is_plain_mean]
    assert all(kinds.count(regularity) >= 39 for regularity in Regularity)
    assert sum(m.is_plain_mean for m in load_default().members) >= 39

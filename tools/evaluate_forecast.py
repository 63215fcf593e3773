"""Measures the forecast on real series against balance ÷ mean of the last 28 days; prints a Markdown table.

usage: python -m tools.evaluate_forecast DATA_DIR

Every eighth customer at five origins that lie before everything the shipped calibration has seen. The balance is what
the next 15, 30 and 60 days really used, so the true run-out day is known. "Covers" is the share of run-out days
inside the 80 and 95 % range. Rows with fewer days cut the history, as if the customer were that new.
"""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from analytics.calibration import load_default
from analytics.depletion import DayRange, project
from analytics.forecast import HORIZON_DAYS, Floats, daily_burn, paths
from ledger.core.amounts import MICRO
from ledger.core.records import Batch, CreditType
from tools.build_calibration import load_histories

EVERY_NTH_CUSTOMER = 8
ORIGINS_DAYS_AGO = (240, 300, 360, 420, 476)
HISTORY_DAYS = (365, 28, 10, 5)
BALANCE_DAYS = (15, 30, 60)


class Outcome(NamedTuple):
    """One forecast against what happened. Errors in days; absolute error and use in credits over the horizon."""

    kind: str
    runout_error: float
    naive_runout_error: float
    absolute_error: float
    naive_absolute_error: float
    used: float
    in_80: bool
    in_95: bool
    cannot_say: bool


def outcomes(histories: dict[str, pd.DataFrame], known_days: int) -> Iterator[Outcome]:
    """All outcomes with that much history known; origins without any use before or after are left out."""
    for history in list(histories.values())[::EVERY_NTH_CUSTOMER]:
        for days_ago in ORIGINS_DAYS_AGO:
            known = history.iloc[: len(history) - days_ago].iloc[-known_days:]
            used = history["used_micro"].iloc[-days_ago:][:HORIZON_DAYS].to_numpy() / MICRO
            if known["used_micro"].any():
                yield from _of_one(known, used)


def _of_one(known: pd.DataFrame, used: Floats) -> Iterator[Outcome]:
    forecast = daily_burn(known)
    courses = paths(forecast, load_default())
    naive = np.full(HORIZON_DAYS, known["used_micro"].iloc[-28:].mean() / MICRO)
    start = datetime.combine(forecast.as_of + timedelta(days=1), clock(), tzinfo=UTC)
    for days in BALANCE_DAYS:
        balance = float(used[:days].sum())
        if balance <= 0:
            continue
        batch = Batch(1, CreditType.PURCHASED, round(balance * MICRO), 0, 0, start, None)
        projection = project([batch], courses, start_at=start, zone=ZoneInfo("UTC"))
        actual = _runout(used, balance)
        likely = HORIZON_DAYS if projection.likely is None else (projection.likely - projection.first_day).days
        on = projection.first_day + timedelta(days=actual)
        yield Outcome(
            f"{forecast.method}, {forecast.regularity}",
            abs(likely - actual),
            abs(_runout(naive, balance) - actual),
            float(np.abs(forecast.mean_daily - used).sum()),
            float(np.abs(naive - used).sum()),
            float(used.sum()),
            _inside(on, projection.range_80),
            _inside(on, projection.range_95),
            projection.cannot_say_reason is not None,
        )


def _runout(daily: Floats, balance: float) -> int:
    spent = np.rint(np.cumsum(daily) * MICRO) >= round(balance * MICRO)
    return int(spent.argmax()) if spent.any() else HORIZON_DAYS


def _inside(day: date, days: DayRange) -> bool:
    return days.low is not None and days.low <= day and (days.high is None or day <= days.high)


def row(name: str, found: pd.DataFrame) -> str:
    """One line of the table; WAPE is the absolute error of daily use over 90 days ÷ what was used."""
    used = found["used"].sum()
    return (
        f"| {name} | {len(found)} | {found['runout_error'].mean():.1f} | {found['naive_runout_error'].mean():.1f}"
        f" | {found['absolute_error'].sum() / used:.2f} | {found['naive_absolute_error'].sum() / used:.2f}"
        f" | {found['in_80'].mean():.2f} | {found['in_95'].mean():.2f} | {found['cannot_say'].mean():.2f} |"
    )


def main(data_dir: Path) -> None:
    histories = load_histories(data_dir)
    print("| days known | n | run-out MAE | naive | WAPE | naive | 80 % covers | 95 % covers | cannot say |")
    print("|---|---|---|---|---|---|---|---|---|")
    for known_days in HISTORY_DAYS:
        began = time.perf_counter()
        found = pd.DataFrame(outcomes(histories, known_days))
        seconds = (time.perf_counter() - began) / len(found) * len(BALANCE_DAYS)
        print(row(f"**{known_days}**, {seconds:.2f} s each", found))
        for kind, part in found.groupby("kind"):
            print(row(f"{known_days}: {kind}", part))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

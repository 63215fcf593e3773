"""Use that is far from what is usual for a customer, a feature and a weekday.

A day is compared with the same weekday of the eight weeks before it, on the logarithm of one plus the credits, so that
a doubling weighs the same at any size. The scale is the median absolute residual of those weeks, which a few odd days
do not move. What counts as far was chosen by a stated budget of false alarms: docs/alerts.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from analytics.forecast import Floats
from ledger.core.amounts import MICRO

WEEKS = 8
WINDOW_DAYS = 7 * WEEKS
# Robust standard deviations; see the budget of false alarms.
FAR = 8.0
# Use has to be more than doubled or halved: a very regular customer is not told of small changes.
RATIO_MIN = 2.0
# Small series stay silent: what counts is on most days, and more than a few credits.
DAYS_WITH_USE_MIN = 40
CREDITS_A_DAY_MIN = 10.0

# What the median absolute deviation of a normal distribution is multiplied by to give its standard deviation.
_TO_SIGMA = 1.4826
# Below this scale the residuals of a series say nothing: about 5 %.
_SCALE_MIN = 0.05

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Several series on one day: which of them can be judged, which are unusual, and what was usual (credits)."""

    can_say: Mask
    is_unusual: Mask
    usual: Floats


def judge(window: Floats, today: Floats) -> Judged:
    """Compare one day of several series with the 56 days before it.

    Args:
        window: shape (56, series), credits per day, oldest first; days without use are 0.
        today: shape (series,), credits of the day after the window.
    """
    if window.shape[0] != WINDOW_DAYS:
        raise ValueError(f"the window has {window.shape[0]} days, it must have {WINDOW_DAYS}")
    by_week = np.log1p(window).reshape(WEEKS, 7, -1)
    profile = np.median(by_week, axis=0)
    residuals = (by_week - profile).reshape(WINDOW_DAYS, -1)
    scale = np.maximum(_TO_SIGMA * np.median(np.abs(residuals), axis=0), _SCALE_MIN)
    # The window is whole weeks, so its first day has the weekday of the day that is judged.
    distance = np.abs(np.log1p(today) - profile[0])
    can_say = ((window > 0).sum(axis=0) >= DAYS_WITH_USE_MIN) & (np.median(window, axis=0) >= CREDITS_A_DAY_MIN)
    is_unusual = can_say & (distance > np.maximum(FAR * scale, np.log(RATIO_MIN)))
    return Judged(can_say, is_unusual, np.expm1(profile[0]))


@dataclass(frozen=True, slots=True)
class Verdict:
    """One series that can be judged on a day; amounts in micro-credits, ``usual`` an estimate."""

    account_id: int
    feature: str
    used_micro: int
    usual_micro: int
    is_unusual: bool


def judge_day(rows: Iterable[tuple[int, str, date, int]], day: date) -> list[Verdict]:
    """Judge a day from rows of account, feature, day and micro-credits, days without use left out.

    Rows before the window are ignored. Series about which nothing can be said are not in the answer.
    """
    places: dict[tuple[int, str], int] = {}
    found = [(places.setdefault((who, feature), len(places)), (day - on).days, used) for who, feature, on, used in rows]
    used = np.zeros((WINDOW_DAYS + 1, len(places)), dtype=np.int64)
    for place, ago, amount in found:
        if 0 <= ago <= WINDOW_DAYS:
            used[WINDOW_DAYS - ago, place] += amount
    credits = used / MICRO
    judged = judge(credits[:-1], credits[-1])
    return [
        Verdict(who, feature, int(used[-1, place]), round(float(judged.usual[place]) * MICRO), bool(odd))
        for ((who, feature), place), says, odd in zip(places.items(), judged.can_say, judged.is_unusual, strict=True)
        if says
    ]

"""When the credits run out, and what expires unused: burn paths spent through batches.

Every path is spent day by day in the ledger's own burn order (ledger.core.burn), expiries and future grants
included, so the picture and the books cannot disagree on what goes first. A day that asks for more than is there
takes what is there; the rest is lost, not owed.

Days are local days of one zone. Instants are cut to days: a batch counts on every local day it is usable for any
part of. "Runs out on day D" means: use on D could not be covered in full, or nothing is left to open day D + 1.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from babel.dates import format_skeleton
from babel.numbers import format_decimal

from analytics.forecast import Floats
from analytics.scopes import Mix, is_scoped, shares, spend_by_share
from analytics.spending import Micros, Spent, Window, cumulative_use, day_windows, spend
from ledger.core.amounts import MICRO
from ledger.core.burn import available_micro
from ledger.core.lifecycle import month_end
from ledger.core.records import Batch

_WASTE_WORTH_SAYING = 0.5


class Cause(StrEnum):
    """What empties the account: use, expiry, or neither within the horizon."""

    USE = "use"
    EXPIRY = "expiry"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DayRange:
    """A day as a range. Each end is None when it lies beyond the horizon, which is a legal answer."""

    low: date | None
    high: date | None


@dataclass(frozen=True, slots=True)
class BalanceStatus:
    """The balance at the end of a day, in credits, as the 80 % range, with a word for it."""

    day: date
    low: float
    likely: float
    high: float

    @property
    def word(self) -> str:
        """ "covered" when even the low end is above zero, "out" when even the high end is zero, else "at risk"."""
        if self.high <= 0:
            return "out"
        return "covered" if self.low > 0 else "at risk"


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """What becomes of the batches of one account if use goes on as forecast and nothing is added.

    Attributes:
        first_day, last_day: the local days covered, both included; first_day may be partly over.
        available_micro: credits that can be used at the start.
        scheduled_micro, scheduled_on: credits of batches that become usable later within the days covered, and the
            first day of them (None without any).
        likely: the median run-out day; None means beyond last_day.
        range_80, range_95: run-out days with 10 and 90 %, 2.5 and 97.5 % of the paths.
        cause: what empties the account on most paths that run out.
        cannot_say_reason: set when the 80 % range is wider than the runway, so that no date should be shown.
        balance: credits at the end of each day, after that day's expiries: one row per day, sorted; columns day
            (datetime64, midnight), likely, low_80, high_80, low_95, high_95 (float credits).
        wasted: credits that expire unused: one row per batch that ends within the days covered, sorted by
            expires_on and batch; columns batch_id (int64), expires_on (date, last usable day), wasted_likely,
            wasted_low, wasted_high (float credits; 10 and 90 %). Batches that are always used up show zeros.
        wasted_before_likely: credits that expire unused up to the likely run-out day, or up to last_day.
        will_use: whether any use is expected at all.
    """

    first_day: date
    last_day: date
    available_micro: int
    scheduled_micro: int
    scheduled_on: date | None
    likely: date | None
    range_80: DayRange
    range_95: DayRange
    cause: Cause
    cannot_say_reason: str | None
    balance: pd.DataFrame
    wasted: pd.DataFrame
    wasted_before_likely: float
    will_use: bool

    @property
    def days_covered(self) -> int:
        """Number of days projected."""
        return (self.last_day - self.first_day).days + 1

    @property
    def is_out_now(self) -> bool:
        """Whether nothing can be used at the start."""
        return self.available_micro <= 0

    @property
    def runway_days(self) -> int | None:
        """Days from the start through the likely run-out day; None when that is beyond the days covered."""
        return None if self.likely is None else (self.likely - self.first_day).days + 1

    def status_at(self, days: int) -> BalanceStatus | None:
        """The balance after that many days (1 is the end of the first day); None beyond the days covered."""
        return self.status_on(self.first_day + timedelta(days=days - 1))

    def status_at_month_end(self) -> BalanceStatus | None:
        """The balance at the end of the month of the first day."""
        return self.status_on(month_end(self.first_day))

    def status_on(self, day: date) -> BalanceStatus | None:
        """The balance at the end of that day; None outside the days covered."""
        if not self.first_day <= day <= self.last_day:
            return None
        row = self.balance.iloc[(day - self.first_day).days]
        return BalanceStatus(day, float(row["low_80"]), float(row["likely"]), float(row["high_80"]))


def project(
    batches: Iterable[Batch],
    paths: Floats,
    *,
    start_at: datetime,
    zone: ZoneInfo,
    scheduled: Sequence[Batch] = (),
    paths_from: date | None = None,
    mix: Mix | None = None,
) -> Projection:
    """Spends every burn path through the batches of one account.

    Args:
        batches: all batches of the account, in any order, also those not yet effective; expired ones are ignored.
        paths: burn paths, shape (paths, days), credits per day, from `analytics.forecast.paths`.
        start_at: aware instant from which on credits are spent; the first day counts with the part that is left.
        zone: whose local days the paths and expiries are counted in.
        scheduled: further batches that are planned but not granted, for what-if questions.
        paths_from: the day of the first path column, that is the forecast's as_of + 1 day; without it the local
            day of start_at. Days before the start are dropped, so that a forecast of yesterday still fits.
        mix: recent use by feature, which says what share of the use credits for some features can pay; without it
            they pay for nothing.

    Returns: a Projection. Quantiles have rank (n + 1)q over the paths, rounded outwards.
    Raises: ValueError for a naive start_at, or paths that end before it or begin more than a day after it.
    """
    everything = (*batches, *scheduled)
    ahead = _ahead(everything, paths, start_at, zone, paths_from, mix)
    first_day, days, windows, spent = ahead.first_day, ahead.days, ahead.windows, ahead.spent
    low_95, low_80, likely, high_80, high_95 = ahead.run_out
    later = [w for w in windows if w.batch.effective_at > start_at and w.first < days]
    return Projection(
        first_day=first_day,
        last_day=first_day + timedelta(days=days - 1),
        available_micro=ahead.available_micro,
        scheduled_micro=sum(w.batch.free_micro for w in later),
        scheduled_on=ahead.day_of(min(w.first for w in later)) if later else None,
        likely=ahead.day_of(likely),
        range_80=DayRange(ahead.day_of(low_80), ahead.day_of(high_80)),
        range_95=DayRange(ahead.day_of(low_95), ahead.day_of(high_95)),
        cause=ahead.cause,
        cannot_say_reason=_cannot_say_reason(low_80, likely, high_80, days),
        balance=_balance_frame(spent.closing, first_day),
        wasted=_wasted_frame(windows, spent, first_day),
        wasted_before_likely=_wasted_until(windows, spent, min(likely, days - 1)),
        will_use=ahead.will_use,
    )


@dataclass(frozen=True, slots=True)
class RunOut:
    """The part of a Projection that a list of many accounts shows; the fields mean the same there.

    ``wasted`` is the sum of Projection.wasted's likely amounts, in credits.
    """

    days_covered: int
    is_out_now: bool
    runway_days: int | None
    likely: date | None
    range_80: DayRange
    range_95: DayRange
    cause: Cause
    cannot_say_reason: str | None
    wasted: float


def run_out(
    batches: Sequence[Batch],
    paths: Floats,
    *,
    start_at: datetime,
    zone: ZoneInfo,
    paths_from: date | None = None,
    mix: Mix | None = None,
) -> RunOut:
    """What `project` says about the day, without the daily balances, which cost most of its time."""
    ahead = _ahead(batches, paths, start_at, zone, paths_from, mix)
    low_95, low_80, likely, high_80, high_95 = ahead.run_out
    wasted = 0.0
    if ahead.spent.wasted:
        wasted = float(_quantiles(np.stack(list(ahead.spent.wasted.values())))[:, 2].sum()) / MICRO
    return RunOut(
        days_covered=ahead.days,
        is_out_now=ahead.available_micro <= 0,
        runway_days=None if likely >= ahead.days else likely + 1,
        likely=ahead.day_of(likely),
        range_80=DayRange(ahead.day_of(low_80), ahead.day_of(high_80)),
        range_95=DayRange(ahead.day_of(low_95), ahead.day_of(high_95)),
        cause=ahead.cause,
        cannot_say_reason=_cannot_say_reason(low_80, likely, high_80, ahead.days),
        wasted=wasted,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """All paths spent; ``run_out`` holds day indexes at 2.5, 10, 50, 90 and 97.5 %, ``days`` meaning beyond."""

    first_day: date
    days: int
    available_micro: int
    windows: list[Window]
    spent: Spent
    run_out: tuple[int, ...]
    cause: Cause
    will_use: bool

    def day_of(self, index: int) -> date | None:
        return self.first_day + timedelta(days=index) if index < self.days else None


def _ahead(
    batches: Sequence[Batch],
    paths: Floats,
    start_at: datetime,
    zone: ZoneInfo,
    paths_from: date | None,
    mix: Mix | None,
) -> _Ahead:
    if start_at.tzinfo is None:
        raise ValueError("start_at must name its zone")
    first_day = start_at.astimezone(zone).date()
    demand = cumulative_use(paths, start_at=start_at, zone=zone, paths_from=paths_from)
    days = len(demand)
    windows = day_windows(batches, start_at=start_at, zone=zone, days=days)
    available = available_micro(batches, at=start_at)
    seen = [window.batch for window in windows]
    spent = spend_by_share(windows, demand, shares(seen, mix or {})) if is_scoped(seen) else spend(windows, demand)
    run_out, by_expiry = _run_out(spent)
    if available <= 0:
        run_out, by_expiry = np.zeros_like(run_out), np.zeros_like(by_expiry)
    return _Ahead(
        first_day=first_day,
        days=days,
        available_micro=available,
        windows=windows,
        spent=spent,
        run_out=tuple(int(index) for index in _quantiles(run_out[np.newaxis, :])[0]),
        cause=_cause(run_out, by_expiry, days),
        will_use=bool(demand.any()),
    )


def sentence(projection: Projection, *, locale: str = "en_US") -> str:
    """When the credits run out, by what, and what is lost before; never a date without its range.

    Args: locale for dates and numbers, as Babel names it; the words are English.
    Example: "Runs out by use between May 14 and May 29, most likely on May 20; 3,200 credits will expire unused by
    then."
    """

    def on(day: date) -> str:
        skeleton = "MMMd" if day.year == projection.first_day.year else "yMMMd"
        return format_skeleton(skeleton, day, locale=locale)

    def amount(credits: float) -> str:
        return format_decimal(credits, format="#,##0" if credits >= 10 else "#,##0.##", locale=locale) + " credits"

    if projection.is_out_now:
        if projection.scheduled_on is None:
            return "No credits are available now."
        added = amount(projection.scheduled_micro / MICRO)
        return f"No credits are available now; {added} become usable later, the first on {on(projection.scheduled_on)}."
    wasted = projection.wasted_before_likely
    tail = f"; {amount(wasted)} will expire unused by then" if wasted >= _WASTE_WORTH_SAYING else ""
    return _when_in_words(projection, on) + tail + "."


def _when_in_words(projection: Projection, on: Callable[[date], str]) -> str:
    """The first half of the sentence, for an account that has credits now."""
    low, likely, high = projection.range_80.low, projection.likely, projection.range_80.high
    end = f"{on(projection.last_day)}, {projection.days_covered} days from now"
    if not projection.will_use and likely is None:
        return f"No use is expected, and credits last beyond {end}"
    if low is None:
        return f"Lasts beyond {end}, in at least 9 of 10 cases"
    if likely is None:
        return f"Lasts at least until {on(low)} in 9 of 10 cases, and more likely than not beyond {end}"
    if projection.cannot_say_reason:
        until = f"and {on(high)}" if high else f"and some day after {on(projection.last_day)}"
        return f"Cannot be said yet when it runs out, between {on(low)} {until}: {projection.cannot_say_reason}"
    how = f"by {projection.cause.value}"
    if high is None:
        return f"Runs out {how} between {on(low)} and some day after {end}, most likely on {on(likely)}"
    if low == high:
        return f"Runs out {how} on {on(likely)}, with no other day in the 80 % range"
    return f"Runs out {how} between {on(low)} and {on(high)}, most likely on {on(likely)}"


def _run_out(spent: Spent) -> tuple[Micros, npt.NDArray[np.bool_]]:
    """Per path the index of the run-out day (number of days when there is none), and whether expiry caused it."""
    is_out = (spent.unmet > 0) | (spent.closing == 0)
    day = np.where(is_out.any(axis=0), is_out.argmax(axis=0), len(is_out))
    on_grid = np.minimum(day, len(is_out) - 1)
    each = np.arange(len(day))
    by_expiry = (spent.unmet[on_grid, each] == 0) & (spent.expiring[on_grid, each] > 0)
    return day, by_expiry & (day < len(is_out))


def _cause(run_out: Micros, by_expiry: npt.NDArray[np.bool_], days: int) -> Cause:
    runs_out = int((run_out < days).sum())
    if runs_out == 0:
        return Cause.NONE
    return Cause.EXPIRY if 2 * int(by_expiry.sum()) > runs_out else Cause.USE


def _quantiles(values: Micros) -> Micros:
    """The 2.5, 10, 50, 90 and 97.5 % quantiles along the last axis, shape (rows, 5), of rank (n + 1)q.

    A rank between two values is rounded outwards, the median down (the earlier day, the smaller balance). With
    fewer than 39 paths the outer ranks do not exist and the extremes stand in for them.
    """
    n = values.shape[-1]
    low_95, low_80, middle = (n + 1) * 25 // 1000, (n + 1) // 10, (n + 1) // 2
    high_80, high_95 = -(-(n + 1) * 9 // 10), -(-(n + 1) * 975 // 1000)
    ranks = [min(max(rank, 1), n) - 1 for rank in (low_95, low_80, middle, high_80, high_95)]
    # A full sort is four times faster here than a partition at five ranks (numpy sorts integers with vectors).
    chosen: Micros = np.sort(values, axis=-1)[..., ranks]
    return chosen


def _cannot_say_reason(low: int, likely: int, high: int, days: int) -> str | None:
    """Why no date should be shown, or None. Day indexes; a high end beyond the horizon counts as just beyond it."""
    runway, width = likely + 1, high - low
    if likely >= days or width <= runway:
        return None
    at_least = "at least " if high >= days else ""
    return f"the 80 % range is {at_least}{width} days wide, wider than the likely runway of {runway} days"


def _balance_frame(closing: Micros, first_day: date) -> pd.DataFrame:
    low_95, low_80, likely, high_80, high_95 = (_quantiles(closing) / MICRO).T
    return pd.DataFrame(
        {
            "day": pd.date_range(first_day, periods=len(closing)),
            "likely": likely,
            "low_80": low_80,
            "high_80": high_80,
            "low_95": low_95,
            "high_95": high_95,
        }
    )


def _wasted_frame(windows: Sequence[Window], spent: Spent, first_day: date) -> pd.DataFrame:
    order = sorted(spent.wasted, key=lambda index: (windows[index].last, windows[index].batch.id))
    rows = [(windows[index], _quantiles(spent.wasted[index][np.newaxis, :])[0] / MICRO) for index in order]
    return pd.DataFrame(
        {
            "batch_id": np.array([window.batch.id for window, _ in rows], dtype=np.int64),
            "expires_on": [first_day + timedelta(days=window.last) for window, _ in rows],
            "wasted_likely": np.array([quantiles[2] for _, quantiles in rows], dtype=np.float64),
            "wasted_low": np.array([quantiles[1] for _, quantiles in rows], dtype=np.float64),
            "wasted_high": np.array([quantiles[3] for _, quantiles in rows], dtype=np.float64),
        }
    )


def _wasted_until(windows: Sequence[Window], spent: Spent, last: int) -> float:
    """Median over the paths of all credits that expire unused up to a day index, in credits."""
    early = [wasted for index, wasted in spent.wasted.items() if windows[index].last <= last]
    if not early:
        return 0.0
    total: Micros = np.sum(early, axis=0)
    return float(_quantiles(total[np.newaxis, :])[0, 2]) / MICRO

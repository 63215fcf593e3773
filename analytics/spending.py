"""Burn paths spent through batches, all paths at once: the vectorised twin of ledger.core.burn.plan_consumption.

A test proves that both give the same answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from analytics.forecast import Floats
from ledger.core.amounts import MICRO
from ledger.core.burn import burn_key
from ledger.core.lifecycle import last_day
from ledger.core.records import Batch

Micros = npt.NDArray[np.int64]

# A path never asks for more than this on the whole horizon; far above any balance, far below what int64 holds.
_USE_MAX_CREDITS = 1e12


@dataclass(frozen=True, slots=True)
class Window:
    """A batch on the grid of days: usable on day indexes first … last, both included; both may lie beyond the grid."""

    batch: Batch
    first: int
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Spent:
    """All paths spent through all batches, in micro-credits.

    Attributes:
        closing: shape (days, paths), what is open to the next day once the day's expiries are gone.
        unmet: shape (days, paths), use that nothing covered, cumulative.
        expiring: shape (days, paths), what expires unused at the end of the day.
        wasted: what expires unused by index of its window, shape (paths,); only windows that end on the grid.
    """

    closing: Micros
    unmet: Micros
    expiring: Micros
    wasted: dict[int, Micros]


def day_windows(batches: Iterable[Batch], *, start_at: datetime, zone: ZoneInfo, days: int) -> list[Window]:
    """The batches that count on a grid of local days from start_at on, in burn order."""
    first_day = start_at.astimezone(zone).date()
    windows = []
    for batch in sorted(batches, key=burn_key):
        is_over = batch.expires_at is not None and batch.expires_at <= start_at
        first = max(0, (batch.effective_at.astimezone(zone).date() - first_day).days)
        last = days if batch.expires_at is None else (last_day(batch.expires_at, zone) - first_day).days
        if batch.free_micro > 0 and not is_over and first <= min(last, days):
            windows.append(Window(batch, first, last))
    return windows


def spend(windows: Sequence[Window], cumulative_use: Micros) -> Spent:
    """Spends cumulative use, shape (days, paths) in micro-credits, through batches given in burn order.

    The burn order does not change from day to day, only who is open does. So the first batch takes what it can on
    all its days at once, the second from what that leaves, and so on: the same result as day after day, but with a
    loop over a few batches instead of over days and paths.
    """
    unmet = cumulative_use.copy()
    closing = np.zeros_like(unmet)
    expiring = np.zeros_like(unmet)
    wasted: dict[int, Micros] = {}
    days = len(unmet)
    for index, window in enumerate(windows):
        size, first = window.batch.free_micro, window.first
        if first > 0:
            closing[first - 1] += size
        if first == days:
            continue
        stop = min(window.last + 1, days)
        taken = unmet[first:stop] - (unmet[first - 1] if first > 0 else 0)
        np.minimum(taken, size, out=taken)
        unmet[first:stop] -= taken
        unmet[stop:] -= taken[-1]
        left = np.subtract(size, taken, out=taken)
        if window.last < days:
            closing[first : stop - 1] += left[:-1]
            expiring[stop - 1] += left[-1]
            wasted[index] = left[-1].copy()
        else:
            closing[first:stop] += left
    return Spent(closing, unmet, expiring, wasted)


def cumulative_use(paths: Floats, *, start_at: datetime, zone: ZoneInfo, paths_from: date | None) -> Micros:
    """Burn paths in credits per day as cumulative use from an instant on, shape (days, paths), in micro-credits.

    Rounded once per sum, so that rounding does not add up. See `analytics.depletion.project` for the arguments.
    """
    first_day = start_at.astimezone(zone).date()
    daily = _aligned(paths, first_day, paths_from).T.copy()
    daily[0] *= _share_left(start_at, first_day, zone)
    credits = np.minimum(np.cumsum(daily, axis=0), _USE_MAX_CREDITS)
    micro: Micros = np.rint(credits * MICRO).astype(np.int64)
    return micro


def _aligned(paths: Floats, first_day: date, paths_from: date | None) -> Floats:
    """The paths from the first day on."""
    late = 0 if paths_from is None else (first_day - paths_from).days
    # The forecast counts days of the company; in a zone behind it the customer's day can still be the one before.
    if late < -1:
        raise ValueError(f"the paths begin on {paths_from}, more than a day after the start on {first_day}")
    if late >= paths.shape[1]:
        raise ValueError(f"the paths from {paths_from} end before the start on {first_day}")
    rest: Floats = paths[:, max(late, 0) :]
    return rest


def _share_left(start_at: datetime, day: date, zone: ZoneInfo) -> float:
    """The share of its local day that an instant leaves, 0 to 1, on days of 23 and 25 hours, too."""
    midnight, next_midnight = (
        datetime.combine(day + timedelta(days=n), time(), tzinfo=zone).astimezone(UTC) for n in (0, 1)
    )
    return (next_midnight - start_at) / (next_midnight - midnight)

"""Burn paths spent through batches, all paths at once: the vectorised twin of ledger.core.burn.plan_consumption.

A test proves that both give the same answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from ledger.core.burn import burn_key
from ledger.core.lifecycle import last_day
from ledger.core.records import Batch

Micros = npt.NDArray[np.int64]


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

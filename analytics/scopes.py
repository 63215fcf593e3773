"""Credits for some features only: expected use split by what may pay for it, and spent so.

Use is split by the mix of the last 28 days: features that the same batches serve are one share of it. Every share burns
through the batches that serve it, in the ledger's burn order; several shares that meet in one batch take from it in
proportion to their use of the day. Source: docs/accounting.md, rule 27.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analytics.spending import Micros, Spent, Window
from ledger.core.records import Batch

# A feature that nobody prices: no scope names it, so only credits for everything serve it.
_ANY_OTHER = ""

Mix = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Share:
    """Features that the same batches serve: one of them by name, and their part of all use, 0 to 1."""

    feature: str
    part: float


def is_scoped(batches: Iterable[Batch]) -> bool:
    """Whether some of these credits pay for some features only."""
    return any(batch.features is not None for batch in batches)


def shares(batches: Iterable[Batch], mix: Mix) -> list[Share]:
    """Expected use by what may pay for it; parts add up to 1. Without any use in the mix all of it is for "other".

    Args: batches of one account; use by feature, micro-credits, over any stretch of days.
    """
    scopes = [batch.features for batch in batches if batch.features is not None]
    used: dict[tuple[bool, ...], int] = {}
    names: dict[tuple[bool, ...], str] = {}
    for feature, micro in sorted(mix.items()):
        served = tuple(feature in scope for scope in scopes)
        used[served] = used.get(served, 0) + micro
        names.setdefault(served, feature if any(served) else _ANY_OTHER)
    total = sum(used.values())
    if not total:
        return [Share(_ANY_OTHER, 1.0)]
    return [Share(names[served], micro / total) for served, micro in used.items() if micro]


def spend_by_share(windows: Sequence[Window], cumulative_use: Micros, parts: Sequence[Share]) -> Spent:
    """As `analytics.spending.spend`, each share of the use through the batches that serve it.

    With one share that every batch serves the answer is the same.
    """
    unmet = _split(cumulative_use, parts)
    closing = np.zeros_like(cumulative_use)
    expiring = np.zeros_like(cumulative_use)
    wasted: dict[int, Micros] = {}
    days = len(cumulative_use)
    for index, window in enumerate(windows):
        size, first = window.batch.free_micro, window.first
        if first > 0:
            closing[first - 1] += size
        if first == days:
            continue
        stop = min(window.last + 1, days)
        served = [number for number, share in enumerate(parts) if window.batch.serves(share.feature)]
        taken = np.zeros_like(cumulative_use[first:stop])
        for number, part in zip(served, _taken([unmet[n] for n in served], size, first, stop), strict=True):
            unmet[number][first:stop] -= part
            unmet[number][stop:] -= part[-1]
            taken += part
        left = size - taken
        if window.last < days:
            closing[first : stop - 1] += left[:-1]
            expiring[stop - 1] += left[-1]
            wasted[index] = left[-1].copy()
        else:
            closing[first:stop] += left
    return Spent(closing, sum(unmet[1:], unmet[0]), expiring, wasted)


def _split(cumulative_use: Micros, parts: Sequence[Share]) -> list[Micros]:
    """The use of each share, cumulative; the last one gets what rounding leaves."""
    found = [np.floor(cumulative_use * share.part).astype(np.int64) for share in parts[:-1]]
    rest = cumulative_use - sum(found) if found else cumulative_use.copy()
    return [*found, np.maximum.accumulate(rest, axis=0)]


def _taken(unmet: Sequence[Micros], size: int, first: int, stop: int) -> list[Micros]:
    """What each share takes of one batch of that size on the days it is open, cumulative."""
    asked = [one[first:stop] - (one[first - 1] if first > 0 else 0) for one in unmet]
    if not asked:
        return []
    together = np.minimum(sum(asked[1:], asked[0]), size)
    if len(asked) == 1:
        return [together]
    by_day = [np.diff(one, axis=0, prepend=0) for one in asked]
    given, wanted = np.diff(together, axis=0, prepend=0), sum(by_day[1:], by_day[0])
    ratio = np.divide(given, wanted, out=np.zeros(given.shape), where=wanted > 0)
    taken = [np.cumsum(np.floor(one * ratio).astype(np.int64), axis=0) for one in by_day[:-1]]
    return [*taken, np.minimum(together - sum(taken), asked[-1])]

"""Burn order: which credits are used first. The only place that knows."""

from collections.abc import Iterable
from datetime import UTC, datetime

from ledger.core.records import Batch, Plan, Take

_FAR = datetime.max.replace(tzinfo=UTC)


def burn_key(batch: Batch) -> tuple[int, bool, datetime, datetime, int]:
    """Sort key of the burn order: priority, soonest expiry, never-expiring last, oldest, id.

    A lower priority number burns first. Source: docs/accounting.md, rule 5.
    """
    return (batch.priority, batch.expires_at is None, batch.expires_at or _FAR, batch.effective_at, batch.id)


def burn_order(batches: Iterable[Batch], *, at: datetime, feature: str | None = None) -> list[Batch]:
    """Batches with free credits that are open at that instant and serve the feature, first to be used first."""
    return sorted((b for b in batches if b.free_micro > 0 and b.is_open(at) and b.serves(feature)), key=burn_key)


def plan_consumption(batches: Iterable[Batch], amount_micro: int, *, at: datetime, feature: str | None = None) -> Plan:
    """Which batches pay for an amount, in burn order; takes + shortfall = amount.

    Args: batches of one account in any order; the amount in micro-credits, > 0; the instant of the charge; the feature
    that is paid for, None when it is no use of a feature (a correction, a transfer).
    Returns: a Plan; its shortfall is what open batches cannot cover. The caller decides what a shortfall means.
    """
    if amount_micro <= 0:
        raise ValueError("an amount to consume must be positive")
    missing = amount_micro
    takes = []
    for batch in burn_order(batches, at=at, feature=feature):
        taken = min(batch.free_micro, missing)
        takes.append(Take(batch.id, batch.credit_type, taken))
        missing -= taken
        if missing == 0:
            break
    return Plan(tuple(takes), missing)


def available_micro(batches: Iterable[Batch], *, at: datetime, feature: str | None = None) -> int:
    """Credits that can be used at that instant: open batches, less what is held, those for other features left out."""
    return sum(b.free_micro for b in batches if b.is_open(at) and b.serves(feature))


class Shelf:
    """Consecutive charges against one set of batches at one instant, each paid as `plan_consumption` would pay it.

    For bulk usage, where planning every event from the full list would be quadratic.
    """

    def __init__(self, batches: Iterable[Batch], *, at: datetime) -> None:
        self._batches = burn_order(batches, at=at)
        self._left = [batch.free_micro for batch in self._batches]
        self._is_scoped = any(batch.features is not None for batch in self._batches)
        # For each feature, which batches serve it, and the first of them that may still have credits.
        self._views: dict[str, list[int]] = {}
        self._first: dict[str, int] = {}
        self._left_micro = sum(self._left)

    def available_micro(self, feature: str) -> int:
        """Credits left for that feature."""
        return sum(self._left[index] for index in self._view(feature)) if self._is_scoped else self._left_micro

    def take(self, amount_micro: int, feature: str) -> tuple[Take, ...] | None:
        """The takes that pay for an amount, or None, with nothing taken, when open batches cannot cover it."""
        if amount_micro <= 0:
            raise ValueError("an amount to consume must be positive")
        if amount_micro > self.available_micro(feature):
            return None
        return self.take_up_to(amount_micro, feature)

    def take_up_to(self, amount_micro: int, feature: str) -> tuple[Take, ...]:
        """The takes that pay for an amount as far as open batches can."""
        name = feature if self._is_scoped else ""
        view, position = self._view(name), self._first.get(name, 0)
        takes = []
        missing = amount_micro
        while missing and position < len(view):
            index = view[position]
            batch, left = self._batches[index], self._left[index]
            taken = min(left, missing)
            if taken:
                takes.append(Take(batch.id, batch.credit_type, taken))
            missing -= taken
            self._left[index] = left - taken
            if missing:
                position += 1
        self._first[name] = position
        self._left_micro -= amount_micro - missing
        return tuple(takes)

    def _view(self, feature: str) -> list[int]:
        found = self._views.get(feature)
        if found is None:
            found = self._views[feature] = [
                index for index, batch in enumerate(self._batches) if not self._is_scoped or batch.serves(feature)
            ]
        return found

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


def burn_order(batches: Iterable[Batch], *, at: datetime) -> list[Batch]:
    """Batches with free credits that are open at that instant, first to be used first."""
    return sorted((b for b in batches if b.free_micro > 0 and b.is_open(at)), key=burn_key)


def plan_consumption(batches: Iterable[Batch], amount_micro: int, *, at: datetime) -> Plan:
    """Which batches pay for an amount, in burn order; takes + shortfall = amount.

    Args: batches of one account in any order; the amount in micro-credits, > 0; the instant of the charge.
    Returns: a Plan; its shortfall is what open batches cannot cover. The caller decides what a shortfall means.
    """
    if amount_micro <= 0:
        raise ValueError("an amount to consume must be positive")
    missing = amount_micro
    takes = []
    for batch in burn_order(batches, at=at):
        taken = min(batch.free_micro, missing)
        takes.append(Take(batch.id, batch.credit_type, taken))
        missing -= taken
        if missing == 0:
            break
    return Plan(tuple(takes), missing)


def available_micro(batches: Iterable[Batch], *, at: datetime) -> int:
    """Credits that can be used at that instant: open batches, less what is held."""
    return sum(b.free_micro for b in batches if b.is_open(at))


class Shelf:
    """Consecutive charges against one set of batches at one instant, each paid as `plan_consumption` would pay it.

    For bulk usage, where planning every event from the full list would be quadratic.
    """

    def __init__(self, batches: Iterable[Batch], *, at: datetime) -> None:
        self._batches = burn_order(batches, at=at)
        self._left = [batch.free_micro for batch in self._batches]
        self._first = 0
        self.available_micro = sum(self._left)

    def take(self, amount_micro: int) -> tuple[Take, ...] | None:
        """The takes that pay for an amount, or None, with nothing taken, when open batches cannot cover it."""
        if amount_micro <= 0:
            raise ValueError("an amount to consume must be positive")
        if amount_micro > self.available_micro:
            return None
        self.available_micro -= amount_micro
        takes = []
        missing = amount_micro
        while True:
            batch, left = self._batches[self._first], self._left[self._first]
            taken = min(left, missing)
            if taken:
                takes.append(Take(batch.id, batch.credit_type, taken))
            missing -= taken
            self._left[self._first] = left - taken
            if missing == 0:
                return tuple(takes)
            self._first += 1

"""What credits are worth in money at a provider whose customer balance repeats ours."""

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.core.amounts import MICRO, divide_rounding_half_up


@dataclass(frozen=True, slots=True)
class Worth:
    """What a batch was given for: its cost in the mirror's currency, or None when nobody paid in it."""

    granted_micro: int
    cost_cents: int | None


def worth_cents(amount_micro: int, batch: Worth, *, cents_per_thousand: int) -> int:
    """What credits of a batch are worth, in cents: their share of its cost, or so much per 1,000 credits.

    To the nearest cent; of less than 0 credits less than 0. Source: docs/accounting.md, rule 37.

    >>> worth_cents(500_000_000, Worth(1_000_000_000, 900), cents_per_thousand=1_000)
    450
    """
    if batch.cost_cents is not None:
        return divide_rounding_half_up(amount_micro * batch.cost_cents, batch.granted_micro)
    return divide_rounding_half_up(amount_micro * cents_per_thousand, 1_000 * MICRO)


def shelf_cents(shelf: Iterable[tuple[int, Worth]], *, cents_per_thousand: int) -> int:
    """What a shelf of batches is worth: each with what is left of it."""
    return sum(worth_cents(left, batch, cents_per_thousand=cents_per_thousand) for left, batch in shelf)

"""What using a feature costs."""

from ledger.core.amounts import MICRO


def usage_cost_micro(price_micro: int, quantity_micro: int) -> int:
    """Cost of a quantity of a feature, in micro-credits, rounded up to the next micro-credit.

    Quantities are millionths of a unit, so that 0.25 of a unit can be charged without a float.

    >>> usage_cost_micro(5_000_000, 3_000_000)
    15000000
    """
    return -(-price_micro * quantity_micro // MICRO)

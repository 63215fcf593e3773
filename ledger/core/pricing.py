"""What using a feature costs."""

from ledger.core.amounts import MICRO

# Discounts are parts of a million, so that 12.5 % needs no float.
PPM = 1_000_000


def usage_cost_micro(price_micro: int, quantity_micro: int, *, factor_micro: int = MICRO, discount_ppm: int = 0) -> int:
    """Cost of a quantity of a feature, in micro-credits, rounded up once, at the end, to the next micro-credit.

    Quantities and complexity factors are millionths, so that 0.25 of a unit can be charged without a float.
    Source: docs/accounting.md, rules 6 and 26.

    >>> usage_cost_micro(5_000_000, 3_000_000)
    15000000
    >>> usage_cost_micro(5_000_000, 3_000_000, factor_micro=2_000_000, discount_ppm=100_000)
    27000000
    """
    if factor_micro == MICRO and not discount_ppm:
        return -(-price_micro * quantity_micro // MICRO)
    product = price_micro * quantity_micro * factor_micro * (PPM - discount_ppm)
    return -(-product // (MICRO * MICRO * PPM))

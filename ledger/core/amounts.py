"""Amounts: integer micro-credits and integer cents, and the few places where they are rounded.

Credits never touch a float. One credit is 1 000 000 micro-credits; every field that holds some ends in ``_micro``.
Money is an integer number of cents with its currency beside it; every field that holds some ends in ``_cents``.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

MICRO = 1_000_000
# BIGINT holds 9.2e18; one batch may hold a thousand million credits, so sums over 9 000 such batches still fit.
MAX_MICRO = 1_000_000_000 * MICRO


def credits_to_micro(amount: int | str | Decimal) -> int:
    """Micro-credits for an amount of credits given as a whole number, a decimal text or a Decimal.

    Raises ValueError when the text is no number or needs more than six decimals: nothing is rounded silently.

    >>> credits_to_micro("1200.5")
    1200500000
    """
    if isinstance(amount, bool | float):
        raise ValueError(f"credits must be given as int, str or Decimal, not {type(amount).__name__}")
    try:
        micro = Decimal(amount) * MICRO
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not a number") from None
    if not micro.is_finite() or micro != micro.to_integral_value():
        raise ValueError(f"{amount!r} has more than six decimals; the smallest unit is 0.000001 credit")
    return int(micro)


def micro_to_text(micro: int) -> str:
    """Credits as plain decimal text without grouping: exact, at most six decimals, no trailing zeros.

    >>> micro_to_text(1200500000)
    '1200.5'
    """
    sign = "-" if micro < 0 else ""
    whole, part = divmod(abs(micro), MICRO)
    return f"{sign}{whole}" + (f".{part:06d}".rstrip("0") if part else "")


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money: integer cents (the currency's minor unit) and its ISO 4217 code."""

    cents: int
    currency: str

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.isupper():
            raise ValueError(f"{self.currency!r} is not a currency code such as USD")


def divide_rounding_half_up(numerator: int, denominator: int) -> int:
    """numerator ÷ denominator to the nearest integer, halves away from zero. The rounding rule for money."""
    if denominator <= 0:
        raise ValueError("denominator must be positive")
    sign = -1 if numerator < 0 else 1
    return sign * ((2 * abs(numerator) + denominator) // (2 * denominator))


def share_of_cost_cents(cost_cents: int, *, part_micro: int, whole_micro: int) -> int:
    """Cost basis of a part of a paid batch, in cents, rounded half up.

    Parts add up to the whole when each is taken as a difference of cumulative shares (docs/accounting.md, rule 12).

    >>> share_of_cost_cents(1000, part_micro=1, whole_micro=3)
    333
    """
    return divide_rounding_half_up(cost_cents * part_micro, whole_micro)

"""Figures in words: credits, money, days and changes the way a reader of some locale writes them. Plain text.

Rounding happens here and nowhere before: these are the last step before a person reads.
"""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal, get_currency_precision

from analytics.figures import Change
from ledger.core.amounts import MICRO, divide_rounding_half_up

MINUS = "\u2212"


def credit_text(micro: int, locale: Locale, *, signed: bool = False) -> str:
    """Credits with grouping and at most two decimals, rounded half up; ``signed`` adds + or −.

    An amount too small to show in two decimals reads "<0.01" instead of 0.
    """
    value = (Decimal(abs(micro)) / MICRO).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if micro and not value:
        shown = "<" + str(format_decimal(Decimal("0.01"), locale=locale))
    else:
        shown = format_decimal(value, format="#,##0.##", locale=locale)
    sign = MINUS if micro < 0 else "+" if signed and micro > 0 else ""
    return sign + shown


def money_text(cents: int, currency: str, locale: Locale) -> str:
    """Money from integer minor units, the currency always visible."""
    return format_currency(Decimal(cents).scaleb(-get_currency_precision(currency)), currency, locale=locale)


def unit_price_text(cents: Fraction, currency: str, locale: Locale) -> str:
    """The price of one credit, to a hundredth of the smallest coin, rounded half up."""
    hundredths = divide_rounding_half_up(cents.numerator * 100, cents.denominator)
    value = Decimal(hundredths).scaleb(-get_currency_precision(currency) - 2)
    return format_currency(value, currency, locale=locale, decimal_quantization=False)


def day_text(day: date, locale: Locale) -> str:
    """A calendar day, such as "Nov 21, 2026"."""
    return format_date(day, format="medium", locale=locale)


def percent_text(share: float, locale: Locale, *, decimals: int = 1) -> str:
    """A share (0–1) as percent."""
    return str(format_decimal(Decimal(str(round(share * 100, decimals))), format="#,##0.##", locale=locale)) + "\u00a0%"


def rough_text(micro: float, locale: Locale) -> str:
    """An estimate in micro-credits: whole credits from 10 on, because decimals would claim more than is known."""
    whole = round(micro / MICRO) * MICRO
    return credit_text(whole if abs(micro) >= 10 * MICRO else round(micro), locale)


def delta_of(moved: Change, locale: Locale) -> str | float | None:
    """A change as a tile shows it: signed text, 0 as a number so that no arrow is drawn, None when unknown."""
    if moved.is_new:
        return "new"
    if moved.value is None:
        return None
    shown = format_decimal(round(abs(moved.value) * 100, 1), format="#,##0.#", locale=locale)
    if shown == "0":
        return 0
    sign = "+" if moved.value > 0 else "-"
    return f"{sign}{shown}\u00a0{'pp' if moved.is_points else '%'}"


def change_words(moved: Change, locale: Locale) -> str:
    """A change for a sentence or a table cell: "+12 %", "−3.4 pp", "new", "no change", or nothing when unknown."""
    delta = delta_of(moved, locale)
    if delta is None:
        return ""
    return "no change" if delta == 0 else str(delta).replace("-", MINUS)

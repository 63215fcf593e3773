"""Amounts that people type or paste: read by their locale, refused with both readings when they could mean two."""

import re
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale
from babel.numbers import format_decimal, get_decimal_symbol, get_group_symbol

_SPACES = re.compile(r"[\s\u00a0\u202f\u2009_'\u2019]")


@dataclass(frozen=True, slots=True)
class AmountUnclear(ValueError):
    """The text is no amount, or could be two; ``message`` says what is wrong and what would be clear."""

    message: str

    def __str__(self) -> str:
        return self.message


def parse_amount(text: str, locale: Locale) -> Decimal:
    """The number that a person meant, 0 or more.

    "5,000" is five thousand for an American and refused for a German, who might mean 5 or 5 000; "5.000,00" and
    "1,200.50" can only be read in one way and are accepted everywhere. Raises AmountUnclear.

    >>> parse_amount("5.000,00", Locale("en", "US"))
    Decimal('5000.00')
    """
    bare = _SPACES.sub("", text)
    if not bare or not re.fullmatch(r"[0-9.,]+", bare) or not any(c.isdigit() for c in bare):
        raise AmountUnclear(
            f"{text.strip()!r} is not a number; write for example {format_decimal(5000.5, locale=locale)}"
        )
    points, commas = bare.count("."), bare.count(",")
    if not points and not commas:
        return Decimal(bare)
    if points and commas:
        decimal = max(".,", key=bare.rfind)
        return _with_decimal(text, bare, decimal=decimal, group="," if decimal == "." else ".")
    mark = "." if points else ","
    if points + commas > 1:
        return _grouped(text, bare, mark)
    return _single_mark(text, bare, mark, locale)


def _single_mark(text: str, bare: str, mark: str, locale: Locale) -> Decimal:
    whole, part = bare.split(mark)
    could_group = len(part) == 3 and 1 <= len(whole) <= 3 and not whole.startswith("0")
    if not could_group:
        return _number(text, whole, part)
    if get_group_symbol(locale) == mark:
        return Decimal(whole + part)
    thousands = format_decimal(int(whole + part), locale=locale)
    fraction = format_decimal(Decimal(f"{whole}.{part}"), format="#,##0.000", locale=locale)
    raise AmountUnclear(
        f"{text.strip()!r} could mean {thousands} or {fraction}; write {whole}{part} for the first or "
        f"{whole}{get_decimal_symbol(locale)}{part}0 for the second"
    )


def _with_decimal(text: str, bare: str, *, decimal: str, group: str) -> Decimal:
    whole, _, part = bare.rpartition(decimal)
    if decimal in whole:
        raise AmountUnclear(f"{text.strip()!r} mixes points and commas; write it without grouping")
    return _number(text, str(_grouped(text, whole, group)), part)


def _grouped(text: str, bare: str, group: str) -> Decimal:
    first, *rest = bare.split(group)
    if not 1 <= len(first) <= 3 or any(len(three) != 3 for three in rest):
        raise AmountUnclear(f"{text.strip()!r} is not grouped in threes; write it without grouping")
    return Decimal(first + "".join(rest))


def _number(text: str, whole: str, part: str) -> Decimal:
    if not whole and not part:
        raise AmountUnclear(f"{text.strip()!r} is not a number")
    return Decimal(f"{whole or '0'}.{part or '0'}")

"""What people typed is made harmless; figures are written the way the reader writes them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as some

from ledger import MICRO
from pages.ui import text
from pages.ui.amounts import AmountUnclear, parse_amount

EN, DE = Locale("en", "US"), Locale("de", "DE")
JOINER = "\u2060"
BERLIN = ZoneInfo("Europe/Berlin")


def shown(escaped: str) -> str:
    """What a Markdown reader shows of escaped text: backslashes before punctuation go, the joiner has no width."""
    rest = iter(escaped)
    return "".join(next(rest) if char == "\\" else char for char in rest).replace(JOINER, "")


@pytest.mark.parametrize(
    "typed",
    [
        "![x](http://evil.invalid/x.png)",
        "[link](http://evil.invalid)",
        "<script>alert(1)</script>",
        ":material/delete:",
        ":smile:",
        ":red[red] :blue-background[x]",
        "$x^2$ and $$y$$",
        "`code` **bold** _it_ ~~no~~ ==mark==",
        "# heading",
        "- list",
        "1. list",
        "> quote",
        "a | b",
        "http://evil.invalid www.evil.invalid eve@evil.invalid",
        "&lt;b&gt;",
        "back\\slash",
        '"quotes" & markup',
        "Müller & Söhne GmbH",
        "日本語",
    ],
)
def test_typed_text_shows_as_typed(typed: str) -> None:
    assert shown(text.escape(typed)) == typed


@given(some.text())
def test_no_mark_survives_bare(typed: str) -> None:
    escaped = text.escape(typed)
    for place, char in enumerate(escaped):
        if char in "*_`[]()<>!#$:@|~&{}+-.":
            before = escaped[:place]
            assert (len(before) - len(before.rstrip("\\"))) % 2 == 1, escaped
    assert shown(escaped) == " ".join(typed.split()).replace(JOINER, "")


@pytest.mark.parametrize("typed", ["http://a.b", "www.a.b", "a@b.c", ":smile:", ":material/home:"])
def test_what_is_recognised_after_markdown_is_pulled_apart(typed: str) -> None:
    assert JOINER in text.escape(typed)


def test_line_breaks_become_spaces() -> None:
    assert text.escape("a\n\n# b") == r"a \# b"


@pytest.mark.parametrize(
    ("micro", "wanted"),
    [
        (0, "0"),
        (1_200 * MICRO, "1,200"),
        (1_200_500_000, "1,200.5"),
        (1_005_000, "1.01"),
        (-39 * MICRO, "−39"),
        (1, "<0.01"),
        (-1, "−<0.01"),
    ],
)
def test_credits_have_grouping_and_two_decimals_at_most(micro: int, wanted: str) -> None:
    assert text.credit_text(micro, EN) == wanted


def test_credits_follow_the_locale_and_may_carry_a_sign() -> None:
    assert text.credit_text(1_200_500_000, DE) == "1.200,5"
    assert text.credit_text(5 * MICRO, EN, signed=True) == "+5"
    assert text.credit_help(1_234_567) == "Exactly 1.234567 credits"


@pytest.mark.parametrize(
    ("cents", "currency", "locale", "wanted"),
    [
        (123456, "USD", EN, "$1,234.56"),
        (123456, "EUR", DE, "1.234,56\u00a0€"),
        (500, "JPY", EN, "¥500"),
        (-1, "USD", EN, "-$0.01"),
    ],
)
def test_money_comes_from_whole_minor_units(cents: int, currency: str, locale: Locale, wanted: str) -> None:
    assert text.money_text(cents, currency, locale) == wanted


def test_instants_are_shown_in_the_company_zone() -> None:
    at = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)
    assert text.instant_text(at, BERLIN, DE) == "02.06.2026, 00:30"
    assert text.instant_text(at, BERLIN, EN).replace("\u202f", " ") == "Jun 2, 2026, 12:30 AM"
    assert text.weekday_text(date(2026, 6, 2), EN) == "Tue Jun 2, 2026"


@pytest.mark.parametrize(
    ("now", "before", "wanted"),
    [(12, 10, "+20\u00a0%"), (9.66, 10, "−3.4\u00a0%"), (5, 0, "new"), (0, 0, "0\u00a0%")],
)
def test_change_in_percent(now: float, before: float, wanted: str) -> None:
    assert text.change_text(now, before, EN) == wanted


def test_change_of_a_rate_is_in_points() -> None:
    assert text.points_text(0.93, 0.9, EN) == "+3\u00a0pp"
    assert text.points_text(0.9, 0.93, EN) == "−3\u00a0pp"


@pytest.mark.parametrize(
    ("typed", "locale", "wanted"),
    [
        ("5000", EN, "5000"),
        ("5,000", EN, "5000"),
        ("5.000", DE, "5000"),
        ("5.000,00", EN, "5000.00"),
        ("1,200.50", DE, "1200.50"),
        ("1.000.000", EN, "1000000"),
        ("5 000", EN, "5000"),
        ("5'000.5", EN, "5000.5"),
        ("0.125", DE, "0.125"),
        ("5,5", EN, "5.5"),
        ("1234.567", EN, "1234.567"),
    ],
)
def test_amounts_are_read_by_locale(typed: str, locale: Locale, wanted: str) -> None:
    assert str(parse_amount(typed, locale)) == wanted


@pytest.mark.parametrize(
    ("typed", "locale", "words"),
    [
        ("5.000", EN, "could mean 5,000 or 5.000"),
        ("5,000", DE, "could mean 5.000 or 5,000"),
        ("12,34,567", EN, "grouped in threes"),
        ("1,2.3,4", EN, "mixes points and commas"),
        ("twelve", EN, "is not a number"),
        ("-5", EN, "is not a number"),
        ("1e5", EN, "is not a number"),
        ("", EN, "is not a number"),
        (".", EN, "is not a number"),
    ],
)
def test_unclear_amounts_are_refused(typed: str, locale: Locale, words: str) -> None:
    with pytest.raises(AmountUnclear, match=words):
        parse_amount(typed, locale)

"""How figures read in a mail: credits, money, days and instants, the same in every template.

Mails are written in English with the company's zone named, because nobody knows the reader's locale.
"""

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, get_currency_precision

from ledger.core.amounts import MICRO

LOCALE = "en_US"
# Invisible and without width: keeps mail programs from making a link of what somebody typed into a name.
_JOINER = "\u2060"


def credit_text(micro: int) -> str:
    """Credits with grouping and at most two decimals, rounded half up, as on the pages.

    >>> credit_text(1200500000), credit_text(1), credit_text(-5000000)
    ('1,200.5', '<0.01', '-5')
    """
    if isinstance(micro, bool) or not isinstance(micro, int):
        raise ValueError(f"credits must be an int of micro-credits, not {type(micro).__name__} {micro}")
    value = (Decimal(abs(micro)) / MICRO).quantize(Decimal("0.01"), ROUND_HALF_UP)
    sign = "-" if micro < 0 else ""
    if micro and not value:
        return f"{sign}<0.01"
    whole, _, part = f"{value:,.2f}".partition(".")
    return sign + whole + (f".{part}".rstrip("0") if part != "00" else "")


def money_text(cents: int, currency: str) -> str:
    """Money from integer minor units, the currency's code always visible.

    >>> money_text(129900, "EUR")
    'EUR 1,299.00'
    """
    value = Decimal(cents).scaleb(-get_currency_precision(currency))
    return f"{currency} " + format_currency(value, currency, format="#,##0.00", locale=LOCALE)


def day_text(day: str) -> str:
    """A calendar day given as ISO text.

    >>> day_text("2026-03-10")
    'Mar 10, 2026'
    """
    return format_date(date.fromisoformat(day), format="medium", locale=LOCALE)


def instant_text(at: str, zone: ZoneInfo) -> str:
    """An instant given as ISO text with an offset, in the company's zone, which is named.

    >>> instant_text("2026-03-10T12:00:00+00:00", ZoneInfo("Europe/Berlin"))
    'Mar 10, 2026, 13:00 (Europe/Berlin)'
    """
    given = datetime.fromisoformat(at)
    if given.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; give an offset such as +00:00")
    return format_datetime(given, "MMM d, yyyy, HH:mm", tzinfo=zone, locale=LOCALE) + f" ({zone.key})"


def type_text(credit_type: str) -> str:
    """A credit type as a person says it."""
    return credit_type.replace("_", " ").capitalize()


def quote(text: str) -> str:
    """Typed lines set apart in a plain-text mail, so that they cannot be taken for ours."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def web_address(link: str) -> str:
    """A link that may stand behind a button. Raises ValueError for everything but http and https."""
    parts = urlsplit(link)
    if parts.scheme not in ("http", "https") or not parts.netloc or any(c.isspace() for c in link):
        raise ValueError(f"{link!r} is no web address; it must begin with http:// or https://")
    return link


def one_line(text: str) -> str:
    """Typed text on one line, without controls, and with nothing that a mail program makes a link of."""
    shown = "".join(c if c.isprintable() or c.isspace() else " " for c in text)
    return _unlinked(" ".join(shown.split()))


def lines(text: str) -> str:
    """As `one_line`, keeping the line breaks."""
    return "\n".join(one_line(line) for line in text.splitlines()).strip()


def _unlinked(text: str) -> str:
    return text.replace("://", f":{_JOINER}//").replace("www.", f"www{_JOINER}.")

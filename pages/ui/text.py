"""Words and figures on the screen: what people typed made harmless, numbers written the way the reader writes them.

Streamlit renders Markdown nearly everywhere: titles, captions, labels, metrics, tables, buttons, help, options of
``st.radio``. Whatever people typed goes through `escape` first. Only these places show text as it is and must get it
unescaped: options of ``st.selectbox`` and ``st.multiselect``, cells of ``st.dataframe``, values of inputs, ``st.text``,
``st.code``, ``alt=``, page titles. ``st.badge`` mangles escaped text: no typed text in badges.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal

from analytics.words import MINUS as MINUS
from analytics.words import credit_text as credit_text
from analytics.words import day_text as day_text
from analytics.words import money_text as money_text
from analytics.words import percent_text as percent_text
from analytics.words import unit_price_text as unit_price_text
from ledger import CreditType, micro_to_text

# Invisible and without width. Links, e-mail addresses, emoji names, icons and colour directives are recognised in the
# text *after* Markdown was read, when a backslash is gone already: only a character in between stops them (measured).
_JOINER = "\u2060"
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_RECOGNISED_LATER = re.compile(r"(?i):(?=\S)|@(?=\S)|www(?=\.)")

TYPE_WORDS: dict[CreditType, str] = {
    CreditType.PURCHASED: "Purchased",
    CreditType.PROMOTIONAL: "Promotional",
    CreditType.REFERRAL: "Referral",
    CreditType.COMPENSATION: "Compensation",
    CreditType.ROLLOVER: "Rollover",
}


def escape(text: object) -> str:
    """Text that people typed, safe inside Streamlit Markdown: it shows exactly the typed characters on one line.

    Neutralises emphasis, images, links and addresses, HTML, LaTeX, emoji and icon names, colour directives, code.

    >>> escape("a*b")
    'a\\\\*b'
    """
    one_line = " ".join(str(text).split())
    apart = _RECOGNISED_LATER.sub(lambda found: found[0] + _JOINER, one_line)
    return _PUNCTUATION.sub(r"\\\1", apart)


def reader_locale() -> Locale:
    """The locale of the reader's browser; American English when it says nothing that Babel knows."""
    name = st.context.locale
    if isinstance(name, str) and name:
        try:
            return Locale.parse(name, sep="-" if "-" in name else "_")
        except (UnknownLocaleError, ValueError):
            pass  # a locale nobody has heard of is no reason to fail; the default is stated above
    return Locale("en", "US")


def credit_help(micro: int) -> str:
    """The exact figure behind a rounded one, for a tooltip."""
    return f"Exactly {micro_to_text(micro)} credits"


def change_arrow(before_micro: int, after_micro: int, locale: Locale) -> str:
    """A balance before and after, such as "1,200 → 6,200"."""
    return f"{credit_text(before_micro, locale)} → {credit_text(after_micro, locale)}"


def weekday_text(day: date, locale: Locale) -> str:
    """A calendar day with its weekday."""
    return f"{format_date(day, format='EEE', locale=locale)} {day_text(day, locale)}"


def instant_text(at: datetime, zone: ZoneInfo, locale: Locale) -> str:
    """An instant in a zone, to the minute. The zone is named in the page's caption."""
    return format_datetime(at, format="medium", tzinfo=zone, locale=locale).replace(
        format_time(at, format="medium", tzinfo=zone, locale=locale), time_text(at, zone, locale)
    )


def time_text(at: datetime, zone: ZoneInfo, locale: Locale) -> str:
    """The time of day of an instant in a zone, to the minute."""
    return format_time(at, format="short", tzinfo=zone, locale=locale)


def age_text(seconds: float) -> str:
    """How long ago, in the coarsest unit that still tells something."""
    if seconds < 90:
        return f"{max(int(seconds), 0)} s ago"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min ago"
    return f"{round(seconds / 3600)} h ago"


def change_text(now: float, before: float, locale: Locale) -> str:
    """Change against another period in percent: "+12 %", "−3.4 %", "new" when there was nothing, "0 %" when neither."""
    if before == 0:
        return "new" if now else percent_text(0, locale)
    change = (now - before) / before
    sign = "+" if change > 0 else MINUS if change < 0 else ""
    return sign + percent_text(abs(change), locale)


def points_text(now_share: float, before_share: float, locale: Locale) -> str:
    """Change of a rate in percentage points."""
    points = round((now_share - before_share) * 100, 1)
    sign = "+" if points > 0 else MINUS if points < 0 else ""
    return f"{sign}{format_decimal(Decimal(str(abs(points))), format='#,##0.#', locale=locale)}\u00a0pp"


def days_text(days: int) -> str:
    """A number of days in words."""
    return "today" if days == 0 else f"in {days} day{'s' * (days != 1)}" if days > 0 else f"{-days} days ago"

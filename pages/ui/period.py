"""The period picker that every page with a period uses: one choice for all pages, kept in the address."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import streamlit as st
from babel import Locale
from babel.dates import format_interval

from analytics.periods import Comparison, Period, PeriodChoice, compared, period
from pages.ui import address
from pages.ui.guard import Visit
from pages.ui.text import day_text

# No ledger reaches further back than this, and date fields need an end.
EARLIEST = date(2000, 1, 1)


@dataclass(frozen=True, slots=True)
class Span:
    """A picked period, what it is compared with, and both in words."""

    choice: PeriodChoice
    period: Period
    comparison: Comparison
    other: Period | None
    label: str
    other_label: str

    def instants(self, visit: Visit) -> tuple[datetime, datetime]:
        """The period as instants [since, until), cut in the company zone."""
        return self.period.starts_at(visit.zone), self.period.ends_at(visit.zone)


def pick(visit: Visit, *, compare: bool = True) -> Span:
    """Draw the picker where the caller stands, such as ``with st.sidebar:``, and answer the choice."""
    choice = address.select(
        "period",
        "Period",
        list(PeriodChoice),
        default=PeriodChoice.MONTH_TO_DATE,
        to_text=lambda one: one.value,
        format_func=lambda one: one.label,
        shared=True,
    )
    custom = _custom(visit) if choice is PeriodChoice.CUSTOM else None
    chosen = period(choice, today=visit.today, fiscal_year_start=visit.company.fiscal_year_start, custom=custom)
    comparison = Comparison.NONE
    if compare:
        comparison = address.select(
            "compare",
            "Compare with",
            list(Comparison),
            default=Comparison.PREVIOUS,
            to_text=lambda one: one.value,
            format_func=lambda one: one.label,
            shared=True,
        )
    other = compared(chosen, choice, comparison)
    other_label = "" if other is None else span_text(other, visit.locale)
    return Span(choice, chosen, comparison, other, span_text(chosen, visit.locale), other_label)


def span_text(wanted: Period, locale: Locale) -> str:
    """The days of a period in words, both ends included, such as "Nov 1 – 21, 2026"."""
    if wanted.days == 1:
        return day_text(wanted.since, locale)
    return str(format_interval(wanted.since, wanted.last, skeleton="yMMMd", locale=locale))


def _custom(visit: Visit) -> tuple[date, date]:
    month_ago = visit.today - timedelta(days=29)
    since = address.day("from", "From", default=month_ago, earliest=EARLIEST, latest=visit.today, shared=True)
    until = address.day("to", "To (included)", default=visit.today, earliest=EARLIEST, latest=visit.today, shared=True)
    if until < since:
        st.caption("The days are in the wrong order; they are read the other way round.")
    return since, until

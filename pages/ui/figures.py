"""Figures of analytics on tiles: value, change, target and how it was computed, in the reader's locale."""

from babel import Locale
from babel.numbers import format_decimal

from analytics.figures import Figure, Unit, change
from analytics.kpis import Score, Scorecard, Target
from analytics.words import change_words as change_words
from analytics.words import delta_of as delta_of
from analytics.words import rough_text as rough_text
from pages.ui import parts
from pages.ui.guard import Visit
from pages.ui.period import Span
from pages.ui.text import credit_text, money_text, percent_text


def number_text(value: float | int, unit: Unit, locale: Locale, *, currency: str = "") -> str:
    """A value of a figure with its unit, such as "92.4 %" or "34 days"."""
    match unit:
        case Unit.SHARE:
            return percent_text(float(value), locale)
        case Unit.MICRO:
            return credit_text(int(value), locale)
        case Unit.MICRO_PER_DAY:
            return rough_text(value, locale)
        case Unit.DAYS:
            # From 100 days on a tenth claims more than is known, and a tile cuts it off.
            rounded = round(value, 1) if abs(value) < 100 else round(value)
            days = format_decimal(rounded, format="#,##0.#", locale=locale)
            return f"{days} day" if days == "1" else f"{days} days"
        case Unit.CENTS:
            return money_text(int(value), currency, locale)
        case Unit.COUNT:
            return str(format_decimal(value, format="#,##0", locale=locale))


def figure_text(figure: Figure, locale: Locale, *, currency: str = "") -> str | None:
    """The value of a figure for a tile; None when it is absent."""
    return None if figure.value is None else number_text(figure.value, figure.unit, locale, currency=currency)


def target_text(target: Target | None, unit: Unit, locale: Locale) -> str:
    """The target in words, such as "over 90 %"."""
    if target is None:
        return ""
    return f"{'under' if target.less_is_better else 'over'} {number_text(target.level, unit, locale)}"


def kpi_tile(visit: Visit, score: Score, before: Scorecard | None, span: Span, *, help: str | None = None) -> None:
    """One KPI as a tile: value, change, target with its word, and how it came about."""
    figure, is_now = score.figure, score.figure.unit is Unit.DAYS
    other = None if before is None or is_now else before.score(score.kpi).figure
    moved = change(figure, other)
    currency = visit.company.currency
    facts = {
        label: number_text(part, figure.parts, visit.locale, currency=currency)
        for label, part in (("Numerator", figure.numerator), ("Denominator", figure.denominator))
        if part is not None and figure.parts is not None
    }
    parts.tile(
        score.label,
        figure_text(figure, visit.locale),
        delta=delta_of(moved, visit.locale),
        delta_description="vs before" if delta_of(moved, visit.locale) is not None else None,
        less_is_better=score.target is not None and score.target.less_is_better,
        help=help,
        verdict=score.state.value.lower(),  # type: ignore[arg-type]
        target=target_text(score.target, figure.unit, visit.locale),
        how=parts.How(
            score.formula.capitalize() + ".",
            facts,
            "As of now." if is_now else f"{span.label}, before: {span.other_label or 'not asked'}.",
        ),
        absent="" if figure.reason is None else figure.reason.capitalize() + ".",
    )

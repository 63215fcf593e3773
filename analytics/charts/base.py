"""What every chart shares: the palette, the look of axes, and the three things a chart answers."""

from dataclasses import dataclass
from enum import StrEnum
from html import escape

import pandas as pd
import plotly.graph_objects as go

from ledger.core.amounts import MICRO
from ledger.core.records import Bucket, CreditType


class Theme(StrEnum):
    """The two looks of a page."""

    LIGHT = "light"
    DARK = "dark"


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """A picture, the same numbers as a table (credits, not micro-credits), and a sentence that says the finding.

    ``typed`` are the columns of the table whose heading somebody typed, such as the label of a feature: shown as it is.
    """

    figure: go.Figure
    table: pd.DataFrame
    alt: str
    typed: frozenset[str] = frozenset()


# The same colours as chartCategoricalColors in .streamlit/config.toml, in the order of CreditType. Traces leave their
# colour to the theme; these are for what a theme cannot give: a band, a dashed twin of a line.
PALETTE: dict[Theme, tuple[str, ...]] = {
    Theme.LIGHT: ("#0E4AD3", "#D8630A", "#1B9475", "#AC3399", "#1F222D"),
    Theme.DARK: ("#2E91FF", "#F6CE5C", "#10E097", "#DC7FB4", "#EEEFF6"),
}
PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
# What was used on debt has no type, because no batch paid for it.
TYPE_LABELS = {kind.value: kind.value.capitalize() for kind in CreditType} | {Bucket.OWED.value: "On debt"}
BAND_OPACITY = 0.2

_TEXT = {Theme.LIGHT: "#334155", Theme.DARK: "#E2E8F0"}
_QUIET = {Theme.LIGHT: "#64748B", Theme.DARK: "#94A3B8"}
_WEEKEND = "rgba(100, 116, 139, 0.12)"


def text_colour(theme: Theme) -> str:
    """Colour of axis titles, ticks and legends: Streamlit's own is too pale to read."""
    return _TEXT[theme]


def quiet_colour(theme: Theme) -> str:
    """Colour of lines and bars that are context and not the matter."""
    return _QUIET[theme]


def band_colour(theme: Theme) -> str:
    """The first palette colour at 20 % opacity."""
    red, green, blue = (int(PALETTE[theme][0][start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {BAND_OPACITY})"


def pattern(number: int, patterns: bool) -> dict[str, str] | None:
    """The fill pattern of the n-th trace when patterns are switched on."""
    return {"shape": PATTERNS[number % len(PATTERNS)]} if patterns else None


def finish(figure: go.Figure, *, theme: Theme, x_title: str, y_title: str, legend: bool = True) -> go.Figure:
    """Axis titles and readable text; no title inside the picture, because the page has one above it."""
    colour = text_colour(theme)
    axis = {"tickfont": {"color": colour}, "automargin": True, "separatethousands": True, "exponentformat": "none"}
    figure.update_layout(
        xaxis={**axis, "title": {"text": x_title, "font": {"color": colour}}},
        yaxis={**axis, "title": {"text": y_title, "font": {"color": colour}}, "rangemode": "tozero"},
        legend={
            "orientation": "h",
            "y": 1.02,
            "yanchor": "bottom",
            "x": 0,
            "font": {"color": colour},
            "traceorder": "normal",
        },
        showlegend=legend,
        margin={"l": 8, "r": 8, "t": 32, "b": 8},
        font={"color": colour},
    )
    return figure


def as_typed(text: str) -> str:
    """Text that people typed, for the name of a trace: a figure reads its texts as HTML, this one shows as typed.

    Hover texts must take it from there (``%{fullData.name}``): in a template of their own, ``%{…}`` would be read, too.
    """
    return escape(" ".join(text.split()), quote=False)


def weekends(days: pd.Series) -> list[dict[str, object]]:
    """Shapes that shade Saturdays and Sundays among some sorted days, drawn below the bars."""
    half = pd.Timedelta(hours=12)
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": (found - half).isoformat(),
            "x1": (found + half).isoformat(),
            "y0": 0,
            "y1": 1,
            "fillcolor": _WEEKEND,
            "line": {"width": 0},
            "layer": "below",
        }
        for found in days[days.dt.day_of_week >= 5]
    ]


def to_credits(micro: pd.Series) -> pd.Series:
    """Micro-credits as credits for the screen, float: the last step before drawing."""
    return micro / MICRO


def spoken(amount: float) -> str:
    """A number of credits for a sentence: grouped, decimals only below 100."""
    return f"{amount:,.0f}" if abs(amount) >= 100 or amount == round(amount) else f"{amount:,.2f}"


def day_words(of: pd.Timestamp) -> str:
    """A day for a sentence, such as '9 Mar 2026'."""
    return f"{of.day} {of:%b %Y}"

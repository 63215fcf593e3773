"""Charts on pages: the reader's theme, the patterns switch, and the table twin with days and credits."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics.charts import Chart, Theme
from pages.ui import address, parts


def theme() -> Theme:
    """The theme that the reader's browser shows."""
    return Theme.DARK if st.context.theme.type == "dark" else Theme.LIGHT


def patterns_switch() -> bool:
    """Draw the switch for fill patterns, for people who cannot tell the colours apart."""
    return address.toggle("patterns", "Patterns in charts", help="Draw a pattern on each colour")


def show(chart: Chart, *, key: str, **options: Any) -> Any:
    """A chart with its table; its finding is read aloud to those who cannot see it."""
    return parts.chart(chart.figure, key=key, alt=chart.alt, twin=lambda: _readable(chart), **options)


def _readable(chart: Chart) -> pd.DataFrame:
    """Days as dates and numbers with at most two decimals, under headings for people."""
    shown = chart.table.rename(
        columns=lambda name: name if name in chart.typed else str(name).replace("_", " ").capitalize()
    )
    for name in shown.columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.date
        elif pd.api.types.is_float_dtype(shown[name]):
            shown[name] = shown[name].round(2)
    return shown

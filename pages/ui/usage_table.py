"""The table of features: what credits were spent on, and what changed.

Features are shown by their label; their key, by which callers name them, stands in a column of its own.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st
from babel import Locale

from analytics import burn
from pages.ui import parts, portfolio
from pages.ui.guard import Visit
from pages.ui.period import Span
from pages.ui.text import MINUS, credit_text, escape, percent_text


def finding(table: pd.DataFrame, labels: Mapping[str, str], *, moved_words: str, locale: Locale) -> str:
    """The table in a sentence: the largest feature, and how the burn moved."""
    top = table.iloc[0]
    if not top["used_micro"]:
        return "No credits were used in this period."
    share = percent_text(top["share"], locale, decimals=0)
    words = f"Most went to **{escape(labels.get(top['feature'], top['feature']))}**, {share} of all use."
    return f"{words} Use per day: {moved_words} against the period before." if moved_words else words


def draw(
    visit: Visit,
    table: pd.DataFrame,
    labels: Mapping[str, str],
    span: Span,
    *,
    key: str,
    whose: str = "all",
    **options: Any,
) -> Any:
    """A frame of burn.BY_FEATURE with the features' labels, and a total line above."""
    total = credit_text(int(table["used_micro"].sum()), visit.locale)
    shown = with_labels(table, labels).assign(
        used=parts.whole_credits(table["used_micro"]),
        percent=(table["share"] * 100).round(1),
        each=table["credits_per_use"].round(2),
        moved=[_moved(visit, row, has_other=span.other is not None) for row in table.to_dict("records")],
    )
    columns: dict[str, Any] = {
        "label": st.column_config.TextColumn("Feature", pinned=True, width="medium"),
        "used": parts.credits_column("Credits"),
        "percent": st.column_config.NumberColumn("Share", format="%.1f %%"),
        "events": st.column_config.NumberColumn("Uses", format="localized"),
        "each": st.column_config.NumberColumn("Credits per use", format="localized"),
        "moved": st.column_config.TextColumn("Change", alignment="right", help="Of the use per day"),
        "trend": st.column_config.TextColumn("Trend", help=f"Within the period: {burn.TREND_RULE}"),
    }
    if "customers" in table.columns:
        columns["customers"] = st.column_config.NumberColumn("Customers", format="localized")
    if (shown["label"] != shown["feature"]).any():
        columns["feature"] = st.column_config.TextColumn("Key", help="The name by which use is reported")
    noun = "feature" if len(table) == 1 else "features"
    return parts.table(
        shown,
        key=key,
        alt="Features by credits used, with share and change",
        columns=columns,
        totals=f"**{len(table)} {noun} · {total} credits**",
        download=parts.Download(
            visit,
            "usage",
            lambda: exported(table, labels),
            whose=whose,
            since=span.period.since,
            until=span.period.last,
        ),
        **options,
    )


def with_labels(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """A frame with a column feature, and the label of each; a feature without one is shown by its key."""
    return table.assign(label=[labels.get(feature, feature) for feature in table["feature"]])


def exported(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """The same for a file."""
    amounts = {f"{name}_credits": portfolio.exact_credits(table[f"{name}_micro"]) for name in ("used", "before")}
    plain = table[["feature", "share", "events", "change", "trend"]]
    return pd.DataFrame({**plain, **amounts, "label": with_labels(table, labels)["label"]})


def _moved(visit: Visit, row: dict[Any, Any], *, has_other: bool) -> str:
    if not has_other:
        return ""
    if pd.isna(row["change"]):
        return "new" if row["used_micro"] else ""
    sign = "+" if row["change"] > 0 else MINUS if row["change"] < 0 else ""
    return sign + percent_text(abs(row["change"]), visit.locale)

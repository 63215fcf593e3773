"""The table of the Forecasts page: balance, burn, the run-out day as a range, waste, method."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics.advice import LAST_DAYS
from pages.ui import advice, outlook, parts, portfolio
from pages.ui.guard import Visit
from pages.ui.text import credit_text


def ordered(found: pd.DataFrame, confidence: int) -> pd.DataFrame:
    """Soonest likely day first, then the early end of the range; those without credits last."""
    keys = ["is_out", "likely", f"low_{confidence}", "account"]
    return found.sort_values(keys, ignore_index=True, na_position="last")


def draw(visit: Visit, chosen: pd.DataFrame, shown: pd.DataFrame, *, horizon: int, confidence: int) -> list[int]:
    """One page of the table; answers the selected rows."""
    end = outlook.last_day(visit, horizon)
    beyond = f"after {outlook.short_day(end, visit.locale)}"

    def days(name: str) -> list[str]:
        return [
            "now" if is_out else beyond if pd.isna(day) else outlook.short_day(day.date(), visit.locale)
            for day, is_out in zip(shown[name], shown["is_out"], strict=True)
        ]

    cannot = shown["cannot_say"].notna().to_numpy()
    likely = ["day uncertain" if no else day for no, day in zip(cannot, days("likely"), strict=True)]
    text = st.column_config.TextColumn
    st.caption(f"Soonest first, {confidence} % range. Select a row for its chart.")
    picked = parts.table(
        shown.assign(
            available=parts.whole_credits(shown["available_micro"]),
            burn=shown["burn_a_day"].round(1),
            low=days(f"low_{confidence}"),
            likely=likely,
            high=days(f"high_{confidence}"),
            lost=shown["wasted"].round(),
            words=shown["method"].map(outlook.METHOD_WORDS),
            package=advice.column(visit, shown),
            known=shown["as_of"].dt.date,
        ),
        key="forecasts",
        alt=f"Customers by run-out day, with the {confidence} % range",
        totals=f"**{len(chosen):,} customer{'s' * (len(chosen) != 1)} · "
        f"{credit_text(int(chosen['available_micro'].sum()), visit.locale)} credits available**",
        columns={
            "name": text("Customer", pinned=True, width=180),
            "available": parts.credits_column("Available"),
            "burn": parts.credits_column("Burn a day", help="Expected mean day ahead, an estimate"),
            "low": text("Earliest", width=110, help=f"Early end of the {confidence} % range"),
            "likely": text("Likely", width=120, help="Not shown when the range is wider than the runway"),
            "high": text("Latest", width=110, help=f"Late end of the {confidence} % range"),
            "package": text("Package", help=f"Covers {LAST_DAYS} days of expected use for the least money"),
            "cause": text("By", width=70, help="What empties the account: use, or expiry"),
            "lost": parts.credits_column(f"Wasted in {horizon} d", help="Most likely expires unused"),
            "words": text("Method", help=outlook.METHOD_HELP),
            "known": st.column_config.DateColumn("Use known to", format="localized"),
        },
        download=parts.Download(visit, "forecasts", lambda: exported(chosen)),
        on_select="rerun",
        selection_mode="single-row",
    )
    return list(picked.selection.rows)


def exported(chosen: pd.DataFrame) -> pd.DataFrame:
    """The same for a file; days beyond the horizon are empty."""
    days: dict[str, Any] = {
        name: [None if pd.isna(day) else day.date() for day in chosen[name]]
        for name in ("as_of", "low_95", "low_80", "likely", "high_80", "high_95")
    }
    plain = chosen[["account", "name", "burn_a_day", "is_out", "cause", "cannot_say", "wasted", "method"]]
    return pd.DataFrame({**plain, "available_credits": portfolio.exact_credits(chosen["available_micro"]), **days})

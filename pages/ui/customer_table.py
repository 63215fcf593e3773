"""The table of the Customers page, on the screen and as a file."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics.frames import RATE_DAYS, SOON_DAYS
from pages.ui import links, parts, portfolio
from pages.ui.guard import Visit
from pages.ui.text import money_text


def readable(visit: Visit, shown: pd.DataFrame) -> pd.DataFrame:
    """The rows of frames.CUSTOMERS with a runway and run-out words, in units for people."""
    values = [
        "several currencies"
        if currency == "mixed"
        else ""
        if pd.isna(currency)
        else money_text(int(cents), currency, visit.locale)
        for cents, currency in zip(shown["value_cents"], shown["currency"], strict=True)
    ]
    return shown.assign(
        available=parts.whole_credits(shown["net_micro"]),
        held=parts.whole_credits(shown["held_micro"]),
        expiring=parts.whole_credits(shown["expiring_30d_micro"]),
        value=values,
        burn=portfolio.burn_a_day(shown),
        runway_days=shown["runway_days"].round(),
    )


def columns(visit: Visit) -> dict[str, Any]:
    """The columns in their order."""
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    last = links.customer_columns("customers")
    return {
        "name": text("Customer", pinned=True, width=190),
        "open": last["open"],
        "available": parts.credits_column("Available", help="Below zero: owed within an approved overdraft"),
        "value": text("Value", alignment="right", width=105, help="Paid for the purchased credits that are left"),
        "expiring": parts.credits_column(
            f"Ends {SOON_DAYS} d", help=f"Credits whose batch ends within {SOON_DAYS} days"
        ),
        "burn": parts.credits_column("Burn a day", help=f"Mean day of the last {RATE_DAYS} complete days"),
        "runway_days": number("Runway", format="localized", help="Days that available credits last at today's burn"),
        "runs_out": text("Runs out (forecast)", width=230, help="80 % range and likely day, expiries counted in"),
        "tier": text("Tier", width=90),
        "owner": text("Account manager"),
        "last_top_up_at": parts.instant_column("Last top-up", visit.zone),
        "address": last["address"],
    }


def exported(chosen: pd.DataFrame) -> pd.DataFrame:
    """The same customers for a file: exact credits, cents, ids as text."""
    amounts = {
        f"{name}_credits": portfolio.exact_credits(chosen[f"{name}_micro"])
        for name in ("available", "held", "expiring_30d", "used_28d")
    }
    # Columns of files are only ever added at the end.
    debt = {f"{name}_credits": portfolio.exact_credits(chosen[f"{name}_micro"]) for name in ("owed", "overdraft_limit")}

    plain = ["account", "name", "email", "owner", "tier", "account_type", "value_cents", "currency", "last_top_up_at"]
    rest = {"runway_days": chosen["runway_days"].round(1), "runs_out": chosen["runs_out"]}
    return pd.DataFrame({**chosen[plain], **amounts, **rest, **debt})

"""Holds of one customer: what is set aside, for how long already, and until when; and those that are over."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import MICRO, Permission
from ledger.core.holds import DISPUTE_FEATURE
from pages.ui import address, drawer, parts
from pages.ui.corrections import hold
from pages.ui.customer_overview import View
from pages.ui.text import credit_text, instant_text

SHOWN_MAX = 200
PAST_MAX = 50


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    count, held_micro = visit.ask(frames.load_open_holds_total, at=visit.at, account=view.account)
    if count:
        words = (
            f"**{count:,} open {'hold' if count == 1 else 'holds'}**, {credit_text(held_micro, visit.locale)} credits"
        )
        _open_holds(view, words)
        if count > SHOWN_MAX:
            st.caption(f"The {SHOWN_MAX} that time out first are shown.")
    else:
        st.markdown(
            "No credits are held. A hold sets credits aside before work of unknown cost; what the work used is taken "
            "afterwards, the rest comes back."
        )
    over = st.expander("Holds that are over", key="holds-over", on_change="rerun")
    if over.open:
        with over:
            _past_holds(view)


def _open_holds(view: View, totals: str) -> None:
    visit = view.visit
    found = visit.ask(frames.load_open_holds, at=visit.at, account=view.account, limit=SHOWN_MAX)
    labels = {DISPUTE_FEATURE: "A disputed payment"} | visit.ask(frames.load_feature_labels, at=visit.at)

    def open_row() -> None:
        drawer.open_entry(int(found.iloc[st.session_state["hold-open"].row]["transaction_id"]))

    columns: dict[str, Any] = {
        "reference": st.column_config.TextColumn("Hold", width=130, help="The caller's name of it", pinned=True),
        "credits": parts.credits_column("Credits"),
        "used_for": st.column_config.TextColumn("For", width=150),
        "age": st.column_config.TextColumn("Age", width=70),
        "ends": st.column_config.TextColumn("Times out", width=165, help=f"In {visit.zone.key}"),
    }
    if (found["member"] != "").any():
        columns["member"] = st.column_config.TextColumn("Member", width=110)
    frozen = pd.Series([hold.is_frozen(row) for row in found.to_dict("records")], index=found.index)
    if visit.may_start(Permission.MANAGE_HOLDS) and not frozen.all():
        columns["release"] = st.column_config.ButtonColumn("Release", key="hold-release", width=95)
    columns["open"] = st.column_config.ButtonColumn("Entry", key="hold-open", on_click=open_row, width=80)
    columns["actor"] = st.column_config.TextColumn("Placed by", width=130)
    columns["placed_at"] = parts.instant_column("Placed", visit.zone)
    shown = found.assign(
        credits=parts.whole_credits(found["amount_micro"]),
        used_for=found["feature"].map(lambda feature: labels.get(feature, feature)),
        age=[_age(visit.at - placed) for placed in found["placed_at"]],
        ends=[_ends(view, at) for at in found["expires_at"]],
        open="Open",
        release=pd.Series(["Release"] * len(found), index=found.index).mask(frozen),
    )
    parts.table(
        shown,
        key="holds",
        alt="Open holds, the next to time out first",
        totals=totals,
        columns=columns,
        height="content",
        download=parts.Download(visit, "holds", lambda: _exported(view), whose=view.account),
    )
    if frozen.any():
        st.caption(hold.FROZEN_WORDS)
    click = st.session_state.get("hold-release")
    if click is not None:
        reference = str(found.iloc[click["row"]]["reference"])
        st.switch_page(
            "credits/adjustments.py",
            query_params=address.link(kind="hold", customer=view.account, hold=reference),
        )


def _past_holds(view: View) -> None:
    visit = view.visit
    found = visit.ask(frames.load_past_holds, account=view.account, at=visit.at, limit=PAST_MAX)
    if found.empty:
        st.markdown("None so far.")
        return
    words = {"captured": "Captured", "released": "Released", "lapsed": "Timed out"}
    parts.table(
        found.assign(
            held=parts.whole_credits(found["amount_micro"]),
            used=parts.whole_credits(found["captured_micro"]),
            ending=found["state"].map(words),
        ),
        key="past-holds",
        alt="Holds that are over, newest first",
        columns={
            "reference": st.column_config.TextColumn("Hold", width="medium"),
            "held": parts.credits_column("Held"),
            "used": parts.credits_column("Used"),
            "ending": st.column_config.TextColumn("How it ended", width=120),
            "placed_at": parts.instant_column("Placed", visit.zone),
            "ended_at": parts.instant_column("Ended", visit.zone),
            "resolved_by_id": st.column_config.NumberColumn("Entry", format="%d", help="Empty until it is booked"),
        },
        height="content",
    )
    if len(found) == PAST_MAX:
        st.caption(f"The newest {PAST_MAX} are shown; the history has all.")


def _ends(view: View, at: datetime) -> str:
    return "Never" if pd.isna(at) else instant_text(at, view.visit.zone, view.visit.locale)


def _age(age: pd.Timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{round(hours / 24)} days"


def _exported(view: View) -> pd.DataFrame:
    found = view.visit.ask_now(frames.load_open_holds, at=view.visit.at, account=view.account, limit=None)
    plain = ["reference", "feature", "member", "placed_at", "expires_at", "actor", "transaction_id"]
    amounts = [Decimal(amount) / MICRO for amount in found["amount_micro"].tolist()]
    return pd.DataFrame({**found[plain], "credits": amounts})

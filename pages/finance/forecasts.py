"""Forecasts: who runs out when, and how far can I trust it?"""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui import address, customer_overview, first_steps, forecast_table, outlook, parts
from pages.ui.guard import Visit, guard
from pages.ui.links import customer_link
from pages.ui.text import day_text, escape

HORIZONS = (30, 60, 90)
CONFIDENCES = (80, 95)
PER_PAGE = 100
FILTERS = ("horizon", "confidence", "risk", "q")


def main(visit: Visit) -> None:
    customers = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    with st.sidebar:
        horizon = address.radio("horizon", "Horizon in days", HORIZONS, default=90, to_text=str)
        confidence = address.radio(
            "confidence", "Range", CONFIDENCES, default=80, to_text=str, format_func=lambda share: f"{share} %"
        )
        at_risk = address.toggle("risk", "Only with risk", help="May run out, or loses credits, within the horizon")
        wanted = address.text("q", "Search", placeholder="Name or id").strip()
    fleet = outlook.fleet(visit, customers, horizon_days=horizon)
    parts.header(visit, "Forecasts", period=f"Use known up to {day_text(fleet.known_until, visit.locale)}")
    if customers.empty:
        first_steps.checklist(visit, customers)
        return
    if not fleet.computed:
        parts.not_enough("No forecast has been computed yet.")
        outlook.missing_note(visit, fleet)
        return
    amounts = customers[["account", "name", "balance_micro", "held_micro", "available_micro"]]
    found = fleet.frame.merge(amounts, on="account")
    st.markdown(said(visit, found, fleet, horizon))
    outlook.missing_note(visit, fleet)
    words, keep = [], pd.Series(True, index=found.index)
    if at_risk:
        words.append("only with risk")
        keep &= found[f"low_{confidence}"].notna() | (found["wasted"] >= 1) | found["is_out"]
    if wanted:
        words.append(f"search = {wanted}")
        names = (found["name"] + "\n" + found["account"]).str.casefold()
        keep &= names.str.contains(wanted.casefold(), regex=False)
    chosen = forecast_table.ordered(found[keep], confidence)
    if chosen.empty:
        parts.nothing_matches(words, clear=address.clear(*FILTERS), what="No customer")
        return
    place = st.container()
    number = address.page_number(len(chosen), per_page=PER_PAGE, resets=(*words, horizon, confidence))
    shown = chosen.iloc[(number - 1) * PER_PAGE : number * PER_PAGE]
    with place:
        rows = forecast_table.draw(visit, chosen, shown, horizon=horizon, confidence=confidence)
    one(visit, shown, rows, horizon)


def said(visit: Visit, found: pd.DataFrame, fleet: outlook.Fleet, horizon: int) -> str:
    """The finding: how many are out, will probably run out, or may."""
    live = found[~found["is_out"]]
    likely, maybe = int(live["likely"].notna().sum()), int((live["low_80"].notna() & live["likely"].isna()).sum())
    out = int(found["is_out"].sum())
    end = outlook.short_day(visit.today + timedelta(days=horizon - 1), visit.locale)
    return (
        f"**{likely:,} of {fleet.computed:,} customers probably run out by {end}**, {maybe:,} more may; "
        f"{out:,} {'has' if out == 1 else 'have'} nothing available now."
    )


def one(visit: Visit, shown: pd.DataFrame, rows: list[int], horizon: int) -> None:
    """The balance ahead of the selected customer, of the first one until another is selected."""
    if rows:
        address.put("customer", str(shown.iloc[rows[0]]["account"]))
    wanted = address.get("customer")
    accounts = [str(name) for name in shown["account"]]
    account = wanted if wanted is not None and wanted in accounts else accounts[0]
    if account != wanted:
        address.put("customer", None)
    customer = visit.ask(frames.load_customer, account=account)
    st.subheader(f"Balance ahead: {escape(customer.name)}", anchor=False)
    view = customer_overview.View(visit, customer, outlook.of_customer(visit, account), patterns=False)
    st.markdown(customer_overview.sentence(view))
    customer_overview.timeline(view, horizon_days=horizon)
    customer_link(f"Open {customer.name}", account)


visit = guard(Permission.VIEW_PORTFOLIO)
main(visit)

"""Alerts: what crossed a line, who deals with it, what was mailed, and which lines are watched."""

import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui import address, alert_inbox, alert_rules, mail_log, parts
from pages.ui.guard import Visit, guard

TABS = {"Inbox": alert_inbox.draw, "E-mail log": mail_log.draw, "Rules": alert_rules.draw}


def main(visit: Visit) -> None:
    parts.header(visit, "Alerts")
    found = visit.ask_now(frames.load_open_alerts, owner=visit.actor.id)
    mine = f", {found.mine:,} of them about your customers" if found.mine else ""
    st.markdown(f"**{found.all:,} open alert{'s' * (found.all != 1)}**{mine}.")
    # Only tabs cannot persist their state, so they alone bind the address themselves.
    address.keep("tab")
    for tab, draw in zip(
        st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params"), TABS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(visit)


visit = guard(Permission.VIEW_CUSTOMER)
main(visit)

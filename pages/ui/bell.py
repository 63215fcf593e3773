"""The bell above every page: how many alerts are open, my customers' first, and the way to them."""

import streamlit as st

from analytics import frames
from ledger import NotSetUp, Permission, Unavailable
from ledger.core.policy import allows
from pages.ui import address, data, identity

PAGE = "customers/alerts.py"


def draw() -> None:
    """Draw it for those who may look at customers: one count over the open alerts, asked at every draw."""
    actor = identity.current()
    if actor is None or not allows(actor, Permission.VIEW_CUSTOMER):
        return
    try:
        found = data.ask_now(data.ledger(), frames.load_open_alerts, owner=actor.id)
    except (Unavailable, NotSetUp):
        return  # the page's guard says so, with a button to try again
    st.page_link(
        PAGE,
        label=words(found),
        icon=":material/notifications_active:" if found.all else ":material/notifications:",
        query_params=address.link(owner=actor.id if found.mine else None),
        help="Open alerts, and which lines are watched",
        width="content",
    )


def words(found: frames.OpenAlerts) -> str:
    """Such as "2 alerts of mine, 7 in all"."""
    if not found.all:
        return "No alerts"
    if found.mine:
        others = "" if found.mine == found.all else f", {found.all:,} in all"
        return f"{found.mine:,} alert{'s' * (found.mine != 1)} of mine{others}"
    return f"{found.all:,} alert{'s' * (found.all != 1)}"

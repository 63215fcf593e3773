"""The quick way to a customer in the side bar: a box to type a name or an id, and whom this person opened last.

Nothing is asked of the ledger until somebody types, so the box costs a rerun no query. It is a fragment: typing draws
the matches and leaves the page alone.
"""

import streamlit as st

from analytics import frames
from ledger import Actor, NotSetUp, Permission, Unavailable
from ledger.core.policy import allows
from pages.ui import data, identity
from pages.ui.links import customer_link

MATCHES = 8
RECENT = 5
_TYPED = "jump"
_PLACE = "jump_place"
_OPENED = "jump_opened"


def draw(page: str) -> None:
    """Draw box and recent customers for those who may look at customers. Called by the shell before the page."""
    actor = identity.current()
    if actor is None or not allows(actor, Permission.VIEW_CUSTOMER):
        return
    # Who has arrived has no more use for what was typed to get there.
    place = (page, st.query_params.get("customer"))
    if st.session_state.get(_PLACE) != place:
        st.session_state[_PLACE] = place
        st.session_state[_TYPED] = ""
    with st.sidebar:
        _box()


def remember(actor: Actor, account: str, name: str) -> None:
    """Note that a person opened a customer. Called by the Customer page; kept as long as the session."""
    others = [one for one in _opened(actor) if one[0] != account]
    st.session_state.setdefault(_OPENED, {})[actor.id] = [(account, name), *others][: RECENT + 1]


def recent(actor: Actor, *, besides: str | None = None) -> list[tuple[str, str]]:
    """Id and name of the customers that a person opened last, newest first, without the one on the page."""
    return [one for one in _opened(actor) if one[0] != besides][:RECENT]


def _opened(actor: Actor) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = st.session_state.get(_OPENED, {}).get(actor.id, [])
    return found


@st.fragment
def _box() -> None:
    typed = st.text_input("Go to a customer", key=_TYPED, type="search", live="300ms", placeholder="Name or id").strip()
    actor = identity.current()
    if typed:
        _matches(typed)
    elif actor is not None:
        page, shown = st.session_state[_PLACE]
        found = recent(actor, besides=shown if page == "customer" else None)
        if found:
            st.caption("Opened last")
        for account, name in found:
            customer_link(name, account)


def _matches(typed: str) -> None:
    try:
        opened = data.ledger()
        found = data.ask(opened, data.moment_of(opened), frames.find_customers, wanted=typed, limit=MATCHES)
    except (Unavailable, NotSetUp):
        st.caption("The ledger cannot be reached.")
        return
    if found.empty:
        st.caption("No customer matches.")
    for row in found.to_dict("records"):
        customer_link(row["name"], row["account"])
    if len(found) == MATCHES:
        st.caption(f"The first {MATCHES}; type more to see others.")

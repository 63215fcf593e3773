"""Messages of payment providers: what came, what became of each, and following one again."""

import streamlit as st

from analytics import frames
from ledger import LedgerError, NotFound
from ledger.core.payments import Provider
from ledger.queries import InboxFilter
from ledger.selling.settling import replay
from pages.ui import address, parts
from pages.ui.guard import Visit
from pages.ui.text import escape, instant_text

PER_PAGE = 50
STATES = {"all": "All", "open": "Waiting", "settled": "Settled", "unmatched": "Nobody's", "failed": "Failed"}
_OF_STATE = {
    "open": ("new", "waiting"),
    "settled": ("settled", "ignored"),
    "unmatched": ("unmatched",),
    "failed": ("failed",),
}
_OPEN = "message"
_SAYS = {"settled": "Settled", "unmatched": "Nobody here is meant", "failed": "Failed", "waiting": "To be tried again"}


def draw(visit: Visit) -> None:
    """The message that the address names, else the list."""
    wanted = address.get(_OPEN)
    if wanted is None:
        _list(visit)
        return
    st.button("All messages", icon=":material/arrow_back:", type="tertiary", on_click=address.put, args=(_OPEN, None))
    provider, _, event_id = wanted.partition(":")
    try:
        found = visit.ask_now(frames.load_message, provider=provider, event_id=event_id)
    except NotFound as error:
        st.info(escape(error))
        return
    _one(visit, found)


def _list(visit: Visit) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = address.radio("messages", "State", list(STATES), default="all", format_func=STATES.__getitem__)
        text = address.text("about", "Search", placeholder="Part of an id or a kind")
    wanted = InboxFilter(_OF_STATE.get(state, ()), text=text)
    count = visit.ask_now(frames.load_inbox_count, wanted=wanted)
    if not count:
        if state == "all" and not text.strip():
            parts.first_use("No provider has told anything yet. Its messages are delivered to the address above.")
        else:
            words = [STATES[state]] * (state != "all") + [text.strip()] * bool(text.strip())
            parts.nothing_matches(words, clear=address.clear("messages", "about"), what="No message")
        return
    place = st.container()
    number = address.page_number(count, per_page=PER_PAGE, name="messages_page", resets=(state, text))
    with place:
        _table(visit, wanted, count, number)


def _table(visit: Visit, wanted: InboxFilter, count: int, number: int) -> None:
    found = visit.ask_now(frames.load_inbox, wanted=wanted, limit=PER_PAGE, offset=(number - 1) * PER_PAGE)

    def open_row() -> None:
        row = found.iloc[st.session_state["messages-open"].row]
        address.put(_OPEN, f"{row['provider']}:{row['event_id']}")

    columns = {
        "received_at": parts.instant_column("Came", visit.zone) | {"width": 160},
        "open": st.column_config.ButtonColumn("Open", key="messages-open", on_click=open_row, width=80),
        "kind": st.column_config.TextColumn("Kind", width="medium"),
        "words": st.column_config.TextColumn("State", width=110),
        "outcome": st.column_config.TextColumn("What became of it", width="large"),
        "name": st.column_config.TextColumn("Customer"),
        "about": st.column_config.TextColumn("About", width="medium"),
        "provider_words": st.column_config.TextColumn("Provider", width=110),
        "deliveries": st.column_config.NumberColumn("Came so often", width=60),
        "tries": st.column_config.NumberColumn("Tries", width=60, help="How often it was tried in vain"),
        "next_try_at": parts.instant_column("Next try", visit.zone),
    }
    totals = f"**{count:,} message{'s' * (count != 1)}**, newest first."
    shown = found.assign(open="Open", name=found["name"].fillna("–"))
    parts.table(
        shown, key="messages-table", alt="Messages of providers", columns=columns, totals=totals, height="content"
    )


def _one(visit: Visit, found: frames.MessageEntry) -> None:
    st.markdown(f"**{escape(found.kind)}**, {found.words.lower()}")
    when = {
        "At the provider": found.happened_at,
        "Came": found.received_at,
        "Next try": found.next_try_at,
        "Ended": found.settled_at,
    }
    rows = {"Provider": found.provider_words, "Its name of it": f"`{escape(found.event_id)}`"}
    if found.about:
        rows["About"] = escape(found.about)
    if found.name is not None:
        rows["Customer"] = escape(found.name)
    rows |= {words: instant_text(at, visit.zone, visit.locale) for words, at in when.items() if at is not None}
    rows["Deliveries"] = f"{found.deliveries:,}"
    if found.outcome:
        rows["What became of it"] = escape(found.outcome)
    st.table(rows, border="horizontal")
    with st.container(horizontal=True, vertical_alignment="center"):
        if found.about:
            st.button(
                "Replay",
                icon=":material/replay:",
                key="replay",
                on_click=_replay,
                args=(visit, found.provider, found.event_id),
                help="Ask the provider again and follow its answer; books nothing twice",
            )
        if found.transaction_id is not None:
            st.page_link(
                "system/audit.py",
                label=f"Ledger entry {found.transaction_id}",
                icon=":material/receipt_long:",
                query_params=address.link(entry=found.transaction_id),
                width="content",
            )
    if told := st.session_state.pop("replay-told", None):
        st.toast(told)
    if found.body:
        st.code(found.body, language="json", wrap_lines=True)
    else:
        st.caption("Its body was removed after the time that messages are kept.")


def _replay(visit: Visit, provider: str, event_id: str) -> None:
    try:
        state = replay(visit.ledger, Provider(provider), event_id, actor=visit.actor)
        st.session_state["replay-told"] = f"{_SAYS[state]}."
    except LedgerError as error:
        st.session_state["replay-told"] = escape(error)

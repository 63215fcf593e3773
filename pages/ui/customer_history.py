"""History of one customer: what happened, newest first, each row with the entry behind it."""

from decimal import Decimal

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import MICRO
from pages.ui import address, drawer, parts
from pages.ui.customer_overview import View

PER_PAGE = 50
EXPORT_ROWS = 50_000


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    kinds = address.multiselect(
        "kind", "What happened", list(frames.KIND_WORDS), format_func=frames.KIND_WORDS.__getitem__
    )
    count = visit.ask(frames.count_history, account=view.account, kinds=tuple(kinds))
    if count == 0:
        words = [f"what happened = {' or '.join(frames.KIND_WORDS[kind].lower() for kind in kinds)}"]
        parts.nothing_matches(words, clear=address.clear("kind"), what="No entry")
        return
    place = st.container()
    number = address.page_number(count, per_page=PER_PAGE, resets=tuple(kinds))
    found = visit.ask(
        frames.load_history, account=view.account, kinds=tuple(kinds), limit=PER_PAGE, offset=(number - 1) * PER_PAGE
    )

    def open_row() -> None:
        drawer.open_entry(int(found.iloc[st.session_state["history-open"].row]["transaction_id"]))

    with place:
        parts.table(
            found.assign(
                open="Open",
                credits=parts.whole_credits(found["amount_micro"]),
                available=parts.whole_credits(found["available_after_micro"]),
                types=found["credit_types"].str.capitalize(),
                batches=[", ".join(map(str, ids)) for ids in found["batch_ids"]],
            ),
            key="history",
            alt=f"Page {number} of the history, newest first",
            totals=f"**{count:,} {'entry' if count == 1 else 'entries'}**, newest first",
            height="content",
            columns={
                "recorded_at": parts.instant_column("Booked", visit.zone),
                "open": st.column_config.ButtonColumn("Open", key="history-open", on_click=open_row, width=80),
                "words": st.column_config.TextColumn("What happened", width="medium"),
                "credits": parts.credits_column("Credits", help="Added, or taken when negative"),
                "available": parts.credits_column("Available after"),
                "types": st.column_config.TextColumn("Type", width=120),
                "batches": st.column_config.TextColumn("Batches", width=90),
                "actor": st.column_config.TextColumn("By", width=170),
                "reason_code": st.column_config.TextColumn("Reason", width=110),
                "note": st.column_config.TextColumn("Note", width="medium"),
                "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
            },
            download=parts.Download(visit, "history", lambda: _exported(view, tuple(kinds)), whose=view.account),
        )
    if count > EXPORT_ROWS:
        st.caption(f"The file holds the newest {EXPORT_ROWS:,} rows; filter for the rest.")


def _exported(view: View, kinds: tuple[str, ...]) -> pd.DataFrame:
    found = view.visit.ask_now(frames.load_history, account=view.account, kinds=kinds, limit=EXPORT_ROWS)
    plain = ["transaction_id", "recorded_at", "effective_at", "kind", "words", "credit_types"]
    amounts = {
        name: [Decimal(amount) / MICRO for amount in found[f"{column}_micro"].tolist()]
        for name, column in (("credits", "amount"), ("available_after", "available_after"))
    }
    return pd.DataFrame({**found[plain], **amounts, **found[["actor", "role", "reason_code", "note", "ticket", "key"]]})

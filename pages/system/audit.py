"""Ledger: every transaction, searched, filtered, opened in the drawer, exported."""

from decimal import Decimal

import pandas as pd
import streamlit as st
from babel import Locale

from analytics import frames
from ledger import MICRO, Permission, credits_to_micro
from ledger.queries import TransactionSort
from pages.ui import address, drawer, parts, period
from pages.ui.amounts import AmountUnclear, parse_amount
from pages.ui.guard import Visit, guard
from pages.ui.text import escape

visit = guard(Permission.VIEW_LEDGER)

PER_PAGE = 50
EXPORT_ROWS = 100_000
SORTS = {
    TransactionSort.NEWEST: "Newest first",
    TransactionSort.OLDEST: "Oldest first",
    TransactionSort.CUSTOMER: "Customer, A to Z",
    TransactionSort.KIND: "Kind",
    TransactionSort.ACTOR: "Who did it",
}
FILTERS = ("q", "kind", "actor", "min", "max", "all", "period", "from", "to")


def credits_between(name: str, label: str, locale: Locale) -> int | None:
    """An amount that limits the list; text that is no amount is said to be none and does not limit."""
    text = address.text(name, label, max_chars=40, help="Credits moved in all by one transaction")
    if not text.strip():
        return None
    try:
        return credits_to_micro(parse_amount(text, locale))
    except (AmountUnclear, ValueError) as error:
        st.error(escape(error))
        return None


def filters(visit: Visit) -> tuple[frames.TransactionFilter, str, period.Span | None]:
    """Search and filters in the side bar and above the list; the filter, and the period in words."""
    with st.sidebar:
        is_all = address.toggle("all", "All time")
        span = None if is_all else period.pick(visit, compare=False)
        kinds = address.multiselect(
            "kind", "Kind", list(frames.KIND_WORDS), format_func=lambda kind: frames.KIND_WORDS[kind], placeholder="All"
        )
        actor = address.text("actor", "Who did it", help="The whole e-mail address or name of a key")
        least = credits_between("min", "Credits from", visit.locale)
        most = credits_between("max", "Credits to", visit.locale)
    search = address.text(
        "q",
        "Search",
        type="search",
        placeholder="Entry number, customer, e-mail, key, payment, event, reason, note, ticket",
    )
    since, until = span.instants(visit) if span else (None, None)
    wanted = frames.TransactionFilter(
        text=search,
        kinds=tuple(kinds),
        actor=actor.strip() or None,
        since=since,
        until=until,
        amount_min_micro=least,
        amount_max_micro=most,
    )
    return wanted, "All time" if span is None else span.label, span


def export(visit: Visit, wanted: frames.TransactionFilter, sort: TransactionSort) -> pd.DataFrame:
    """The rows of the CSV file; its column names are API: only ever added at the end."""
    found = visit.ask_now(frames.load_transactions, wanted=wanted, sort=sort, limit=EXPORT_ROWS)
    return pd.DataFrame(
        {
            "entry": found["transaction_id"],
            "booked_at": found["recorded_at"],
            "effective_at": found["effective_at"],
            "kind": found["kind"],
            "customer_id": found["account"],
            "customer": found["name"],
            "credit_types": found["credit_types"],
            "credits": [Decimal(micro) / MICRO for micro in found["amount_micro"]],
            "available_after": [Decimal(micro) / MICRO for micro in found["available_after_micro"]],
            "balance_after": [Decimal(micro) / MICRO for micro in found["balance_after_micro"]],
            "events": found["events"],
            "actor": found["actor"],
            "role": found["role"],
            "reason": found["reason_code"],
            "note": found["note"],
            "ticket": found["ticket"],
            "key": found["key"],
        }
    )


def show(visit: Visit, wanted: frames.TransactionFilter, sort: TransactionSort, number: int, count: int) -> None:
    """One page of the list; a click on Open shows the transaction in the drawer."""
    found = visit.ask(
        frames.load_transactions, wanted=wanted, sort=sort, limit=PER_PAGE, offset=(number - 1) * PER_PAGE
    )
    shown = found.assign(
        open="Open",
        credits=parts.whole_credits(found["amount_micro"]),
        available=parts.whole_credits(found["available_after_micro"]),
        name=found["name"].fillna("–"),
    )

    def open_row() -> None:
        clicked = st.session_state["audit-open"]
        drawer.open_entry(int(found.iloc[clicked.row]["transaction_id"]))

    parts.table(
        shown,
        key="transactions",
        alt=f"Page {number} of the transactions, {len(found)} of {count}",
        height="content",
        columns={
            "transaction_id": st.column_config.NumberColumn("Entry", format="%d", pinned=True, width=70),
            "open": st.column_config.ButtonColumn("Open", key="audit-open", on_click=open_row, width=80),
            "recorded_at": parts.instant_column("Booked", visit.zone),
            "words": st.column_config.TextColumn("What happened", width="medium"),
            "name": st.column_config.TextColumn("Customer", width="medium"),
            "credits": parts.credits_column("Credits"),
            "available": parts.credits_column("Available after"),
            "actor": "By",
            "reason_code": "Reason",
            "note": st.column_config.TextColumn("Note", width="medium"),
            "ticket": "Ticket",
        },
    )


def page(visit: Visit) -> None:
    """Search, list, pages."""
    slot = st.container()
    wanted, label, span = filters(visit)
    with slot:
        parts.header(visit, "Ledger", period=label)
    count = visit.ask(frames.count_transactions, wanted=wanted)
    if count == 0:
        words = [f"“{wanted.text.strip()}”"] if wanted.text.strip() else []
        words += [frames.KIND_WORDS[kind].lower() for kind in wanted.kinds] + ([wanted.actor] if wanted.actor else [])
        parts.nothing_matches([*words, label], clear=address.clear(*FILTERS), what="No transaction")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        sort = address.select(
            "sort",
            "Sort by",
            list(SORTS),
            default=TransactionSort.NEWEST,
            to_text=lambda one: one.value,
            format_func=lambda one: SORTS[one],
            width=220,
        )
        st.markdown(f"**{count:,}** transaction{'s' * (count != 1)}", width="content")
    place = st.container()
    number = address.page_number(count, per_page=PER_PAGE, resets=(wanted, sort))
    with place:
        show(visit, wanted, sort, number, count)
    parts.download_csv(
        parts.Download(
            visit,
            "ledger",
            lambda: export(visit, wanted, sort),
            since=span.period.since if span else None,
            until=span.period.last if span else None,
        ),
        key="ledger-csv",
    )
    if count > EXPORT_ROWS:
        st.caption(f"The file holds the first {EXPORT_ROWS:,} rows in this order; narrow the period for the rest.")


page(visit)

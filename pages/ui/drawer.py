"""One transaction in full, in a drawer at the right; ``?entry=<number>`` opens it on every page and can be sent."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import NotFound, Permission
from ledger.core.policy import allows
from ledger.core.reversals import REVERSIBLE
from pages.ui import address, explain, identity
from pages.ui.guard import Visit, guard
from pages.ui.text import MINUS, credit_text, escape, instant_text

_PARAM = "entry"
LINES_SHOWN = 200
BUCKET_WORDS = {
    "issued": "Issued",
    "available": "Available",
    "held": "Held",
    "consumed": "Used",
    "expired": "Expired",
    "removed": "Removed",
    "refunded": "Refunded",
    "transferred": "Transferred",
    "owed": "Owed",
}


def open_entry(transaction_id: int) -> None:
    """Open the drawer for a transaction: for callbacks of tables and buttons."""
    address.put(_PARAM, str(transaction_id))


def close() -> None:
    """Close the drawer and take it out of the address."""
    address.put(_PARAM, None)


def show_if_asked() -> None:
    """Draw the drawer when the address names a transaction. Called by the shell after the page."""
    wanted = address.get(_PARAM)
    actor = identity.current()
    if wanted is None or actor is None or not allows(actor, Permission.VIEW_LEDGER):
        return
    number = wanted.lstrip("#")
    if not number.isdecimal() or len(number) > 18:
        close()
        return
    title = st.dialog(f"Ledger entry {number}", width="medium", position="right", on_dismiss=close)
    title(_body)(int(number))


def _body(number: int) -> None:
    visit = guard(Permission.VIEW_LEDGER)
    try:
        found = visit.ask(frames.load_transaction, transaction_id=number)
    except NotFound:
        st.info("There is no entry with this number. It may have been typed wrongly.")
        return
    st.markdown(f"**{escape(found.words)}**" + (f" · {escape(found.name)}" if found.name else ""))
    st.table(_facts(visit, found), border="horizontal")
    _links(visit, found)
    entries = visit.ask(frames.load_entries, transaction_id=number, limit=LINES_SHOWN)
    if entries.empty:
        st.caption("No credits moved in this transaction.")
        return
    _give_back_link(visit, found, entries)
    explain.behind_entry(visit, number)
    st.markdown("**Lines**")
    st.table(_lines(visit, entries), border="horizontal", hide_index=True)
    st.caption(
        "Every line moves credits from one side to the other, so what leaves and what arrives is the same sum."
        + (f" The first {LINES_SHOWN} lines are shown." if len(entries) == LINES_SHOWN else "")
    )


def _links(visit: Visit, found: frames.Transaction) -> None:
    """Ways to what it reverses, to what reversed it, or to its reversal."""
    with st.container(horizontal=True):
        for words, number in (("Reverses", found.reverses_id), ("Reversed by", found.reversed_by_id)):
            if number is not None:
                st.page_link(
                    "system/audit.py",
                    label=f"{words} entry {number}",
                    icon=":material/undo:",
                    query_params=address.link(entry=number),
                )
        if found.kind in REVERSIBLE and found.reversed_by_id is None and visit.may_start(Permission.ADJUST_BALANCE):
            st.page_link(
                "credits/adjustments.py",
                label="Reverse this entry",
                icon=":material/undo:",
                query_params=address.link(kind="reverse", transaction=found.transaction_id),
            )


def _give_back_link(visit: Visit, found: frames.Transaction, entries: pd.DataFrame) -> None:
    """The way to give the credits of a use back, where the entry is of one use alone."""
    used = entries.loc[entries["to_bucket"] == "consumed", "event_id"].dropna().unique()
    if len(used) != 1 or found.account is None or not visit.may_start(Permission.ADJUST_BALANCE):
        return
    st.page_link(
        "credits/adjustments.py",
        label="Give credits of this use back",
        icon=":material/replay:",
        query_params=address.link(kind="give_back", customer=found.account, event=str(used[0])),
    )


def _facts(visit: Visit, found: frames.Transaction) -> dict[str, Any]:
    facts = {
        "Booked": instant_text(found.recorded_at, visit.zone, visit.locale),
        "True from": instant_text(found.effective_at, visit.zone, visit.locale),
        "By": escape(f"{found.actor} ({found.role.replace('_', ' ')})"),
    }
    if found.account:
        facts["Account"] = escape(found.account)
    if found.amount_micro:
        facts["Credits"] = credit_text(found.amount_micro, visit.locale, signed=True)
        facts["Available after"] = credit_text(found.available_after_micro, visit.locale)
        facts["Balance after"] = credit_text(found.balance_after_micro, visit.locale)
    if found.events:
        facts["Usage events"] = f"{found.events:,}"
    for label, text in (("Reason", found.reason_code), ("Note", found.note), ("Ticket", found.ticket)):
        if text:
            facts[label] = escape(text)
    facts["Key"] = escape(found.key)
    return facts


def _lines(visit: Visit, entries: pd.DataFrame) -> pd.DataFrame:
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    rows = []
    for line in entries.to_dict("records"):
        plus = line["to_bucket"] == "available"
        rows.append(
            {
                "Line": line["entry_id"],
                "Batch": "No batch, on debt"
                if pd.isna(line["batch_id"])
                else f"{line['batch_id']} {line['credit_type']}",
                "From → to": f"{BUCKET_WORDS[line['from_bucket']]} → {BUCKET_WORDS[line['to_bucket']]}",
                "Credits": ("+" if plus else MINUS) + credit_text(line["amount_micro"], visit.locale),
                "For": escape(f"{labels.get(line['feature'], line['feature'])} · event {line['event_id']}")
                if isinstance(line["feature"], str)
                else "",
            }
        )
    return pd.DataFrame(rows)

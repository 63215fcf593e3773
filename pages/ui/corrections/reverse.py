"""Reverse: take back everything that one transaction did, by its mirror."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from analytics import frames
from ledger import NotFound, Permission, ReverseTransaction
from pages.ui import drawer
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, escape, instant_text

WORDS = "Reverse an entry"
PERMISSION = Permission.ADJUST_BALANCE
DONE = "Reversed."
REASONS = ("data_correction", "billing_error", "service_problem", "other")


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the transaction."""
    return {"transaction_id": params.get("transaction")}


def fields(form: Form) -> tuple[ReverseTransaction | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    typed = form.text(
        "transaction_id",
        "Ledger entry",
        required=True,
        max_chars=20,
        help="Number of the entry that was a mistake, as the ledger and the history show it",
    )
    found = _found(form, typed) if typed else None
    if found is not None:
        _shown(form.visit, found)
    reason = form.reason(codes=REASONS)
    if found is None:
        return None, "", Act(button="Reverse")
    name = found.name or ""
    whose = f" of {escape(name)}" if name else ""
    facts = {"Reverses": f"{escape(found.words)}, entry {found.transaction_id}"}
    act = Act(button=f"Reverse entry {found.transaction_id}{whose}", facts=facts)
    return ReverseTransaction(found.transaction_id, reason), name, act


def _found(form: Form, typed: str) -> frames.Transaction | None:
    """The transaction of that number; a fault beside the field when it is none."""
    number = typed.removeprefix("#")
    if not (number.isascii() and number.isdecimal()) or len(number) > 18:
        form.faults["transaction_id"] = f"{typed!r} is no number of an entry; write for example 123"
        return None
    try:
        return form.visit.ask_now(frames.load_transaction, transaction_id=int(number))
    except NotFound:
        form.faults["transaction_id"] = f"there is no entry {number}"
        return None


def _shown(visit: Visit, found: frames.Transaction) -> None:
    """What it is that would be taken back."""
    when = instant_text(found.recorded_at, visit.zone, visit.locale)
    with st.container(border=True):
        st.markdown(f"**{escape(found.words)}**" + (f" · {escape(found.name)}" if found.name else ""))
        amount = (
            f"{credit_text(found.amount_micro, visit.locale, signed=True)} credits · " if found.amount_micro else ""
        )
        st.caption(f"{amount}{when} · {escape(found.actor)}")
        st.button(
            f"Look at entry {found.transaction_id}",
            key="look",
            icon=":material/receipt_long:",
            type="tertiary",
            on_click=drawer.open_entry,
            args=(found.transaction_id,),
        )

"""Requests for approval in words: what is asked for, by whom, how long it waits, what became of it."""

from collections.abc import Callable
from dataclasses import MISSING, fields
from datetime import date, datetime
from enum import Enum
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Command, FileRow, LedgerError, Money, Reason, Receipt
from pages.ui import address, forms
from pages.ui.guard import Visit
from pages.ui.text import age_text, change_arrow, credit_text, day_text, escape, instant_text, money_text

PAGE = "credits/approvals.py"
# More than this is counted, not named.
LISTED_MAX = 5
# What is asked for, by the kind of the command, in the words of somebody who asks.
ASK_WORDS = {
    "grant": "Grant",
    "adjust": "Correction",
    "top_up": "Top-up",
    "refund": "Refund",
    "overdraft": "Overdraft",
    "transfer": "Transfer",
    "gift": "Gift",
    "extend_expiry": "Longer life of a batch",
    "void": "Void of a batch",
    "reverse": "Reversal",
    "give_back": "Give back",
    "file": "File of grants",
    "undo_file": "Undo of a file",
    "adopt_payment": "Adoption of a payment",
    "decide_payment": "Decision about a blocked payment",
}
STATE_WORDS = {"asked": "Waiting", "approved": "Approved", "refused": "Refused", "withdrawn": "Withdrawn"}
STATE_ICONS = {
    "asked": ":material/hourglass_top:",
    "approved": ":material/check_circle:",
    "refused": ":material/block:",
    "withdrawn": ":material/undo:",
}
_FIELD_WORDS = {
    "account": "Customer",
    "amount_micro": "Credits",
    "limit_micro": "Limit",
    "batch_id": "Batch",
    "credit_type": "Type",
    "expires_on": "Usable through",
    "effective_at": "Usable from",
    "until": "Until",
    "price": "Price paid",
}
_REFUNDS_ALL = "all that is free when it is booked"


def title(visit: Visit, kind: str, weight_micro: int, name: str) -> str:
    """What is asked for in one line, such as "Grant of 200,000 credits · Acme"; typed parts escaped."""
    words = ASK_WORDS.get(kind, kind.replace("_", " ").capitalize())
    amount = f" of {credit_text(weight_micro, visit.locale)} credits" if weight_micro else ""
    return f"{words}{amount}" + (f" · {escape(name)}" if name else "")


def name_of(row: Any) -> str:
    """The customer that a request concerns, as typed; its account id when it has no customer."""
    name, account = row["name"], row["account"]
    return str(name) if isinstance(name, str) else str(account) if isinstance(account, str) else ""


def cards(visit: Visit, found: pd.DataFrame) -> None:
    """Requests as cards, each with a link to the request itself."""
    for row in found.to_dict("records"):
        with st.container(border=True):
            st.markdown(f"**{title(visit, row['kind'], row['weight_micro'], name_of(row))}**")
            st.caption(" · ".join(_story(visit, row)))
            if row["note"]:
                st.markdown(f"“{escape(row['note'])}”")
            st.page_link(
                PAGE,
                label=f"Open request {row['approval_id']}",
                icon=":material/arrow_forward:",
                query_params=address.link(request=row["approval_id"]),
                width="content",
            )


def _story(visit: Visit, row: Any) -> list[str]:
    now = visit.ledger.clock.now()
    asked = f"asked by {escape(row['requester'])} {age_text((now - row['asked_at']).total_seconds())}"
    if row["state"] == "asked":
        return [f"{STATE_ICONS['asked']} Waiting", asked]
    decided = age_text((now - row["decided_at"]).total_seconds())
    return [f"{STATE_ICONS[row['state']]} {decision_text(row['state'], row['decided_by'])} {decided}", asked]


def decision_text(state: str, by: str) -> str:
    """Who decided what; the name escaped."""
    return STATE_WORDS[state] if state == "withdrawn" else f"{STATE_WORDS[state]} by {escape(by)}"


def facts(visit: Visit, request: frames.Approval, command: Command) -> dict[str, str]:
    """Everything about a request for a table: what is asked for, by whom, when, and why."""
    role = request.requester_role.replace("_", " ")
    rows = command_rows(visit, command)
    rows["Asked by"] = escape(f"{request.requester} ({role})")
    rows["Asked"] = _when(visit, request.asked_at)
    for label, text in (("Reason", request.reason_code), ("Note", request.note), ("Ticket", request.ticket)):
        if text:
            rows[label] = escape(forms.REASONS.get(text, text) if label == "Reason" else text)
    if request.decided_by is not None and request.decided_at is not None:
        rows["Decision"] = decision_text(request.state, request.decided_by)
        rows["Decided"] = _when(visit, request.decided_at)
        rows["Said with it"] = escape(request.decision_note)
    return rows


def command_rows(visit: Visit, command: Command) -> dict[str, str]:
    """The fields of any command in words, without its reason and what was left as it is by default."""
    rows = {}
    for one in fields(command):  # type: ignore[arg-type]
        value = getattr(command, one.name)
        if isinstance(value, Reason) or value in ("", (), {}) or value == one.default is not MISSING:
            continue
        label = _FIELD_WORDS.get(one.name, one.name.removesuffix("_micro").replace("_", " ").capitalize())
        rows[label] = _value(visit, one.name, value)
    return rows


def _value(visit: Visit, name: str, value: Any) -> str:
    if value is None:
        return _REFUNDS_ALL if name == "amount_micro" else "None"
    if name == "account":
        found = forms.customer_names(visit).get(value)
        return escape(f"{found} · {value}" if found else value)
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if name.endswith("_micro"):
        return credit_text(value, visit.locale)
    writers: tuple[tuple[Any, Callable[[Any], str]], ...] = (
        (datetime, lambda at: _when(visit, at)),
        (date, lambda day: day_text(day, visit.locale)),
        (Money, lambda money: money_text(money.cents, money.currency, visit.locale)),
        (Enum, lambda one: str(one.value).replace("_", " ").capitalize()),
        (tuple, _listed),
    )
    return escape(next((write(value) for kind, write in writers if isinstance(value, kind)), str(value)))


def _listed(parts: tuple[Any, ...]) -> str:
    """Few plain things by name, else how many."""
    if len(parts) > LISTED_MAX or any(isinstance(part, FileRow) for part in parts):
        return f"{len(parts):,}"
    return ", ".join(map(str, parts))


def effect_now(visit: Visit, command: Command) -> Receipt | str:
    """What the command would do as things are now, or why it cannot be booked."""
    try:
        return visit.ledger.preview(command, actor=visit.actor)
    except LedgerError as error:
        return str(error)


def changes_since(visit: Visit, request: frames.Approval, now: Receipt) -> str:
    """What moved on the account between asking and now, as a sentence; empty when nothing did."""
    pairs = (
        ("available", request.available_then_micro, now.available_before_micro),
        ("balance", request.balance_then_micro, now.balance_before_micro),
    )
    moved = [f"{what} {change_arrow(then, today, visit.locale)}" for what, then, today in pairs if then != today]
    return f"Changed since it was asked: {', '.join(moved)}." if moved and now.account else ""


def _when(visit: Visit, at: datetime) -> str:
    return escape(f"{instant_text(at, visit.zone, visit.locale)}, {visit.zone.key}")

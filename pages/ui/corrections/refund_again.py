"""Money that a provider could not give back: give it back another way, because the customer still waits for it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from analytics import frames
from ledger import Permission, Provider, RefundTo, RetryProviderRefund
from pages.ui import forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import escape, instant_text, money_text

WORDS = "Failed refund"
PERMISSION = Permission.MANAGE_PAYMENTS
DONE = "Noted. What goes by way of the provider is sent within a minute."
REASONS = ("billing_error", "service_problem", "goodwill", "contract", "other")
HOW: dict[str, str] = {
    RefundTo.CARD: "To the card once more",
    RefundTo.BALANCE: "To the balance at the provider",
    RefundTo.OUTSIDE: "By hand",
}


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the refund."""
    return {"refund": params.get("refund")}


def fields(form: Form) -> tuple[RetryProviderRefund | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    found = visit.ask_now(frames.load_provider_refunds, states=("failed",))
    rows = {str(row["name"]): row for row in found.to_dict("records")}
    if not rows:
        st.info("No refund at a provider has failed.", icon=":material/check_circle:")
    words = {name: _words(visit, row) for name, row in rows.items()}
    name = form.select("refund", "Refund", words, default=next(iter(rows)) if len(rows) == 1 else None)
    row: Any = rows.get(name or "")
    if row is None:
        form.reason(codes=REASONS)
        return None, "", Act("Give money back")
    st.table(_what_happened(visit, row), border="horizontal")
    options = [one for one in HOW if one != RefundTo.BALANCE or row["provider"] != Provider.POLAR.value]
    to = RefundTo(form.choice("to", "Give it back", options, words=HOW))
    reason = form.reason(codes=REASONS)
    customer = forms.customer_names(visit).get(row["account"], row["account"])
    money = money_text(row["cents"], row["currency"], visit.locale)
    how = HOW[to][:1].lower() + HOW[to][1:]
    facts = {"Money goes": f"{escape(customer)}, {how}"}
    act = Act(f"Give {escape(money)} back to {escape(customer)}", facts=facts)
    return RetryProviderRefund(str(row["name"]), to, reason), customer, act


def _words(visit: Visit, row: Any) -> str:
    customer = forms.customer_names(visit).get(row["account"], row["account"])
    return f"{customer}: {money_text(row['cents'], row['currency'], visit.locale)} · {row['name']}"


def _what_happened(visit: Visit, row: Any) -> dict[str, str]:
    provider = frames.PROVIDER_WORDS[row["provider"]]
    return {
        "Asked for": instant_text(row["asked_at"], visit.zone, visit.locale),
        "Provider": f"{provider}, payment `{row['payment']}`",
        "Why it failed": escape(row["error"]) or "The provider does not say",
    }

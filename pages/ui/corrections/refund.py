"""Refund: money back for purchased credits that were not used, with its arithmetic."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission, Provider, RefundPurchase, RefundTo
from ledger.core.lifecycle import last_day
from pages.ui import forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, day_text, escape, money_text, percent_text

WORDS = "Refund"
PERMISSION = Permission.REFUND
DONE = "Refunded. What no provider gives back, give back where it was paid."
REASONS = ("contract", "billing_error", "service_problem", "goodwill", "other")
HOW_MUCH = {"all": "All that is free", "part": "A part"}
WHERE: dict[str, str] = {
    RefundTo.CARD: "To the card",
    RefundTo.BALANCE: "To the balance at the provider",
    RefundTo.OUTSIDE: "By hand",
}
POLICY_WORDS = {
    "unused_share": "by the unused share of the price",
    "time_left": "by the unused share of the price, at most the share of the time that is left",
}


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer and the batch."""
    return {"account": params.get("customer"), "batch_id": params.get("batch")}


def fields(form: Form) -> tuple[RefundPurchase | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    account = form.customer()
    name = forms.customer_names(visit).get(account or "", "")
    found = _bought(visit, account)
    open_ones = found[found["problem"] == ""]
    if account is not None:
        _say_what_is_not(visit, found, open_ones)
    options = {str(row["batch_id"]): _batch_text(visit, row) for row in open_ones.to_dict("records")}
    chosen = form.select("batch_id", "Purchase", options, default=next(iter(options)) if len(options) == 1 else None)
    amount = None
    is_part = form.choice("how_much", "How much", list(HOW_MUCH), words=HOW_MUCH) == "part"
    if is_part:
        amount = form.credits("amount", "Credits to refund")
    row = next((one for one in open_ones.to_dict("records") if str(one["batch_id"]) == chosen), None)
    facts, to = {}, RefundTo.OUTSIDE
    if row is not None:
        to = _where(form, row)
        facts = _facts(visit, row, to)
        st.markdown("**How the refund is computed**")
        st.table(_arithmetic(visit, row), border="horizontal")
        st.caption(f"Refunds are computed {POLICY_WORDS[visit.ledger.rules.refund_policy]}.")
    reason = form.reason(codes=REASONS)
    act = Act(
        button=f"Refund {'a part of ' if is_part else ''}batch {chosen} of {escape(name)}", is_removal=True, facts=facts
    )
    if account is None or chosen is None or (is_part and amount is None):
        return None, name, act
    return RefundPurchase(account, int(chosen), amount, reason, to), name, act


def _where(form: Form, row: Any) -> RefundTo:
    """Who gives the money back: the provider, when it was paid there, or somebody by hand."""
    visit = form.visit
    payments = visit.ask(frames.load_payments, account=row["payer"])
    paid = payments[(payments["payment_ref"] == row["reference"]) & (payments["state"] == "credited")]
    if paid.empty:
        return RefundTo.OUTSIDE
    provider = str(paid["provider"].iloc[0])
    options = [one for one in WHERE if one != RefundTo.BALANCE or provider != Provider.POLAR.value]
    help = f"It was paid at {frames.PROVIDER_WORDS[provider]}, which can give it back, with the tax on it"
    return RefundTo(form.choice("to", "Money goes back", options, words=WHERE, help=help))


def _bought(visit: Visit, account: str | None) -> pd.DataFrame:
    if account is None:
        return frames.REFUNDABLE.empty()
    policy = visit.ledger.rules.refund_policy
    return visit.ask(frames.load_refundable, account=account, at=visit.at, policy=policy)


def _say_what_is_not(visit: Visit, found: pd.DataFrame, open_ones: pd.DataFrame) -> None:
    """Why something cannot be refunded, before anybody looks for it in vain."""
    for row in found[found["problem"] != ""].to_dict("records"):
        left = credit_text(row["granted_micro"] - row["gone_micro"] - row["refunded_micro"], visit.locale)
        st.caption(
            f":material/block: Batch {row['batch_id']}, {left} left, cannot be refunded: {escape(row['problem'])}."
        )
    if open_ones.empty:
        st.info(
            "This customer has no purchased credits that could be refunded. Credits that were given are never "
            "refunded; take them away by a correction instead.",
            icon=":material/block:",
        )
    else:
        st.caption("Only purchased credits are refunded, and nothing that is used, held or expired.")


def _batch_text(visit: Visit, row: Any) -> str:
    free, money = credit_text(row["free_micro"], visit.locale), _money(visit, row, "refund_cents")
    return f"Batch {row['batch_id']} · {row['reference']}: {free} free, worth {money}"


def _arithmetic(visit: Visit, row: Any) -> dict[str, str]:
    left = row["granted_micro"] - row["gone_micro"] - row["refunded_micro"]
    rows = {
        "Paid": escape(_money(visit, row, "cost_cents")),
        "Bought": f"{credit_text(row['granted_micro'], visit.locale)} credits",
        "Usable through": _last_day(visit, row),
        "Used or gone": credit_text(row["gone_micro"], visit.locale),
    }
    if row["refunded_micro"]:
        before = escape(_money(visit, row, "refunded_cents"))
        rows["Refunded before"] = f"{credit_text(row['refunded_micro'], visit.locale)} for {before}"
    rows["Left"] = f"{credit_text(left, visit.locale)}, {percent_text(left / row['granted_micro'], visit.locale)} of it"
    if row["held_micro"]:
        rows["Of that held"] = f"{credit_text(row['held_micro'], visit.locale)}, not refundable now"
    free = credit_text(row["free_micro"], visit.locale)
    rows[f"Refund for all {free}"] = f"**{escape(_money(visit, row, 'refund_cents'))}**"
    return rows


def _last_day(visit: Visit, row: Any) -> str:
    if pd.isna(row["expires_at"]):
        return "Never expires"
    return escape(day_text(last_day(row["expires_at"], visit.zone), visit.locale))


def _facts(visit: Visit, row: Any, to: RefundTo) -> dict[str, str]:
    payer = forms.customer_names(visit).get(row["payer"], row["payer"])
    how = WHERE[to][:1].lower() + WHERE[to][1:]
    return {"Money goes to": escape(f"{payer}, {how}, for payment {row['reference']}")}


def _money(visit: Visit, row: Any, cents: str) -> str:
    return money_text(int(row[cents]), row["currency"], visit.locale)

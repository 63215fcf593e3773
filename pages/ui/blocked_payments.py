"""Payments that are paid but may not be credited by themselves, and those that failed lately; deciding about one."""

from datetime import timedelta

import streamlit as st

from analytics import frames
from ledger import DecidePayment
from pages.ui import forms, parts
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, escape, money_text

FAILED_DAYS = 30
_REASONS = ("contract", "goodwill", "billing_error", "other")
_STATES = {"blocked": "Waits for a decision", "failed": "Failed"}


def draw(visit: Visit) -> None:
    """The payments, and the form when one waits for a decision."""
    st.subheader("Payments that need somebody", anchor=False)
    found = visit.ask_now(frames.load_troubled_payments, since=visit.ledger.clock.now() - timedelta(days=FAILED_DAYS))
    form = forms.open_form(visit, "decide_payment", prefill={"payment": st.query_params.get("blocked")})
    receipt = forms.outcome(form)
    if receipt is not None:
        name = forms.customer_names(visit).get(receipt.account or "", "")
        receipt_panel(form, receipt, done="Decided.", name=name)
        return
    if found.empty:
        st.caption(f"None waits for a decision, and none failed in the last {FAILED_DAYS} days.")
        return
    shown = found.assign(
        state=found["state"].map(_STATES),
        name=found["name"].fillna(found["account"]),
        credits=parts.whole_credits(found["credits_micro"]),
        price=[
            money_text(cents, currency, visit.locale)
            for cents, currency in zip(found["price_cents"], found["currency"], strict=True)
        ],
        provider=found["provider"].map(frames.PROVIDER_WORDS),
    )
    columns = {
        "name": st.column_config.TextColumn("Customer", pinned=True),
        "state": st.column_config.TextColumn("State", width=150),
        "error": st.column_config.TextColumn("Why", width="large"),
        "credits": parts.credits_column("Credits"),
        "price": st.column_config.TextColumn("Price", alignment="right"),
        "created_at": parts.instant_column("Begun", visit.zone),
        "paid_at": parts.instant_column("Paid", visit.zone),
        "provider": st.column_config.TextColumn("Provider", width=110),
        "payment": st.column_config.TextColumn("Payment"),
    }
    blocked = found[found["state"] == "blocked"]
    waits = f"{len(blocked):,} wait{'s' * (len(blocked) == 1)} for a decision"
    totals = f"**{waits}**, {len(found) - len(blocked):,} failed."
    parts.table(
        shown, key="troubled", alt="Payments that need somebody", columns=columns, totals=totals, height="content"
    )
    if blocked.empty:
        return
    rows = {row["payment"]: row for row in blocked.to_dict("records")}
    left, right = forms.columns()
    with left:
        chosen = form.select(
            "payment",
            "Payment",
            {name: f"{row['name'] or row['account']} · {name}" for name, row in rows.items()},
            default=next(iter(rows)),
        )
        what = form.choice(
            "what", "Decision", ["credit", "back"], words={"credit": "Credit it", "back": "Give the money back"}
        )
        reason = form.reason(codes=_REASONS)
    with right:
        if chosen is None:
            review(form, None, Act(button="Decide"))
            return
        row = rows[chosen]
        price = money_text(row["price_cents"], row["currency"], visit.locale)
        credits = credit_text(row["credits_micro"], visit.locale)
        is_credit = what == "credit"
        button = f"Credit {credits} credits" if is_credit else f"Give {price} back"
        facts = {"Payment": f"{escape(price)}, `{chosen}`", "Why it waits": escape(row["error"])}
        if not is_credit:
            facts["Money"] = "Goes back to the card, with tax; a job sends it within a minute"
        review(form, DecidePayment(chosen, is_credit, reason), Act(f"{button}, {escape(row['name'])}", facts=facts))

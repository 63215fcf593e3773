"""Money of one customer: payments and how far each has come, what went back, the saved card, auto-recharge."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from ledger.core.payments import PaymentState, Purpose
from pages.ui import address, customer_recharge, parts, provider_balance
from pages.ui.customer_overview import View
from pages.ui.guard import Visit
from pages.ui.text import escape, money_text

SHOWN = 200
STATE_WORDS = {
    PaymentState.CREATED: "Begun",
    PaymentState.OPEN: "Waits for the customer",
    PaymentState.PROCESSING: "Waits for the bank",
    PaymentState.NEEDS_ACTION: "To be confirmed",
    PaymentState.CREDITED: "Credited",
    PaymentState.BLOCKED: "Paid, to be decided",
    PaymentState.FAILED: "Failed",
    PaymentState.EXPIRED: "Ended unpaid",
}
PURPOSE_WORDS = {
    Purpose.CHECKOUT: "Checkout",
    Purpose.RECHARGE: "Auto-recharge",
    Purpose.INVOICE: "Invoice",
    Purpose.EXTERNAL: "At the provider",
}
BACK_STATES = {
    "asked": "To be sent",
    "sent": "On its way",
    "done": "Given back",
    "failed": "Failed",
    "replaced": "Given back another way",
}
BACK_TO = {"card": "Card", "balance": "Balance there"}


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    payments = visit.ask_now(frames.load_payments, account=view.account, limit=SHOWN)
    top_ups = visit.ask(frames.load_top_ups, account=view.account, limit=SHOWN)
    st.markdown(_sentence(view, payments, top_ups))
    customer_recharge.draw(view)
    st.subheader("Payments", anchor=False)
    _payments(view, payments)
    by_hand = top_ups[~top_ups["transaction_id"].isin(payments["credited_by_id"].dropna())]
    if not by_hand.empty:
        st.subheader("Paid outside", anchor=False)
        _by_hand(view, by_hand)
    _back(view)
    provider_balance.draw(visit, view.account)


def _sentence(view: View, payments: pd.DataFrame, top_ups: pd.DataFrame) -> str:
    """What was paid in all, by currency, and what waits."""
    visit = view.visit
    if payments.empty and top_ups.empty:
        return "This customer has paid nothing yet."
    sums = top_ups.groupby("currency")["cost_cents"].sum()
    paid = " and ".join(
        f"**{escape(money_text(int(cents), str(code), visit.locale))}**" for code, cents in sums.items()
    )
    words = f"{paid} paid in {len(top_ups):,} purchase{'s' * (len(top_ups) != 1)}." if paid else "Nothing is paid yet."
    waiting = int(payments["state"].isin([PaymentState.OPEN, PaymentState.NEEDS_ACTION, PaymentState.PROCESSING]).sum())
    blocked = int((payments["state"] == PaymentState.BLOCKED).sum())
    disputed = int((payments["disputed_cents"] > 0).sum())
    more = [
        f"{waiting} on the way" if waiting else "",
        f"{blocked} wait{'s' * (blocked == 1)} for a decision" if blocked else "",
        f"{disputed} disputed" if disputed else "",
    ]
    told = ", ".join(filter(None, more))
    return f"{words} {told[:1].upper()}{told[1:]}." if told else words


def _payments(view: View, payments: pd.DataFrame) -> None:
    visit = view.visit
    if payments.empty:
        parts.first_use("No payment at a provider yet.")
        _sell(view)
        return
    shown = payments.assign(
        state_words=[STATE_WORDS[PaymentState(state)] for state in payments["state"]],
        purpose_words=[PURPOSE_WORDS[Purpose(purpose)] for purpose in payments["purpose"]],
        what=[_what(row) for row in payments.to_dict("records")],
        credits=parts.whole_credits(payments["credits_micro"]),
        price=[_price(visit, row, "price_cents", "currency") for row in payments.to_dict("records")],
        paid=[_price(visit, row, "total_cents", "paid_currency") for row in payments.to_dict("records")],
        gone=[_gone(visit, row) for row in payments.to_dict("records")],
        provider=payments["provider"].map(frames.PROVIDER_WORDS),
    )
    columns = {
        "created_at": parts.instant_column("Begun", visit.zone),
        "state_words": st.column_config.TextColumn("State", width=150),
        "error": st.column_config.TextColumn("Why not", width=150),
        "purpose_words": st.column_config.TextColumn("By", width=110),
        "what": st.column_config.TextColumn("What", width=130),
        "credits": parts.credits_column("Credits"),
        "price": st.column_config.TextColumn("Price", alignment="right", help="Without tax"),
        "paid": st.column_config.TextColumn("Paid", alignment="right", help="With tax"),
        "gone": st.column_config.TextColumn("Went back", alignment="right", help="Refunds and disputes, with tax"),
        "credited_by_id": st.column_config.NumberColumn("Receipt", format="%d", help="Number of the ledger entry"),
        "provider": st.column_config.TextColumn("Provider", width=110),
        "payment": st.column_config.TextColumn("Payment"),
        "payment_ref": st.column_config.TextColumn("Name there"),
    }
    count = f"{len(payments):,} payment{'s' * (len(payments) != 1)}"
    totals = f"**{count}**, newest first." + (" Older ones are on the page Top-ups." if len(payments) == SHOWN else "")
    parts.table(
        shown,
        key="payments",
        alt="Payments of this customer at providers",
        columns=columns,
        totals=totals,
        height="content" if len(shown) <= 10 else 400,
        download=parts.Download(visit, "payments", lambda: payments, whose=view.account),
    )
    _sell(view)


def _sell(view: View) -> None:
    if view.visit.may(Permission.SELL):
        st.page_link(
            "credits/top_ups.py",
            label="Sell by card",
            icon=":material/credit_card:",
            query_params=address.link(customer=view.account),
            width="content",
        )


def _by_hand(view: View, top_ups: pd.DataFrame) -> None:
    visit = view.visit
    shown = top_ups.assign(
        credits=parts.whole_credits(top_ups["granted_micro"]),
        price=[_price(visit, row, "cost_cents", "currency") for row in top_ups.to_dict("records")],
        way=[source.replace("_", " ").capitalize() for source in top_ups["source"]],
    )
    columns = {
        "granted_at": parts.instant_column("Booked", visit.zone),
        "reference": st.column_config.TextColumn("Reference", width="medium"),
        "way": st.column_config.TextColumn("By"),
        "credits": parts.credits_column("Credits"),
        "price": st.column_config.TextColumn("Paid", alignment="right"),
        "transaction_id": st.column_config.NumberColumn("Receipt", format="%d"),
    }
    parts.table(shown, key="by-hand", alt="Top-ups paid outside", columns=columns, height="content")


def _back(view: View) -> None:
    """Refunds as they were booked, and how far a provider is with the money."""
    visit = view.visit
    refunds = visit.ask(frames.load_refunds, account=view.account)
    sent = visit.ask_now(frames.load_provider_refunds, account=view.account)
    if refunds.empty and sent.empty:
        return
    st.subheader("Money back", anchor=False)
    if not sent.empty:
        shown = sent.assign(
            state_words=sent["state"].map(BACK_STATES),
            to=sent["sent_to"].map(BACK_TO),
            money=[_price(visit, row, "cents", "currency") for row in sent.to_dict("records")],
            provider=sent["provider"].map(frames.PROVIDER_WORDS),
        )
        columns = {
            "asked_at": parts.instant_column("Asked for", visit.zone),
            "money": st.column_config.TextColumn("Money", alignment="right", help="With tax"),
            "state_words": st.column_config.TextColumn("State", width=150),
            "error": st.column_config.TextColumn("Why not", width=200),
            "to": st.column_config.TextColumn("To"),
            "ended_at": parts.instant_column("Ended", visit.zone),
            "provider": st.column_config.TextColumn("Provider", width=110),
            "payment": st.column_config.TextColumn("Payment"),
            "name": st.column_config.TextColumn("Refund"),
            "provider_ref": st.column_config.TextColumn("Name there"),
        }
        totals = "Given back by the provider."
        parts.table(shown, key="sent", alt="Refunds at providers", columns=columns, totals=totals, height="content")
    if not refunds.empty:
        shown = refunds.assign(
            credits=parts.whole_credits(refunds["amount_micro"]),
            money=[_price(visit, row, "cents", "currency") for row in refunds.to_dict("records")],
        )
        columns = {
            "recorded_at": parts.instant_column("Booked", visit.zone),
            "credits": parts.credits_column("Credits"),
            "money": st.column_config.TextColumn("Worth", alignment="right", help="Without tax"),
            "reference": st.column_config.TextColumn("Of payment", width="medium"),
            "actor": st.column_config.TextColumn("By"),
            "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
        }
        totals = "Credits taken for it."
        parts.table(shown, key="refunds", alt="Refunds booked", columns=columns, totals=totals, height="content")
    _again(view, sent[sent["state"] == "failed"])


def _again(view: View, failed: pd.DataFrame) -> None:
    """What a provider could not give back is still owed to the customer."""
    if failed.empty:
        return
    count = len(failed)
    st.warning(
        f"{count} refund{'s' * (count != 1)} could not be given back, so the customer still waits for the money.",
        icon=":material/warning:",
    )
    if not view.visit.may(Permission.MANAGE_PAYMENTS):
        st.caption("An admin decides how it is given back.")
        return
    st.page_link(
        "credits/adjustments.py",
        label="Give it back another way",
        icon=":material/currency_exchange:",
        query_params=address.link(kind="refund_again", refund=str(failed["name"].iloc[0])),
        width="content",
    )


def _what(row: Any) -> str:
    label = row["package_label"] if isinstance(row["package_label"], str) else "Credits"
    return f"{row['quantity']} × {label}" if row["quantity"] != 1 else str(label)


def _price(visit: Visit, row: Any, cents: str, currency: str) -> str:
    if pd.isna(row[cents]) or not isinstance(row[currency], str):
        return ""
    return money_text(int(row[cents]), str(row[currency]), visit.locale)


def _gone(visit: Visit, row: Any) -> str:
    gone = {name: int(row[f"{name}_cents"]) for name in ("refunded", "disputed", "lost")}
    words = [
        f"{money_text(cents, str(row['paid_currency']), visit.locale)} {name}" for name, cents in gone.items() if cents
    ]
    return ", ".join(words)

"""Why an amount is what it is: the parts of a balance on any day, and what stands behind a debit."""

from datetime import date, datetime

import pandas as pd
import streamlit as st

from ledger import MICRO, micro_to_text
from ledger.core.lifecycle import end_of_day
from ledger.explain import BalanceExplained, Because, DebitExplained, Payment, UseExplained, explain_balance
from ledger.explain import explain_transaction as explain
from pages.ui.guard import Visit
from pages.ui.text import (
    MINUS,
    TYPE_WORDS,
    credit_text,
    day_text,
    escape,
    instant_text,
    money_text,
    percent_text,
)

USES_SHOWN = 20
PART_WORDS = {
    Because.PURCHASES: "Purchases",
    Because.GRANTS: "Grants",
    Because.TRANSFERS: "Transfers in and out",
    Because.USE: "Use",
    Because.GIVEN_BACK: "Given back for failed work",
    Because.EXPIRY: "Expired",
    Because.EXPIRY_NOT_BOOKED: "Expired, not written down yet",
    Because.CORRECTIONS: "Corrections and reversals",
    Because.REFUNDS: "Refunds",
}


def why_balance(visit: Visit, account: str, name: str, *, opened: date) -> None:
    """A button that opens the drawer with the parts of the balance."""
    if st.button("Why this balance?", icon=":material/help_center:", type="tertiary", key="why-balance"):
        title = st.dialog(f"Why this balance? {escape(name)}", width="medium", position="right")
        title(_balance)(visit, account, opened)


def _balance(visit: Visit, account: str, opened: date) -> None:
    day = st.date_input(
        "Balance on", value=visit.today, min_value=min(opened, visit.today), max_value=visit.today, key="why-day"
    )
    past = isinstance(day, date) and day < visit.today
    at = end_of_day(day, visit.zone) if past else visit.at
    known_at = visit.at
    if past:
        words = {"now": "With all we know now", "then": "As we showed it then"}
        if st.radio("Seen", list(words), format_func=words.__getitem__, horizontal=True, key="why-known") == "then":
            known_at = at
    found = visit.ask(explain_balance, account=account, at=at, known_at=known_at)
    when = f"at the end of {day_text(day, visit.locale)}" if past else "now"
    st.markdown(
        f"**{credit_text(found.balance_micro, visit.locale)} credits {escape(when)}**, {escape(visit.zone.key)}"
    )
    if not found.parts:
        st.caption("No credits had moved by then.")
        return
    st.table(_steps(visit, found), hide_index=True, border="horizontal", alt="What the balance is made of")
    st.caption(_of_it(visit, found))


def _steps(visit: Visit, found: BalanceExplained) -> pd.DataFrame:
    """The parts one after the other with the sum so far, and the balance last."""
    rows, so_far = [], 0
    for part in found.parts:
        so_far += part.amount_micro
        rows.append(
            {
                "What": PART_WORDS[part.because],
                "Credits": credit_text(part.amount_micro, visit.locale, signed=True),
                "Sum so far": credit_text(so_far, visit.locale),
                "Ledger lines": f"{part.entries:,}" if part.entries else "–",
            }
        )
    lines = sum(part.entries for part in found.parts)
    total = credit_text(found.balance_micro, visit.locale)
    rows.append({"What": "**Balance**", "Credits": f"**{total}**", "Sum so far": total, "Ledger lines": f"{lines:,}"})
    return pd.DataFrame(rows)


def _of_it(visit: Visit, found: BalanceExplained) -> str:
    parts = [
        (found.available_micro, "available"),
        (found.held_micro, "held for work under way"),
        (found.scheduled_micro, "usable later"),
        (-found.owed_micro, "owed"),
    ]
    told = [f"{credit_text(micro, visit.locale)} {word}" for micro, word in parts if micro]
    return f"Of it: {', '.join(told)}." if told else "Nothing is left and nothing is owed."


def behind_entry(visit: Visit, transaction_id: int) -> None:
    """In the drawer of an entry: what was charged and why so much, which batches paid, and who let it happen."""
    found = visit.ask(explain, transaction_id=transaction_id, uses=USES_SHOWN)
    if found.approval_id is not None and found.asked_by and found.approved_by:
        st.caption(
            f"Asked for by {escape(found.asked_by)}, approved by {escape(found.approved_by)}, "
            f"request {found.approval_id}."
        )
    if found.uses:
        st.markdown("**What was charged**")
        for use in found.uses:
            _use(visit, use)
        if len(found.uses) == USES_SHOWN:
            st.caption(f"The first {USES_SHOWN} uses are shown.")
    if found.payments:
        st.markdown("**Where the credits came from**")
        st.table(_payments(visit, found), hide_index=True, border="horizontal", alt="Batches that the credits left")


def _use(visit: Visit, use: UseExplained) -> None:
    locale = visit.locale
    st.markdown(f"{escape(use.label)}: {_formula(visit, use)} = **{credit_text(use.cost_micro, locale)} credits**")
    facts = [f"event {escape(use.event_id)}", f"happened {instant_text(use.occurred_at, visit.zone, locale)}"]
    if use.member:
        facts.append(f"used by {escape(use.member)}")
    if use.price_from is not None:
        facts.append(f"price of {instant_text(use.price_from, visit.zone, locale)}")
    facts.append(f"paid by {_paid_by(visit, use.payments)}")
    st.caption(" · ".join(facts))


def _formula(visit: Visit, use: UseExplained) -> str:
    if use.price_micro is None:
        return "as the work said when its hold was captured"
    quantity = f"{escape(micro_to_text(use.quantity_micro))} {escape(use.unit)}".strip()
    words = f"{quantity} × {escape(micro_to_text(use.price_micro))} credits"
    if use.factor_micro != MICRO:
        words += f" × {escape(micro_to_text(use.factor_micro))} ({escape(use.complexity)})"
    if use.discount_ppm:
        words += f" {MINUS} {percent_text(use.discount_ppm / 1_000_000, visit.locale)} ({escape(use.bundle)})"
    return words


def _paid_by(visit: Visit, payments: tuple[Payment, ...]) -> str:
    return ", ".join(f"{_batch(one)} ({credit_text(one.amount_micro, visit.locale)})" for one in payments)


def _batch(one: Payment) -> str:
    return "debt" if one.batch_id is None else f"batch {one.batch_id}"


def _payments(visit: Visit, found: DebitExplained) -> pd.DataFrame:
    rows = []
    for one in found.payments:
        origin = " · ".join(part for part in (one.source, one.campaign, one.reference) if part)
        cost = "–" if one.cost is None else escape(money_text(one.cost.cents, one.cost.currency, visit.locale))
        rows.append(
            {
                "Batch": "No batch, on debt" if one.batch_id is None else str(one.batch_id),
                "Type": "–" if one.credit_type is None else TYPE_WORDS[one.credit_type],
                "Credits": credit_text(one.amount_micro, visit.locale),
                "Came from": escape(origin) if origin else "–",
                "Paid for them": cost,
            }
        )
    return pd.DataFrame(rows)


def opened_day(opened_at: datetime, visit: Visit) -> date:
    """The company-zone day on which an account was opened: before it there is no balance."""
    return opened_at.astimezone(visit.zone).date()

"""Profile of one customer: what is known about it; for admins, the form to change it."""

import streamlit as st

from ledger import Permission
from pages.ui import customer_forms, forms
from pages.ui.customer_forms import LABELS
from pages.ui.customer_overview import View
from pages.ui.review import receipt_panel, review
from pages.ui.text import day_text, escape


def draw(view: View) -> None:
    """The tab."""
    visit, customer = view.visit, view.customer
    known = {
        "account": customer.account,
        "name": customer.name,
        "email": customer.email,
        "account_type": customer.account_type.value,
        "tier": customer.tier,
        "owner": customer.owner,
        "organisation": customer.organisation,
    }
    shown = {label: known[field] for field, label in LABELS.items()} | {
        LABELS["account_type"]: customer.account_type.value.capitalize(),
        "Account id": customer.account,
        "Time zone": customer.zone.key,
        "At Stripe": customer.stripe_id or "",
        "Opened": day_text(customer.opened_at.astimezone(visit.zone).date(), visit.locale),
        **{name: str(value) for name, value in customer.details.items()},
    }
    st.table({escape(label): escape(value) or "–" for label, value in shown.items()}, border="horizontal")
    if not visit.may(Permission.MANAGE_CUSTOMERS):
        return
    # A draft belongs to one customer: switching the page must not carry it over.
    form = forms.open_form(visit, f"profile.{customer.account}")
    receipt = forms.outcome(form)
    st.subheader("Change what is known", anchor=False)
    if receipt is not None:
        receipt_panel(form, receipt, done="Changed.", name=customer.name)
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act = customer_forms.change_fields(form, known)
    with right:
        review(form, command, act)

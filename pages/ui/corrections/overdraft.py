"""Overdraft: how far a customer may go below zero, and until when. Asked for by one person, approved by another."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from analytics import frames
from ledger import ApproveOverdraft, Overdraft, Permission
from ledger.core.lifecycle import end_of_day
from pages.ui import forms
from pages.ui.effects import overdraft_text
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, escape

WORDS = "Overdraft"
PERMISSION = Permission.ALLOW_OVERDRAFT
DONE = "Overdraft set."
REASONS = ("contract", "goodwill", "service_problem", "billing_error", "other")
ENDS = {"day": "On a day", "never": "Without an end"}
DEFAULT_DAYS = 30


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer."""
    return {"account": params.get("customer")}


def fields(form: Form) -> tuple[ApproveOverdraft | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    st.caption(
        "A customer with an overdraft may use credits that are not there yet. The debt is repaid first, by the next "
        "credits that come."
    )
    account = form.customer()
    name = forms.customer_names(visit).get(account or "", "")
    if account is not None:
        st.caption(_as_it_is(visit, account))
    limit = form.credits("limit", "May owe at most", help="In credits; 0 ends the overdraft")
    until = None if limit == 0 else _until(form)
    reason = form.reason(codes=REASONS)
    if account is None or limit is None:
        return None, name, Act(button="Set an overdraft")
    amount = credit_text(limit, visit.locale)
    button = f"Allow {escape(name)} to owe {amount} credits" if limit else f"End the overdraft of {escape(name)}"
    return ApproveOverdraft(account, limit, until, reason), name, Act(button=button)


def _until(form: Form) -> datetime | None:
    visit = form.visit
    if form.choice("ends", "New debt ends", list(ENDS), words=ENDS) == "never":
        return None
    last = form.day(
        "until",
        "Last day for new debt",
        default=visit.today + timedelta(days=DEFAULT_DAYS),
        earliest=visit.today,
        latest=None,
        help=f"The whole day, {visit.zone.key}",
    )
    return end_of_day(last, visit.zone)


def _as_it_is(visit: Visit, account: str) -> str:
    found = visit.ask(frames.load_overdraft, account=account)
    now = overdraft_text(visit, Overdraft(found.limit_micro, found.until))
    owes = f"owes {credit_text(found.owed_micro, visit.locale)} credits" if found.owed_micro else "owes nothing"
    return f"Overdraft now: {now}. The customer {owes}."

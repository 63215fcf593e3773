"""Hold: let credits go that are set aside for work which will not come, or give the work more time."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import ExtendHold, Permission, ReleaseHold
from ledger.core import holds as core_holds
from ledger.core.lifecycle import end_of_day
from pages.ui import forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, day_text, escape, instant_text

WORDS = "Release or extend a hold"
PERMISSION = Permission.MANAGE_HOLDS
DONE = "Done."
REASONS = ("service_problem", "data_correction", "contract", "goodwill", "other")
WAYS = {"release": "Release it", "extend": "Let it time out later"}
SHOWN_MAX = 1_000
FROZEN_WORDS = "Credits of a disputed payment stay set aside until the provider says how the dispute ended."


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer and the reference of the hold."""
    return {"account": params.get("customer"), "reference": params.get("hold")}


def fields(form: Form) -> tuple[ReleaseHold | ExtendHold | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    way = form.choice("way", "With the hold", list(WAYS), words=WAYS)
    account = form.customer()
    found = open_holds(visit, account)
    holds = {one: row for one, row in found.items() if not is_frozen(row)}
    reference = form.select("reference", "Hold", {one: _words(visit, row) for one, row in holds.items()})
    if len(holds) < len(found):
        st.caption(FROZEN_WORDS)
    name = forms.customer_names(visit).get(account or "", "")
    if way == "release":
        reason = form.reason(codes=REASONS)
        if account is None or reference is None:
            return None, name, Act(button="Release")
        amount = credit_text(holds[reference]["amount_micro"], visit.locale)
        return ReleaseHold(account, reference, reason), name, Act(button=f"Release {amount} credits of {escape(name)}")
    now = visit.ledger.clock.now()
    today = now.astimezone(visit.zone).date()
    last = form.day(
        "until",
        "Times out at the end of",
        default=today + timedelta(days=1),
        earliest=today,
        latest=None,
        help=f"A day in {visit.zone.key}; later than the hold times out now",
    )
    reason = form.reason(codes=REASONS)
    if account is None or reference is None:
        return None, name, Act(button="Extend")
    amount = credit_text(holds[reference]["amount_micro"], visit.locale)
    act = Act(
        button=f"Hold {amount} credits of {escape(name)} through {day_text(last, visit.locale)}",
        facts={"Times out now": _ends(visit, holds[reference])},
    )
    return ExtendHold(account, reference, end_of_day(last, visit.zone), reason), name, act


def open_holds(visit: Visit, account: str | None) -> dict[str, dict[Any, Any]]:
    """The open holds of a customer by reference, the next to time out first; none without a customer."""
    if account is None:
        return {}
    found = visit.ask(frames.load_open_holds, at=visit.at, account=account, limit=SHOWN_MAX)
    return {row["reference"]: row for row in found.to_dict("records")}


def is_frozen(row: Mapping[Any, Any]) -> bool:
    """Whether a dispute keeps a hold, so that the ledger lets nobody end or extend it."""
    return core_holds.is_frozen(str(row["reference"]), str(row["feature"]))


def _words(visit: Visit, row: dict[Any, Any]) -> str:
    credits = credit_text(row["amount_micro"], visit.locale)
    return f"{row['reference']}: {credits} credits for {row['feature']}, {_ends(visit, row)}"


def _ends(visit: Visit, row: dict[Any, Any]) -> str:
    """When a hold times out, in words."""
    if pd.isna(row["expires_at"]):
        return "never times out"
    return f"times out {instant_text(row['expires_at'], visit.zone, visit.locale)}"

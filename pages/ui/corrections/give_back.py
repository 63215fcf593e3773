"""Give back: credits of a failed or poor operation return to the batches that paid, all of it or a part."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import GiveBack, NotFound, Permission, Take, micro_to_text
from ledger.core.give_back import plan_give_back
from ledger.core.records import CreditType
from pages.ui import address, forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, escape, instant_text

WORDS = "Give back"
PERMISSION = Permission.ADJUST_BALANCE
DONE = "Given back."
REASONS = ("service_problem", "billing_error", "goodwill", "data_correction", "other")
WAYS = {"all": "All that is left of it", "part": "A part"}


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer and the usage event."""
    return {"account": params.get("customer"), "event_id": params.get("event")}


def fields(form: Form) -> tuple[GiveBack | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    account = form.customer()
    event_id = form.text(
        "event_id",
        "Usage event",
        required=True,
        max_chars=200,
        help="The id under which the use was reported; it stands in the lines of its ledger entry",
    )
    event = _event(form, account, event_id)
    if event is not None:
        st.caption(_about(visit, event))
    way = form.choice("way", "Give back", list(WAYS), words=WAYS)
    amount = form.credits("amount", "Credits to give back") if way == "part" else None
    name = forms.customer_names(visit).get(account or "", "")
    if account is None or event is None or (way == "part" and not amount):
        form.reason(codes=REASONS)
        return None, name, Act(button="Give back")
    _kinder(visit, account, event, amount)
    reason = form.reason(codes=REASONS)
    credits = credit_text(event.left_micro if amount is None else amount, visit.locale)
    act = Act(
        button=f"Give {credits} credits back to {escape(name)}",
        facts={"Of the use": f"{_cost(visit, event)}; its day shows less use, the event itself stays"},
    )
    return GiveBack(account, event_id, reason, amount), name, act


def _event(form: Form, account: str | None, event_id: str) -> frames.Event | None:
    if account is None or not event_id:
        return None
    try:
        return form.visit.ask(frames.load_event, account=account, event_id=event_id)
    except NotFound:
        form.faults["event_id"] = "this customer has no use with that id"
        return None


def _about(visit: Visit, event: frames.Event) -> str:
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    when = instant_text(event.occurred_at, visit.zone, visit.locale)
    who = f" by {event.member}" if event.member else ""
    return f"{escape(labels.get(event.feature, event.feature))}{escape(who)}, {when} · {_cost(visit, event)}"


def _cost(visit: Visit, event: frames.Event) -> str:
    cost = f"{credit_text(event.cost_micro, visit.locale)} credits used"
    if not event.given_back_micro:
        return cost
    before = credit_text(event.given_back_micro, visit.locale)
    return f"{cost}, {before} given back before, {credit_text(event.left_micro, visit.locale)} left"


def _kinder(visit: Visit, account: str, event: frames.Event, amount_micro: int | None) -> None:
    """What would be lost at once, or was on debt, and a compensation grant that would not be."""
    parts = visit.ask(frames.load_event_parts, account=account, event_id=event.event_id)
    lost = _lost_micro(parts, amount_micro, visit.ledger.clock.now())
    if lost:
        words = (
            f"{credit_text(lost, visit.locale)} of these credits are past their date and would expire again at once. "
            "Credits that the customer can use are a compensation grant."
        )
    elif (parts["batch_id"].isna() & (parts["taken_micro"] > parts["given_back_micro"])).any():
        words = (
            "A part of this use went on debt. As far as it is still owed, the customer owes less; what was repaid "
            "since can only be made good by a compensation grant."
        )
    else:
        return
    st.info(words, icon=":material/event_busy:")
    if visit.may_start(Permission.ISSUE_GRANT):
        st.page_link(
            "credits/grants.py",
            label="Issue compensation credits instead",
            icon=":material/redeem:",
            query_params=address.link(
                customer=account, type=CreditType.COMPENSATION.value, amount=micro_to_text(lost) if lost else None
            ),
        )


def _lost_micro(parts: pd.DataFrame, amount_micro: int | None, now: datetime) -> int:
    """How much of a give-back would expire again at once; 0 when the ledger would refuse it anyway."""
    left, ended, on_debt = [], set(), 0
    for row in parts.iloc[::-1].to_dict("records"):
        part = row["taken_micro"] - row["given_back_micro"]
        if pd.isna(row["batch_id"]):
            on_debt = part
            continue
        left.append(Take(int(row["batch_id"]), CreditType(row["credit_type"]), part))
        if pd.notna(row["expires_at"]) and row["expires_at"] <= now:
            ended.add(int(row["batch_id"]))
    plan = plan_give_back(left, amount_micro, on_debt_micro=on_debt, owed_micro=on_debt)
    return sum(take.amount_micro for take in plan.returned if take.batch_id in ended)

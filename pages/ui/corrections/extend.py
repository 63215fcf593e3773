"""Extend: let a batch live longer; what of it had expired comes back."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pandas as pd

from ledger import CreditType, ExtendExpiry, Permission
from ledger.core.extensions import allowed_extension
from ledger.core.lifecycle import last_day
from pages.ui import forms
from pages.ui.corrections import choices
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import credit_text, day_text, escape, weekday_text

WORDS = "Extend an expiry"
PERMISSION = Permission.EXTEND_EXPIRY
DONE = "Extended."
REASONS = ("goodwill", "contract", "service_problem", "other")
_LONGER = timedelta(days=30)


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer and the batch."""
    return {"account": params.get("customer"), "batch_id": params.get("batch")}


def fields(form: Form) -> tuple[ExtendExpiry | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    account = form.customer()
    rows = _extendable(visit, account)
    chosen = form.select("batch_id", "Batch", choices.batch_words(visit, account, rows, _lost(visit)))
    name = forms.customer_names(visit).get(account or "", "")
    if account is None or chosen is None:
        form.reason(codes=REASONS)
        return None, name, Act(button="Extend")
    row = rows[int(chosen)]
    never = row["credit_type"] != CreditType.PROMOTIONAL and form.check("never_expires", "For ever, without an end")
    day = None if never else _day(form, account, row)
    reason = form.reason(codes=REASONS)
    if day is None and not never:
        return None, name, Act(button="Extend")
    until = "for ever" if day is None else f"through {day_text(day, visit.locale)}"
    credits = credit_text(row["left_micro"] + row["expired_micro"], visit.locale)
    facts = {
        "Until now": forms.capital(choices.ends_text(visit, account, row)),
        "From now on": "Never expires" if day is None else f"Usable through {weekday_text(day, visit.locale)}",
        "Credits that live longer": credits,
    }
    command = ExtendExpiry(account, int(chosen), reason, expires_on=day, never_expires=day is None)
    return command, name, Act(button=f"Extend {credits} credits of {escape(name)} {until}", facts=facts)


def _extendable(visit: Visit, account: str | None) -> dict[int, dict[str, Any]]:
    """Batches that have an end, and of which something is left or has expired."""
    rows = choices.batches(visit, account, states=("open", "scheduled", "expired", "used up"))
    return {
        number: row
        for number, row in rows.items()
        if pd.notna(row["expires_at"]) and row["left_micro"] + row["expired_micro"] > 0
    }


def _lost(visit: Visit) -> Any:
    """What of a batch has expired, in words."""

    def words(row: dict[str, Any]) -> str:
        lost = row["expired_micro"]
        return f", {credit_text(lost, visit.locale)} expired" if lost else ""

    return words


def _day(form: Form, account: str, row: dict[str, Any]) -> date | None:
    """The new last day; None, with the reason, when no later day is allowed today."""
    visit = form.visit
    zone = forms.customer_zone(visit, account)
    today = visit.ledger.clock.now().astimezone(zone).date()
    allowed = allowed_extension(CreditType(row["credit_type"]), today)
    earliest = max(allowed.earliest, last_day(row["expires_at"], zone) + timedelta(days=1))
    if allowed.latest is not None and earliest > allowed.latest:
        form.faults["batch_id"] = (
            f"promotional credits can today be extended through {day_text(allowed.latest, visit.locale)} at most, and "
            "this batch lives that long already"
        )
        return None
    longer = earliest + _LONGER - timedelta(days=1)
    return form.day(
        "expires_on",
        "Usable through",
        default=min(longer, allowed.latest) if allowed.latest else longer,
        earliest=earliest,
        latest=allowed.latest,
        variant=f"{row['batch_id']} {today}",
        help=f"The last day on which the credits can be used, whole day in the customer's zone, {zone.key}",
    )

"""Void: what is left of a batch that should not have been given leaves; what was used stays used."""

from collections.abc import Mapping
from typing import Any

from ledger import Permission, VoidBatch
from pages.ui import forms
from pages.ui.corrections import choices
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import credit_text, escape

WORDS = "Void a batch"
PERMISSION = Permission.ADJUST_BALANCE
DONE = "Voided."
REASONS = ("data_correction", "billing_error", "contract", "other")


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer and the batch."""
    return {"account": params.get("customer"), "batch_id": params.get("batch")}


def fields(form: Form) -> tuple[VoidBatch | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    visit = form.visit
    forms.removal_warning()
    account = form.customer()
    rows = choices.batches(visit, account, states=("open", "scheduled"))
    chosen = form.select("batch_id", "Batch", choices.batch_words(visit, account, rows))
    reason = form.reason(codes=REASONS)
    name = forms.customer_names(visit).get(account or "", "")
    if account is None or chosen is None:
        return None, name, Act(button="Void", is_removal=True)
    row = rows[int(chosen)]
    given, used = (credit_text(row[f"{what}_micro"], visit.locale) for what in ("granted", "used"))
    act = Act(
        button=f"Void {credit_text(row['left_micro'], visit.locale)} credits of {escape(name)}",
        is_removal=True,
        facts={"Of the batch": f"{given} were given, {used} used; what was used stays used"},
    )
    return VoidBatch(account, int(chosen), reason), name, act

"""Adjust: add credits to a balance or take some away, with a reason. A balance is never set."""

from collections.abc import Mapping
from typing import Any

from ledger import AdjustBalance, CreditType, Permission
from ledger.core.lifecycle import allowed_expiry, default_expiry
from pages.ui import forms
from pages.ui.corrections import choices
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act
from pages.ui.text import TYPE_WORDS, credit_text, escape

WORDS = "Adjust"
PERMISSION = Permission.ADJUST_BALANCE
DONE = "Corrected."
WAYS = {"add": "Add credits", "take": "Take credits away"}
REASONS = {
    "add": ("service_problem", "billing_error", "goodwill", "data_correction", "other"),
    "take": ("data_correction", "billing_error", "contract", "other"),
}
IN_BURN_ORDER = "burn_order"


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name the customer, and a batch to take from."""
    batch = params.get("batch")
    return {"account": params.get("customer"), "batch_id": batch, "way": "take" if batch else None}


def fields(form: Form) -> tuple[AdjustBalance | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the customer's name, the act in words."""
    way = form.choice("way", "Add or take", list(WAYS), words=WAYS)
    is_removal = way == "take"
    if is_removal:
        forms.removal_warning()
    account = form.customer()
    amount_micro = form.credits("amount", "Credits to take away" if is_removal else "Credits to add")
    name = forms.customer_names(form.visit).get(account or "", "")
    command = _take(form, account, amount_micro) if is_removal else _add(form, account, amount_micro)
    button = "Take away" if is_removal else "Add"
    if command is not None:
        amount = credit_text(abs(command.amount_micro), form.visit.locale)
        button = f"{button} {amount} credits {'from' if is_removal else 'to'} {escape(name)}"
    return command, name, Act(button=button, is_removal=is_removal)


def _take(form: Form, account: str | None, amount_micro: int | None) -> AdjustBalance | None:
    batch = form.select("batch_id", "Take from", _sources(form.visit, account), default=IN_BURN_ORDER)
    reason = form.reason(codes=REASONS["take"])
    if account is None or not amount_micro:
        return None
    batch_id = None if batch in (None, IN_BURN_ORDER) else int(str(batch))
    return AdjustBalance(account, -amount_micro, reason, batch_id=batch_id)


def _add(form: Form, account: str | None, amount_micro: int | None) -> AdjustBalance | None:
    visit = form.visit
    kinds = [kind for kind in CreditType if kind is not CreditType.PURCHASED]
    words = {kind.value: TYPE_WORDS[kind] for kind in kinds}
    kind = CreditType(form.select("credit_type", "As", words, default=CreditType.COMPENSATION.value) or "compensation")
    zone = forms.customer_zone(visit, account)
    today = visit.ledger.clock.now().astimezone(zone).date()
    allowed = allowed_expiry(kind, today)
    last = form.day(
        "expires_on",
        "Usable through",
        default=default_expiry(kind, today),
        earliest=allowed.earliest,
        latest=allowed.latest,
        variant=f"{kind} {today}",
        help="The last day on which the credits can be used, whole day in the customer's zone",
    )
    reason = form.reason(codes=REASONS["add"])
    if account is None or amount_micro is None:
        return None
    return AdjustBalance(account, amount_micro, reason, credit_type=kind, expires_on=last)


def _sources(visit: Visit, account: str | None) -> dict[str, str]:
    """Where credits can be taken from: the burn order, or one batch with credits left."""
    options = {IN_BURN_ORDER: "All batches, in burn order"}
    rows = choices.batches(visit, account, states=("open", "scheduled"))
    return options | choices.batch_words(visit, account, rows)

"""Transfer: credits move to another account of the organisation and stay what they are."""

from collections.abc import Mapping
from typing import Any

from ledger import Permission, TransferCredits
from pages.ui import forms
from pages.ui.corrections import choices
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import credit_text, escape

WORDS = "Transfer"
PERMISSION = Permission.TRANSFER
DONE = "Transferred."
REASONS = ("contract", "goodwill", "data_correction", "other")
IN_BURN_ORDER = "burn_order"


def prefill(params: Mapping[str, str]) -> dict[str, Any]:
    """A link may name both sides, the batch and the amount."""
    return {
        "account": params.get("customer"),
        "to": params.get("to"),
        "batch_id": params.get("batch"),
        "amount": params.get("amount"),
    }


def fields(form: Form) -> tuple[TransferCredits | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the sender's name, the act in words."""
    account, to, amount_micro, batch_id = movement(form)
    reason = form.reason(codes=REASONS)
    name = forms.customer_names(form.visit).get(account or "", "")
    if account is None or to is None or amount_micro is None:
        return None, name, Act(button="Transfer")
    return TransferCredits(account, to, amount_micro, reason, batch_id), name, act(form, "Transfer", to, amount_micro)


def movement(form: Form) -> tuple[str | None, str | None, int | None, int | None]:
    """The fields that a gift has, too: from whom, to whom, how much, from which batch (None: in burn order)."""
    account = form.customer()
    names = forms.customer_names(form.visit)
    others = {other: f"{words} · {other}" for other, words in names.items() if other != account}
    to = form.select("to", "To", others, help="Another customer or a pool of the same organisation")
    amount_micro = form.credits("amount", "Credits")
    rows = choices.batches(form.visit, account, states=("open", "scheduled"))
    sources = {IN_BURN_ORDER: "All batches, in burn order"} | choices.batch_words(form.visit, account, rows)
    batch = form.select("batch_id", "Take from", sources, default=IN_BURN_ORDER)
    return account, to, amount_micro, None if batch in (None, IN_BURN_ORDER) else int(str(batch))


def act(form: Form, verb: str, to: str, amount_micro: int) -> Act:
    """The act in words, and what the credits stay."""
    name = forms.customer_names(form.visit).get(to, to)
    amount = credit_text(amount_micro, form.visit.locale)
    kept = "Type, dates, features, origin and cost; held credits stay where they are"
    return Act(button=f"{verb} {amount} credits to {escape(name)}", facts={"The credits keep": kept})

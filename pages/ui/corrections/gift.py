"""Gift: a transfer with a message, which stays with the credits."""

from dataclasses import replace
from typing import Any

from ledger import GiftCredits, Permission
from pages.ui import forms
from pages.ui.corrections import transfer
from pages.ui.corrections.transfer import prefill
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import escape

__all__ = ["DONE", "PERMISSION", "WORDS", "fields", "prefill"]

WORDS = "Gift"
PERMISSION = Permission.TRANSFER
DONE = "Given."
REASONS = ("goodwill", "contract", "campaign", "other")


def fields(form: Form) -> tuple[GiftCredits | None, str, Act]:
    """Draw the fields; the command or None while it cannot be made, the giver's name, the act in words."""
    account, to, amount_micro, batch_id = transfer.movement(form)
    message = form.text("message", "Message", required=True, help="For who gets it; kept with the credits")
    reason = form.reason(codes=REASONS)
    name = forms.customer_names(form.visit).get(account or "", "")
    if account is None or to is None or amount_micro is None or not message:
        return None, name, Act(button="Give")
    act = transfer.act(form, "Give", to, amount_micro)
    facts: dict[str, Any] = {**act.facts, "Message": escape(message)}
    return GiftCredits(account, to, amount_micro, reason, message, batch_id), name, replace(act, facts=facts)

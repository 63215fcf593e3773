"""The second half of a form: what will happen, the review with its one button, and the receipt."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from ledger import (
    AskApproval,
    Command,
    Conflict,
    InsufficientCredits,
    InvalidCommand,
    KeyReused,
    NotFound,
    NotPermitted,
    Permission,
    Reason,
    Receipt,
    ReverseTransaction,
    Unavailable,
)
from ledger.core.policy import roles_with
from ledger.core.reversals import REVERSIBLE
from pages.ui import address, forms, identity
from pages.ui.effects import effect_rows
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.text import change_arrow, escape

# The effect of a command does not depend on its reason: with this one it can be shown before a note was written.
_STAND_IN = Reason("preview", "shown before the note is written")
_REFUSALS = (Conflict, InsufficientCredits, NotFound, NotPermitted)


@dataclass(frozen=True, slots=True)
class Act:
    """How a form's act is named: on the review button, and once it is done."""

    # "Grant 5,000 credits to Acme"; typed parts escaped.
    button: str
    is_removal: bool = False
    # Figures that the page adds to what will happen, such as the price of a credit.
    facts: Mapping[str, str] = field(default_factory=dict)
    # Something that has to be ticked before the button works, or nothing.
    caution: str = ""


def review(form: Form, command: Any, act: Act, *, seen: Receipt | None = None) -> None:
    """Show what a command would do, and let the person confirm it; ``command`` is None while fields are missing.

    ``seen`` is its preview where the page has taken it already.
    """
    form.save()
    effect, faults, refusal = _effect(form, command, seen)
    with st.container(border=True):
        st.markdown("**What will happen**")
        if effect is not None:
            st.table(effect_rows(form.visit, effect, act.facts), border="horizontal")
            if effect.needs_approval:
                st.info(_who_approves(form.visit, command), icon=":material/how_to_reg:")
        elif refusal:
            st.error(escape(refusal), title="This cannot be booked")
        else:
            st.caption(_waiting_for(form))
        pressed = st.button(
            "Review",
            key="review",
            icon=":material/fact_check:",
            shortcut="Ctrl+Enter",
            help="Nothing is booked before you confirm",
        )
    if pressed:
        form.state.is_attempted, form.state.is_answered = True, False
    needed = {name: f"{label} is needed" for name, label in form.missing.items()}
    shown = {name: text for name, text in faults.items() if name not in needed}
    if form.state.is_attempted:
        shown = needed | shown
    else:
        # Nobody likes to be told that a form is empty before having had the time to fill it in.
        shown = {name: text for name, text in shown.items() if not form.is_blank(name)}
    for text in form.place_faults(form.state.faults | shown):
        st.error(escape(text))
    _last_answer(form)
    if pressed and effect is not None and not needed and not faults:
        st.dialog(f"{act.button}?", width="medium", icon=":material/fact_check:")(_confirm)(form, command, act, effect)


def receipt_panel(form: Form, receipt: Receipt, *, done: str, name: str) -> None:
    """What was booked or asked for, with links to the entry and the customer, and a way to do another."""
    visit = form.visit
    if receipt.kind == AskApproval.kind:
        _asked_panel(form, receipt, name=name)
        return
    change = change_arrow(receipt.available_before_micro, receipt.available_after_micro, visit.locale)
    st.success(
        f"{done} Entry {receipt.transaction_id}" + (f", available {change}." if receipt.account else "."),
        title="Booked",
        icon=":material/check_circle:",
    )
    if rows := effect_rows(visit, receipt):
        st.table(rows, border="horizontal")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "system/audit.py",
            label=f"Ledger entry {receipt.transaction_id}",
            icon=":material/receipt_long:",
            query_params=address.link(entry=receipt.transaction_id),
            width="content",
        )
        _undo(visit, receipt)
        _onward(form, receipt, name=name)


def _undo(visit: Visit, receipt: Receipt) -> None:
    """A link to the reversal, filled in, while the ledger would book it."""
    number = receipt.transaction_id
    if receipt.kind not in REVERSIBLE or number is None or not visit.may_start(Permission.ADJUST_BALANCE):
        return
    try:
        visit.ledger.preview(ReverseTransaction(number, _STAND_IN), actor=visit.actor)
    except (*_REFUSALS, Unavailable):
        return  # the credits moved on, or it was undone before: there is no such way back any more
    st.page_link(
        "credits/adjustments.py",
        label="Undo",
        icon=":material/undo:",
        query_params=address.link(kind="reverse", transaction=number),
        width="content",
    )


def _asked_panel(form: Form, receipt: Receipt, *, name: str) -> None:
    st.info(
        f"Request {receipt.approval_id} was made. Nothing is booked before another person approves it.",
        title="Approval asked for",
        icon=":material/how_to_reg:",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.page_link(
            "credits/approvals.py",
            label=f"Request {receipt.approval_id} under Approvals",
            icon=":material/how_to_reg:",
            query_params=address.link(request=receipt.approval_id),
            width="content",
        )
        _onward(form, receipt, name=name)


def _onward(form: Form, receipt: Receipt, *, name: str) -> None:
    """The customer's page, and the form again."""
    if receipt.account:
        st.page_link(
            "customers/customer.py",
            label=escape(name),
            icon=":material/person:",
            query_params=address.link(customer=receipt.account),
            width="content",
        )
    st.button("Do another", icon=":material/add:", key="another", on_click=forms.start_again, args=(form,))


def _effect(form: Form, command: Any, seen: Receipt | None) -> tuple[Receipt | None, dict[str, str], str]:
    """The preview, every fault by field, and the sentence of a refusal."""
    faults = dict(form.faults)
    if command is None or faults:
        return None, faults, ""
    faults |= {fault.field: fault.message for fault in command.faults()}
    if seen is not None:
        return seen, faults, ""
    visit = form.visit
    try:
        shown = replace(command, reason=_STAND_IN) if hasattr(command, "reason") else command
        return visit.ledger.preview(shown, actor=visit.actor), faults, ""
    except InvalidCommand as error:
        return None, faults | {fault.field: fault.message for fault in error.faults}, ""
    except (*_REFUSALS, Unavailable) as error:
        return None, faults, str(error)


def _who_approves(visit: Visit, command: Command) -> str:
    """Why the act becomes a request, and who can let it happen."""
    roles = " or ".join(identity.ROLE_WORDS[role] for role in roles_with(command.permission))
    if visit.may(command.permission):
        why = "This is more than one person may do alone."
    else:
        why = f"As {identity.ROLE_WORDS[visit.actor.role]} you may ask for this, not do it."
    return f"{why} You ask for approval now; it is booked when another person with the role {roles} approves it."


def _confirm(form: Form, command: Command, act: Act, effect: Receipt) -> None:
    if form.state.is_answered:
        # The button's callback ran: the dialog closes and the page says what became of it.
        form.state.is_answered = False
        st.rerun()
    if act.is_removal:
        forms.removal_warning()
    st.table(effect_rows(form.visit, effect, act.facts), border="horizontal")
    button = act.button
    if effect.needs_approval:
        st.info(_who_approves(form.visit, command), icon=":material/how_to_reg:")
        command, button = AskApproval(command), f"Ask for approval: {act.button}"
    ready = True
    if act.caution:
        st.warning(act.caution, icon=":material/content_copy:")
        ready = st.checkbox("Yes, book it a second time", key=f"{form.state.key}:again")
    st.button(
        button,
        type="primary",
        key="confirm",
        disabled=not ready,
        on_click=_send,
        args=(form, command),
        width="stretch",
    )


def _send(form: Form, command: Command) -> None:
    """Book it, once however often it is clicked; the next draw reads the outcome back by the key."""
    visit, state = form.visit, form.state
    state.forget_answer()
    state.is_sent = state.is_answered = True
    try:
        visit.ledger.execute(command, actor=visit.actor, key=state.key)
    except InvalidCommand as error:
        state.is_sent = False
        state.faults = {fault.field: fault.message for fault in error.faults}
    except KeyReused:
        pass  # an earlier click booked something under this key, and the page is about to show it
    except _REFUSALS as error:
        state.is_sent = False
        state.refusal = str(error)
    except Unavailable:
        state.is_unknown = True


def _last_answer(form: Form) -> None:
    """What the ledger said to the last confirmation, when it did not book it."""
    state = form.state
    if state.is_unknown:
        st.warning(
            "The ledger did not answer. It may or may not have booked this; asking again tells, and nothing is booked "
            "twice.",
            title="Outcome not known yet",
            icon=":material/help:",
        )
        st.button("Check again", icon=":material/refresh:", on_click=_check, args=(form,), key="check-again")
    elif state.refusal:
        st.error(f"{escape(state.refusal)} Nothing was booked.", title="Not booked")


def _check(form: Form) -> None:
    state = form.state
    if form.visit.ledger.receipt(actor=form.visit.actor, key=state.key) is None:
        state.is_sent = state.is_unknown = False
        state.refusal = "The ledger answers again and knows nothing of this form. You can confirm it once more."


def _waiting_for(form: Form) -> str:
    labels = [label for name, label in form.missing.items() if name not in ("reason", "note")]
    if not labels:
        return "Mend the marked fields to see what will happen."
    return f"Fill in {' and '.join(filter(None, [', '.join(labels[:-1]), labels[-1]]))} to see what will happen."

"""Adopting a payment that was made at the provider without this product: a form with preview, review and receipt."""

from typing import Any

import streamlit as st

from analytics import frames
from analytics.finding_words import PROVIDER_NAMES
from ledger import AdoptPayment, LedgerError, Money, NotFound, Permission, Provider
from ledger.selling.mending import mend
from pages.ui import address, forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import escape, money_text

_PARAM = "adopt"
_NO_PACKAGE = ""
_REASONS = ("payment", "data_correction", "contract", "other")


def ask_for(finding_id: int) -> None:
    """Open the form: for callbacks."""
    address.put(_PARAM, str(finding_id))


def is_asked() -> bool:
    """Whether the address names a payment to be adopted."""
    return address.get(_PARAM) is not None


def draw(visit: Visit, provider: Provider) -> None:
    """The form in place of the list, or why not."""
    st.button("All findings", icon=":material/arrow_back:", type="tertiary", on_click=address.put, args=(_PARAM, None))
    wanted = address.get(_PARAM) or ""
    if not visit.may(Permission.MANAGE_PAYMENTS):
        st.error("An admin can give a payment to a customer; you can explain the finding.", title="No permission")
        return
    try:
        if not wanted.isdecimal() or len(wanted) > 18:
            raise NotFound(what="finding", id=wanted)
        found = visit.ask_now(frames.load_finding, finding_id=int(wanted))
    except NotFound as error:
        st.info(escape(error))
        return
    theirs = found.theirs
    if theirs is None or found.row["payment_ref"] is None:
        st.info("The provider has no record of this payment, so there is nothing to adopt.")
        return
    _form(visit, provider, found, dict(theirs))


def _form(visit: Visit, provider: Provider, found: frames.FindingInFull, theirs: dict[str, Any]) -> None:
    number, ref = found.row["finding_id"], str(found.row["payment_ref"])
    st.subheader(f"Adopt the payment {escape(ref)}", anchor=False)
    names = forms.customer_names(visit)
    account = theirs.get("account")
    form = forms.open_form(visit, f"adopt_{number}", prefill={"account": account if account in names else None})
    receipt = forms.outcome(form)
    if receipt is not None:
        name = names.get(receipt.account or "", receipt.account or "")
        receipt_panel(form, receipt, done="The payment is one of ours.", name=escape(name))
        _follow(visit, number, receipt.transaction_id)
        return
    net = Money(theirs["total_cents"] - theirs["tax_cents"], theirs["currency"])
    left, right = forms.columns()
    with left:
        chosen = form.customer()
        package, quantity, credits = _what(visit, form, theirs)
        reason = form.reason(codes=_REASONS)
    with right:
        price = money_text(net.cents, net.currency, visit.locale)
        facts = {"Paid, without tax": f"{price}, at {PROVIDER_NAMES[provider]}"}
        facts["Then"] = "The provider is asked, and the credits appear when it says that it is paid"
        command = None
        if chosen is not None and (package or credits is not None):
            command = AdoptPayment(
                provider, ref, chosen, net, reason, package=package, quantity=quantity, credits_micro=credits
            )
        review(form, command, Act(f"Adopt {price} for {escape(names.get(chosen or '', ''))}", facts=facts))


def _what(visit: Visit, form: Form, theirs: dict[str, Any]) -> tuple[str, int, int | None]:
    """What was bought: a package so many times, or a number of credits."""
    begun = [one for one in visit.ask(frames.load_packages) if one.effective_at <= visit.at]
    options = {one.code: one.label for one in begun}
    words = options | {_NO_PACKAGE: "No package: a number of credits"}
    hint = theirs.get("package")
    codes = [*options, _NO_PACKAGE]
    if hint in options:
        codes.sort(key=lambda one: one != hint)
    package = form.choice("package", "Package", codes, words=words)
    if package == _NO_PACKAGE:
        return _NO_PACKAGE, 1, form.credits("amount", "Credits")
    quantity = form.number("quantity", "How many", least=1, most=100, default=int(theirs.get("quantity") or 1))
    return package, quantity or 1, None


def _follow(visit: Visit, number: int, transaction_id: int | None) -> None:
    """Ask the provider once per adoption; the button in the finding asks again."""
    done = f"adopted:{transaction_id}"
    if done not in st.session_state:
        try:
            made = mend(visit.ledger, number, by=visit.actor)
            st.session_state[done] = " ".join(made.receipt.notes) if made.receipt else made.why or "Nothing new."
        except LedgerError as error:
            st.session_state[done] = f"{error} Ask again from the finding."
    st.info(f"The provider was asked: {escape(st.session_state[done])}", icon=":material/sync:")

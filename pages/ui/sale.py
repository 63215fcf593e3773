"""One sale by card: how far it has come, and the address at which the customer pays; looks again until it is over."""

from datetime import datetime
from urllib.parse import quote

import streamlit as st

from analytics import frames
from ledger import GatewayError, Ledger, LedgerError, NotFound, Permission
from ledger.core.payments import PaymentState
from ledger.selling.checkout import Sale, cancel, finish, load_sale, return_page
from ledger.selling.follow import follow
from pages.ui import address, forms
from pages.ui.guard import Visit
from pages.ui.text import credit_text, escape, instant_text, money_text

PARAM = "payment"
LOOK_AGAIN = "3s"
_DONE, _OPEN, _BAD = ":material/check_circle:", ":material/radio_button_unchecked:", ":material/error:"
STATE_WORDS = {
    PaymentState.CREATED: "The checkout page is not made yet",
    PaymentState.OPEN: "Waiting for the customer",
    PaymentState.PROCESSING: "Waiting for the bank",
    PaymentState.NEEDS_ACTION: "The customer's bank wants a confirmation",
    PaymentState.CREDITED: "Paid, and the credits are on the account",
    PaymentState.BLOCKED: "Paid, but the credits may not be given without a decision",
    PaymentState.FAILED: "Failed",
    PaymentState.EXPIRED: "Ended unpaid",
}


def draw(visit: Visit, payment: str) -> None:
    """The sale with that name, or why there is none."""
    try:
        sale = _followed(visit.ledger, payment)
    except NotFound as error:
        st.info(escape(error))
        return
    # Only the state moves by itself; the rest of the page stands still.
    st.fragment(_state, run_every=None if sale.is_final else LOOK_AGAIN)(visit, payment)


def _followed(ledger: Ledger, payment: str) -> Sale:
    """The sale as the provider tells it now; as it was known last when it does not answer."""
    sale = load_sale(ledger, payment)
    try:
        sale = finish(ledger, sale)
        if not sale.is_final:
            follow(ledger, payment)
            sale = load_sale(ledger, payment)
    except GatewayError as error:
        st.warning(f"{escape(error)} Nothing is lost: this page asks again.", title="The provider was not reached")
    return sale


def _state(visit: Visit, payment: str) -> None:
    sale = _followed(visit.ledger, payment)
    name = forms.customer_names(visit).get(sale.account, sale.account)
    price = money_text(sale.price.cents, sale.price.currency, visit.locale)
    st.subheader(f"{credit_text(sale.credits_micro, visit.locale)} credits for {escape(name)}", anchor=False)
    st.markdown(f"**{STATE_WORDS[sale.state]}.**" + (f" {escape(sale.error)}" if sale.error else ""))
    _line(visit, sale)
    package = sale.label + (f", {sale.quantity} times" if sale.quantity > 1 else "")
    rows = {
        "Package": escape(package),
        "Price": f"{escape(price)}, without tax",
        "Payment": f"`{sale.payment}`",
        "Provider": frames.PROVIDER_WORDS[sale.provider.value],
    }
    if sale.ends_at is not None and not sale.is_final:
        rows["Can be paid until"] = instant_text(sale.ends_at, visit.zone, visit.locale)
    st.table(rows, border="horizontal")
    if sale.url:
        _ways_to_pay(visit, sale)
    elif sale.state in (PaymentState.FAILED, PaymentState.EXPIRED):
        st.caption("Nothing was charged and no credits moved.")
    if sale.transaction_id is not None:
        with st.container(horizontal=True):
            st.page_link(
                "system/audit.py",
                label=f"Ledger entry {sale.transaction_id}",
                icon=":material/receipt_long:",
                query_params=address.link(entry=sale.transaction_id),
                width="content",
            )
            st.page_link(
                "customers/customer.py",
                label=escape(name),
                icon=":material/person:",
                query_params=address.link(customer=sale.account),
                width="content",
            )


def _line(visit: Visit, sale: Sale) -> None:
    """created → paid → credited → receipt, each with its instant."""
    is_credited = sale.state is PaymentState.CREDITED
    receipt = f"Receipt no. {sale.transaction_id}" if sale.transaction_id is not None else "Receipt"
    steps: list[tuple[str, bool, datetime | None]] = [
        ("Created", True, sale.created_at),
        ("Paid", sale.paid_at is not None, sale.paid_at),
        ("Credited", is_credited, sale.credited_at),
        (receipt, is_credited, None),
    ]
    is_bad = sale.state in (PaymentState.FAILED, PaymentState.EXPIRED, PaymentState.BLOCKED)
    with st.container(horizontal=True, gap="medium"):
        for words, is_done, at in steps:
            icon = _DONE if is_done else _BAD if is_bad else _OPEN
            with st.container(width="content", gap=None):
                st.markdown(f"{icon} {words}", width="content")
                if at is not None:
                    st.caption(instant_text(at, visit.zone, visit.locale), width="content")
            # The way ends at the first step that will not be taken.
            if is_bad and not is_done:
                break


def _ways_to_pay(visit: Visit, sale: Sale) -> None:
    st.markdown("**Where the customer pays**")
    st.code(sale.url, language=None, wrap_lines=True)
    email = _email(visit, sale.account)
    with st.container(horizontal=True):
        st.link_button("Open", sale.url, icon=":material/open_in_new:", help="The checkout in a tab of its own")
        if email:
            st.link_button("Write a mail", _letter(visit, sale, email), icon=":material/mail:", help=f"To {email}")
        st.link_button("What the customer sees", return_page(sale.payment), icon=":material/visibility:")
        if visit.may(Permission.SELL):
            st.button(
                "End this checkout",
                icon=":material/cancel:",
                key=f"end:{sale.payment}",
                on_click=_end,
                args=(visit, sale.payment),
                help="It cannot be paid any more",
            )
    if told := st.session_state.pop("sale-told", None):
        st.toast(told)


def _email(visit: Visit, account: str) -> str:
    """Where a customer reads mail, or empty."""
    try:
        return visit.ask(frames.load_customer, account=account).email or ""
    except NotFound:
        return ""  # a pool has no address


def _letter(visit: Visit, sale: Sale, email: str) -> str:
    """A mail in the reader's own mail program."""
    subject = f"{credit_text(sale.credits_micro, visit.locale)} credits from {visit.company.name}"
    body = f"You can pay here:\n\n{sale.url}\n"
    return f"mailto:{quote(email)}?subject={quote(subject)}&body={quote(body)}"


def _end(visit: Visit, payment: str) -> None:
    try:
        cancel(visit.ledger, payment, actor=visit.actor)
        st.session_state["sale-told"] = "Ended: nothing was charged."
    except LedgerError as error:
        st.session_state["sale-told"] = escape(error)

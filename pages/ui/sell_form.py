"""Selling by card: choose a customer and a package, review, then give the customer the address at which it pays."""

import streamlit as st

from ledger import ProviderNotSetUp, Receipt, StartPurchase
from ledger.core.packages import Package
from ledger.core.payments import Provider
from ledger.gateways.registry import selling
from ledger.selling.checkout import sale_of
from pages.ui import address, forms, package_cards, parts, sale
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, review
from pages.ui.text import credit_text, escape, money_text

QUANTITY_MAX = 100


def draw(visit: Visit) -> None:
    """The form, or the sale that it became."""
    try:
        provider = selling(visit.ledger)
    except ProviderNotSetUp as error:
        st.info(
            f"{escape(error)} Until then purchases are recorded after they were paid elsewhere.",
            title="Nobody takes cards yet",
            icon=":material/credit_card_off:",
        )
        return
    form = forms.open_form(visit, "sell", prefill={"account": st.query_params.get("customer")})
    receipt = forms.outcome(form)
    if receipt is not None:
        _sold(visit, form, receipt)
        return
    forms.offer_draft(form)
    packages = package_cards.pick_list(visit)
    if not packages:
        parts.first_use("No package is for sale.", page="system/catalog.py", label="Plans & catalogue")
        return
    package_cards.shop(form, packages)
    left, right = forms.columns()
    with left:
        command, act = _fields(form, packages, provider)
    with right:
        review(form, command, act)


def back_to_the_form() -> None:
    """A button that leaves the one sale that the address names."""
    st.button(
        "Top-ups & packages",
        icon=":material/arrow_back:",
        type="tertiary",
        key="back",
        on_click=address.put,
        args=(sale.PARAM, None),
    )


def _fields(form: Form, packages: list[Package], provider: Provider) -> tuple[StartPurchase | None, Act]:
    visit = form.visit
    account = form.customer()
    code = form.select("package", "Package", {one.code: package_cards.words(visit, one) for one in packages})
    quantity = form.number("quantity", "How many", least=1, most=QUANTITY_MAX, default=1)
    saves_card = form.check(
        "saves_card", "Keep the card for auto-recharge", help="The customer agrees to it on the provider's page"
    )
    sold = next((one for one in packages if one.code == code), None)
    if account is None or sold is None or quantity is None:
        return None, Act(button="Sell")
    name = forms.customer_names(visit).get(account, "")
    price = money_text(quantity * sold.price.cents, sold.price.currency, visit.locale)
    credits = credit_text(quantity * sold.credits_micro, visit.locale)
    facts = {
        "Credits, once it is paid": credits,
        "Price": f"{escape(price)}, without tax",
        "What you get": "An address at which the customer pays; nothing is booked on the account before",
    }
    command = StartPurchase(account, sold.code, provider, quantity=quantity, saves_card=saves_card)
    return command, Act(button=f"Sell {credits} credits for {price} to {escape(name)}", facts=facts)


def _sold(visit: Visit, form: Form, receipt: Receipt) -> None:
    name = sale_of(visit.ledger, receipt).payment
    sale.draw(visit, name)
    with st.container(horizontal=True):
        st.button("Sell another", icon=":material/add:", key="another", on_click=forms.start_again, args=(form,))
        st.page_link(
            "credits/top_ups.py",
            label="This sale has an address of its own",
            icon=":material/link:",
            query_params=address.link(payment=name),
            width="content",
        )

"""Cards of the packages for sale: credits, price, per credit, saving, limit, end, and which one fits a customer."""

from collections.abc import Callable, Mapping
from datetime import timedelta

import streamlit as st

from analytics import frames
from ledger.core.packages import STANDARD_LIST, Fit, Package, cents_per_credit, in_force, saving_ppm
from ledger.core.pricing import PPM
from pages.ui import address, advice, forms
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.text import credit_text, day_text, escape, money_text, percent_text, unit_price_text

LIST_WORDS = {STANDARD_LIST: "Standard", "small": "Small packs"}


def pick_list(visit: Visit) -> list[Package]:
    """The packages of the price list that is chosen in the address; draws the choice when there are several."""
    packages = in_force(visit.ask(frames.load_packages), visit.at)
    lists = list(dict.fromkeys(one.price_list for one in packages))
    if len(lists) < 2:
        return packages
    chosen = address.radio(
        "list",
        "Price list",
        lists,
        default=lists[0],
        format_func=lambda one: LIST_WORDS.get(one, escape(one)),
    )
    return [one for one in packages if one.price_list == chosen]


def words(visit: Visit, one: Package) -> str:
    """A package as a choice of a select box, where text is shown as it is."""
    price = money_text(one.price.cents, one.price.currency, visit.locale)
    return f"{one.label}: {credit_text(one.credits_micro, visit.locale)} credits for {price}"


def shop(form: Form, packages: list[Package]) -> None:
    """What is for sale and what fits the customer of a form, whose field "package" the buttons fill."""
    visit, account = form.visit, form.filled("account")
    name = forms.customer_names(visit).get(account or "")
    found, bought = None, None
    if name is None:
        st.caption("Choose a customer below to see which package fits.")
    else:
        found = advice.for_customer(visit, account, price_list=packages[0].price_list)
        bought = visit.ask(frames.load_bought, account=account).get(account)
        st.markdown(f"**{escape(name)}**: {advice.sentence(visit, found)}")
    draw(
        visit,
        packages,
        fit=found.fit if found else None,
        bought=bought.times if bought else {},
        choose=lambda code: form.fill(package=code),
    )


def draw(
    visit: Visit,
    packages: list[Package],
    *,
    fit: Fit | None,
    bought: Mapping[str, int],
    choose: Callable[[str], None] | None,
) -> None:
    """One card per package; ``choose`` is called with the code of the one whose button was pressed."""
    fits = None if fit is None else fit.package.code
    with st.grid(5, min_column_width=150):
        for one in packages:
            with st.container(border=True, height="stretch"):
                _card(visit, one, packages, is_best=one.code == fits)
                left = one.left_for(bought.get(one.code, 0))
                if choose is not None:
                    st.button(
                        "Choose",
                        key=f"choose:{one.code}",
                        on_click=choose,
                        args=(one.code,),
                        disabled=left == 0,
                        help="Bought as often as this customer may" if left == 0 else None,
                        width="stretch",
                    )


def _card(visit: Visit, one: Package, packages: list[Package], *, is_best: bool) -> None:
    locale = visit.locale
    st.markdown(f"**{escape(one.label)}**")
    if is_best:
        st.badge("Fits best", icon=":material/recommend:", color="green")
    price = escape(money_text(one.price.cents, one.price.currency, locale))
    st.markdown(f"{credit_text(one.credits_micro, locale)} credits for **{price}**")
    each = escape(unit_price_text(cents_per_credit(one), one.price.currency, locale))
    saved = saving_ppm(one, packages)
    facts = [f"{each} per credit"]
    facts.append(f"saves {percent_text(saved / PPM, locale, decimals=0)}" if saved else "no saving")
    if one.per_customer_limit is not None:
        facts.append("once per customer" if one.per_customer_limit == 1 else f"{one.per_customer_limit} per customer")
    if one.ends_at is not None:
        last = (one.ends_at - timedelta(microseconds=1)).astimezone(visit.zone).date()
        facts.append(f"through {escape(day_text(last, locale))}")
    st.caption(", ".join(facts))

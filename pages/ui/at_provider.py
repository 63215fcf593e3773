"""The catalogue page, "At the provider": its products beside the packages for sale, and its customers beside ours."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from ledger.core.payments import Provider
from ledger.core.selling import Difference, Sold, Step
from ledger.gateways import registry
from ledger.selling.catalog_sync import compare_catalog, push_catalog
from pages.ui import address, data, parts, provider_customers
from pages.ui.asking import REFUSALS, asked
from pages.ui.guard import Visit
from pages.ui.text import escape, money_text

_STEPS = {
    Step.MAKE: "+ Make there",
    Step.CHANGE: "± Change there",
    Step.NOTE: "✓ Note its id here",
    Step.ARCHIVE: "− Archive there",
    Step.LEAVE: "– Leave alone",
}
_PUSHED = "catalog-pushed"


def draw(visit: Visit) -> None:
    """Which provider, which of its lists, and that list."""
    known = registry.set_up(visit.ledger)
    if not known:
        parts.first_use("No payment provider is set up. With the key of one, the packages can be sold there.")
        return
    provider = known[0]
    if len(known) > 1:
        provider = Provider(
            address.radio(
                "provider",
                "Provider",
                [one.value for one in known],
                default=known[0].value,
                format_func=frames.PROVIDER_WORDS.__getitem__,
            )
        )
    lists = {"products": "Products"}
    if visit.may(Permission.MANAGE_CUSTOMERS):
        lists["customers"] = "Customers"
    chosen = "products"
    if len(lists) > 1:
        chosen = address.radio("list", "What it has", list(lists), default="products", format_func=lists.__getitem__)
    if chosen == "customers":
        provider_customers.draw(visit, provider)
    else:
        _products(visit, provider)


def _products(visit: Visit, provider: Provider) -> None:
    words = frames.PROVIDER_WORDS[provider.value]
    _told_what_was_done()
    found = asked(visit, "catalog at provider", lambda: compare_catalog(visit.ledger, provider), provider)
    if found is None:
        return
    to_do = [one for one in found if one.is_pushed]
    if not found:
        st.success(f"{words} sells exactly the packages that are for sale here.", icon=":material/check_circle:")
        return
    if not to_do:
        st.success(f"{words} sells the packages that are for sale here.", icon=":material/check_circle:")
    _table(visit, found, words)
    if to_do and visit.may(Permission.MANAGE_CATALOG):
        if st.button(f"Push to {words}", icon=":material/cloud_upload:", type="primary", key="push-catalog"):
            st.dialog(f"Push to {words}?", width="medium", icon=":material/cloud_upload:")(_confirm)(
                visit, provider, words, to_do
            )
    elif to_do:
        st.caption("Pushing the catalogue takes an admin.")


def _table(visit: Visit, found: list[Difference], words: str) -> None:
    text = st.column_config.TextColumn
    to_do = sum(one.is_pushed for one in found)
    alone = len(found) - to_do
    totals = [f"**{to_do:,}** to be pushed" if to_do else "", f"**{alone:,}** left alone" if alone else ""]
    parts.table(
        pd.DataFrame([_row(visit, one) for one in sorted(found, key=lambda one: not one.is_pushed)]),
        key="at-provider",
        alt=f"Packages and products in which {words} differs from what is for sale here",
        totals=", ".join(filter(None, totals)),
        columns={
            "step": text("What a push does", pinned=True),
            "package": text("Package"),
            "label": text("Name"),
            "here": text("Price here"),
            "there": text(f"Price at {words}"),
            "why": text("Differs in", width="medium"),
            "ref": text("Product there"),
        },
    )
    if alone:
        st.caption("Products that others made there are never changed; what has to be done with them is up to you.")


def _row(visit: Visit, one: Difference) -> dict[str, str | None]:
    side = one.wanted or one.theirs
    return {
        "step": _STEPS[one.step],
        "package": one.package or None,
        "label": side.label if side else None,
        "here": _price(visit, one.wanted),
        "there": _price(visit, one.theirs),
        "why": ", ".join(one.differs_in) or None,
        "ref": one.theirs.product_ref if one.theirs else None,
    }


def _price(visit: Visit, side: Sold | None) -> str | None:
    return None if side is None else money_text(side.price.cents, side.price.currency, visit.locale)


def _confirm(visit: Visit, provider: Provider, words: str, to_do: list[Difference]) -> None:
    if _PUSHED in st.session_state:
        # The button's callback ran: the dialog closes and the page says what became of it.
        st.rerun()
    for step in Step:
        names = [(one.wanted or one.theirs) for one in to_do if one.step is step]
        if names:
            labels = ", ".join(escape(one.label) for one in names if one is not None)
            st.markdown(f"**{_STEPS[step]}:** {labels}")
    st.caption("What was paid at the old prices stays as it is. Pushing again changes nothing.")
    st.button(
        f"Push {len(to_do):,} to {words}",
        type="primary",
        key="confirm",
        on_click=_push,
        args=(visit, provider, words),
        width="stretch",
    )


def _push(visit: Visit, provider: Provider, words: str) -> None:
    try:
        done = push_catalog(visit.ledger, provider, actor=visit.actor)
    except REFUSALS as error:
        st.session_state[_PUSHED] = f"{error} What was done before counts; push again.", False
    else:
        said = f"{len(done):,} pushed to {words}." if done else f"Nothing was left to push to {words}."
        st.session_state[_PUSHED] = said, True
    data.forget()


def _told_what_was_done() -> None:
    said, is_done = st.session_state.pop(_PUSHED, ("", True))
    if said and is_done:
        st.success(escape(said), title="Done", icon=":material/check_circle:")
    elif said:
        st.error(escape(said), title="Not all was pushed", icon=":material/error:")

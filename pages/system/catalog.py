"""Plans & catalogue: what is for sale and what using it costs; every change is a new version."""

import streamlit as st

from ledger import Permission
from pages.ui import address, at_provider, calculator, catalog_forms, forms, parts, price_list
from pages.ui.guard import Visit, guard
from pages.ui.review import receipt_panel, review

VIEWS = {
    "prices": "Prices",
    "packages": "Packages",
    "bundles": "Bundles",
    "plans": "Plans",
    "calculator": "Calculator",
    "provider": "At the provider",
    "new": "New version",
}
DRAWN = {
    "prices": price_list.prices,
    "packages": price_list.packages,
    "bundles": price_list.bundles,
    "plans": price_list.plans,
    "calculator": calculator.draw,
    "provider": at_provider.draw,
}


def main(visit: Visit) -> None:
    parts.header(visit, "Plans & catalogue")
    views = [view for view in VIEWS if view != "new" or visit.may(Permission.MANAGE_CATALOG)]
    chosen = address.radio("view", "What to look at", views, default=views[0], format_func=VIEWS.__getitem__)
    if chosen == "new":
        new_version(visit)
        return
    DRAWN[chosen](visit)
    if "new" not in views:
        st.caption("Changing what is for sale takes an admin.")


def new_version(visit: Visit) -> None:
    """The form of what is to be defined, or what became of it."""
    st.caption("Nothing is edited: a new version takes over at its time, and what is booked keeps its price.")
    kinds = catalog_forms.KINDS
    kind = address.radio("kind", "What", list(kinds), default=next(iter(kinds)), format_func=lambda one: kinds[one][0])
    _, fields, done = kinds[kind]
    form = forms.open_form(visit, f"catalog_{kind}")
    receipt = forms.outcome(form)
    if receipt is not None:
        receipt_panel(form, receipt, done=done, name="")
        return
    forms.offer_draft(form)
    left, right = forms.columns()
    with left:
        command, act = fields(form)
    with right:
        review(form, command, act)


visit = guard(Permission.VIEW_PORTFOLIO)
main(visit)

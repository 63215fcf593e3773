"""Customer: what is left, when does it end, what was it spent on?"""

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analytics import frames
from ledger import NotFound, Permission
from pages.ui import (
    address,
    customer_alerts,
    customer_batches,
    customer_history,
    customer_holds,
    customer_money,
    customer_overview,
    customer_plan,
    customer_profile,
    customer_usage,
    jump,
    outlook,
    parts,
    pictures,
    report,
)
from pages.ui.guard import Visit, guard
from pages.ui.text import day_text, escape

TABS = {
    "Overview": customer_overview.draw,
    "Batches": customer_batches.draw,
    "Usage": customer_usage.draw,
    "Plan": customer_plan.draw,
    "Money": customer_money.draw,
    "History": customer_history.draw,
    "Holds": customer_holds.draw,
    "Alerts": customer_alerts.draw,
    "Profile": customer_profile.draw,
}
# Permission, page, label, icon, and what else the link says.
ACTS: tuple[tuple[Permission, str, str, str, dict[str, str]], ...] = (
    (Permission.RECORD_TOP_UP, "credits/top_ups.py", "Top up", ":material/payments:", {}),
    (Permission.ISSUE_GRANT, "credits/grants.py", "Grant", ":material/redeem:", {}),
    (Permission.ADJUST_BALANCE, "credits/adjustments.py", "Adjust", ":material/build:", {}),
    (Permission.TRANSFER, "credits/adjustments.py", "Transfer", ":material/move_up:", {"kind": "transfer"}),
)


def main(visit: Visit) -> None:
    account = address.get("customer")
    if not account:
        st.title("Customer", anchor=False)
        nobody("Choose a customer from the list.")
        return
    try:
        customer = visit.ask(frames.load_customer, account=account)
    except NotFound:
        st.title("Customer", anchor=False)
        st.error(f"There is no customer with the id “{escape(account)}”.", title="Unknown customer")
        nobody("The id may be mistyped, or belong to another company's books.")
        return
    jump.remember(visit.actor, account, customer.name)
    parts.header(visit, customer.name, typed=True)
    with st.sidebar:
        patterns = pictures.patterns_switch()
    first = st.container()
    acts = who_it_is(visit, customer)
    with first:
        view = customer_overview.View(visit, customer, outlook.of_customer(visit, account), patterns)
        st.markdown(customer_overview.sentence(view))
    with acts:
        report.button(view)
    # Only tabs cannot persist their state, so they alone bind the address themselves.
    address.keep("tab")
    for tab, draw in zip(
        st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params"), TABS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(view)


def nobody(words: str) -> None:
    st.markdown(words)
    st.page_link("customers/customers.py", label="All customers", icon=":material/groups:", query_params=address.link())


def who_it_is(visit: Visit, customer: frames.Customer) -> DeltaGenerator:
    """Profile in one line, the id to copy, and what this person may do here; answers the row of these."""
    facts = [
        customer.account_type.value.capitalize(),
        f"tier {customer.tier}" if customer.tier else "no tier",
        f"account manager {customer.owner}" if customer.owner else "no account manager",
        f"opened {day_text(customer.opened_at.astimezone(visit.zone).date(), visit.locale)}",
        f"own time zone {customer.zone.key}" if customer.zone != visit.zone else "",
        f"Stripe {customer.stripe_id}" if customer.stripe_id else "",
    ]
    st.caption(" · ".join(escape(fact) for fact in facts if fact))
    acts = st.container(horizontal=True, vertical_alignment="center")
    with acts:
        st.code(customer.account, language=None, width="content")
        for permission, page, label, icon, more in ACTS:
            if visit.may_start(permission):
                st.page_link(page, label=label, icon=icon, query_params=address.link(customer=customer.account, **more))
    return acts


visit = guard(Permission.VIEW_CUSTOMER)
main(visit)

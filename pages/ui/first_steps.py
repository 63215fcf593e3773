"""What to do when the company has no credits yet; ticked from what is really there."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui.guard import Visit


def is_new(customers: pd.DataFrame) -> bool:
    """Whether nothing was ever issued or used, so that figures would all be empty."""
    return customers["balance_micro"].sum() == 0 and bool(customers["last_used_day"].isna().all())


def checklist(visit: Visit, customers: pd.DataFrame) -> None:
    """The steps to the first figures, each done or to do, and where to go on."""
    prices = visit.ask(frames.load_feature_prices)
    steps = (
        (not prices.empty, "A price for each feature, so that use can be charged"),
        (not customers.empty, "A first customer"),
        (bool(customers["balance_micro"].sum()), "First credits: granted, or bought with a top-up"),
        (bool(customers["last_used_day"].notna().any()), "First use reported"),
    )
    st.markdown("There are no credits yet. These steps lead to the first figures:")
    for is_done, words in steps:
        icon, state = ("check_circle", "done") if is_done else ("radio_button_unchecked", "to do")
        st.markdown(f":material/{icon}: {words} – {state}")
    if not visit.may(Permission.ISSUE_GRANT):
        st.markdown("An admin sets these up.")
    elif customers.empty:
        st.page_link("customers/customers.py", label="Open the first customer", icon=":material/person_add:")
        st.markdown("To look around first, `python -m service.cli demo` fills an empty database with a demo company.")
    else:
        st.page_link("credits/grants.py", label="Issue the first credits", icon=":material/redeem:")

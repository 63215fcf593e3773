"""Customer: not written yet."""

import streamlit as st

from ledger import Permission
from pages.ui.guard import guard

guard(Permission.VIEW_CUSTOMER)
st.title("Customer")
st.info("This page is not written yet.")

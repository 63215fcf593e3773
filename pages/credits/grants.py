"""Issue: not written yet."""

import streamlit as st

from ledger import Permission
from pages.ui.guard import guard

guard(Permission.ISSUE_GRANT)
st.title("Issue")
st.info("This page is not written yet.")

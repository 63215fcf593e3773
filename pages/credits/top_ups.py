"""Top-ups: not written yet."""

import streamlit as st

from ledger import Permission
from pages.ui.guard import guard

guard(Permission.RECORD_TOP_UP)
st.title("Top-ups")
st.info("This page is not written yet.")

"""Ledger: not written yet."""

import streamlit as st

from ledger import Permission
from pages.ui.guard import guard

guard(Permission.VIEW_LEDGER)
st.title("Ledger")
st.info("This page is not written yet.")

"""Corrections: not written yet."""

import streamlit as st

from ledger import Permission
from pages.ui.guard import guard

guard(Permission.ADJUST_BALANCE)
st.title("Corrections")
st.info("This page is not written yet.")

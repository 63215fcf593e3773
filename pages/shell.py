"""The script that Streamlit executes for every visitor: navigation and who is looking. No query, no sum.

It lives inside pages/ on purpose: a script *beside* a pages/ folder lets a fresh server show page files without it.
"""

import streamlit as st

from ledger import NotSetUp, Unavailable
from ledger.settings import settings
from pages.ui import address, bell, browser, data, drawer, identity, jump, memory, menu
from pages.ui.guard import PAGE_TITLE

st.set_page_config(layout="wide", initial_sidebar_state="auto")
page = st.navigation(menu.sections(identity.current()), position="top")
st.session_state[PAGE_TITLE] = page.title
address.arrive(page.url_path)
identity.choose()
jump.draw(page.url_path)

with st.container(horizontal=True, gap="small"):
    if banner := identity.banner_text():
        st.badge(banner, icon=":material/badge:", color="violet")
    if pretended := settings().sandbox_clock:
        st.badge(f"Sandbox clock: {pretended:%Y-%m-%d %H:%M %Z}", icon=":material/schedule:", color="orange")
    try:
        if data.company_of(data.ledger()).is_demo:
            st.badge("Demo data", icon=":material/science:", color="orange")
        if data.takes_test_money(data.ledger()):
            st.badge("Payments in test mode", icon=":material/credit_card:", color="orange")
    except (Unavailable, NotSetUp):
        pass  # the page's guard says so, with a button to try again
    bell.draw()
    browser.keep_rules()

page.run()
drawer.show_if_asked()
address.leave()
memory.freeze_new_modules()

"""The script that Streamlit executes for every visitor: navigation and who is looking. No query, no sum.

It lives inside pages/ on purpose: a script *beside* a pages/ folder lets a fresh server show page files without it.
"""

import streamlit as st

from ledger import NotSetUp, Unavailable
from ledger.settings import settings
from pages.ui import address, bell, browser, data, drawer, identity, jump, memory
from pages.ui.guard import PAGE_TITLE

OVERVIEW = st.Page(
    "overview.py",
    title="Overview",
    icon=":material/dashboard:",
    default=True,
    help="What is on fire, and what to do first.",
)
SECTIONS = {
    "": [OVERVIEW],
    "Finance": [
        st.Page(
            "finance/usage.py",
            title="Usage & features",
            icon=":material/bar_chart:",
            url_path="usage",
            help="What credits are spent on, and what changed.",
        ),
        st.Page(
            "finance/forecasts.py",
            title="Forecasts",
            icon=":material/trending_down:",
            url_path="forecasts",
            help="Who runs out when, and how far to trust it.",
        ),
        st.Page(
            "finance/reconciliation.py",
            title="Reconciliation",
            icon=":material/compare_arrows:",
            url_path="reconciliation",
            help="Do our books agree with the payment provider's, and with themselves?",
        ),
    ],
    "Customers": [
        st.Page(
            "customers/customers.py",
            title="Customers",
            icon=":material/groups:",
            url_path="customers",
            help="Every customer with balance, burn and runway.",
        ),
        st.Page(
            "customers/customer.py",
            title="Customer",
            icon=":material/person:",
            url_path="customer",
            visibility="hidden",
            help="One customer's balance, batches, usage and history.",
        ),
        st.Page(
            "customers/expiring.py",
            title="Expiring",
            icon=":material/hourglass_bottom:",
            url_path="expiring",
            help="Credits that end soon, and what will be wasted.",
        ),
        st.Page(
            "customers/alerts.py",
            title="Alerts",
            icon=":material/notifications:",
            url_path="alerts",
            help="What crossed a line, what was mailed, and which lines are watched.",
        ),
        st.Page(
            "customers/pools.py",
            title="Pools",
            icon=":material/workspaces:",
            url_path="pools",
            help="Accounts that members share, with limits and what is used of them.",
        ),
        st.Page(
            "customers/referrals.py",
            title="Referrals",
            icon=":material/diversity_3:",
            url_path="referrals",
            help="Programmes, codes, who brought whom, and what waits for a look.",
        ),
    ],
    "Credits": [
        st.Page(
            "credits/grants.py",
            title="Issue",
            icon=":material/redeem:",
            url_path="grants",
            help="Give promotional, referral, compensation or rollover credits.",
        ),
        st.Page(
            "credits/bulk.py",
            title="Bulk",
            icon=":material/upload_file:",
            url_path="bulk",
            help="Many grants and adjustments from one file, and the way back.",
        ),
        st.Page(
            "credits/top_ups.py",
            title="Top-ups",
            icon=":material/payments:",
            url_path="top_ups",
            help="Packages for sale, which one fits a customer, and purchases paid outside.",
        ),
        st.Page(
            "credits/adjustments.py",
            title="Corrections",
            icon=":material/build:",
            url_path="adjustments",
            help="Add credits to a balance or take some away, with a reason.",
        ),
        st.Page(
            "credits/approvals.py",
            title="Approvals",
            icon=":material/how_to_reg:",
            url_path="approvals",
            help="What waits for a second person, and what became of what you asked for.",
        ),
    ],
    "System": [
        st.Page(
            "system/audit.py",
            title="Ledger",
            icon=":material/receipt_long:",
            url_path="audit",
            help="Every transaction: search, filter, open.",
        ),
        st.Page(
            "system/catalog.py",
            title="Plans & catalogue",
            icon=":material/sell:",
            url_path="catalog",
            help="Prices, packages, bundles and plans, with a calculator.",
        ),
        st.Page(
            "system/settings.py",
            title="Settings & health",
            icon=":material/monitor_heart:",
            url_path="settings",
            help="Does everything work, and what is it set to.",
        ),
    ],
}

st.set_page_config(layout="wide", initial_sidebar_state="auto")
# All pages, for everybody, on every run: an unregistered page would lose the address of a deep link.
page = st.navigation(SECTIONS, position="top")
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

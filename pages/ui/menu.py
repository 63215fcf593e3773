"""The menu: every page with its name and address, and which of them somebody's menu lists."""

from dataclasses import dataclass

import streamlit as st

from ledger import Actor, Permission
from ledger.core.policy import allows, may_ask
from pages.ui.corrections import KINDS


@dataclass(frozen=True, slots=True)
class Entry:
    """One page. ``needs``: one of these, or being allowed to ask for one, opens it, as the page's own guard says."""

    path: str
    title: str
    icon: str
    url_path: str
    help: str
    needs: tuple[Permission, ...]
    # Pages that are about one thing are reached by links, not from the menu.
    is_listed: bool = True

    def is_for(self, actor: Actor | None) -> bool:
        """Whether that person may open the page; nobody may open any."""
        return actor is not None and any(allows(actor, one) or may_ask(actor, one) for one in self.needs)


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "": (
        Entry(
            "overview.py",
            "Overview",
            ":material/dashboard:",
            "",
            "What is on fire, and what to do first.",
            (Permission.VIEW_PORTFOLIO,),
        ),
    ),
    "Finance": (
        Entry(
            "finance/usage.py",
            "Usage & features",
            ":material/bar_chart:",
            "usage",
            "What credits are spent on, and what changed.",
            (Permission.VIEW_PORTFOLIO,),
        ),
        Entry(
            "finance/forecasts.py",
            "Forecasts",
            ":material/trending_down:",
            "forecasts",
            "Who runs out when, and how far to trust it.",
            (Permission.VIEW_PORTFOLIO,),
        ),
        Entry(
            "finance/reconciliation.py",
            "Reconciliation",
            ":material/compare_arrows:",
            "reconciliation",
            "Do our books agree with the payment provider's, and with themselves?",
            (Permission.RECONCILE,),
        ),
    ),
    "Customers": (
        Entry(
            "customers/customers.py",
            "Customers",
            ":material/groups:",
            "customers",
            "Every customer with balance, burn and runway.",
            (Permission.VIEW_CUSTOMER,),
        ),
        Entry(
            "customers/customer.py",
            "Customer",
            ":material/person:",
            "customer",
            "One customer's balance, batches, usage and history.",
            (Permission.VIEW_CUSTOMER,),
            is_listed=False,
        ),
        Entry(
            "customers/expiring.py",
            "Expiring",
            ":material/hourglass_bottom:",
            "expiring",
            "Credits that end soon, and what will be wasted.",
            (Permission.VIEW_PORTFOLIO,),
        ),
        Entry(
            "customers/alerts.py",
            "Alerts",
            ":material/notifications:",
            "alerts",
            "What crossed a line, what was mailed, and which lines are watched.",
            (Permission.VIEW_CUSTOMER,),
        ),
        Entry(
            "customers/pools.py",
            "Pools",
            ":material/workspaces:",
            "pools",
            "Accounts that members share, with limits and what is used of them.",
            (Permission.VIEW_CUSTOMER,),
        ),
        Entry(
            "customers/referrals.py",
            "Referrals",
            ":material/diversity_3:",
            "referrals",
            "Programmes, codes, who brought whom, and what waits for a look.",
            (Permission.VIEW_CUSTOMER,),
        ),
    ),
    "Credits": (
        Entry(
            "credits/grants.py",
            "Issue",
            ":material/redeem:",
            "grants",
            "Give promotional, referral, compensation or rollover credits.",
            (Permission.ISSUE_GRANT,),
        ),
        Entry(
            "credits/bulk.py",
            "Bulk",
            ":material/upload_file:",
            "bulk",
            "Many grants and adjustments from one file, and the way back.",
            (Permission.ISSUE_GRANT,),
        ),
        Entry(
            "credits/top_ups.py",
            "Top-ups",
            ":material/payments:",
            "top_ups",
            "Packages for sale, which one fits a customer, and purchases paid outside.",
            (
                Permission.RECORD_TOP_UP,
                Permission.SELL,
            ),
        ),
        Entry(
            "credits/adjustments.py",
            "Corrections",
            ":material/build:",
            "adjustments",
            "Add credits to a balance or take some away, with a reason.",
            tuple(kind.PERMISSION for kind in KINDS.values()),
        ),
        Entry(
            "credits/approvals.py",
            "Approvals",
            ":material/how_to_reg:",
            "approvals",
            "What waits for a second person, and what became of what you asked for.",
            (
                Permission.DECIDE_APPROVAL,
                Permission.ASK_APPROVAL,
            ),
        ),
    ),
    "System": (
        Entry(
            "system/audit.py",
            "Ledger",
            ":material/receipt_long:",
            "audit",
            "Every transaction: search, filter, open.",
            (Permission.VIEW_LEDGER,),
        ),
        Entry(
            "system/catalog.py",
            "Plans & catalogue",
            ":material/sell:",
            "catalog",
            "Prices, packages, bundles and plans, with a calculator.",
            (Permission.VIEW_PORTFOLIO,),
        ),
        Entry(
            "system/settings.py",
            "Settings & health",
            ":material/monitor_heart:",
            "settings",
            "Does everything work, and what is it set to.",
            (Permission.VIEW_PORTFOLIO,),
        ),
    ),
}


def sections(actor: Actor | None) -> dict[str, list[st.Page]]:
    """All pages for everybody, because one that is not registered would lose the address of a deep link; those that
    the person may not open are left out of the menu.
    """
    return {
        section: [
            st.Page(
                one.path,
                title=one.title,
                icon=one.icon,
                url_path=one.url_path or None,
                default=not one.url_path,
                visibility="visible" if one.is_listed and one.is_for(actor) else "hidden",
                help=one.help,
            )
            for one in entries
        ]
        for section, entries in SECTIONS.items()
    }

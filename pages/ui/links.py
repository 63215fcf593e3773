"""Ways to a customer: a link in text, a column of addresses in a table, a button in a row."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages.ui import address
from pages.ui.text import escape

CUSTOMER_PAGE = "customers/customer.py"


def customer_link(name: str, account: str, *, tab: str | None = None, place: Any = st) -> None:
    """A link to a customer's page, labelled with the name as typed."""
    place.page_link(CUSTOMER_PAGE, label=escape(name), query_params=address.link(customer=account, tab=tab))


def customer_addresses(accounts: "pd.Series[str]") -> list[str]:
    """The addresses of customers' pages, for a column of links that open a new browser tab."""
    return [f"customer?{urlencode(address.link(customer=account))}" for account in accounts]


def customer_columns(key: str) -> dict[str, Any]:
    """The last two columns of a table of customers: "open" goes to the page, "address" opens it in a new tab."""
    return {
        "open": st.column_config.ButtonColumn("Open", key=f"{key}:open", type="tertiary", width=80),
        "address": st.column_config.LinkColumn("New tab", display_text="Open ↗", width=90, alignment="center"),
    }


def with_customer_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with a column account, and the two columns that `customer_columns` shows."""
    return frame.assign(open="Open", address=customer_addresses(frame["account"]))


def follow(key: str, accounts: "pd.Series[str]", *, tab: str | None = None) -> None:
    """Go to the customer whose Open button was pressed. Called after the table, with its accounts in its order."""
    click = st.session_state.get(f"{key}:open")
    if click is not None:
        st.switch_page(CUSTOMER_PAGE, query_params=address.link(customer=accounts.iloc[click["row"]], tab=tab))


def entries_link(label: str, *, kinds: Sequence[str] = (), text: str | None = None) -> None:
    """A link to the entries behind the figures of the period: kinds of the ledger's list, or a search in it."""
    params: dict[str, Any] = {**address.link(q=text)}
    if kinds:
        params["kind"] = list(kinds)
    st.page_link("system/audit.py", label=label, icon=":material/receipt_long:", query_params=params)

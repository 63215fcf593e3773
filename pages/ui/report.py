"""The balance report of a customer as a file: the figures of the page, made when the button is pressed."""

import streamlit as st

from analytics.report import load_report
from analytics.report_markdown import to_markdown
from ledger import Permission
from ledger.settings import settings
from pages.ui import parts
from pages.ui.customer_overview import View


def button(view: View) -> None:
    """The button, for people who may export."""
    visit = view.visit
    if not visit.may(Permission.EXPORT):
        return

    def text() -> str:
        report = visit.ask_now(
            load_report,
            account=view.account,
            at=visit.at,
            zone=visit.zone,
            outlook=view.outlook,
            public_url=settings().public_url,
        )
        return to_markdown(report, visit.locale)

    st.download_button(
        "Report",
        data=text,
        file_name=parts.export_name(visit, "report", view.account, suffix=".md"),
        mime="text/markdown",
        icon=":material/description:",
        on_click="ignore",
        key="report",
        type="tertiary",
        help="The balance report as a Markdown file, as of the time above",
    )

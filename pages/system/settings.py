"""Settings & health: does everything work, and what is it set to? Health is for all readers, the rest by permission."""

import streamlit as st

from ledger import Permission
from pages.ui import address, parts
from pages.ui.guard import Visit, guard
from pages.ui.settings import PARTS

visit = guard(Permission.VIEW_PORTFOLIO)


def main(visit: Visit) -> None:
    parts.header(visit, "Settings & health")
    mine = [part for part in PARTS if visit.may(part.PERMISSION)]
    # Only tabs cannot persist their state, so they alone bind the address themselves.
    address.keep("tab")
    titles = [part.TITLE for part in mine]
    for tab, part in zip(st.tabs(titles, key="tab", on_change="rerun", bind="query-params"), mine, strict=True):
        if tab.open:
            with tab:
                part.draw(visit)
    if len(mine) < len(PARTS):
        hidden = ", ".join(part.TITLE for part in PARTS if part not in mine)
        st.caption(f"Other tabs of this page take an admin: {hidden}.")


main(visit)

"""Reconciliation: do our books agree with the payment provider's, and with themselves?"""

import streamlit as st

from ledger import Permission
from pages.ui import address, finding_drawer, parts, proof, reconciling
from pages.ui.guard import Visit, guard

TABS = {"Payment providers": reconciling.draw, "The books themselves": proof.draw}


def main(visit: Visit) -> None:
    parts.header(visit, "Reconciliation")
    # Only tabs cannot persist their state, so they alone bind the address themselves.
    address.keep("tab")
    for tab, draw in zip(
        st.tabs(list(TABS), key="tab", on_change="rerun", bind="query-params"), TABS.values(), strict=True
    ):
        if tab.open:
            with tab:
                draw(visit)
    finding_drawer.show_if_asked(visit)


visit = guard(Permission.RECONCILE)
main(visit)

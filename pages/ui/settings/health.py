"""Health: is the database the right one, how far did the books go, and does every job do its work?"""

import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui.guard import Visit
from pages.ui.text import escape, instant_text

TITLE = "Health"
PERMISSION = Permission.VIEW_PORTFOLIO


def draw(visit: Visit) -> None:
    """Database and ledger, then the jobs."""
    found = visit.ask_now(frames.load_installation)
    st.subheader("Database and ledger", anchor=False)
    if not found.is_newest:
        st.error(
            f"The database is at version {escape(found.migration)}, this product needs "
            f"{escape(found.newest_migration)}. Run `python -m service.cli migrate`.",
            title="The database is not up to date",
        )
    st.table(_rows(visit, found), border="horizontal")


def _rows(visit: Visit, found: frames.Installation) -> dict[str, str]:
    rows = {
        "Database": f"{found.database} {found.database_version}",
        "Migrations": f"Version {escape(found.migration)}"
        + (", the newest" if found.is_newest else ", not the newest"),
        "Newest entry": "None yet",
        "Seal": "Nothing sealed yet",
    }
    if found.newest_id is not None and found.newest_at is not None:
        rows["Newest entry"] = f"{found.newest_id}, booked {instant_text(found.newest_at, visit.zone, visit.locale)}"
    if found.sealed is not None and found.seal_hash is not None:
        rows["Seal"] = f"{found.sealed:,} entries, head `{found.seal_hash[:16]}`"
    if found.unsealed and found.unsealed_since is not None:
        since = instant_text(found.unsealed_since, visit.zone, visit.locale)
        rows["Not sealed yet"] = f"{found.unsealed:,}, the oldest from {since}"
    if visit.company.is_demo:
        rows["Company"] = "Demo data"
    if found.sandbox_now is not None:
        now = instant_text(found.sandbox_now, visit.zone, visit.locale)
        rows["Clock"] = f"Sandbox: it is {now} until somebody advances it"
    return rows

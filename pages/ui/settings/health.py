"""Health: does every job do its work, what is behind, and is the database the right one?"""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from ledger.clock import SystemClock
from pages.ui import job_table
from pages.ui.guard import Visit
from pages.ui.text import age_text, day_text, days_text, escape, instant_text

TITLE = "Health"
PERMISSION = Permission.VIEW_PORTFOLIO
_LOOK_AGAIN = "5s"
# From then on an age is told in days.
_DAYS_FROM = 3


def draw(visit: Visit) -> None:
    """Jobs, what waits for them, then database and ledger."""
    st.subheader("Jobs", anchor=False)
    found = visit.ask_now(frames.load_jobs, now=SystemClock().now())
    is_busy = frames.JobState.RUNNING.value in set(found["state"])
    # While a job runs its progress is followed; the rest of the page stands still.
    st.fragment(job_table.draw, run_every=_LOOK_AGAIN if is_busy else None)(visit)
    st.subheader("What waits", anchor=False)
    installation = visit.ask_now(frames.load_installation)
    st.table(_waiting(visit, installation, found), border="horizontal")
    st.subheader("Database and ledger", anchor=False)
    if not installation.is_newest:
        st.error(
            f"The database is at version {escape(installation.migration)}, this product needs "
            f"{escape(installation.newest_migration)}. Run `python -m service.cli migrate`.",
            title="The database is not up to date",
        )
    st.table(_installation(visit, installation), border="horizontal")


def _waiting(visit: Visit, installation: frames.Installation, jobs: pd.DataFrame) -> dict[str, str]:
    at = visit.ledger.clock.now()
    found = visit.ask_now(frames.load_waiting, at=at)
    rows = {"Entries not sealed yet": "None", "Mails due": "None", "Forecasts know the days up to": "None stored yet"}
    if installation.unsealed and installation.unsealed_since is not None:
        age = _age(at - installation.unsealed_since)
        rows["Entries not sealed yet"] = f"{installation.unsealed:,}, the oldest booked {age}"
    if found.mails and found.mails_since is not None:
        rows["Mails due"] = f"{found.mails:,}, the oldest queued {_age(at - found.mails_since)}"
    if found.forecasts_until is not None:
        rows["Forecasts know the days up to"] = day_text(found.forecasts_until, visit.locale)
    proven = jobs.loc[jobs["name"] == "invariants"].to_dict("records")
    if proven and isinstance(proven[0]["result"], dict):
        figures = proven[0]["result"]
        age = _age(SystemClock().now() - proven[0]["finished_at"])
        rows["Proof of the books"] = f"{figures['round_done']:,} of {figures['round_total']:,} accounts, {age}"
    return rows


def _installation(visit: Visit, found: frames.Installation) -> dict[str, str]:
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
    if visit.company.is_demo:
        rows["Company"] = "Demo data"
    if found.sandbox_now is not None:
        now = instant_text(found.sandbox_now, visit.zone, visit.locale)
        rows["Clock of the ledger"] = f"Sandbox: it is {now} until somebody advances it"
    return rows


def _age(age: timedelta) -> str:
    return days_text(-age.days) if age.days >= _DAYS_FROM else age_text(age.total_seconds())

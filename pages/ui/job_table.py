"""The jobs in a table: how each is doing, what to do when one fails, and a button to run one now."""

from collections.abc import Hashable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import NotFound, Permission
from ledger.clock import SystemClock
from ledger.jobs import request_run
from pages.ui import parts
from pages.ui.guard import Visit
from pages.ui.text import escape, instant_text

_GOOD = {frames.JobState.RUNNING.value, frames.JobState.WAITING.value}
# How figures of jobs read; others by their name behind the figure.
_FIGURES = {
    "booked": "{} booked",
    "looked": "{} customers looked at",
    "later": "{} to be tried again",
    "checked": "{} accounts checked",
    "broken": "disagree: {}",
    "providers": "providers asked: {}",
    "objects": "{} records compared",
    "matched": "{} agree",
    "begun": "{} findings new",
    "known_until": "from the days up to {}",
    "present": "{} there already",
    "stored": "{} stored",
    "accounts": "from {} accounts",
    "errors": "{} past forecasts",
}
_NOT_TOLD = {"disagreements", "round_done", "round_total", "next_after"}
_ICONS = {
    frames.JobState.RUNNING: "▶",
    frames.JobState.WAITING: "✓",
    frames.JobState.FAILED: "✕",
    frames.JobState.LATE: "!",
    frames.JobState.CUT_OFF: "!",
}


def draw(visit: Visit) -> None:
    """Who is not well first, then all; figures are of this very instant."""
    now = SystemClock().now()
    found = visit.ask_now(frames.load_jobs, now=now)
    if found.empty:
        parts.first_use(
            "No job ever ran here. The server starts them by itself unless RUN_JOBS is false; "
            "`python -m service.cli jobs run` runs what is due once."
        )
        return
    bad = found[~found["state"].isin(_GOOD)]
    if bad.empty:
        st.success(f"All {len(found)} jobs do their work.", icon=":material/check_circle:")
    for row in bad.to_dict("records"):
        _complain(visit, row)
    shown = found.assign(
        state=[_state_text(row) for row in found.to_dict("records")],
        result=[_figures_text(result) for result in found["result"]],
        run="Run now",
    )
    run = {}
    if visit.may(Permission.RUN_JOBS):

        def ask() -> None:
            _run_now(visit, str(found.iloc[st.session_state["job-run"].row]["name"]))

        run["run"] = st.column_config.ButtonColumn("Now", key="job-run", on_click=ask, width=100)
    columns = {
        "words": st.column_config.TextColumn("Job", width="medium", pinned=True),
        **run,
        "state": "State",
        "succeeded_at": parts.instant_column("Last good run", visit.zone) | {"width": 160},
        "seconds": st.column_config.NumberColumn("Took", format="%d s", help="Of the last run that ended, rounded up"),
        "due_at": parts.instant_column("Next due", visit.zone) | {"width": 160},
        "result": st.column_config.TextColumn("What it did", width="large"),
    }
    parts.table(
        shown, key="jobs", alt=f"{len(found)} jobs, {len(bad)} of them not well", height="content", columns=columns
    )
    if asked := st.session_state.pop("job-asked", None):
        st.toast(asked)
    runner = visit.ask_now(frames.load_job_runner, now=now)
    st.caption(
        (f"{escape(runner)} is running jobs at this moment. " if runner else "Nobody runs a job at this moment. ")
        + "Times of jobs are real ones, also where the ledger has a clock of its own."
    )


def _run_now(visit: Visit, name: str) -> None:
    try:
        request_run(visit.ledger, name, actor=visit.actor)
    except NotFound as error:
        st.session_state["job-asked"] = escape(error)
        return
    st.session_state["job-asked"] = f"{frames.JOB_WORDS.get(name, name)}: runs within seconds, when jobs are running."


def _complain(visit: Visit, row: Mapping[Hashable, Any]) -> None:
    times = f"{row['fails']} time{'s' * (row['fails'] != 1)} in a row" if row["fails"] else ""
    good = row["succeeded_at"]
    last = instant_text(good, visit.zone, visit.locale) if isinstance(good, datetime) and good == good else "never"
    words = {
        frames.JobState.FAILED.value: f"Failed {times}: {escape(row['error'].rstrip('.'))}.",
        frames.JobState.LATE.value: "It was due long ago and nobody runs it. Is the server up, and RUN_JOBS true?",
        frames.JobState.CUT_OFF.value: "The process that ran it ended in the middle; the next one starts it again.",
    }[str(row["state"])]
    st.error(
        f"{words} Last good run: {last}. {row['remedy']}",
        title=f"{escape(row['words'])}: {str(row['state']).lower()}",
        icon=":material/error:",
    )


def _state_text(row: Mapping[Hashable, Any]) -> str:
    state = frames.JobState(str(row["state"]))
    so_far = (
        f" {row['done']} of {row['total']}" if state is frames.JobState.RUNNING and not pd.isna(row["total"]) else ""
    )
    return f"{_ICONS[state]} {state.value}{so_far}"


def _figures_text(result: object) -> str:
    """The figures of a run in words; those that are nothing are left out."""
    if not isinstance(result, dict):
        return ""
    told = [
        _FIGURES.get(name, "{} " + name.replace("_", " ")).format(figure)
        for name, figure in result.items()
        if figure not in (0, "", None, []) and name not in _NOT_TOLD
    ]
    return ", ".join(told) or "Nothing to do"

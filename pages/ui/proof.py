"""The tab of the books themselves: every invariant with pass or fail, and when it was proven last."""

from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import NotFound, Permission
from ledger.clock import SystemClock
from ledger.jobs import request_run
from ledger.reconcile import check_names
from pages.ui import links, parts
from pages.ui.forms import capital
from pages.ui.guard import Visit
from pages.ui.text import escape, instant_text

JOB = "invariants"
_ASKED = "proof-asked"


def draw(visit: Visit) -> None:
    """What the job that proves the books found in its last runs."""
    jobs = visit.ask_now(frames.load_jobs, now=SystemClock().now())
    job = next((row for row in jobs.to_dict("records") if row["name"] == JOB), None)
    result = job["result"] if job is not None else None
    if job is None or not isinstance(result, dict):
        parts.first_use("The books were not proven yet: a job does it every hour while the server runs.")
        _run_now(visit)
        return
    disagreements: list[dict[str, Any]] = result.get("disagreements", [])
    broken = result.get("broken", [])
    _verdict(visit, job, result, broken)
    _run_now(visit)
    failed = {one["check"] for one in disagreements}
    names = check_names()
    finished = job["finished_at"]
    shown = pd.DataFrame(
        {
            "check": [capital(name) for name in names],
            "state": ["✕ Fails" if name in failed else "✓ Holds" for name in names],
            "accounts": [len({one["account"] for one in disagreements if one["check"] == name}) for name in names],
        }
    ).assign(proven_at=finished)
    columns = {
        "check": st.column_config.TextColumn("What has to hold", width="large", pinned=True),
        "state": st.column_config.TextColumn("State", width=100),
        "accounts": st.column_config.NumberColumn("Accounts where not", width=140),
        "proven_at": parts.instant_column("Last proof", visit.zone),
    }
    holds = len(names) - len(failed)
    totals = f"**{holds} of {len(names)} hold.** Docs: rules 1 to 3 and 30."
    alt = f"Invariants of the books: {holds} of {len(names)} hold"
    parts.table(shown, key="proof", alt=alt, columns=columns, totals=totals, height="content")
    if disagreements:
        _disagreements(disagreements)


def _verdict(visit: Visit, job: dict[Any, Any], result: dict[str, Any], broken: list[str]) -> None:
    done, total = result.get("round_done", 0), result.get("round_total", 0)
    when = instant_text(job["finished_at"], visit.zone, visit.locale)
    if broken:
        st.error(
            f"{len(broken)} account{'s' * (len(broken) != 1)} disagree. Do not close a month before that is mended.",
            title="The books contradict themselves",
            icon=":material/error:",
        )
    elif job["fails"]:
        st.warning(escape(job["error"]), title="The last proof did not come to its end", icon=":material/warning:")
    else:
        st.success("The books agree with themselves.", icon=":material/check_circle:")
    st.caption(
        f"Last proof {when}. Every account is proven once a day: {done:,} of {total:,} in the present round. "
        "Those that did not agree are proven every hour."
    )


def _disagreements(disagreements: list[dict[str, Any]]) -> None:
    shown = pd.DataFrame(disagreements)
    shown = links.with_customer_columns(shown.assign(check=shown["check"].map(capital)))
    text = st.column_config.TextColumn
    columns = {
        "account": text("Account", pinned=True, width=160),
        "open": links.customer_columns("proof")["open"],
        "check": text("What does not hold", width=330),
        "place": text("Where", width=160),
        "stated": st.column_config.NumberColumn("Says", help="Micro-credits, or cents where it is money"),
        "proven": st.column_config.NumberColumn("Proven by entries", help="Micro-credits, or cents where it is money"),
    }
    count = len(shown)
    totals = f"**{count:,} disagreement{'s' * (count != 1)}**"
    parts.table(
        shown, key="disagreements", alt="Disagreements of the books", columns=columns, totals=totals, height="content"
    )
    links.follow("proof", shown["account"])


def _run_now(visit: Visit) -> None:
    if visit.may(Permission.RUN_JOBS):
        st.button("Prove the next accounts now", icon=":material/play_arrow:", on_click=_ask, args=(visit,))
    else:
        st.caption("An admin can let it run at once.")
    if asked := st.session_state.pop(_ASKED, None):
        st.toast(asked)


def _ask(visit: Visit) -> None:
    try:
        request_run(visit.ledger, JOB, actor=visit.actor)
    except NotFound as error:
        st.session_state[_ASKED] = escape(error)
        return
    st.session_state[_ASKED] = "The proof runs within seconds, when jobs are running."

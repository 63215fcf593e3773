"""How the product itself is doing: its database, how far the books and their seal went, its jobs, what waits.

Jobs are the machine's work: their instants are real ones, even where the books have a clock of their own (a sandbox).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, flag, instant, maybe_whole, text, value, whole
from ledger import queries

# How a person would name a database.
DATABASE_WORDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
# What each job does, as people call it.
JOB_WORDS = {
    "expire": "Expiries and timed-out holds",
    "renew": "Plan renewals and rollover",
    "qualify": "Referral rewards",
    "inbox": "Messages of payment providers",
    "payments": "Payments on their way",
    "recharge": "Auto-recharge",
    "refunds": "Money given back at providers",
    "meters": "Use told to meters",
    "mirror": "Customer balances at the provider",
    "alerts": "Alerts",
    "mail": "Mail",
    "seal": "Seal",
    "invariants": "Proof of the books",
    "subscriptions": "Subscriptions at providers",
    "compare": "Comparison with payment providers",
    "retention": "Retention",
    "forecasts": "Forecasts",
    "summaries": "Mails about weeks and months",
    "calibration": "Calibration of forecasts",
}
# What to do when one fails again and again; every job is tried again by itself.
JOB_REMEDIES = {
    "expire": "Balances are right all the same: what expired is not usable. Run `doctor` and mend what it says.",
    "renew": "Plans whose day has come have no new credits yet. Run `doctor`, mend what it says, then run this job.",
    "qualify": "Rewards come late, none is lost. Run `doctor`, mend what it says, then run this job.",
    "inbox": "What was paid shows late; nothing is lost. Run `doctor`, mend what it says, then run this job.",
    "payments": "They are asked about when a message comes. Look whether the provider answers and its key is right.",
    "recharge": "Cards are charged late, never twice. Look whether the provider answers and its key is right.",
    "refunds": "Money goes back late, never twice. Look whether the provider answers and its key is right.",
    "meters": "Use beyond the credits is billed late. Look at the plan of the customer that the error is about.",
    "mirror": "Balances at the provider are behind; ours are right. Look whether its key may change customers.",
    "alerts": "Nobody is warned until this works. Run `doctor`, mend what it says, then run this job.",
    "mail": "Look at the settings that begin with SMTP and send a test mail; what is queued is kept and sent later.",
    "seal": "Entries are booked but not yet in the chain. Check the disk and the rights of the database user.",
    "invariants": "Run `reconcile` and do not close a month before it finds nothing; `rebuild` mends totals.",
    "subscriptions": "They are followed when a message comes. Look whether the provider answers and its key is right.",
    "compare": "Findings are those of the night before. Mend what the error says, then run this job.",
    "retention": "Old rows stay a while longer; nothing else suffers.",
    "summaries": "Weekly mails and the month's come late, none is lost. Mend what the error says, then run this job.",
    "forecasts": "Pages show the forecasts of the day before, and make a missing one when a customer is opened.",
    "calibration": "Ranges use the errors learned the last time, or those that came with the product.",
}
# A runner looks every few seconds, and a turn with forecasts in it takes minutes: later than this nobody is running.
LATE_AFTER = timedelta(minutes=10)


class JobState(StrEnum):
    """What people are told about a job."""

    RUNNING = "Running"
    WAITING = "Waiting"
    FAILED = "Failed"
    LATE = "Late"
    CUT_OFF = "Cut off"


JOBS = Schema(
    "one job, in the order in which they run",
    (
        text("name", "name"),
        text("words", "what it does"),
        text("state", "running, waiting, failed, late or cut off: see JobState"),
        instant("due_at", "when it is due again, real time"),
        instant("started_at", "start of the last run, real time; NaT before the first"),
        instant("finished_at", "end of the last run; NaT before the first"),
        instant("succeeded_at", "end of the last good run; NaT before the first"),
        whole("fails", "failures in a row"),
        text("error", "of the last failure, or empty"),
        value("result", "figures of the last run that had any, or None"),
        maybe_whole("done", "progress of the present run"),
        maybe_whole("total", "what it goes up to"),
        maybe_whole("seconds", "how long the last run took, rounded up"),
        text("remedy", "what to do when it fails, or empty"),
    ),
)
JOB_RUNS = Schema(
    "one run that is over, newest first; runs every minute that had nothing to do are not in it",
    (
        text("job", "name"),
        text("runner", "host, process and a random part"),
        instant("started_at", "start, real time"),
        instant("finished_at", "end, real time"),
        flag("is_good", "whether it ended well"),
        value("result", "its figures, or None"),
        text("error", "why it failed, or empty"),
    ),
)


@dataclass(frozen=True, slots=True)
class Installation:
    """The database and how far the books went: what operators look at first."""

    database: str
    database_version: str
    migration: str
    newest_migration: str
    newest_id: int | None
    newest_at: datetime | None
    sealed: int | None
    seal_hash: str | None
    unsealed: int
    unsealed_since: datetime | None
    sandbox_now: datetime | None

    @property
    def is_newest(self) -> bool:
        """Whether the database has every migration of this version of the product."""
        return self.migration == self.newest_migration


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a job: due mails and since when (the ledger's time), the last day that forecasts know."""

    mails: int
    mails_since: datetime | None
    forecasts_until: date | None


def load_installation(connection: sa.Connection) -> Installation:
    """The database behind this connection."""
    # Imported here: the history of the schema brings Alembic along, which no other page needs.
    from ledger.migrations import newest

    row = connection.execute(queries.books_head()).mappings().one()
    version = connection.dialect.server_version_info or ()
    return Installation(
        database=DATABASE_WORDS[connection.dialect.name],
        database_version=".".join(map(str, version)),
        migration=connection.execute(queries.schema_version()).scalar_one(),
        newest_migration=newest(),
        **row,
    )


def load_waiting(connection: sa.Connection, *, at: datetime) -> Waiting:
    """What waits at that instant of the ledger."""
    row = ask(connection, queries.waiting_mail, at=at).one()
    return Waiting(row.mails, row.oldest, ask(connection, queries.forecast_day).scalar_one())


def load_job_runner(connection: sa.Connection, *, now: datetime) -> str | None:
    """Who runs jobs at that real instant: host, process and a random part; None when nobody is at it."""
    found: str | None = ask(connection, queries.job_runner, at=now).scalar_one_or_none()
    return found


def load_jobs(connection: sa.Connection, *, now: datetime) -> pd.DataFrame:
    """Every job with its state at that real instant: see JOBS."""
    is_running = load_job_runner(connection, now=now) is not None
    order = {name: place for place, name in enumerate(JOB_WORDS)}
    rows = ask(connection, queries.jobs).mappings().all()
    made = [_job(row, now, is_running) for row in sorted(rows, key=lambda row: order.get(row["name"], len(order)))]
    return JOBS.frame({name: [row[name] for row in made] for name in JOBS.names} if made else {})


def load_job_runs(connection: sa.Connection, *, name: str | None = None, limit: int = 50) -> pd.DataFrame:
    """The newest runs: see JOB_RUNS."""
    return JOB_RUNS.load(ask(connection, queries.job_runs, name=name, limit=limit))


def _job(row: Any, now: datetime, is_running: bool) -> dict[str, Any]:
    if row["state"] == "running":
        state = JobState.RUNNING if is_running else JobState.CUT_OFF
    elif row["fails"]:
        state = JobState.FAILED
    else:
        state = JobState.LATE if row["due_at"] + LATE_AFTER < now else JobState.WAITING
    began, ended = row["started_at"], row["finished_at"]
    # While a job runs, its end is that of the run before.
    took = (ended - began).total_seconds() if began and ended and ended >= began else None
    return {
        **row,
        "words": JOB_WORDS.get(row["name"], row["name"]),
        "state": state.value,
        "seconds": None if took is None else -int(-took // 1),
        "remedy": JOB_REMEDIES.get(row["name"], ""),
    }

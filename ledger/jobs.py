"""The door for jobs: who runs them, when each is due, what became of it. Only writer of lease, job and job_run.

Two clocks. The ledger's clock may stand still or pretend (a sandbox), and says what is due *in the books*. Jobs are the
machine's work, so their times are real: a lease lives on the clock of its database, which all runners share however
wrong their own clocks are; when a job is due is an instant that the runner passes in. Nothing here moves credits.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.core.policy import Actor, Permission
from ledger.database import Database, answering
from ledger.errors import NotFound
from ledger.facade import Ledger
from ledger.models import Instant, job, job_run, lease
from ledger.outbox import NewMail, insert_mails

LEASE = "jobs"
LEASE_SECONDS = 60.0
ERROR_MAX_CHARS = 500


class LeaseLost(Exception):
    """Another runner has taken over: this one must stop. Never leaves the runner."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one runner to run jobs until it gives it back or stops renewing it."""

    holder: str
    name: str = LEASE


@dataclass(frozen=True, slots=True)
class Job:
    """One job as its row says: see the table's comments."""

    name: str
    state: str
    due_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    succeeded_at: datetime | None
    fails: int
    error: str
    result: Mapping[str, Any] | None
    done: int | None
    total: int | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run that is over: who ran what from when to when, and when it is due again."""

    job: str
    started_at: datetime
    finished_at: datetime
    due_at: datetime


def acquire(ledger: Ledger, holder: str, *, name: str = LEASE, seconds: float = LEASE_SECONDS) -> Lease | None:
    """The lease, when nobody holds it or its holder let it run out; None while somebody else has it."""
    return Lease(holder, name) if _take(ledger.database, holder, name, seconds) else None


def renew(ledger: Ledger, mine: Lease, *, seconds: float = LEASE_SECONDS) -> bool:
    """Hold on to a lease for some more seconds; False when somebody else has it by now."""
    return _take(ledger.database, mine.holder, mine.name, seconds)


def release(ledger: Ledger, mine: Lease) -> None:
    """Give a lease back; nothing happens when somebody else has it by now."""
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(sa.delete(lease).where(lease.c.name == mine.name, lease.c.holder == mine.holder))


def holder_of(ledger: Ledger, name: str = LEASE) -> str | None:
    """Who runs jobs at this moment; None when nobody does."""
    alive = sa.select(lease.c.holder).where(lease.c.name == name, lease.c.until > _now(ledger.database))
    with ledger.database.reading() as connection:
        found: str | None = connection.execute(alive).scalar_one_or_none()
    return found


def load_jobs(ledger: Ledger) -> dict[str, Job]:
    """Every job that ever was due, by name."""
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(job)).mappings().all()
    return {row["name"]: Job(**row) for row in rows}


def add_jobs(ledger: Ledger, mine: Lease, names: Iterable[str], *, at: datetime) -> None:
    """Make jobs known that are not yet; new ones are due at once."""
    insert = (sqlite.insert if ledger.database.is_sqlite else postgresql.insert)(job)
    rows = [{"name": name, "state": "waiting", "due_at": at, "fails": 0, "error": ""} for name in names]
    with _holding(ledger, mine) as connection:
        connection.execute(insert.on_conflict_do_nothing(index_elements=[job.c.name]), rows)


def cut_off(ledger: Ledger, mine: Lease, *, at: datetime, due_at: Callable[[Job], datetime]) -> list[Job]:
    """End what a runner that is no more left running: counted as a failure, due again at ``due_at(job)``.

    Answers those jobs as they are from now on.
    """
    error = "The process that ran it ended in the middle."
    with _holding(ledger, mine) as connection:
        left = [Job(**row) for row in connection.execute(sa.select(job).where(job.c.state == "running")).mappings()]
        for one in left:
            started = one.started_at or at
            run = Run(one.name, started, max(at, started), due_at(one))
            _end_badly(connection, mine, run, error=error, result=None)
    return [one for name, one in load_jobs(ledger).items() if name in {old.name for old in left}]


def begin(ledger: Ledger, mine: Lease, name: str, *, at: datetime) -> None:
    """A job starts."""
    _change(ledger, mine, name, state="running", started_at=at, done=None, total=None)


def progress(ledger: Ledger, mine: Lease, name: str, *, done: int, total: int) -> None:
    """How far a running job is. Raises LeaseLost when somebody else runs jobs by now."""
    _change(ledger, mine, name, done=done, total=total)


def pause(ledger: Ledger, mine: Lease, name: str, *, due_at: datetime) -> None:
    """A job was asked to stop in the middle: neither good nor bad, due again."""
    _change(ledger, mine, name, state="waiting", due_at=due_at, done=None, total=None)


def succeed(ledger: Ledger, mine: Lease, run: Run, *, result: Mapping[str, Any], is_logged: bool) -> None:
    """A job ended well. ``is_logged`` also writes a line of the log: a run that found nothing to do needs none."""
    with _holding(ledger, mine) as connection:
        values = {"state": "waiting", "fails": 0, "error": "", "result": dict(result)}
        values |= {"finished_at": run.finished_at, "succeeded_at": run.finished_at, "due_at": run.due_at}
        connection.execute(sa.update(job).where(job.c.name == run.job).values(**values, done=None, total=None))
        if is_logged:
            _log(connection, mine, run, is_good=True, result=result, error="")


def fail(
    ledger: Ledger,
    mine: Lease,
    run: Run,
    *,
    error: str,
    result: Mapping[str, Any] | None = None,
    mails: Iterable[NewMail] = (),
) -> None:
    """A job failed. Mails about it are queued in the same transaction; one of a known key is not queued again."""
    with _holding(ledger, mine) as connection:
        _end_badly(connection, mine, run, error=error, result=result)
        insert_mails(connection, mails, ledger.clock.now())


def tell(ledger: Ledger, mine: Lease, mails: Iterable[NewMail]) -> None:
    """Queue mails about jobs; one of a known key is not queued again."""
    with _holding(ledger, mine) as connection:
        insert_mails(connection, mails, ledger.clock.now())


def request_run(ledger: Ledger, name: str, *, actor: Actor) -> None:
    """Let a job be due now, for the next runner that looks. A job that is running is left alone.

    Raises NotPermitted, or NotFound when there is no such job (yet: the first turn of a runner makes them known).
    """
    ledger.require(actor, Permission.RUN_JOBS)
    # Due since its last end is due by every clock, and needs no clock here.
    since = sa.func.coalesce(job.c.finished_at, job.c.due_at, type_=Instant)
    earlier = sa.case((since < job.c.due_at, since), else_=job.c.due_at)
    change = sa.update(job).where(job.c.name == name).values(due_at=earlier).returning(job.c.name)
    with answering(), ledger.database.engine.begin() as connection:
        if connection.execute(change).first() is None:
            raise NotFound(what="job", id=name)


def remove_old_runs(ledger: Ledger, *, before: datetime) -> int:
    """Forget lines of the log; answers how many."""
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(sa.delete(job_run).where(job_run.c.started_at < before)).rowcount


def _take(database: Database, holder: str, name: str, seconds: float) -> bool:
    insert = (sqlite.insert if database.is_sqlite else postgresql.insert)(lease)
    values = {"name": name, "holder": holder, "until": _now(database, seconds)}
    free_or_mine = sa.or_(lease.c.until <= _now(database), lease.c.holder == holder)
    fresh = {"holder": insert.excluded.holder, "until": insert.excluded.until}
    statement = (
        insert.values(values)
        .on_conflict_do_update(index_elements=[lease.c.name], set_=fresh, where=free_or_mine)
        .returning(lease.c.holder)
    )
    with answering(), database.engine.begin() as connection:
        return connection.execute(statement).first() is not None


def _now(database: Database, ahead_seconds: float = 0) -> sa.ColumnElement[Any]:
    """The present instant by the clock of the database, or so many seconds ahead, as the column stores it."""
    if database.is_sqlite:
        # Six digits after the second, as SQLAlchemy writes them, so that texts compare like instants.
        present = sa.func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{ahead_seconds:+.3f} seconds")
        return sa.type_coerce(present, Instant)
    seconds = sa.cast(sa.literal(ahead_seconds), sa.Double)
    return sa.func.clock_timestamp(type_=Instant) + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)


@contextmanager
def _holding(ledger: Ledger, mine: Lease) -> Iterator[sa.Connection]:
    """A transaction of who holds the lease: nobody can take it over before it ends. Raises LeaseLost."""
    own = sa.select(lease.c.holder).where(lease.c.name == mine.name, lease.c.holder == mine.holder).with_for_update()
    with answering(), ledger.database.engine.begin() as connection:
        if connection.execute(own).first() is None:
            raise LeaseLost(f"{mine.holder} does not run jobs any more")
        yield connection


def _change(ledger: Ledger, mine: Lease, name: str, **values: Any) -> None:
    with _holding(ledger, mine) as connection:
        connection.execute(sa.update(job).where(job.c.name == name).values(**values))


def _end_badly(
    connection: sa.Connection, mine: Lease, run: Run, *, error: str, result: Mapping[str, Any] | None
) -> None:
    words = error[:ERROR_MAX_CHARS]
    values: dict[str, Any] = {"state": "failed", "finished_at": run.finished_at, "due_at": run.due_at, "error": words}
    if result is not None:
        values["result"] = dict(result)
    change = sa.update(job).where(job.c.name == run.job)
    connection.execute(change.values(**values, fails=job.c.fails + 1, done=None, total=None))
    _log(connection, mine, run, is_good=False, result=result, error=words)


def _log(
    connection: sa.Connection, mine: Lease, run: Run, *, is_good: bool, result: Mapping[str, Any] | None, error: str
) -> None:
    connection.execute(
        sa.insert(job_run).values(
            job=run.job,
            runner=mine.holder,
            started_at=run.started_at,
            finished_at=run.finished_at,
            is_good=is_good,
            result=None if result is None else dict(result),
            error=error,
        )
    )

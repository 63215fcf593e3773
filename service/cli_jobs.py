"""Verbs about jobs: run what is due, say how each is doing, keep running them."""

import logging
import signal
import sys
import threading
from datetime import datetime

import click

from analytics import frames
from ledger.clock import SystemClock
from service.cli_kit import opened_ledger, refusing_clearly

LISTED = "%Y-%m-%d %H:%M:%S"


@click.group()
def jobs() -> None:
    """Everything that has to happen by itself: expiries, renewals, alerts, mail, seal, forecasts."""


@jobs.command("run")
@click.option("--only", multiple=True, type=click.Choice(list(frames.JOB_WORDS)), help="These jobs, due or not.")
@click.option("--all", "is_all", is_flag=True, help="Every job, due or not.")
@refusing_clearly
def run_jobs(only: tuple[str, ...], is_all: bool) -> None:
    """Run what is due, once. Safe to repeat, and beside other runners; exits with 1 when a job failed."""
    # The jobs bring numpy, pandas and the templates of mails along: only where they are run.
    from service.jobs import run_due

    turn = run_due(opened_ledger(), only=only, is_all=is_all)
    if turn.busy:
        click.echo(f"{turn.busy} is running jobs at this moment; nothing to do here.")
        return
    for one in turn.ran:
        figures = ", ".join(f"{name} {value}" for name, value in (one.figures or {}).items())
        click.echo(f"{one.name}: {figures}" if one.is_good else f"{one.name}: FAILED, {one.error}")
    if not turn.ran:
        click.echo("Nothing is due.")
    if not all(one.is_good for one in turn.ran):
        sys.exit(1)


@jobs.command("status")
@refusing_clearly
def status() -> None:
    """How each job is doing and what is behind, in UTC; exits with 1 when one failed, was cut off or is late."""
    ledger, now = opened_ledger(), SystemClock().now()
    with ledger.database.reading() as connection:
        runner = frames.load_job_runner(connection, now=now)
        found = frames.load_jobs(connection, now=now)
        books = frames.load_installation(connection)
        waiting = frames.load_waiting(connection, at=ledger.clock.now())
    click.echo(f"Running jobs now: {runner or 'nobody'}")
    if found.empty:
        click.echo("No job ever ran in this database. See: jobs run")
    for row in found.to_dict("records"):
        click.echo(
            f"{row['name']:<12} {row['state']:<8} last good {_when(row['succeeded_at'])}, next {_when(row['due_at'])}"
            + (f", {row['done']} of {row['total']}" if row["state"] == frames.JobState.RUNNING and row["total"] else "")
        )
        if row["error"]:
            click.echo(f"{'':<12} {row['fails']} failures in a row: {row['error']}")
            click.echo(f"{'':<12} {row['remedy']}")
    click.echo(f"Not sealed: {books.unsealed} entries" + (_since(books.unsealed_since) if books.unsealed else ""))
    click.echo(f"Mail due: {waiting.mails}" + (_since(waiting.mails_since) if waiting.mails else ""))
    click.echo(f"Forecasts know the days up to: {waiting.forecasts_until or 'none yet'}")
    bad = {frames.JobState.FAILED, frames.JobState.LATE, frames.JobState.CUT_OFF}
    if set(found["state"]) & {state.value for state in bad}:
        sys.exit(1)


@jobs.command("loop")
@click.option("--parent", type=int, help="End when the process of that number, which started this one, is no more.")
def loop(parent: int | None) -> None:
    """Run what is due, again and again, until SIGTERM or Ctrl-C; the server starts this unless RUN_JOBS=false."""
    from service.jobs.loop import run_loop

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s jobs: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_loop(stop, parent=parent)


def _when(at: datetime) -> str:
    # NaT is no instant and equals nothing, itself included.
    return "never" if at != at else f"{at:{LISTED}}"


def _since(at: datetime | None) -> str:
    return "" if at is None else f", the oldest from {at:{LISTED}}"

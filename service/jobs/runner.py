"""Runs what is due, once, under one lease. A job that fails is written down, tried again later, and stops no other."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analytics.frames import JOB_WORDS
from ledger import Ledger, LedgerError, jobs
from ledger.clock import Clock, FixedClock, SystemClock
from ledger.jobs import Job, Lease, LeaseLost, Run
from ledger.outbox import NewMail, addresses_in
from ledger.settings import settings
from service.jobs.kit import Figures, StepFailed, error_text
from service.jobs.steps import MINUTE, STEPS, Step

BACK_OFF_MAX = timedelta(hours=1)
# Progress is written no more often: it is for people.
_TELL_SECONDS = 1.0
# While a step takes long, it is looked so often whether one of the frequent ones is due: nobody who has just paid waits
# for the forecasts of the night.
BETWEEN_SECONDS = 5.0
_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The runner was asked to end while a step was at work; the step is due again. Never leaves the runner."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of one step: its figures, or why it failed."""

    name: str
    figures: Figures | None
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it ended well."""
        return not self.error


@dataclass(frozen=True, slots=True)
class Turn:
    """What one call of `run_due` did; ``busy`` names the runner that was at it already."""

    ran: tuple[Ran, ...] = ()
    busy: str | None = None


def run_due(
    ledger: Ledger,
    at: datetime | None = None,
    *,
    only: Collection[str] = (),
    is_all: bool = False,
    steps: Sequence[Step] = STEPS,
    stop: threading.Event | None = None,
) -> Turn:
    """Run every step that is due, in their order; nothing when another runner is at it.

    Args: ``at`` is the instant by which due times are judged and written, the machine's clock unless given (the books
    go by the clock of the ledger); ``only`` runs those steps and ``is_all`` every step, due or not; ``stop`` ends the
    turn after the present step, a long step in the middle.
    """
    clock: Clock = SystemClock() if at is None else FixedClock(at)
    known = jobs.load_jobs(ledger)
    if not (only or is_all) and not any(_is_due(ledger, step, known.get(step.name), clock.now()) for step in steps):
        return Turn()
    mine = jobs.acquire(ledger, f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
    if mine is None:
        return Turn(busy=jobs.holder_of(ledger))
    ran: list[Ran] = []
    with _kept(ledger, mine) as lost:
        often = () if only or is_all else [one for one in steps if one.every is not None and one.every <= MINUTE]
        turn = _Turn(ledger, mine, clock, stop or threading.Event(), lost, often)
        try:
            turn.prepare(steps)
            for step in steps:
                if turn.stop.is_set():
                    break
                # Asked anew each time: the steps before may have taken long.
                before = jobs.load_jobs(ledger)[step.name]
                if is_all or step.name in only or (not only and _is_due(ledger, step, before, clock.now())):
                    ran.append(turn.run(step, before))
        except Stopped:
            pass  # what it was at is due again
        except LeaseLost:
            _log.warning("another runner has taken over")
    return Turn(tuple(ran))


def back_off(fails: int) -> timedelta:
    """How long to wait after so many failures in a row: 0, 1, 2, 4, … minutes, an hour at most."""
    return min(MINUTE * 2 ** (min(fails, 10) - 1), BACK_OFF_MAX) if fails > 0 else timedelta()


class _Turn:
    def __init__(
        self,
        ledger: Ledger,
        mine: Lease,
        clock: Clock,
        stop: threading.Event,
        lost: threading.Event,
        often: Sequence[Step],
    ) -> None:
        self.ledger, self.mine, self.clock, self.stop, self._lost = ledger, mine, clock, stop, lost
        self._told_at = 0.0
        # Steps that are let in between while another one takes long, and when it was last looked for them.
        self._often = often
        self._looked_at = time.monotonic()
        self._is_between = False

    def prepare(self, steps: Sequence[Step]) -> None:
        """Make all jobs known, and end those that a dead runner left running."""
        at = self.clock.now()
        jobs.add_jobs(self.ledger, self.mine, [step.name for step in steps], at=at)
        # Once is chance (a deployment, a power cut) and tried again at once; a job that ends its process each time
        # must not keep the others from their turn.
        left = jobs.cut_off(self.ledger, self.mine, at=at, due_at=lambda one: at + back_off(one.fails))
        for one in left:
            if one.fails > 1:
                jobs.tell(self.ledger, self.mine, _mails(one, fails=one.fails, at=at, due_at=one.due_at))

    def run(self, step: Step, before: Job) -> Ran:
        """One step with its record; any error ends it and nothing else."""
        began = self.clock.now()
        if not self._is_between:
            self._looked_at = time.monotonic()
        jobs.begin(self.ledger, self.mine, step.name, at=began)
        try:
            figures = step.act(self.ledger, lambda done, total: self._progress(step, done, total))
        except (Stopped, LeaseLost):
            jobs.pause(self.ledger, self.mine, step.name, due_at=before.due_at)
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is: it is written down, told, and tried again
            return self._failed(step, before, began, error)
        run = Run(step.name, began, self.clock.now(), step.next_due_at(began, self.ledger.company_zone))
        # Every minute nothing happened is not worth a line of the log.
        is_idle = not any(figure for name, figure in figures.items() if name != "looked")
        is_often = step.every is not None and step.every <= MINUTE
        is_logged = not is_often or before.fails > 0 or not is_idle
        jobs.succeed(self.ledger, self.mine, run, result=figures, is_logged=is_logged)
        return Ran(step.name, figures)

    def _failed(self, step: Step, before: Job, began: datetime, error: Exception) -> Ran:
        level = logging.WARNING if isinstance(error, LedgerError | StepFailed) else logging.ERROR
        words = error_text(error, settings())
        _log.log(level, "job %s failed: %s", step.name, words, exc_info=level == logging.ERROR)
        figures = error.figures if isinstance(error, StepFailed) else None
        at = self.clock.now()
        fails = before.fails + 1
        run = Run(step.name, began, at, at + back_off(fails))
        mails = _mails(before, fails=fails, at=at, due_at=run.due_at, error=words)
        jobs.fail(self.ledger, self.mine, run, error=words, result=figures, mails=mails)
        return Ran(step.name, figures, words)

    def _progress(self, step: Step, done: int, total: int) -> None:
        if self._lost.is_set():
            raise LeaseLost
        if self.stop.is_set():
            raise Stopped
        if done == total or time.monotonic() - self._told_at >= _TELL_SECONDS:
            self._told_at = time.monotonic()
            jobs.progress(self.ledger, self.mine, step.name, done=done, total=total)
        is_long = time.monotonic() - self._looked_at >= BETWEEN_SECONDS
        if is_long and not self._is_between and step not in self._often:
            self._is_between = True
            try:
                self._run_often()
            finally:
                self._is_between = False

    def _run_often(self) -> None:
        for step in self._often:
            if self.stop.is_set():
                return
            before = jobs.load_jobs(self.ledger)[step.name]
            if step.is_due(self.ledger, before.due_at, self.clock.now()):
                self.run(step, before)
        self._looked_at = time.monotonic()


def _is_due(ledger: Ledger, step: Step, known: Job | None, at: datetime) -> bool:
    if known is None or known.succeeded_at is None:
        # Whether it works at all is known once it ran.
        return known is None or known.due_at <= at
    return step.is_due(ledger, known.due_at, at)


def _mails(one: Job, *, fails: int, at: datetime, due_at: datetime, error: str = "") -> list[NewMail]:
    """What operators are told, once for all failures since the last good run: the key is the same for each of them."""
    streak = one.succeeded_at.isoformat() if one.succeeded_at else "never"
    variables: dict[str, Any] = {
        "job": JOB_WORDS.get(one.name, one.name),
        "fails": fails,
        "failed_at": at.isoformat(),
        "next_try_at": due_at.isoformat(),
        "error": error or one.error,
        "link": settings().page_address("settings"),
    }
    return [
        NewMail(f"job_failed:{one.name}:{streak}:{address}", "job_failed", address, variables)
        for address in addresses_in(settings().operators_mail)
    ]


@contextmanager
def _kept(ledger: Ledger, mine: Lease) -> Iterator[threading.Event]:
    """Renew a lease while work goes on, and give it back. Answers an event that is set when it was lost."""
    lost, over = threading.Event(), threading.Event()

    def renew() -> None:
        while not over.wait(jobs.LEASE_SECONDS / 4):
            try:
                if not jobs.renew(ledger, mine):
                    lost.set()
            except LedgerError as error:
                # The database does not answer: the step will find out; the lease runs out by itself.
                _log.warning("the lease of jobs could not be renewed: %s", error)

    keeper = threading.Thread(target=renew, name="lease of jobs", daemon=True)
    keeper.start()
    try:
        yield lost
    finally:
        over.set()
        keeper.join()
        jobs.release(ledger, mine)

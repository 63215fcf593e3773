"""`Ledger`: the one way to write. Permission, key, unit of work, retry, receipt."""

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from zoneinfo import ZoneInfo

import psycopg
import sqlalchemy as sa

from ledger.clock import Clock, FixedClock, SystemClock
from ledger.coalescing import Coalescer
from ledger.commands import Command, Outcome, text_faults
from ledger.context import AlreadyDone, Context, Rules
from ledger.core.amounts import MICRO
from ledger.core.policy import (
    ACT_WORDS,
    Actor,
    Permission,
    allows,
    may_ask,
    needs_second_person,
    roles_with,
    scopes_with,
)
from ledger.database import DRIVER_ERRORS, Database, Work, is_transient
from ledger.digest import digest_of
from ledger.errors import (
    ApprovalRequired,
    InvalidCommand,
    NotPermitted,
    NotSetUp,
    ScopeMissing,
    Unavailable,
)
from ledger.groups import CHARGEABLE, Chargeable, Request
from ledger.models import company, transaction
from ledger.operations import HANDLERS
from ledger.outbox import addresses_in
from ledger.receipt import Receipt
from ledger.sandbox import SandboxClock
from ledger.settings import settings
from ledger.together import Together

_ATTEMPTS = 6
# Passes the check of keys; what a preview writes carries the empty key, which no execution can have used.
_NO_KEY = "-"
_NO_ANSWER = (
    psycopg.OperationalError,
    # A replica, or a server that is one since a moment ago.
    psycopg.errors.ReadOnlySqlTransaction,
    sqlite3.OperationalError,
    sa.exc.TimeoutError,
)


class Ledger:
    """A ledger database with a clock.

    >>> receipt = ledger.execute(IssueGrant(...), actor=Actor("ada@example.com", Role.ADMIN), key="form-8123")
    """

    def __init__(self, database: Database, clock: Clock, rules: Rules | None = None) -> None:
        self.database = database
        self.clock = clock
        with database.reader.connect() as connection:
            row = connection.execute(sa.select(company.c.zone, company.c.is_demo)).one()
        # Fixed when the database was first set up, because usage_daily is cut by it.
        self.company_zone = ZoneInfo(row.zone)
        self.is_demo: bool = row.is_demo
        self.rules = rules or Rules()
        self._coalescer = None if database.is_sqlite else Coalescer(Together(database, self._context))

    def execute(self, command: Command, *, actor: Actor, key: str) -> Receipt:
        """Carry out a command, once per (actor, key).

        The same key with the same command again answers the first receipt, marked as replayed; with another command it
        is refused (KeyReused). Deadlocks and serialization failures are tried again a few times.

        Raises: NotPermitted, InvalidCommand with every fault, NotFound, Conflict, InsufficientCredits: nothing was
        booked. Unavailable: the outcome is unknown, ask again with the same key.
        """
        self._check(command, actor, key)
        digest = digest_of(command)
        if self._coalescer is not None and isinstance(command, CHARGEABLE):
            request = Request(command, actor, key, digest)
            self._coalescer.book(request)
            return self.answer(request)
        return self._book_alone(command, actor=actor, key=key, digest=digest)

    def charge_soon(self, command: Chargeable, *, actor: Actor, key: str, done: Callable[[], None]) -> Request:
        """Have a charge or a hold booked together with others that come in the same moment.

        For who has many callers and no thread for each, such as an event loop. ``done`` is called, by another thread or
        at once, when `answer` has the answer. Raises what needs no database to see, as `execute` does.
        """
        self._check(command, actor, key)
        request = Request(command, actor, key, digest_of(command))
        if self._coalescer is None:
            done()
        else:
            self._coalescer.queue(request, done)
        return request

    def answer(self, request: Request) -> Receipt:
        """The receipt of a request of `charge_soon` that is done. Raises as `execute` does.

        One that carries neither receipt nor refusal was not for company: it is booked here and now, however long the
        database takes.
        """
        if request.refusal is not None:
            raise request.refusal
        if request.receipt is not None:
            return request.receipt
        return self._book_alone(request.command, actor=request.actor, key=request.key, digest=request.digest)

    def preview(self, command: Command, *, actor: Actor) -> Receipt:
        """The exact effect of a command, found by carrying it out and rolling it back. Raises as `execute` does.

        Also for who may only ask for it: the receipt says whether a second person is needed.
        """
        if not may_ask(actor, command.permission):
            self.require(actor, command.permission)
        self._refuse_faults(command, _NO_KEY)

        def attempt(work: Work) -> Receipt:
            context = self._context(work, actor=actor, key="", digest="")
            outcome = context.carry_out(command)
            if not outcome.nothing_to_do:
                context.book(outcome)
                work.flush()
            # A decision about a request is the second person's.
            is_needed = context.approval_id is None and self._needs_approval(command, outcome, actor)
            # Nothing is booked; what was booked before keeps its number.
            number = outcome.receipt.transaction_id if outcome.nothing_to_do else None
            return replace(outcome.receipt, needs_approval=is_needed, transaction_id=number)

        # The unit of work ends without a commit.
        return self._carry_out(attempt)

    def _book_alone(self, command: Command, *, actor: Actor, key: str, digest: str) -> Receipt:
        return self._carry_out(lambda work: self._attempt(work, command, actor=actor, key=key, digest=digest))

    def _carry_out(self, attempt: Callable[[Work], Receipt]) -> Receipt:
        for number in range(_ATTEMPTS):
            if number:
                time.sleep(random.uniform(0, 0.02 * 2**number))
            try:
                with self.database.work() as work:
                    return attempt(work)
            except DRIVER_ERRORS as error:
                cause: BaseException | None = error.orig if isinstance(error, sa.exc.DBAPIError) else error
                # A unique violation means that somebody used the key in the same instant: look again, and replay. So it
                # is after a lost connection, once: the server may be back already, and the key tells what was booked.
                is_lost = number == 0 and isinstance(cause, psycopg.OperationalError)
                retry = is_lost or is_transient(cause) or isinstance(cause, psycopg.errors.UniqueViolation)
                if number + 1 == _ATTEMPTS or not retry:
                    if isinstance(cause, _NO_ANSWER):
                        raise Unavailable(what="database", detail=type(cause).__name__) from error
                    raise
        raise AssertionError("unreachable")

    def receipt(self, *, actor: Actor, key: str) -> Receipt | None:
        """What became of a key: its receipt, marked as replayed, or None when nothing was booked under it."""
        with self.database.reading() as connection:
            found = connection.execute(
                sa.select(transaction.c.id, transaction.c.receipt).where(
                    transaction.c.actor == actor.id, transaction.c.key == key
                )
            ).one_or_none()
        return None if found is None else Receipt.from_body(found.receipt, transaction_id=found.id).as_replayed()

    def require(self, actor: Actor, permission: Permission) -> None:
        """Raise NotPermitted unless the actor's role, or a scope of its API key, holds the permission."""
        if not allows(actor, permission):
            if actor.scopes is not None:
                scopes = tuple(scope.value for scope in scopes_with(permission))
                raise ScopeMissing(act=ACT_WORDS[permission], scopes=scopes)
            ask = tuple(role.value for role in roles_with(permission))
            raise NotPermitted(actor=actor.id, role=actor.role.value, act=ACT_WORDS[permission], ask=ask)

    def _check(self, command: Command, actor: Actor, key: str) -> None:
        self.require(actor, command.permission)
        self._refuse_faults(command, key)

    def _refuse_faults(self, command: Command, key: str) -> None:
        faults = text_faults("key", key, longest=200) + command.faults()
        if faults:
            raise InvalidCommand(faults)

    def _needs_approval(self, command: Command, outcome: Outcome, actor: Actor) -> bool:
        return not allows(actor, command.permission) or needs_second_person(
            actor,
            needs_two=command.needs_two,
            weight_micro=outcome.weight_micro,
            limit_micro=self.rules.approval_limit_micro,
        )

    def _context(self, work: Work, *, actor: Actor, key: str, digest: str) -> Context:
        return Context(
            work, self.clock.now(), actor, key, digest, self.company_zone, rules=self.rules, handlers=HANDLERS
        )

    def _attempt(self, work: Work, command: Command, *, actor: Actor, key: str, digest: str) -> Receipt:
        context = self._context(work, actor=actor, key=key, digest=digest)
        try:
            outcome = context.carry_out(command)
        except AlreadyDone as done:
            work.rollback()
            return done.receipt
        if outcome.nothing_to_do:
            # What housekeeping found stays true, and is kept.
            work.commit() if work.has_written else work.rollback()
            return outcome.receipt
        if context.approval_id is None and self._needs_approval(command, outcome, actor):
            raise ApprovalRequired(
                act=ACT_WORDS[command.permission],
                weight_micro=outcome.weight_micro,
                limit_micro=self.rules.approval_limit_micro,
                needs_two=command.needs_two,
            )
        context.book(outcome)
        work.commit()
        if outcome.receipt.transaction_id == context.transaction_id:
            return outcome.receipt
        return replace(outcome.receipt, transaction_id=context.transaction_id)


def open_ledger(url: str | None = None, *, clock: Clock | None = None) -> Ledger:
    """Open a migrated ledger database; the address comes from the settings unless given.

    Raises Unavailable when the database cannot be reached, NotSetUp when it was never migrated.
    """
    database = Database(url or settings().database_url)
    if clock is None:
        pretended = settings().sandbox_clock
        clock = FixedClock(pretended) if pretended else SystemClock()
        if SandboxClock.is_kept_in(database):
            clock = SandboxClock(database)
    known = settings()
    approvers = addresses_in(known.approvers_mail or known.operators_mail)
    rules = Rules(known.approval_limit_credits * MICRO, known.transfer_scope, known.refund_policy, approvers)
    with suppress(sa.exc.NoResultFound, sa.exc.ProgrammingError):
        try:
            return Ledger(database, clock, rules)
        except sa.exc.OperationalError as error:
            if "no such table" not in str(error):
                raise Unavailable(what="database", detail=str(error.orig)) from error
    database.dispose()
    raise NotSetUp(command="python -m service.cli migrate")

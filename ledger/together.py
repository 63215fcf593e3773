"""Groups of charges on their way to the database: from memory in one trip, else in two. PostgreSQL only.

From memory, the database compares the versions of accounts and catalogue, and refuses a group that went by old ones.
Source: docs/decisions/0010.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import cast

from ledger.context import Context
from ledger.database import DRIVER_ERRORS, Database, Work
from ledger.errors import InvalidCommand, LedgerCorrupt, LedgerError
from ledger.groups import Group, Loaded, Request
from ledger.journal import POST
from ledger.remembered import Memory

NewContext = Callable[..., Context]


class Sent:
    """A group that was decided from memory; sent, it is being written while the next one is decided.

    When it does not come about, what it would have left is forgotten.
    """

    def __init__(self, group: Group, body: str, database: Database, memory: Memory) -> None:
        self.group, self._body, self._database, self._memory = group, body, database, memory
        self._stack = ExitStack()
        self._work: Work | None = None

    @property
    def requests(self) -> set[Request]:
        """Those that it answers."""
        return {one for one, _ in self.group.answers}

    def send(self) -> bool:
        """Let the database begin, when all predecessors are durable; False when it cannot be sent."""
        with suppress(*DRIVER_ERRORS), self._or_given_up(), ExitStack() as stack:
            self._work = stack.enter_context(self._database.work(in_company=True))
            self._work.start_call(POST, self._body)
            self._stack = stack.pop_all()
            return True
        return False

    def has_ended(self, seconds: float) -> bool:
        """Whether there is an answer; waits for one as long as that."""
        assert self._work is not None
        return self._work.has_answer(seconds)

    def wait(self) -> bool:
        """Wait until it is durable, and answer; False when nothing is known to be."""
        assert self._work is not None
        with suppress(*DRIVER_ERRORS), self._or_given_up():
            with self._stack:
                ids = self._work.finish_call()
            self.group.answer(ids)
            return True
        return False

    def give_up(self) -> None:
        """Forget what the group would have left."""
        self._memory.forget(self.group.moved)

    @contextmanager
    def _or_given_up(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.give_up()
            raise


class Together:
    """Decides lists of requests and writes them. Used by one thread at a time, which need not be the same one."""

    def __init__(self, database: Database, new_context: NewContext) -> None:
        self._database, self._new_context = database, new_context
        self._memory = Memory()

    def from_memory(self, requests: list[Request]) -> Sent | None:
        """Decide what can be decided from memory; None when nothing can. What follows it goes by what it leaves."""
        group = Group(self._memory.accounts, self._memory.prices)
        try:
            self._decide_from_memory(group, requests)
            if not group.booked:
                return None
            versions = {known.state.id: known.version for known in group.moved.values()}
            body = group.body(versions=versions, catalog_version=self._memory.catalog_version)
        except BaseException:
            # What was decided is not sent, so nobody may go by it.
            self._memory.forget({one.command.account for one in requests})
            raise
        for known in group.moved.values():
            known.version += 1
        return Sent(group, body, self._database, self._memory)

    def _decide_from_memory(self, group: Group, requests: list[Request]) -> None:
        for one in requests:
            # One that comes again would make the database refuse the whole group.
            is_again = self._memory.has_seen(one.actor.id, one.key, one.command.account, one.event_id)
            if is_again or not self._memory.is_sure_of(one.command.account, one.priced_feature):
                continue
            # Nothing is read here.
            context = self._new_context(cast("Work", None), actor=one.actor, key=one.key, digest=one.digest)
            try:
                if not one.faults(context.at):
                    group.decide(context, one, None)
            except LedgerCorrupt:
                raise
            except LedgerError:
                # What memory would refuse may be different by now.
                continue

    def after_reading(self, requests: list[Request]) -> None:
        """Book what was not booked from memory; what stays unanswered has to be booked alone."""
        # A deadlock, a key used elsewhere in the same instant, a lost connection, an account that somebody else keeps
        # locked: each caller finds out by itself.
        with suppress(*DRIVER_ERRORS):
            self._after_reading(requests)

    def _after_reading(self, requests: list[Request]) -> None:
        with self._database.work(in_company=True) as work:
            loaded = Loaded(work, requests, self._memory)
            group, refusals = self._decided_under_locks(work, requests, loaded)
            if group.booked:
                ids = work.call_and_commit(POST, group.body())
            else:
                ids = {"transactions": None, "holds": None}
        group.answer(ids)
        for one, why in refusals:
            one.refusal = why
        self._learn(loaded, group)

    def _decided_under_locks(
        self, work: Work, requests: list[Request], loaded: Loaded
    ) -> tuple[Group, list[tuple[Request, LedgerError]]]:
        group = Group(loaded.accounts, self._memory.prices)
        refusals: list[tuple[Request, LedgerError]] = []
        for one, looked in zip(requests, loaded.looked, strict=True):
            context = self._new_context(work, actor=one.actor, key=one.key, digest=one.digest)
            try:
                if faults := one.faults(context.at):
                    raise InvalidCommand(faults)
                group.decide(context, one, looked)
            except LedgerCorrupt:
                raise
            except LedgerError as refusal:
                refusals.append((one, refusal))
        return group, refusals

    def _learn(self, loaded: Loaded, group: Group) -> None:
        for name, known in loaded.accounts.items():
            before = self._memory.accounts.get(name)
            known.is_sure = before is not None and before.version == known.version
            known.version += name in group.moved
            self._memory.learn(name, known)

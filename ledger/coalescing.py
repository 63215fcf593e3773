"""Charges of many callers at once, booked in shared transactions; each caller is answered after its commit.

A lock on an account is held until the commit is durable, so charges that queue one by one for a busy account wait for
the disk in turn. Here the first caller to come takes along whoever arrived meanwhile: one lock, one read, one commit
for all of them, each still a transaction of its own in the books with its own key, receipt and refusal. A caller who
is alone goes the plain way; whatever is out of the ordinary (a hold that lapsed, debt, a pool, a lost connection) is
left to it, too. PostgreSQL only. Source: docs/decisions/0007.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from ledger.context import Context, from_micros, maybe_from_micros
from ledger.core.policy import Actor
from ledger.core.records import AccountKind, Batch, CreditType
from ledger.database import Database
from ledger.errors import InvalidCommand, KeyReused, LedgerCorrupt, LedgerError, NotFound
from ledger.journal import AccountState, Posting, send_together
from ledger.operations.charging import Prices, occurrence_faults
from ledger.operations.usage import RecordUsage, charge
from ledger.receipt import Receipt

# More requests in one transaction gain little and keep the first caller waiting.
GROUP_MAX = 200


@dataclass(slots=True, eq=False)
class Request:
    """One caller's charge, and its answer once there is one."""

    command: RecordUsage
    actor: Actor
    key: str
    digest: str
    receipt: Receipt | None = None
    refusal: LedgerError | None = None
    leads: bool = False
    # Held until there is an answer or the lead is handed over; a bare lock wakes its one waiter faster than an event.
    waits: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_answered(self) -> bool:
        return self.receipt is not None or self.refusal is not None


class Coalescer:
    """Brings concurrent charges of one process together. ``alone`` books one request, ``together`` answers several.

    What ``together`` leaves unanswered, or fails at, each caller books alone.
    """

    def __init__(self, alone: Callable[[Request], Receipt], together: Callable[[list[Request]], None]) -> None:
        self._alone, self._together = alone, together
        self._lock = threading.Lock()
        self._waiting: deque[Request] = deque()
        self._is_led = False

    def execute(self, request: Request) -> Receipt:
        """The receipt of a charge, or the refusal raised; returns after its commit."""
        with self._lock:
            request.leads, self._is_led = not self._is_led, True
            if not request.leads:
                request.waits.acquire()
                self._waiting.append(request)
        if not request.leads:
            request.waits.acquire()
        if request.leads:
            self._lead(request)
        if request.refusal is not None:
            raise request.refusal
        return self._alone(request) if request.receipt is None else request.receipt

    def _lead(self, request: Request) -> None:
        # Those whom the group before was for come back with their next charge: let them, or they miss this one.
        time.sleep(0)
        with self._lock:
            group = [request, *(self._waiting.popleft() for _ in range(min(len(self._waiting), GROUP_MAX - 1)))]
        try:
            if len(group) > 1:
                self._together(group)
            else:
                # While this one is on its way the next group gathers.
                request.receipt = self._alone(request)
        finally:
            with self._lock:
                if self._waiting:
                    following = self._waiting.popleft()
                    following.leads = True
                    following.waits.release()
                else:
                    self._is_led = False
            for one in group[1:]:
                one.waits.release()


def book_together(database: Database, requests: list[Request], new_context: Callable[..., Context]) -> None:
    """Charge all requests in one transaction and answer each; those left unanswered have to be booked alone.

    ``new_context`` makes the context of one request: ``new_context(work, actor=, key=, digest=)``.
    """
    with database.work() as work:
        asked = [[one.actor.id, one.key, one.command.account, one.command.event.event_id] for one in requests]
        body = {
            "accounts": sorted({one.command.account for one in requests}),
            "features": sorted({one.command.event.feature for one in requests}),
            "requests": asked,
        }
        group = _Group(work.call("load_for_charges", orjson.dumps(body).decode()))
        answers: list[tuple[Request, Receipt]] = []
        refusals: list[tuple[Request, LedgerError]] = []
        for place, one in enumerate(requests):
            context = new_context(work, actor=one.actor, key=one.key, digest=one.digest)
            try:
                receipt = group.charge(place, one, context)
            except LedgerCorrupt:
                raise
            except LedgerError as refusal:
                refusals.append((one, refusal))
            else:
                if receipt is not None:
                    answers.append((one, receipt))
        if group.booked:
            send_together(work, group.booked)
            work.commit()
    for one, receipt in answers:
        one.receipt = receipt
    for one, why in refusals:
        one.refusal = why


class _Group:
    """What several charges share: locked accounts, prices, what is known, and the rows that they leave."""

    def __init__(self, found: dict[str, Any]) -> None:
        self._found = found
        self.accounts: dict[str, AccountState] = {}
        by_id: dict[int, AccountState] = {}
        for id_, name, zone, available, held, owed, limit, until, kind in found["accounts"] or ():
            ends_at, sort = maybe_from_micros(until), AccountKind(kind)
            state = AccountState(id_, name, ZoneInfo(zone), available, held, owed, limit, ends_at, sort)
            self.accounts[name] = by_id[id_] = state
        for account_id, id_, kind, remaining, held, priority, starts, ends, features in found["batches"] or ():
            by_id[account_id].batches[id_] = Batch(
                id_,
                CreditType(kind),
                remaining,
                held,
                priority,
                from_micros(starts),
                maybe_from_micros(ends),
                None if features is None else frozenset(features),
            )
        self._prices = Prices(
            [(f, from_micros(at), *rest, maybe_from_micros(end)) for f, at, *rest, end in found["prices"] or ()],
            [(f, id_, cut, from_micros(a), from_micros(b)) for f, id_, cut, a, b in found["bundles"] or ()],
        )
        self.booked: list[Posting] = []
        # What this very group booked under a key, or for an event of an account.
        self._keys: dict[tuple[str, str], tuple[str, Receipt]] = {}
        self._events: dict[tuple[str, str], list[Any]] = {}

    def charge(self, place: int, one: Request, context: Context) -> Receipt | None:
        """Charge one request; None when it has to be booked alone. Raises why it is refused."""
        event = one.command.event
        if faults := occurrence_faults(event.occurred_at, now=context.at):
            raise InvalidCommand(faults)
        replay = self._replay(place, one)
        if replay is not None:
            return replay
        state = self.accounts.get(one.command.account)
        if state is None:
            raise NotFound(what="account", id=one.command.account)
        if state.held_micro or state.owed_micro or state.overdraft_limit_micro or event.member:
            return None
        if state.kind is not AccountKind.CUSTOMER:
            return None
        context.transaction_id = self._found["transaction_ids"][place]
        outcome = charge(
            context,
            state,
            one.command,
            lambda: self._prices.in_force(event.feature, event.occurred_at),
            self._known_event(place, one),
            self._found["event_row_ids"][place],
        )
        if outcome.nothing_to_do:
            return outcome.receipt
        context.complete(outcome)
        self.booked.append(context.posting)
        self._keys[one.actor.id, one.key] = (one.digest, outcome.receipt)
        self._events[one.command.account, event.event_id] = [
            context.transaction_id,
            event.feature,
            event.quantity_micro,
            event.occurred_at,
            event.member,
            event.complexity,
        ]
        return outcome.receipt

    def _replay(self, place: int, one: Request) -> Receipt | None:
        known = self._found["known"][place]
        if known is not None:
            digest, receipt = known[1], Receipt.from_body(known[2], transaction_id=known[0])
        elif (one.actor.id, one.key) in self._keys:
            digest, receipt = self._keys[one.actor.id, one.key]
        else:
            return None
        if digest != one.digest:
            raise KeyReused(key=one.key)
        return receipt.as_replayed()

    def _known_event(self, place: int, one: Request) -> list[Any] | None:
        known: list[Any] | None = self._found["events"][place]
        if known is None:
            return self._events.get((one.command.account, one.command.event.event_id))
        return [*known[:3], from_micros(known[3]), *known[4:]]

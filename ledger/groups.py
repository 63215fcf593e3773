"""Charges and holds of several callers, decided one after another on the same accounts.

Each stays a transaction of its own in the books, with its own key, receipt and refusal. What is out of the ordinary
(debt, an overdraft, a pool, a hold that lapsed) is left to the plain way. Source: docs/decisions/0007, 0010.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from ledger.commands import Outcome
from ledger.context import Context, from_micros, maybe_from_micros
from ledger.core.policy import Actor
from ledger.core.records import AccountKind, Batch, CreditType, Hold, Take
from ledger.database import Work
from ledger.errors import Fault, KeyReused, LedgerError, NotFound
from ledger.journal import EVENT_COLUMNS, AccountState, Posting, body_of
from ledger.operations.charging import Prices, occurrence_faults
from ledger.operations.holds import CaptureHold, FoundHold, PlaceHold, capture, place
from ledger.operations.usage import RecordUsage, charge
from ledger.receipt import Receipt
from ledger.remembered import Known, Memory

Chargeable = RecordUsage | PlaceHold | CaptureHold
# The columns of a use that tell whether it is the same one, in the order of `Looked.event`.
_USE = itemgetter(
    *map(
        EVENT_COLUMNS.index,
        ("transaction_id", "feature", "quantity_micro", "occurred_at", "member", "complexity", "cost_micro"),
    )
)
CHARGEABLE = (RecordUsage, PlaceHold, CaptureHold)


@dataclass(slots=True, eq=False)
class Request:
    """One caller's charge or hold, and its answer once there is one."""

    command: Chargeable
    actor: Actor
    key: str
    digest: str
    receipt: Receipt | None = None
    refusal: LedgerError | None = None

    @property
    def is_answered(self) -> bool:
        return self.receipt is not None or self.refusal is not None

    @property
    def priced_feature(self) -> str | None:
        """The feature whose price decides the cost; None when the command names the credits itself."""
        return self.command.event.feature if isinstance(self.command, RecordUsage) else None

    @property
    def event_id(self) -> str | None:
        """The use that it would leave; a hold that is placed leaves none."""
        if isinstance(self.command, RecordUsage):
            return self.command.event.event_id
        return self.command.event_id if isinstance(self.command, CaptureHold) else None

    @property
    def hold_reference(self) -> str | None:
        return None if isinstance(self.command, RecordUsage) else self.command.reference

    def faults(self, now: datetime) -> list[Fault]:
        """What is wrong as things stand now."""
        if isinstance(self.command, RecordUsage):
            return occurrence_faults(self.command.event.occurred_at, now=now)
        return occurrence_faults(self.command.occurred_at, now=now) if isinstance(self.command, CaptureHold) else []


@dataclass(frozen=True, slots=True)
class Looked:
    """What was looked up for a request: its key, its use, its hold, as far as there are any."""

    key: list[Any] | None = None
    # Transaction, feature, quantity, instant, member, complexity, cost.
    event: list[Any] | None = None
    hold: FoundHold | None = None


class Group:
    """Requests decided one after another on the same accounts, and the rows that they leave."""

    def __init__(self, accounts: dict[str, Known], prices: Prices) -> None:
        self.accounts, self._prices = accounts, prices
        self.booked: list[Posting] = []
        self.answers: list[tuple[Request, Receipt]] = []
        # Accounts that are written, by name.
        self.moved: dict[str, Known] = {}
        # What was booked here under a key, or for an event of an account.
        self._keys: dict[tuple[str, str], tuple[str, Receipt]] = {}
        self._uses: dict[tuple[str, str | None], list[Any]] = {}
        self._placed: list[tuple[Known, FoundHold]] = []

    def decide(self, context: Context, one: Request, looked: Looked | None) -> None:
        """Book one request in memory, or leave it to the plain way. Raises why it is refused.

        ``looked`` is None when nothing was read: then nobody is told what was booked before, and the database refuses
        what is new only in memory.
        """
        command = one.command
        if looked is not None and (replay := self._replay(one, looked)) is not None:
            self.answers.append((one, replay))
            return
        known = self.accounts.get(command.account)
        if known is None:
            raise NotFound(what="account", id=command.account)
        if not known.is_plain(context.at):
            return
        # What is new gets its id when it is written (ledger/migrations/functions_0005.py).
        context.transaction_id = -len(self.booked) - 1
        outcome = self._act(context, known, command, looked)
        if outcome is None or (looked is None and outcome.nothing_to_do):
            return
        if not outcome.nothing_to_do:
            context.complete(outcome)
            self._note(one, context.posting, outcome.receipt)
            self.booked.append(context.posting)
            self.moved[command.account] = known
        self.answers.append((one, outcome.receipt))

    def _act(self, context: Context, known: Known, command: Chargeable, looked: Looked | None) -> Outcome | None:
        row_id = -len(self._uses) - 1
        if isinstance(command, RecordUsage):
            event = command.event
            if event.member:
                return None
            known_use = self._known_use(command.account, event.event_id, looked)
            found = known_use and known_use[:6]
            find_price = partial(self._prices.in_force, event.feature, event.occurred_at)
            return charge(context, known.state, command, find_price, found, row_id)
        held = known.holds.get(command.reference) if looked is None or looked.hold is None else looked.hold
        if isinstance(command, PlaceHold):
            return None if command.member or (held and not looked) else self._place(context, known, command, held)
        # One that is not written yet has no id to go by.
        if held is None or held.member or held.hold.id < 0:
            return None
        use = self._known_use(command.account, command.event_id, looked)
        told = use and (use[0], use[6], *use[2:4])
        outcome = capture(context, known.state, command, held, told, row_id)
        known.holds.pop(command.reference, None)
        return outcome

    def _replay(self, one: Request, looked: Looked) -> Receipt | None:
        """The receipt of a key that is known, given again. Raises KeyReused when it was for something else."""
        if looked.key is not None:
            digest, receipt = looked.key[1], Receipt.from_body(looked.key[2], transaction_id=looked.key[0])
        elif (one.actor.id, one.key) in self._keys:
            digest, receipt = self._keys[one.actor.id, one.key]
        else:
            return None
        if digest != one.digest:
            raise KeyReused(key=one.key)
        return receipt.as_replayed()

    def _note(self, one: Request, posting: Posting, receipt: Receipt) -> None:
        self._keys[one.actor.id, one.key] = (one.digest, receipt)
        for row in posting.events:
            self._uses[one.command.account, one.event_id] = list(_USE(row))

    def _known_use(self, account: str, event_id: str, looked: Looked | None) -> list[Any] | None:
        return (looked and looked.event) or self._uses.get((account, event_id))

    def _place(self, context: Context, known: Known, command: PlaceHold, held: FoundHold | None) -> Outcome:
        outcome = place(context, known.state, command, held, -len(self._placed) - 1)
        if not outcome.nothing_to_do:
            ends = command.expires_at
            if ends is not None:
                known.lapses_at = ends if known.lapses_at is None else min(known.lapses_at, ends)
            new = Hold(
                -len(self._placed) - 1, command.reference, command.feature, outcome.receipt.takes, context.at, ends
            )
            found = FoundHold(new, "open", "", context.transaction_id, None)
            known.remember_hold(found)
            self._placed.append((known, found))
        return outcome

    def body(self, *, versions: dict[int, int] | None = None, catalog_version: int | None = None) -> str:
        """What the database is told to write."""
        return body_of(self.booked, versions=versions, catalog_version=catalog_version)

    def answer(self, ids: dict[str, list[int] | None]) -> None:
        """Give every request that was decided its answer: all is written, and what is new has these ids."""
        transactions, holds = ids["transactions"] or (), ids["holds"] or ()
        for one, receipt in self.answers:
            receipt.take_ids(transactions, holds)
            one.receipt = receipt
        for (known, found), id_ in zip(self._placed, holds, strict=True):
            made_by_id = transactions[-found.made_by_id - 1]
            known.remember_hold(replace(found, hold=replace(found.hold, id=id_), made_by_id=made_by_id))


class Loaded:
    """What one read under the locks answers for a list of requests; prices only where ``memory`` has them not."""

    def __init__(self, work: Work, requests: Sequence[Request], memory: Memory) -> None:
        wanted = sorted({one.priced_feature for one in requests if one.priced_feature})
        knows_prices = memory.prices.features.issuperset(wanted)
        body = {
            "catalog_version": memory.catalog_version if knows_prices else None,
            "names_holds": any(one.hold_reference for one in requests),
            "accounts": sorted({one.command.account for one in requests}),
            "features": wanted,
            "requests": [
                [one.actor.id, one.key, one.command.account, one.event_id, one.hold_reference] for one in requests
            ],
        }
        found = work.call("load_for_charges", orjson.dumps(body).decode())
        self.accounts: dict[str, Known] = {}
        by_id: dict[int, AccountState] = {}
        for id_, name, zone, available, held, owed, limit, until, kind, version, lapses in found["accounts"] or ():
            ends_at, sort = maybe_from_micros(until), AccountKind(kind)
            state = AccountState(id_, name, ZoneInfo(zone), available, held, owed, limit, ends_at, sort)
            self.accounts[name] = Known(state, version, maybe_from_micros(lapses))
            by_id[id_] = state
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
        if not knows_prices or found["catalog_version"] != memory.catalog_version:
            price_rows = [
                (f, from_micros(at), *rest, maybe_from_micros(end)) for f, at, *rest, end in found["prices"] or ()
            ]
            bundle_rows = [
                (f, id_, cut, from_micros(a), from_micros(b)) for f, id_, cut, a, b in found["bundles"] or ()
            ]
            memory.learn_prices(found["catalog_version"], wanted, price_rows, bundle_rows)
        self.looked = [
            Looked(key, event and [*event[:3], from_micros(event[3]), *event[4:]], hold and _held(*hold))
            for key, event, hold in zip(
                found["known"], found["events"], found["holds"] or [None] * len(requests), strict=True
            )
        ]


def _held(
    id_: int,
    reference: str,
    feature: str,
    placed: int,
    ends: int | None,
    state: str,
    member: str,
    made_by_id: int,
    resolved_by_id: int | None,
    parts: list[tuple[int, str, int]],
) -> FoundHold:
    takes = tuple(Take(batch_id, CreditType(kind), amount) for batch_id, kind, amount in parts)
    one = Hold(id_, reference, feature, takes, from_micros(placed), maybe_from_micros(ends))
    return FoundHold(one, state, member, made_by_id, resolved_by_id)

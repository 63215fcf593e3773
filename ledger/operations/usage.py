"""Usage: what customers did, priced and charged to their batches. The hot path of the ledger."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, amount_faults, effect, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MICRO
from ledger.core.burn import Shelf, plan_consumption
from ledger.core.policy import Permission
from ledger.errors import (
    EventReused,
    Fault,
    InsufficientCredits,
    InvalidCommand,
    LimitReached,
    NotAllowedNow,
    NotFound,
)
from ledger.journal import AccountState
from ledger.models import account, usage_event
from ledger.operations import pools
from ledger.operations.charging import (
    ALL_BUNDLES,
    ALL_PRICES,
    BUNDLE_IN_FORCE,
    EVENT_ID_MAX_CHARS,
    PRICE_IN_FORCE,
    Charges,
    Price,
    Prices,
    Use,
    occurrence_faults,
    price_of,
)
from ledger.receipt import Refusal
from ledger.statements import Prepared

BULK_MAX_EVENTS = 10_000
# Why one event of many may be refused without harm to the others.
_REFUSALS_OF_ONE = (EventReused, InvalidCommand, NotFound, NotAllowedNow, LimitReached, InsufficientCredits)


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One thing that happened: ``quantity_micro`` millionths of a unit of a feature. ``event_id`` is the caller's."""

    event_id: str
    feature: str
    occurred_at: datetime
    quantity_micro: int = MICRO
    # Which factor of the price applies; empty: none.
    complexity: str = ""
    # Who of a pool it was; empty: the account itself.
    member: str = ""

    def faults(self) -> list[Fault]:
        return [
            *text_faults("event_id", self.event_id, longest=EVENT_ID_MAX_CHARS),
            *text_faults("feature", self.feature, longest=120),
            *amount_faults("quantity", self.quantity_micro),
            *instant_faults("occurred_at", self.occurred_at),
            *text_faults("complexity", self.complexity, required=False, longest=120),
            *text_faults("member", self.member, required=False, longest=200),
        ]


@dataclass(frozen=True, slots=True)
class RecordUsage(Command):
    """Charge one event. The same event id again books nothing and answers as replayed, whatever the key."""

    kind: ClassVar[str] = "usage"
    permission: ClassVar[Permission] = Permission.RECORD_USAGE

    account: str
    event: UsageEvent

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + self.event.faults()


@dataclass(frozen=True, slots=True)
class RecordUsageBulk(Command):
    """Charge many events of one account under one lock and in one transaction, each on its own merits.

    An event that cannot be paid, or is wrong, is refused alone; the receipt lists the refusals with their reasons and
    counts the recorded and replayed ones. Repeating the command, whole or in part, books no event twice.
    """

    kind: ClassVar[str] = "usage"
    permission: ClassVar[Permission] = Permission.RECORD_USAGE

    account: str
    events: tuple[UsageEvent, ...]

    def faults(self) -> list[Fault]:
        if not 0 < len(self.events) <= BULK_MAX_EVENTS:
            return [Fault("events", f"give 1 to {BULK_MAX_EVENTS:,} events at a time, not {len(self.events):,}")]
        return text_faults("account", self.account)


_KNOWN_COLUMNS = (
    usage_event.c.transaction_id,
    usage_event.c.feature,
    usage_event.c.quantity_micro,
    usage_event.c.occurred_at,
    usage_event.c.member,
    usage_event.c.complexity,
)
_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
_KNOWN_EVENT = Prepared(
    sa.select(*_KNOWN_COLUMNS).where(
        usage_event.c.account_id == _ACCOUNT_ID, usage_event.c.event_id == sa.bindparam("event_id")
    )
)


def record_usage(context: Context, command: RecordUsage) -> Outcome:
    if faults := occurrence_faults(command.event.occurred_at, now=context.at):
        raise InvalidCommand(faults)
    state, price, bundle_row, known, row_id = _load_for(context, command)
    return charge(context, state, command, lambda: price_of(price, bundle_row, command.event.feature), known, row_id)


def charge(
    context: Context,
    state: AccountState,
    command: RecordUsage,
    find_price: Callable[[], Price],
    known: Sequence[Any] | None,
    row_id: int,
) -> Outcome:
    """Charge one event to a locked account; what is ``known`` of it is its transaction and its content."""
    event = command.event
    before = Before.of(state, context.at)
    if known:
        transaction_id, *content = known
        if tuple(content) != content_of(event):
            raise EventReused(event_id=event.event_id)
        receipt = effect(command.kind, state, context.at, before, transaction_id=transaction_id, replayed=True)
        return Outcome(receipt, state.id, context.at, nothing_to_do=True)
    pools.admit(context, state, (event.member,))
    member = pools.require_member(state, event.member)
    in_force = find_price()
    cost = in_force.cost_micro(event.feature, event.quantity_micro, event.complexity)
    plan = plan_consumption(state.batches.values(), cost, at=context.at, feature=event.feature)
    if member is not None:
        available = state.usable_micro(context.at, event.feature) + state.credit_line_micro(context.at)
        pools.refuse_beyond_limit(member, cost, available_micro=available)
    if plan.shortfall_micro > state.credit_line_micro(context.at):
        raise InsufficientCredits(
            account=command.account,
            required_micro=cost,
            available_micro=cost - plan.shortfall_micro + state.credit_line_micro(context.at),
        )
    charges = Charges(context, state)
    charges.add(_use(row_id, event, cost, in_force), plan.takes, owed_micro=plan.shortfall_micro)
    charges.queue()
    if member is not None:
        pools.count(context, state, {member.name: cost})
    receipt = effect(command.kind, state, context.at, before, takes=plan.takes, transaction_id=context.transaction_id)
    return Outcome(receipt, state.id, context.at)


def _load_for(
    context: Context, command: RecordUsage
) -> tuple[AccountState, tuple[Any, ...] | None, tuple[Any, ...] | None, tuple[Any, ...] | None, int]:
    """The locked account, price and bundle in force, what is known of the event, and an id for its row."""
    event = command.event
    at = {"feature": event.feature, "at": event.occurred_at}
    state, (price, bundles, events, ids) = context.load(
        command.account,
        (PRICE_IN_FORCE, at),
        (BUNDLE_IN_FORCE, at),
        (_KNOWN_EVENT, {"account": command.account, "event_id": event.event_id}),
        context.work.next_ids(usage_event),
    )
    row = next((one for one in price if one[3] is None or one[3] > event.occurred_at), None)
    return (
        state,
        row,
        bundles[0] if bundles else None,
        events[0] if events else None,
        context.work.ids_of(ids)[0],
    )


def record_usage_bulk(context: Context, command: RecordUsageBulk) -> Outcome:
    count = len(command.events)
    # Texts that no database can hold are refused below; asking for them would already fail.
    askable = [event.event_id for event in command.events if not text_faults("event_id", event.event_id)]
    state, (price_rows, bundle_rows, known_rows, ids) = context.load(
        command.account,
        (ALL_PRICES, {}),
        (ALL_BUNDLES, {}),
        (
            _known_events(context.work.is_postgresql),
            {"account": command.account, "event_ids": askable},
        ),
        context.work.next_ids(usage_event, count),
    )
    before = Before.of(state, context.at)
    pools.admit(context, state, {event.member for event in command.events})
    bulk = _Bulk(context, state, Prices(price_rows, bundle_rows))
    bulk.known = {event_id: tuple(content) for event_id, _, *content in known_rows}
    refusals: list[Refusal] = []
    replayed = 0
    for row_id, event in zip(context.work.ids_of(ids, count), command.events, strict=True):
        try:
            replayed += not bulk.charge(row_id, event)
        except _REFUSALS_OF_ONE as refusal:
            refusals.append(Refusal(_shown(event.event_id), refusal.code, str(refusal)))
    bulk.queue()
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        takes=bulk.charges.totals(),
        events_recorded=len(bulk.charges.rows),
        events_replayed=replayed,
        refusals=tuple(refusals),
    )
    return Outcome(receipt, state.id, context.at, nothing_to_do=not bulk.charges.rows)


class _Bulk:
    """Charges events of one account one after another, each on its own merits."""

    def __init__(self, context: Context, state: AccountState, prices: Prices) -> None:
        self._context, self._state, self._prices = context, state, prices
        self._shelf = Shelf(state.batches.values(), at=context.at)
        self._credit_line = state.credit_line_micro(context.at)
        self.charges = Charges(context, state)
        self._used: dict[str, int] = defaultdict(int)
        self.known: dict[str, tuple[Any, ...]] = {}

    def charge(self, row_id: int, event: UsageEvent) -> bool:
        """Charge one event; False when it was charged before. Raises why it cannot be charged."""
        content = content_of(event)
        booked = self.known.get(event.event_id)
        if booked is not None:
            if booked != content:
                raise EventReused(event_id=event.event_id)
            return False
        self._check(event)
        member = pools.require_member(self._state, event.member)
        price = self._prices.in_force(event.feature, event.occurred_at)
        cost = price.cost_micro(event.feature, event.quantity_micro, event.complexity)
        if member is not None:
            # What the whole list has used so far is not in the state yet.
            member = member.with_used(self._used[member.name])
            available = self._shelf.available_micro(event.feature) + self._credit_line
            pools.refuse_beyond_limit(member, cost, available_micro=available)
        takes, owed = self._shelf.take(cost, event.feature), 0
        if takes is None:
            available = self._shelf.available_micro(event.feature)
            owed = cost - available
            if owed > self._credit_line:
                raise InsufficientCredits(
                    account=self._state.external_id,
                    required_micro=cost,
                    available_micro=available + self._credit_line,
                )
            takes = self._shelf.take_up_to(cost, event.feature)
            self._credit_line -= owed
        self.charges.add(_use(row_id, event, cost, price), takes, owed_micro=owed)
        self.known[event.event_id] = content
        if member is not None:
            self._used[member.name] += cost
        return True

    def queue(self) -> None:
        """Hand everything over to the posting of the context."""
        self.charges.queue()
        pools.count(self._context, self._state, {name: used for name, used in self._used.items() if used})

    def _check(self, event: UsageEvent) -> None:
        if faults := event.faults() or occurrence_faults(event.occurred_at, now=self._context.at):
            raise InvalidCommand(faults)


def content_of(event: UsageEvent) -> tuple[Any, ...]:
    """What has to be the same when an event id comes again."""
    return (event.feature, event.quantity_micro, event.occurred_at, event.member, event.complexity)


def _use(row_id: int, event: UsageEvent, cost_micro: int, price: Price) -> Use:
    return Use(
        row_id,
        event.event_id,
        event.feature,
        event.quantity_micro,
        event.occurred_at,
        cost_micro,
        price.id,
        event.member,
        event.complexity,
        price.bundle_id,
    )


def _shown(event_id: str) -> str:
    """An id as a receipt can carry it: a refused one may hold what no database stores, or be endless."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in event_id[:EVENT_ID_MAX_CHARS])


def _known_events(is_postgresql: bool) -> Prepared:
    return _KNOWN_EVENTS_POSTGRESQL if is_postgresql else _KNOWN_EVENTS_SQLITE


_KNOWN_EVENTS_POSTGRESQL = Prepared(
    sa.select(usage_event.c.event_id, *_KNOWN_COLUMNS).where(
        usage_event.c.account_id == _ACCOUNT_ID,
        usage_event.c.event_id == sa.func.any(sa.bindparam("event_ids", type_=sa.ARRAY(sa.Text))),
    )
)
_KNOWN_EVENTS_SQLITE = Prepared(
    sa.select(usage_event.c.event_id, *_KNOWN_COLUMNS).where(
        usage_event.c.account_id == _ACCOUNT_ID,
        usage_event.c.event_id.in_(
            sa.select(sa.column("value")).select_from(
                sa.func.json_each(sa.bindparam("event_ids", type_=sa.JSON())).table_valued("value")
            )
        ),
    )
)

"""Usage: what customers did, priced and charged to their batches. The hot path of the ledger."""

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.context import Context, from_micros
from ledger.core.amounts import MICRO
from ledger.core.burn import Shelf, plan_consumption
from ledger.core.policy import Permission
from ledger.core.pricing import usage_cost_micro
from ledger.core.records import Bucket, CreditType, Take
from ledger.database import Prepared
from ledger.errors import EventReused, Fault, InsufficientCredits, InvalidCommand, NotFound
from ledger.journal import AccountState, Line, post
from ledger.models import account, feature_price, usage_event
from ledger.operations.base import Before, Command, Outcome, amount_faults, effect, instant_faults, text_faults
from ledger.receipt import Refusal

# Clocks of callers may run a little ahead of ours.
FUTURE_TOLERANCE = timedelta(minutes=5)
BULK_MAX_EVENTS = 10_000
EVENT_ID_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """One thing that happened: ``quantity_micro`` millionths of a unit of a feature. ``event_id`` is the caller's."""

    event_id: str
    feature: str
    occurred_at: datetime
    quantity_micro: int = MICRO

    def faults(self) -> list[Fault]:
        return [
            *text_faults("event_id", self.event_id, longest=EVENT_ID_MAX_CHARS),
            *text_faults("feature", self.feature, longest=120),
            *amount_faults("quantity", self.quantity_micro),
            *instant_faults("occurred_at", self.occurred_at),
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
)
_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
_KNOWN_EVENT = Prepared(
    sa.select(*_KNOWN_COLUMNS).where(
        usage_event.c.account_id == _ACCOUNT_ID, usage_event.c.event_id == sa.bindparam("event_id")
    )
)
_PRICE_IN_FORCE = Prepared(
    sa.select(feature_price.c.id, feature_price.c.price_micro)
    .where(feature_price.c.feature == sa.bindparam("feature"), feature_price.c.effective_at <= sa.bindparam("at"))
    .order_by(feature_price.c.effective_at.desc())
    .limit(1)
)
_ALL_PRICES = Prepared(
    sa.select(
        feature_price.c.feature, feature_price.c.effective_at, feature_price.c.id, feature_price.c.price_micro
    ).order_by(feature_price.c.feature, feature_price.c.effective_at)
)


def record_usage(context: Context, command: RecordUsage) -> Outcome:
    event = command.event
    if event.occurred_at > context.at + FUTURE_TOLERANCE:
        raise InvalidCommand([Fault("occurred_at", _in_the_future(context.at))])
    state, price, known, row_id = _load_for(context, command)
    before = Before.of(state, context.at)
    if known:
        transaction_id, *content = known
        if content != [event.feature, event.quantity_micro, event.occurred_at]:
            raise EventReused(event_id=event.event_id)
        receipt = effect(command.kind, state, context.at, before, transaction_id=transaction_id, replayed=True)
        return Outcome(receipt, state.id, context.at, nothing_to_do=True)
    if not price:
        raise NotFound(what="price in force for feature", id=event.feature)
    price_id, price_micro = price
    cost = usage_cost_micro(price_micro, event.quantity_micro)
    plan = plan_consumption(state.batches.values(), cost, at=context.at)
    if plan.shortfall_micro:
        raise InsufficientCredits(account=command.account, required_micro=cost, available_micro=before.available_micro)
    usage = _Usage(context, state)
    usage.add(row_id, event, cost, price_id, plan.takes)
    usage.queue()
    return Outcome(effect(command.kind, state, context.at, before, takes=plan.takes), state.id, context.at)


def _load_for(
    context: Context, command: RecordUsage
) -> tuple[AccountState, tuple[int, int] | None, tuple[Any, ...] | None, int]:
    """The locked account, (price id, price) in force, what is known of the event, and an id for its row."""
    event = command.event
    if context.work.is_postgresql:
        state, found = context.load_in_one_call(
            "load_for_usage", command.account, event.feature, event.occurred_at, event.event_id
        )
        known = found["event"]
        if known:
            known[3] = from_micros(known[3])
        return state, found["price"], known, found["event_row_id"]
    state, (price, events, ids) = context.load(
        command.account,
        (_PRICE_IN_FORCE, {"feature": event.feature, "at": event.occurred_at}),
        (_KNOWN_EVENT, {"account": command.account, "event_id": event.event_id}),
        context.work.next_ids(usage_event),
    )
    return state, price[0] if price else None, events[0] if events else None, context.work.ids_of(ids)[0]


def record_usage_bulk(context: Context, command: RecordUsageBulk) -> Outcome:
    count = len(command.events)
    # Texts that no database can hold are refused below; asking for them would already fail.
    askable = [event.event_id for event in command.events if not text_faults("event_id", event.event_id)]
    state, (price_rows, known_rows, ids) = context.load(
        command.account,
        (_ALL_PRICES, {}),
        (
            _known_events(context.work.is_postgresql),
            {"account": command.account, "event_ids": askable},
        ),
        context.work.next_ids(usage_event, count),
    )
    before = Before.of(state, context.at)
    prices = _Prices(price_rows)
    known = {event_id: tuple(content) for event_id, _, *content in known_rows}
    shelf = Shelf(state.batches.values(), at=context.at)
    usage = _Usage(context, state)
    refusals: list[Refusal] = []
    replayed = 0
    for event_row_id, event in zip(context.work.ids_of(ids, count), command.events, strict=True):
        content = (event.feature, event.quantity_micro, event.occurred_at)
        booked = known.get(event.event_id)
        if booked is not None and booked == content:
            replayed += 1
            continue
        refusal = _refusal_before_price(context, event, booked)
        price = None if refusal else prices.in_force(event.feature, event.occurred_at)
        if refusal is None and price is None:
            refusal = NotFound(what="price in force for feature", id=event.feature)
        if price is not None:
            cost = usage_cost_micro(price[1], event.quantity_micro)
            takes = shelf.take(cost)
            if takes is not None:
                usage.add(event_row_id, event, cost, price[0], takes)
                known[event.event_id] = content
                continue
            refusal = InsufficientCredits(
                account=command.account, required_micro=cost, available_micro=shelf.available_micro
            )
        assert refusal is not None
        refusals.append(Refusal(_shown(event.event_id), refusal.code, str(refusal)))
    usage.queue()
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        takes=usage.totals(),
        events_recorded=len(usage.rows),
        events_replayed=replayed,
        refusals=tuple(refusals),
    )
    return Outcome(receipt, state.id, context.at, nothing_to_do=not usage.rows)


class _Usage:
    """Collects charged events and queues their rows, entries and rollup together."""

    def __init__(self, context: Context, state: AccountState) -> None:
        self._context, self._state = context, state
        self.rows: list[tuple[Any, ...]] = []
        self._lines: list[Line] = []
        self._days: dict[tuple[date, str, CreditType], list[int]] = defaultdict(lambda: [0, 0])

    def add(self, row_id: int, event: UsageEvent, cost_micro: int, price_id: int, takes: tuple[Take, ...]) -> None:
        context = self._context
        self.rows.append(
            (
                row_id,
                self._state.id,
                event.event_id,
                event.feature,
                event.quantity_micro,
                event.occurred_at,
                cost_micro,
                price_id,
                context.transaction_id,
            )
        )
        day = event.occurred_at.astimezone(context.company_zone).date()
        for position, take in enumerate(takes):
            self._lines.append(
                Line(
                    take.batch_id,
                    Bucket.AVAILABLE,
                    Bucket.CONSUMED,
                    take.amount_micro,
                    context.at,
                    event.feature,
                    row_id,
                )
            )
            cell = self._days[day, event.feature, take.credit_type]
            cell[0] += take.amount_micro
            cell[1] += position == 0

    def queue(self) -> None:
        if not self.rows:
            return
        posting, state = self._context.posting, self._state
        posting.events += self.rows
        post(posting, state, transaction_id=self._context.transaction_id, lines=self._lines)
        posting.days += [
            (state.id, day, feature, credit_type.value, used, events)
            for (day, feature, credit_type), (used, events) in self._days.items()
        ]

    def totals(self) -> tuple[Take, ...]:
        """What each batch gave in all."""
        given: dict[int, int] = defaultdict(int)
        for line in self._lines:
            given[line.batch_id] += line.amount_micro
        return tuple(Take(id_, self._state.batches[id_].credit_type, amount) for id_, amount in given.items())


class _Prices:
    """Price versions of every feature, to find the one in force at an instant."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._from: dict[str, list[datetime]] = defaultdict(list)
        self._price: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for feature, effective_at, id_, price_micro in rows:
            self._from[feature].append(effective_at)
            self._price[feature].append((id_, price_micro))

    def in_force(self, feature: str, at: datetime) -> tuple[int, int] | None:
        """Id and price of the newest version whose time had come, or None."""
        if feature not in self._from:
            return None
        index = bisect_right(self._from[feature], at)
        return self._price[feature][index - 1] if index else None


def _refusal_before_price(
    context: Context, event: UsageEvent, before: tuple[Any, ...] | None
) -> EventReused | InvalidCommand | NotFound | InsufficientCredits | None:
    if before is not None:
        return EventReused(event_id=event.event_id)
    faults = event.faults()
    if not faults and event.occurred_at > context.at + FUTURE_TOLERANCE:
        faults = [Fault("occurred_at", _in_the_future(context.at))]
    return InvalidCommand(faults) if faults else None


def _shown(event_id: str) -> str:
    """An id as a receipt can carry it: a refused one may hold what no database stores, or be endless."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in event_id[:EVENT_ID_MAX_CHARS])


def _in_the_future(at: datetime) -> str:
    return f"is in the future; it is now {at:%Y-%m-%d %H:%M} UTC"


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

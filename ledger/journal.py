"""The journal: `post` is the one function that makes entries and moves every total with them, `send` writes them.

Everything here works for one locked account; nothing commits.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import sqlalchemy as sa

from ledger.core.burn import available_micro, plan_consumption
from ledger.core.limits import Member
from ledger.core.records import CLAIM, DEBT_MOVES, LEGAL_MOVES, AccountKind, Batch, Bucket, CreditType
from ledger.database import Work
from ledger.errors import LedgerCorrupt
from ledger.models import account, batch, entry, hold, hold_part, transaction, usage_daily, usage_event
from ledger.statements import Prepared

# The database function that writes postings (ledger/migrations/functions_0005.py).
POST = "post_to_ledger"
_ON_SHELF = (Bucket.AVAILABLE, Bucket.HELD)


@dataclass(slots=True)
class AccountState:
    """One locked account with its batches that still have credits; `post` keeps it in step with what it queues."""

    id: int
    external_id: str
    zone: ZoneInfo
    available_micro: int
    held_micro: int
    owed_micro: int = 0
    overdraft_limit_micro: int = 0
    overdraft_until: datetime | None = None
    kind: AccountKind = AccountKind.CUSTOMER
    batches: dict[int, Batch] = field(default_factory=dict)
    # Of a pool: members read so far, with what they have used, kept in step with what is queued.
    members: dict[str, Member] = field(default_factory=dict)

    def usable_micro(self, at: datetime, feature: str | None = None) -> int:
        """Credits that can be used at that instant, those for other features than the given one left out."""
        return available_micro(self.batches.values(), at=at, feature=feature)

    def credit_line_micro(self, at: datetime) -> int:
        """How much more debt the approved overdraft allows at that instant."""
        if self.overdraft_until is not None and self.overdraft_until <= at:
            return 0
        return max(0, self.overdraft_limit_micro - self.owed_micro)

    def balance_micro(self, at: datetime) -> int:
        """Credits that may still be used, held and not yet effective ones included; of expired batches what is held."""
        return sum(
            b.remaining_micro if b.expires_at is None or at < b.expires_at else b.held_micro
            for b in self.batches.values()
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to be posted. ``batch_id`` is None only for usage on debt."""

    batch_id: int | None
    from_bucket: Bucket
    to_bucket: Bucket
    amount_micro: int
    effective_at: datetime
    feature: str | None = None
    usage_event_id: int | None = None
    hold_id: int | None = None


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What a new batch carries apart from its amount; see ledger.models.batch."""

    credit_type: CreditType
    granted_at: datetime
    effective_at: datetime
    expires_at: datetime | None
    source: str
    campaign: str = ""
    reference: str = ""
    priority: int = 0
    cost_cents: int | None = None
    currency: str | None = None
    parent_id: int | None = None
    features: frozenset[str] | None = None
    details: dict[str, Any] = field(default_factory=dict)


ENTRY_COLUMNS = (
    "transaction_id",
    "account_id",
    "batch_id",
    "from_bucket",
    "to_bucket",
    "amount_micro",
    "balance_micro",
    "feature",
    "usage_event_id",
    "hold_id",
    "effective_at",
)
EVENT_COLUMNS = (
    "id",
    "account_id",
    "event_id",
    "feature",
    "quantity_micro",
    "occurred_at",
    "cost_micro",
    "price_id",
    "transaction_id",
    "member",
    "complexity",
    "bundle_id",
)
HOLD_COLUMNS = (
    "id",
    "account_id",
    "reference",
    "feature",
    "member",
    "amount_micro",
    "placed_at",
    "expires_at",
    "made_by_id",
)
HOLD_PART_COLUMNS = ("hold_id", "position", "batch_id", "amount_micro")
DAY_COLUMNS = ("account_id", "day", "feature", "credit_type", "used_micro", "events")


@dataclass(slots=True)
class Posting:
    """Everything that one transaction writes to the books, collected before it is sent."""

    transaction: dict[str, Any] = field(default_factory=dict)
    batches: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    holds: list[tuple[Any, ...]] = field(default_factory=list)
    hold_parts: list[tuple[Any, ...]] = field(default_factory=list)
    # Of each hold that ends: its id, the new state, what was captured, when, by which transaction.
    hold_ends: list[tuple[int, str, int, datetime, int]] = field(default_factory=list)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    batch_moves: list[tuple[int, int, int]] = field(default_factory=list)
    account_moves: list[tuple[int, int, int, int]] = field(default_factory=list)
    days: list[tuple[Any, ...]] = field(default_factory=list)


_INSERT_BATCH = Prepared(
    sa.insert(batch).inline().values({c.name: sa.bindparam(c.name) for c in batch.c if c.computed is None})
)
_INSERT_TRANSACTION = Prepared(sa.insert(transaction).inline())
_MOVE_BATCH = Prepared(
    sa.update(batch)
    .where(batch.c.id == sa.bindparam("batch_id", type_=sa.BigInteger))
    .values(
        remaining_micro=batch.c.remaining_micro + sa.bindparam("remaining", type_=sa.BigInteger),
        held_micro=batch.c.held_micro + sa.bindparam("held", type_=sa.BigInteger),
    )
)
_MOVE_ACCOUNT = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("account_id", type_=sa.BigInteger))
    .values(
        available_micro=account.c.available_micro + sa.bindparam("available", type_=sa.BigInteger),
        held_micro=account.c.held_micro + sa.bindparam("held", type_=sa.BigInteger),
        owed_micro=account.c.owed_micro + sa.bindparam("owed", type_=sa.BigInteger),
        version=account.c.version + 1,
    )
)
_END_HOLD = Prepared(
    sa.update(hold)
    .where(hold.c.id == sa.bindparam("hold_id", type_=sa.BigInteger))
    .values(
        state=sa.bindparam("new_state"),
        captured_micro=sa.bindparam("captured", type_=sa.BigInteger),
        resolved_at=sa.bindparam("at"),
        resolved_by_id=sa.bindparam("transaction", type_=sa.BigInteger),
    )
)
# Above this many entries arrays beat one JSON body (docs/benchmarks.md).
_FUNCTION_MAX_ENTRIES = 20
_ADD_TO_DAY = (
    "ON CONFLICT (account_id, day, feature, credit_type) DO UPDATE SET"
    " used_micro = usage_daily.used_micro + excluded.used_micro, events = usage_daily.events + excluded.events"
)


def open_batch(
    posting: Posting,
    state: AccountState,
    *,
    batch_id: int,
    transaction_id: int,
    amount_micro: int,
    terms: BatchTerms,
    at: datetime,
    origin: Bucket = Bucket.ISSUED,
) -> None:
    """Add a new batch and the entry that puts its credits on the shelf; debt of the account is repaid from it first.

    ``origin`` is `transferred` for credits that come from another account. Source: docs/accounting.md, rules 2 and 18.
    """
    posting.batches.append(
        {
            "id": batch_id,
            "account_id": state.id,
            "credit_type": terms.credit_type.value,
            "granted_micro": amount_micro,
            "remaining_micro": 0,
            "held_micro": 0,
            "priority": terms.priority,
            "granted_at": terms.granted_at,
            "effective_at": terms.effective_at,
            "expires_at": terms.expires_at,
            "cost_cents": terms.cost_cents,
            "currency": terms.currency,
            "source": terms.source,
            "campaign": terms.campaign,
            "reference": terms.reference,
            "parent_id": terms.parent_id,
            "made_by_id": transaction_id,
            "features": None if terms.features is None else sorted(terms.features),
            "details": terms.details,
        }
    )
    state.batches[batch_id] = Batch(
        batch_id, terms.credit_type, 0, 0, terms.priority, terms.effective_at, terms.expires_at, terms.features
    )
    # Credits that come from elsewhere arrive now, however old they are.
    arrives_at = at if origin is Bucket.TRANSFERRED else terms.effective_at
    lines = [Line(batch_id, origin, Bucket.AVAILABLE, amount_micro, arrives_at)]
    if state.owed_micro and terms.features is None and state.batches[batch_id].is_open(at):
        repaid = min(state.owed_micro, amount_micro)
        lines.append(Line(batch_id, Bucket.AVAILABLE, Bucket.OWED, repaid, at))
    post(posting, state, transaction_id=transaction_id, lines=lines)


def repay_debt(posting: Posting, state: AccountState, *, transaction_id: int, at: datetime) -> None:
    """Pay what an account owes out of its open credits, in burn order; does nothing when it can or must not."""
    unscoped = [one for one in state.batches.values() if one.features is None]
    usable = available_micro(unscoped, at=at)
    if not state.owed_micro or not usable:
        return
    plan = plan_consumption(unscoped, min(state.owed_micro, usable), at=at)
    lines = [Line(take.batch_id, Bucket.AVAILABLE, Bucket.OWED, take.amount_micro, at) for take in plan.takes]
    post(posting, state, transaction_id=transaction_id, lines=lines)


def post(posting: Posting, state: AccountState, *, transaction_id: int, lines: Sequence[Line]) -> None:
    """Add the entries and move batch and account totals with them, in the books and in ``state``.

    Args: one locked account; lines in the order in which they are to be read, amounts > 0, each a legal move.
    Raises: LedgerCorrupt when a line would take more from a batch than it has: callers plan before they post.
    Source: docs/accounting.md, rules 1 to 3.
    """
    remaining: dict[int, int] = {}
    held: dict[int, int] = {}
    available, owed, claimed = state.available_micro, state.owed_micro, 0
    for line in lines:
        move = (line.from_bucket, line.to_bucket)
        amount, key = line.amount_micro, line.batch_id
        if move not in LEGAL_MOVES or amount <= 0 or (key is None) != (move in DEBT_MOVES):
            raise LedgerCorrupt(place=f"account {state.external_id}", detail=f"illegal entry {line}")
        if key is not None:
            shelf = (line.to_bucket in _ON_SHELF) - (line.from_bucket in _ON_SHELF)
            remaining[key] = remaining.get(key, 0) + amount * shelf
            into_held = (line.to_bucket is Bucket.HELD) - (line.from_bucket is Bucket.HELD)
            held[key] = held.get(key, 0) + amount * into_held
            available += amount * ((line.to_bucket is Bucket.AVAILABLE) - (line.from_bucket is Bucket.AVAILABLE))
        owed += amount * ((line.from_bucket is Bucket.OWED) - (line.to_bucket is Bucket.OWED))
        # What is claimed may pass the limit of use on debt: the customer has the money for it back.
        claimed += amount * (move == CLAIM)
        posting.entries.append(
            (
                transaction_id,
                state.id,
                key,
                line.from_bucket.value,
                line.to_bucket.value,
                amount,
                available,
                line.feature,
                line.usage_event_id,
                line.hold_id,
                line.effective_at,
            )
        )
    for key, delta in remaining.items():
        old = state.batches[key]
        # Spelled out: dataclasses.replace takes longer than the rest of this loop.
        new = Batch(
            key,
            old.credit_type,
            old.remaining_micro + delta,
            old.held_micro + held[key],
            old.priority,
            old.effective_at,
            old.expires_at,
            old.features,
        )
        if not 0 <= new.held_micro <= new.remaining_micro:
            raise LedgerCorrupt(place=f"batch {key}", detail=f"{old} cannot move by {delta}")
        state.batches[key] = new
        posting.batch_moves.append((key, delta, held[key]))
    if not 0 <= owed <= max(state.overdraft_limit_micro, state.owed_micro) + claimed:
        raise LedgerCorrupt(place=f"account {state.external_id}", detail=f"would owe {owed}")
    moved_held = sum(held.values())
    posting.account_moves.append((state.id, available - state.available_micro, moved_held, owed - state.owed_micro))
    state.available_micro, state.owed_micro = available, owed
    state.held_micro += moved_held


def send(work: Work, posting: Posting) -> None:
    """Queue everything that a posting holds: one database function on PostgreSQL, statement by statement otherwise.

    The function writes the same rows; it saves the client's time per statement, which is what limits single charges.
    Large postings are as fast without it, as arrays.
    """
    if work.is_postgresql and len(posting.entries) <= _FUNCTION_MAX_ENTRIES:
        work.queue_call(POST, body_of([posting]))
        return
    work.queue(_INSERT_TRANSACTION, posting.transaction)
    for values in posting.batches:
        work.queue(_INSERT_BATCH, values)
    work.queue_rows(usage_event, EVENT_COLUMNS, posting.events)
    opened = [(*row, 0, "open") for row in posting.holds]
    work.queue_rows(hold, (*HOLD_COLUMNS, "captured_micro", "state"), opened)
    work.queue_rows(hold_part, HOLD_PART_COLUMNS, posting.hold_parts)
    for hold_id, state, captured, at, transaction_id in posting.hold_ends:
        ended = {"hold_id": hold_id, "new_state": state, "captured": captured, "at": at, "transaction": transaction_id}
        work.queue(_END_HOLD, ended)
    work.queue_rows(entry, ENTRY_COLUMNS, posting.entries)
    for batch_id, remaining, held in posting.batch_moves:
        work.queue(_MOVE_BATCH, {"batch_id": batch_id, "remaining": remaining, "held": held})
    for account_id, available, held, owed in posting.account_moves:
        work.queue(_MOVE_ACCOUNT, {"account_id": account_id, "available": available, "held": held, "owed": owed})
    work.queue_rows(usage_daily, DAY_COLUMNS, posting.days, on_conflict=_ADD_TO_DAY)


def body_of(
    postings: Sequence[Posting], *, versions: Mapping[int, int] | None = None, catalog_version: int | None = None
) -> str:
    """What `post_to_ledger` is told: rows in order, totals added up; the rows are those that `send` writes for each.

    Ids below zero stand for new ones, -1 for the first new transaction, use or hold (ledger/migrations).
    ``versions`` by account and ``catalog_version`` are what the postings went by when nothing was locked.
    """
    batches: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    accounts: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    days: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for posting in postings:
        for batch_id, *moved in posting.batch_moves:
            _add(batches[batch_id], moved)
        for account_id, *moved in posting.account_moves:
            _add(accounts[account_id], moved)
        for *day, used, events in posting.days:
            _add(days[tuple(day)], [used, events])
    rows: dict[str, list[Any]] = {
        "transactions": [list(posting.transaction.values()) for posting in postings],
        "batches": [row for posting in postings for row in posting.batches],
        "events": [row for posting in postings for row in posting.events],
        "holds": [row for posting in postings for row in posting.holds],
        "hold_parts": [row for posting in postings for row in posting.hold_parts],
        "hold_ends": [row for posting in postings for row in posting.hold_ends],
        "entries": [row for posting in postings for row in posting.entries],
        "batch_moves": [(id_, *moved) for id_, moved in batches.items()],
        # In the order of ids, in which everybody locks them.
        "account_moves": [(id_, *accounts[id_], versions[id_] if versions else None) for id_ in sorted(accounts)],
        "days": [(*key, *moved) for key, moved in days.items()],
    }
    new = {f"new_{name}": sum(row[0] < 0 for row in rows[name]) for name in ("transactions", "events", "holds")}
    return orjson.dumps({**rows, **new, "catalog_version": catalog_version}).decode()


def _add(total: list[int], moved: list[int]) -> None:
    for place, amount in enumerate(moved):
        total[place] += amount

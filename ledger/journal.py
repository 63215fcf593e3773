"""The journal: `post` is the one function that inserts entries and moves every total with them.

Everything here queues writes on a unit of work whose account row is locked; nothing commits.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.core.burn import available_micro
from ledger.core.records import LEGAL_MOVES, Batch, Bucket, CreditType
from ledger.database import Prepared, Work
from ledger.errors import LedgerCorrupt
from ledger.models import account, batch, entry, transaction, usage_daily

_ON_SHELF = (Bucket.AVAILABLE, Bucket.HELD)


@dataclass(slots=True)
class AccountState:
    """One locked account with its batches that still have credits; `post` keeps it in step with what it queues."""

    id: int
    external_id: str
    zone: ZoneInfo
    available_micro: int
    held_micro: int
    batches: dict[int, Batch] = field(default_factory=dict)

    def usable_micro(self, at: datetime) -> int:
        """Credits that can be used at that instant."""
        return available_micro(self.batches.values(), at=at)

    @property
    def balance_micro(self) -> int:
        """All credits on the shelf, held and not yet effective ones included."""
        return self.available_micro + self.held_micro


@dataclass(frozen=True, slots=True)
class Line:
    """One entry to be posted."""

    batch_id: int
    from_bucket: Bucket
    to_bucket: Bucket
    amount_micro: int
    effective_at: datetime
    feature: str | None = None
    usage_event_id: int | None = None


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
    details: dict[str, Any] = field(default_factory=dict)


_ENTRY_COLUMNS = (
    "transaction_id",
    "account_id",
    "batch_id",
    "from_bucket",
    "to_bucket",
    "amount_micro",
    "balance_micro",
    "feature",
    "usage_event_id",
    "effective_at",
)
_INSERT_BATCH = Prepared(sa.insert(batch).inline())
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
        version=account.c.version + 1,
    )
)
_ADD_USAGE = Prepared(
    sa.text(
        "INSERT INTO usage_daily (account_id, day, feature, credit_type, used_micro, events)"
        " VALUES (:account_id, :day, :feature, :credit_type, :used_micro, :events)"
        " ON CONFLICT (account_id, day, feature, credit_type) DO UPDATE SET"
        " used_micro = usage_daily.used_micro + excluded.used_micro, events = usage_daily.events + excluded.events"
    ).bindparams(*(sa.bindparam(c.name, type_=c.type) for c in usage_daily.c))
)


def record_transaction(work: Work, values: dict[str, Any]) -> None:
    """Queue the transaction row in front of all that refers to it; ``values`` are the columns of the table."""
    work.queue_first(_INSERT_TRANSACTION, values)


def open_batch(
    work: Work, state: AccountState, *, batch_id: int, transaction_id: int, amount_micro: int, terms: BatchTerms
) -> None:
    """Queue a new batch and the entry that issues its credits."""
    work.queue(
        _INSERT_BATCH,
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
            "details": terms.details,
        },
    )
    state.batches[batch_id] = Batch(
        batch_id, terms.credit_type, 0, 0, terms.priority, terms.effective_at, terms.expires_at
    )
    line = Line(batch_id, Bucket.ISSUED, Bucket.AVAILABLE, amount_micro, terms.effective_at)
    post(work, state, transaction_id=transaction_id, lines=[line])


def post(work: Work, state: AccountState, *, transaction_id: int, lines: Sequence[Line]) -> None:
    """Queue the entries and move batch and account totals with them, in the books and in ``state``.

    Args: one locked account; lines in the order in which they are to be read, amounts > 0, each a legal move.
    Raises: LedgerCorrupt when a line would take more from a batch than it has: callers plan before they post.
    Source: docs/accounting.md, rules 1 to 3.
    """
    rows = []
    remaining: dict[int, int] = {}
    held: dict[int, int] = {}
    available = state.available_micro
    for line in lines:
        if (line.from_bucket, line.to_bucket) not in LEGAL_MOVES or line.amount_micro <= 0:
            raise LedgerCorrupt(place=f"account {state.external_id}", detail=f"illegal entry {line}")
        amount, key = line.amount_micro, line.batch_id
        shelf = (line.to_bucket in _ON_SHELF) - (line.from_bucket in _ON_SHELF)
        remaining[key] = remaining.get(key, 0) + amount * shelf
        into_held = (line.to_bucket is Bucket.HELD) - (line.from_bucket is Bucket.HELD)
        held[key] = held.get(key, 0) + amount * into_held
        available += amount * ((line.to_bucket is Bucket.AVAILABLE) - (line.from_bucket is Bucket.AVAILABLE))
        rows.append(
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
                line.effective_at,
            )
        )
    for key, delta in remaining.items():
        old = state.batches[key]
        new = replace(old, remaining_micro=old.remaining_micro + delta, held_micro=old.held_micro + held[key])
        if not 0 <= new.held_micro <= new.remaining_micro:
            raise LedgerCorrupt(place=f"batch {key}", detail=f"{old} cannot move by {delta}")
        state.batches[key] = new
        work.queue(_MOVE_BATCH, {"batch_id": key, "remaining": delta, "held": held[key]})
    work.queue_rows(entry, _ENTRY_COLUMNS, rows)
    moved_held = sum(held.values())
    work.queue(
        _MOVE_ACCOUNT,
        {"account_id": state.id, "available": available - state.available_micro, "held": moved_held},
    )
    state.available_micro = available
    state.held_micro += moved_held


@dataclass(frozen=True, slots=True)
class DayUse:
    """Credits and events to add to one cell of usage_daily."""

    day: date
    feature: str
    credit_type: CreditType
    used_micro: int
    events: int


def add_usage(work: Work, state: AccountState, uses: Iterable[DayUse]) -> None:
    """Queue the rollup rows that belong to consumed entries of the same transaction."""
    for use in uses:
        work.queue(
            _ADD_USAGE,
            {
                "account_id": state.id,
                "day": use.day,
                "feature": use.feature,
                "credit_type": use.credit_type.value,
                "used_micro": use.used_micro,
                "events": use.events,
            },
        )

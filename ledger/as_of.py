"""What an account had at one instant, as the books knew it at another: a read over its entries.

Both questions of a dispute are answered: "what did we show on 3 May?" (known at 3 May) and "what was it really on
3 May, with everything we learned since?" (known at now). Source: docs/accounting.md, rule 28.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket, CreditType
from ledger.errors import NotFound
from ledger.models import account, batch, batch_extension, entry, hold, hold_part, transaction
from ledger.reconcile.parts import account_id, moved, total


@dataclass(frozen=True, slots=True)
class BatchAsOf:
    """A batch with credits at that instant; ``expires_at`` is its end as known then."""

    id: int
    credit_type: CreditType
    free_micro: int
    held_micro: int
    effective_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AsOf:
    """The balance of an account at ``at``, from what was recorded up to ``known_at``. Amounts in micro-credits."""

    account: str
    at: datetime
    known_at: datetime
    available_micro: int
    held_micro: int
    scheduled_micro: int
    owed_micro: int
    batches: tuple[BatchAsOf, ...]

    @property
    def balance_micro(self) -> int:
        """Available, held, and what becomes effective later."""
        return self.available_micro + self.held_micro + self.scheduled_micro


def balance_as_of(connection: sa.Connection, account_name: str, *, at: datetime, known_at: datetime) -> AsOf:
    """The balance at one instant, as known at another. Raises NotFound.

    A balance at an instant is that right after everything of that instant. Credits that start later count as scheduled
    from when they were written down.
    """
    if connection.execute(sa.select(account.c.id).where(account.c.external_id == account_name)).first() is None:
        raise NotFound(what="account", id=account_name)
    one = account_id(account_name)
    wanted = (
        entry.c.batch_id,
        total(moved(Bucket.AVAILABLE)).label("free"),
        total(moved(Bucket.HELD)).label("held"),
        total(-moved(Bucket.OWED)).label("owed"),
    )
    sums = entries_as_of(wanted, one, at=at, known_at=known_at).group_by(entry.c.batch_id).subquery()
    rows = connection.execute(
        sa.select(sums, batch.c.credit_type, batch.c.effective_at, batch.c.expires_at)
        .outerjoin(batch, batch.c.id == sums.c.batch_id)
        .order_by(sums.c.batch_id)
    ).all()
    ends = ends_as_of(connection, one, known_at)
    freed = lapsed_as_of(connection, one, at=at, known_at=known_at)
    owed, shelf = 0, []
    for row in rows:
        owed += row.owed
        if row.batch_id is None:
            continue
        back = freed.get(row.batch_id, 0)
        end = ends.get(row.batch_id, row.expires_at)
        kind = CreditType(row.credit_type)
        shelf.append(BatchAsOf(row.batch_id, kind, row.free + back, row.held - back, row.effective_at, end))
    alive = [one_ for one_ in shelf if one_.expires_at is None or one_.expires_at > at]
    return AsOf(
        account_name,
        at,
        known_at,
        available_micro=sum(b.free_micro for b in alive if b.effective_at <= at),
        held_micro=sum(b.held_micro for b in shelf),
        scheduled_micro=sum(b.free_micro for b in alive if b.effective_at > at),
        owed_micro=owed,
        batches=tuple(b for b in shelf if b.held_micro or (b.free_micro and b in alive)),
    )


def entries_as_of(
    wanted: Sequence[sa.ColumnElement[Any]], one: sa.ScalarSelect[int], *, at: datetime, known_at: datetime
) -> sa.Select[Any]:
    """Columns of the entries of an account that count at an instant as known at another, with transaction and batch."""
    known = (transaction.c.id == entry.c.transaction_id) & (transaction.c.recorded_at <= known_at)
    # What happens to credits that start later is effective then, but they are scheduled from when it is written down.
    scheduled = (batch.c.effective_at > at) & (transaction.c.recorded_at <= at)
    return (
        sa.select(*wanted)
        .select_from(entry)
        .join(transaction, known)
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .where(entry.c.account_id == one, sa.or_(entry.c.effective_at <= at, scheduled))
    )


def ends_as_of(connection: sa.Connection, one: sa.ScalarSelect[int], known_at: datetime) -> dict[int, datetime | None]:
    """The end of every batch that was given a longer life, as it was known then."""
    rows: Sequence[Any] = connection.execute(
        sa.select(batch_extension, transaction.c.recorded_at)
        .join(batch, batch.c.id == batch_extension.c.batch_id)
        .join(transaction, transaction.c.id == batch_extension.c.transaction_id)
        .where(batch.c.account_id == one)
        .order_by(batch_extension.c.id)
    ).all()
    ends: dict[int, datetime | None] = {}
    for row in rows:
        if row.recorded_at <= known_at:
            ends[row.batch_id] = row.expires_after
        else:
            ends.setdefault(row.batch_id, row.expires_before)
    return ends


def lapsed_as_of(
    connection: sa.Connection, one: sa.ScalarSelect[int], *, at: datetime, known_at: datetime
) -> dict[int, int]:
    """Credits by batch of holds that had timed out by then, although nobody had written it down yet."""
    resolved = transaction.alias("resolved")
    rows = connection.execute(
        sa.select(hold_part.c.batch_id, total(hold_part.c.amount_micro))
        .join(hold, hold.c.id == hold_part.c.hold_id)
        .outerjoin(resolved, resolved.c.id == hold.c.resolved_by_id)
        .where(
            hold.c.account_id == one,
            hold.c.placed_at <= at,
            hold.c.placed_at <= known_at,
            hold.c.expires_at <= at,
            sa.or_(resolved.c.id.is_(None), resolved.c.recorded_at > known_at),
        )
        .group_by(hold_part.c.batch_id)
    )
    return {row[0]: row[1] for row in rows}

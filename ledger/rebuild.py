"""Totals computed again from the entries: what differs, and a command that puts it right.

Remaining and held of batches, the totals of accounts and the daily rollup are projections. Should one of them ever be
wrong (a restore from parts, a bug), `differences` shows it and the command RebuildTotals books the repair of one
account as a transaction, so that even this leaves a trace. Entries are never touched.
Source: docs/accounting.md, rule 30.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import OWED, account, batch, entry, usage_daily, usage_event
from ledger.reconcile.parts import Of, account_id, moved, of, total
from ledger.reconcile.payments import CLAIM


@dataclass(frozen=True, slots=True)
class Difference:
    """One projected figure that is not what the entries say; ``key`` names the row in ``table``."""

    table: str
    account_id: int
    key: tuple[Any, ...]
    column: str
    stated_micro: int
    proven_micro: int


# Answers the rows of a statement: of a connection that reads, or of a unit of work that holds a lock.
Ask = Callable[[sa.Select[Any]], Iterable[Any]]


def differences(ask: Ask, *, is_sqlite: bool, zone: ZoneInfo, account_name: str | None = None) -> Iterator[Difference]:
    """Every projected figure that differs from its entries, for one account or all.

    Args: ``zone`` is the company's, by which days are cut.
    """
    one = None if account_name is None else account_id(account_name)
    yield from _batches(ask, one)
    yield from _accounts(ask, one)
    yield from _days(ask, one, zone, _ten_minutes(is_sqlite))


def _batches(ask: Ask, one: Of) -> Iterator[Difference]:
    available, held = total(moved(Bucket.AVAILABLE)), total(moved(Bucket.HELD))
    proven = (
        sa.select(entry.c.batch_id, (available + held).label("remaining"), held.label("held"))
        .where(of(entry.c.account_id, one), entry.c.batch_id.is_not(None))
        .group_by(entry.c.batch_id)
        .subquery()
    )
    rows = ask(
        sa.select(
            batch.c.id,
            batch.c.account_id,
            batch.c.remaining_micro,
            batch.c.held_micro,
            sa.func.coalesce(proven.c.remaining, 0, type_=sa.BigInteger),
            sa.func.coalesce(proven.c.held, 0, type_=sa.BigInteger),
        )
        .outerjoin(proven, proven.c.batch_id == batch.c.id)
        .where(of(batch.c.account_id, one))
        .order_by(batch.c.id)
    )
    for id_, owner, remaining, held_micro, true_remaining, true_held in rows:
        if remaining != true_remaining:
            yield Difference("batch", owner, (id_,), "remaining_micro", remaining, true_remaining)
        if held_micro != true_held:
            yield Difference("batch", owner, (id_,), "held_micro", held_micro, true_held)


def _accounts(ask: Ask, one: Of) -> Iterator[Difference]:
    columns = ("available_micro", "held_micro", "owed_micro", "claimed_micro")
    proven = (
        sa.select(
            entry.c.account_id,
            total(moved(Bucket.AVAILABLE)).label("available_micro"),
            total(moved(Bucket.HELD)).label("held_micro"),
            total(-moved(Bucket.OWED)).label("owed_micro"),
            total(entry.c.amount_micro * CLAIM).label("claimed_micro"),
        )
        .where(of(entry.c.account_id, one))
        .group_by(entry.c.account_id)
        .subquery()
    )
    rows = ask(
        sa.select(
            account.c.id,
            *(account.c[name] for name in columns),
            *(sa.func.coalesce(proven.c[name], 0, type_=sa.BigInteger) for name in columns),
        )
        .outerjoin(proven, proven.c.account_id == account.c.id)
        .where(of(account.c.id, one))
        .order_by(account.c.id)
    )
    for id_, *totals in rows:
        for column, stated, true in zip(columns, totals[:4], totals[4:], strict=True):
            if stated != true:
                yield Difference("account", id_, (id_,), column, stated, true)


def _days(ask: Ask, one: Of, zone: ZoneInfo, minutes: sa.ColumnElement[str]) -> Iterator[Difference]:
    proven = _proven_days(ask, one, zone, minutes)
    stated: dict[tuple[Any, ...], tuple[int, int]] = {}
    for *key, used_micro, events in ask(sa.select(usage_daily).where(of(usage_daily.c.account_id, one))):
        stated[tuple(key)] = (used_micro, events)
    for key in sorted(stated.keys() | proven.keys()):
        for place, column in enumerate(("used_micro", "events")):
            said, true = stated.get(key, (0, 0))[place], proven.get(key, (0, 0))[place]
            if said != true:
                yield Difference("usage_daily", key[0], key, column, said, true)


def _proven_days(
    ask: Ask, one: Of, zone: ZoneInfo, minutes: sa.ColumnElement[str]
) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Credits and events by account, day, feature and type. An event counts at the type of its first entry."""
    credit_type = sa.func.coalesce(batch.c.credit_type, OWED)
    used = (
        sa.select(
            entry.c.account_id, minutes, entry.c.feature, credit_type, total(moved(Bucket.CONSUMED)).label("used")
        )
        .join(usage_event, usage_event.c.id == entry.c.usage_event_id)
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .where(of(entry.c.account_id, one))
        .group_by(entry.c.account_id, minutes, entry.c.feature, credit_type)
    )
    first = (
        sa.select(sa.func.min(entry.c.id).label("id"))
        .where(entry.c.usage_event_id.is_not(None), entry.c.to_bucket == Bucket.CONSUMED.value)
        .where(of(entry.c.account_id, one))
        .group_by(entry.c.usage_event_id)
        .subquery()
    )
    counted = (
        sa.select(entry.c.account_id, minutes, entry.c.feature, credit_type, sa.func.count())
        .select_from(first)
        .join(entry, entry.c.id == first.c.id)
        .join(usage_event, usage_event.c.id == entry.c.usage_event_id)
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .group_by(entry.c.account_id, minutes, entry.c.feature, credit_type)
    )
    found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0])
    for place, statement in enumerate((used, counted)):
        for owner, bucket, feature, kind, amount in ask(statement):
            found[owner, _day(bucket, zone), feature, kind][place] += amount
    return {key: (credits_, events) for key, (credits_, events) in found.items()}


def _ten_minutes(is_sqlite: bool) -> sa.ColumnElement[str]:
    """The first ten minutes' text of an instant in UTC, such as "2026-03-10 12:3": no zone changes its day within."""
    if is_sqlite:
        return sa.func.substr(sa.cast(usage_event.c.occurred_at, sa.Text), 1, 15, type_=sa.Text)
    text = sa.func.to_char(sa.func.timezone("UTC", usage_event.c.occurred_at), "YYYY-MM-DD HH24:MI", type_=sa.Text)
    return sa.func.left(text, 15, type_=sa.Text)


def _day(ten_minutes: str, zone: ZoneInfo) -> date:
    return datetime.fromisoformat(f"{ten_minutes}0").replace(tzinfo=UTC).astimezone(zone).date()

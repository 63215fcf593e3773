"""Proves that the books agree with themselves. Reads only; answers what does not add up, with place and difference."""

from dataclasses import dataclass

import sqlalchemy as sa

from ledger.core.records import LEGAL_MOVES, Bucket, CreditType
from ledger.models import (
    account,
    batch,
    batch_extension,
    entry,
    feature_price,
    hold,
    hold_part,
    transaction,
    usage_daily,
    usage_event,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement: which check, where, what the totals say and what the entries say (micro-credits)."""

    check: str
    place: str
    stated_micro: int
    proven_micro: int


def _sum(expression: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.cast(sa.func.coalesce(sa.func.sum(expression), 0), sa.BigInteger)


def _signed(bucket: Bucket) -> sa.ColumnElement[int]:
    return sa.case(
        (entry.c.to_bucket == bucket.value, entry.c.amount_micro),
        (entry.c.from_bucket == bucket.value, -entry.c.amount_micro),
        else_=0,
    )


def _checks() -> dict[str, sa.Select[str, int, int]]:
    """Each check as a statement that answers (place, stated, proven) for every disagreement and nothing else."""
    moves = (
        sa.select(
            entry.c.batch_id,
            _sum(_signed(Bucket.AVAILABLE)).label("available"),
            _sum(_signed(Bucket.HELD)).label("held"),
            _sum(sa.case((entry.c.from_bucket == Bucket.ISSUED.value, entry.c.amount_micro), else_=0)).label("issued"),
        )
        .group_by(entry.c.batch_id)
        .subquery()
    )
    per_batch = sa.outerjoin(batch, moves, moves.c.batch_id == batch.c.id)
    shelves = (
        sa.select(
            batch.c.account_id,
            _sum(batch.c.remaining_micro - batch.c.held_micro).label("available"),
            _sum(batch.c.held_micro).label("held"),
        )
        .group_by(batch.c.account_id)
        .subquery()
    )
    per_account = sa.outerjoin(account, shelves, shelves.c.account_id == account.c.id)
    batch_place = sa.literal("batch ") + sa.cast(batch.c.id, sa.Text)

    def batches(stated: sa.ColumnElement[int], proven: sa.ColumnElement[int]) -> sa.Select[str, int, int]:
        entries = sa.func.coalesce(proven, 0)
        return sa.select(batch_place, stated, entries).select_from(per_batch).where(stated != entries)

    def accounts(stated: sa.ColumnElement[int], proven: sa.ColumnElement[int]) -> sa.Select[str, int, int]:
        total = sa.func.coalesce(proven, 0)
        return sa.select(account.c.external_id, stated, total).select_from(per_account).where(stated != total)

    consumed = entry.c.to_bucket == Bucket.CONSUMED.value
    # A batch that lives longer now had ended when this was used, if an extension that came later says so.
    had_ended = batch.c.id.in_(sa.select(batch_extension.c.batch_id)) & sa.exists().where(
        batch_extension.c.batch_id == batch.c.id,
        batch_extension.c.transaction_id > entry.c.transaction_id,
        batch_extension.c.expires_before <= entry.c.effective_at,
    )
    outside = (
        sa.select(sa.literal("entry ") + sa.cast(entry.c.id, sa.Text), entry.c.amount_micro, sa.literal(0))
        .join(batch, batch.c.id == entry.c.batch_id)
        .where(
            consumed,
            # What was held before its end may be captured after it.
            entry.c.from_bucket == Bucket.AVAILABLE.value,
            sa.or_(entry.c.effective_at < batch.c.effective_at, entry.c.effective_at >= batch.c.expires_at, had_ended),
        )
    )
    legal = sa.or_(*((entry.c.from_bucket == a.value) & (entry.c.to_bucket == b.value) for a, b in LEGAL_MOVES))
    illegal = sa.select(sa.literal("entry ") + sa.cast(entry.c.id, sa.Text), entry.c.amount_micro, sa.literal(0)).where(
        ~legal
    )
    unpaid = sa.select(batch_place, batch.c.granted_micro, sa.literal(0)).where(
        batch.c.credit_type == CreditType.PURCHASED.value,
        sa.or_(batch.c.cost_cents.is_(None), batch.c.reference == ""),
    )
    charged = (
        sa.select(entry.c.usage_event_id, _sum(entry.c.amount_micro).label("taken"))
        .where(entry.c.usage_event_id.is_not(None), consumed)
        .group_by(entry.c.usage_event_id)
        .subquery()
    )
    taken = sa.func.coalesce(charged.c.taken, 0)
    events = (
        sa.select(sa.literal("event ") + usage_event.c.event_id, usage_event.c.cost_micro, taken)
        .select_from(sa.outerjoin(usage_event, charged, charged.c.usage_event_id == usage_event.c.id))
        .where(usage_event.c.cost_micro != taken)
    )
    strangers = (
        sa.select(sa.literal("entry ") + sa.cast(entry.c.id, sa.Text), entry.c.amount_micro, sa.literal(0))
        .join(batch, batch.c.id == entry.c.batch_id)
        .outerjoin(transaction, transaction.c.id == entry.c.transaction_id)
        .where(sa.or_(batch.c.account_id != entry.c.account_id, transaction.c.id.is_(None)))
    )
    unpriced = (
        sa.select(sa.literal("event ") + usage_event.c.event_id, usage_event.c.cost_micro, sa.literal(0))
        .outerjoin(transaction, transaction.c.id == usage_event.c.transaction_id)
        .outerjoin(
            feature_price,
            sa.and_(feature_price.c.id == usage_event.c.price_id, feature_price.c.feature == usage_event.c.feature),
        )
        .where(
            sa.or_(
                # Who captures a hold names the cost; anything else has a price.
                sa.and_(feature_price.c.id.is_(None), transaction.c.kind != "capture_hold"),
                transaction.c.id.is_(None),
                transaction.c.account_id != usage_event.c.account_id,
            )
        )
    )
    return {
        "entries are of a transaction and their batch's account": strangers,
        "events name a price of their feature and their account's transaction": unpriced,
        "batch remaining = its entries": batches(batch.c.remaining_micro, moves.c.available + moves.c.held),
        "batch held = its entries": batches(batch.c.held_micro, moves.c.held),
        "batch granted = its issue": batches(batch.c.granted_micro, moves.c.issued),
        "account available = its batches": accounts(account.c.available_micro, shelves.c.available),
        "account held = its batches": accounts(account.c.held_micro, shelves.c.held),
        "event cost = its entries": events,
        "hold = its parts and entries": _holds(),
        "rollup = consumed entries": _rollup(),
        "no credits used outside their time": outside,
        "only legal moves": illegal,
        "purchased credits name payment and cost": unpaid,
        "balance after = sum of entries": _running_balance(),
    }


def _rollup() -> sa.Select[str, int, int]:
    """usage_daily against consumed entries per account, feature and type; the day is a function of occurred_at."""
    rolled = (
        sa.select(
            usage_daily.c.account_id,
            usage_daily.c.feature,
            usage_daily.c.credit_type,
            _sum(usage_daily.c.used_micro).label("used"),
        )
        .group_by(usage_daily.c.account_id, usage_daily.c.feature, usage_daily.c.credit_type)
        .subquery()
    )
    # Use on debt has no batch.
    credit_type = sa.func.coalesce(batch.c.credit_type, Bucket.OWED.value).label("credit_type")
    booked = (
        sa.select(entry.c.account_id, entry.c.feature, credit_type, _sum(_signed(Bucket.CONSUMED)).label("used"))
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .where(sa.or_(entry.c.to_bucket == Bucket.CONSUMED.value, entry.c.from_bucket == Bucket.CONSUMED.value))
        .group_by(entry.c.account_id, entry.c.feature, credit_type)
        .subquery()
    )
    same = sa.and_(
        rolled.c.account_id == booked.c.account_id,
        rolled.c.feature == booked.c.feature,
        rolled.c.credit_type == booked.c.credit_type,
    )
    both = sa.outerjoin(rolled, booked, same, full=True)
    stated, proven = sa.func.coalesce(rolled.c.used, 0), sa.func.coalesce(booked.c.used, 0)
    place = sa.func.coalesce(rolled.c.feature, booked.c.feature)
    owner = sa.func.coalesce(rolled.c.account_id, booked.c.account_id)
    return (
        sa.select(account.c.external_id + sa.literal(" ") + place, stated, proven)
        .select_from(both.join(account, account.c.id == owner))
        .where(stated != proven)
    )


def _holds() -> sa.Select[str, int, int]:
    """What each hold set aside against its parts, and what it still keeps against its entries."""
    parts = (
        sa.select(hold_part.c.hold_id, _sum(hold_part.c.amount_micro).label("parts"))
        .group_by(hold_part.c.hold_id)
        .subquery()
    )
    booked = (
        sa.select(entry.c.hold_id, _sum(_signed(Bucket.HELD)).label("kept"))
        .where(entry.c.hold_id.is_not(None))
        .group_by(entry.c.hold_id)
        .subquery()
    )
    kept = sa.case((hold.c.state == "open", hold.c.amount_micro), else_=0)
    set_aside, proven = sa.func.coalesce(parts.c.parts, 0), sa.func.coalesce(booked.c.kept, 0)
    return (
        sa.select(sa.literal("hold ") + hold.c.reference, kept, proven)
        .select_from(
            hold.outerjoin(parts, parts.c.hold_id == hold.c.id).outerjoin(booked, booked.c.hold_id == hold.c.id)
        )
        .where(sa.or_(kept != proven, hold.c.amount_micro != set_aside))
    )


def _running_balance() -> sa.Select[str, int, int]:
    """The balance written on the newest entry of each account against the account's total."""
    newest = sa.select(sa.func.max(entry.c.id).label("id")).group_by(entry.c.account_id).subquery()
    return (
        sa.select(account.c.external_id, account.c.available_micro, entry.c.balance_micro)
        .select_from(newest)
        .join(entry, entry.c.id == newest.c.id)
        .join(account, account.c.id == entry.c.account_id)
        .where(account.c.available_micro != entry.c.balance_micro)
    )


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of one reconciliation: what was checked, over how much, and what disagrees."""

    checks: tuple[str, ...]
    accounts: int
    transactions: int
    entries: int
    findings: tuple[Finding, ...]


def reconcile(connection: sa.Connection) -> Proof:
    """Check every invariant over all accounts. Source: docs/accounting.md, rules 1 to 3.

    Args: a read-only connection; on PostgreSQL open it with REPEATABLE READ when writers are active.
    """
    findings = []
    checks = _checks()
    for name, statement in checks.items():
        findings += [Finding(name, place, stated, proven) for place, stated, proven in connection.execute(statement)]
    count = {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in (account, transaction, entry)
    }
    return Proof(tuple(checks), count["account"], count["transaction"], count["entry"], tuple(findings))

"""Was every use charged what it costs, and does the rollup say what was used?"""

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import OWED, account, batch, entry, feature_price, transaction, usage_daily, usage_event
from ledger.reconcile.parts import Check, Of, moved, of, or_zero, total


def checks(one: Of) -> dict[str, Check]:
    """What events, entries and the rollup have to agree on, for one account or all."""
    return {
        "events name a price of their feature and their account's transaction": _unpriced(one),
        "event cost = its entries": _events(one),
        "no more given back than was charged": _given_back(one),
        "rollup = consumed entries": _rollup(one),
    }


def _taken(bucket: sa.ColumnElement[str], one: Of) -> sa.Subquery:
    return (
        sa.select(entry.c.usage_event_id, total(entry.c.amount_micro).label("amount"))
        .where(entry.c.usage_event_id.is_not(None), bucket == Bucket.CONSUMED.value, of(entry.c.account_id, one))
        .group_by(entry.c.usage_event_id)
        .subquery()
    )


def _events(one: Of) -> Check:
    charged = _taken(entry.c.to_bucket, one)
    taken = or_zero(charged.c.amount)
    return (
        sa.select(sa.literal("event ") + usage_event.c.event_id, usage_event.c.cost_micro, taken)
        .select_from(sa.outerjoin(usage_event, charged, charged.c.usage_event_id == usage_event.c.id))
        .where(of(usage_event.c.account_id, one), usage_event.c.cost_micro != taken)
    )


def _given_back(one: Of) -> Check:
    returned = _taken(entry.c.from_bucket, one)
    return (
        sa.select(sa.literal("event ") + usage_event.c.event_id, usage_event.c.cost_micro, returned.c.amount)
        .join(returned, returned.c.usage_event_id == usage_event.c.id)
        .where(returned.c.amount > usage_event.c.cost_micro)
    )


def _unpriced(one: Of) -> Check:
    return (
        sa.select(sa.literal("event ") + usage_event.c.event_id, usage_event.c.cost_micro, sa.literal(0))
        .outerjoin(transaction, transaction.c.id == usage_event.c.transaction_id)
        .outerjoin(
            feature_price,
            sa.and_(feature_price.c.id == usage_event.c.price_id, feature_price.c.feature == usage_event.c.feature),
        )
        .where(
            of(usage_event.c.account_id, one),
            sa.or_(
                # Who captures a hold names the cost; anything else has a price.
                sa.and_(feature_price.c.id.is_(None), transaction.c.kind != "capture_hold"),
                transaction.c.id.is_(None),
                transaction.c.account_id != usage_event.c.account_id,
            ),
        )
    )


def _rollup(one: Of) -> Check:
    """usage_daily against consumed entries per account, feature and type; `ledger.rebuild` compares day by day."""
    rolled = (
        sa.select(
            usage_daily.c.account_id,
            usage_daily.c.feature,
            usage_daily.c.credit_type,
            total(usage_daily.c.used_micro).label("used"),
        )
        .where(of(usage_daily.c.account_id, one))
        .group_by(usage_daily.c.account_id, usage_daily.c.feature, usage_daily.c.credit_type)
        .subquery()
    )
    # Use on debt has no batch.
    credit_type = sa.func.coalesce(batch.c.credit_type, OWED).label("credit_type")
    booked = (
        sa.select(entry.c.account_id, entry.c.feature, credit_type, total(moved(Bucket.CONSUMED)).label("used"))
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .where(
            of(entry.c.account_id, one),
            sa.or_(entry.c.to_bucket == Bucket.CONSUMED.value, entry.c.from_bucket == Bucket.CONSUMED.value),
        )
        .group_by(entry.c.account_id, entry.c.feature, credit_type)
        .subquery()
    )
    same = sa.and_(
        rolled.c.account_id == booked.c.account_id,
        rolled.c.feature == booked.c.feature,
        rolled.c.credit_type == booked.c.credit_type,
    )
    both = sa.outerjoin(rolled, booked, same, full=True)
    stated, proven = or_zero(rolled.c.used), or_zero(booked.c.used)
    where = sa.func.coalesce(rolled.c.feature, booked.c.feature)
    owner = sa.func.coalesce(rolled.c.account_id, booked.c.account_id)
    return (
        sa.select(account.c.external_id + sa.literal(" ") + where, stated, proven)
        .select_from(both.join(account, account.c.id == owner))
        .where(stated != proven)
    )

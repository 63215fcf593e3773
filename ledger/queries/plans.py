"""Statements about the plans that customers are on, and what those plans gave."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import account, allocation, batch, entry, plan, subscription
from ledger.queries.parts import account_id, is_alive, total

_ZERO = sa.literal(0, sa.BigInteger)


def subscriptions(account_name: str) -> sa.Select[Any]:
    """The plan of one customer with the terms of the running period; no row when it never had one."""
    return (
        sa.select(
            plan.c.code,
            plan.c.label,
            plan.c.credits_micro,
            plan.c.price_cents,
            plan.c.currency,
            plan.c.months,
            plan.c.rollover_cap_micro,
            plan.c.rollover_share_ppm,
            plan.c.rollover_periods,
            plan.c.effective_at,
            subscription.c.next_plan_code,
            subscription.c.state,
            subscription.c.anchor_day,
            subscription.c.period_start,
            subscription.c.period_end,
            subscription.c.started_at,
            subscription.c.ended_at,
            subscription.c.provider,
            subscription.c.provider_ref,
            subscription.c.customer_ref,
            subscription.c.paid_through,
        )
        .select_from(subscription.join(plan, plan.c.id == subscription.c.plan_id))
        .where(subscription.c.account_id == account_id(account_name))
    )


def allocations(account_name: str, *, at: datetime, limit: int | None = None) -> sa.Select[Any]:
    """What plans gave one customer, newest period first.

    left_micro has not expired; expired_micro has, whether the sweep ran or not; the rest was used or moved.
    """
    left = sa.case((is_alive(at), batch.c.remaining_micro), else_=_ZERO)
    booked = (
        sa.select(
            total(
                sa.case(
                    (entry.c.to_bucket == Bucket.EXPIRED.value, entry.c.amount_micro),
                    (entry.c.from_bucket == Bucket.EXPIRED.value, -entry.c.amount_micro),
                    else_=0,
                )
            )
        )
        .where(entry.c.batch_id == batch.c.id)
        .scalar_subquery()
    )
    expired = booked + sa.case((is_alive(at), _ZERO), else_=batch.c.remaining_micro)
    return (
        sa.select(
            allocation.c.period_start,
            allocation.c.period_end,
            plan.c.label,
            allocation.c.kind,
            allocation.c.amount_micro,
            sa.cast(sa.func.coalesce(left, _ZERO), sa.BigInteger).label("left_micro"),
            sa.cast(sa.func.coalesce(expired, _ZERO), sa.BigInteger).label("expired_micro"),
            batch.c.effective_at,
            batch.c.expires_at,
            allocation.c.batch_id,
            allocation.c.transaction_id,
        )
        .select_from(
            allocation.join(account, account.c.id == allocation.c.account_id)
            .join(plan, plan.c.id == allocation.c.plan_id)
            .outerjoin(batch, batch.c.id == allocation.c.batch_id)
        )
        .where(allocation.c.account_id == account_id(account_name))
        .order_by(allocation.c.period_start.desc(), allocation.c.id.desc())
        .limit(limit)
    )

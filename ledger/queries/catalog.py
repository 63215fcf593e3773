"""Statements about what is for sale: packages, bundles, who bought what, and the uses that a new price would change."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import account, batch, bundle, bundle_feature, package, plan, transaction, usage_event
from ledger.queries.parts import account_id, counted, total


def packages() -> sa.Select[Any]:
    """Every version of every package, by code and from when it is for sale."""
    return sa.select(
        package.c.id.label("package_id"),
        package.c.code,
        package.c.label,
        package.c.price_list,
        package.c.credits_micro,
        package.c.price_cents,
        package.c.currency,
        package.c.per_customer_limit,
        package.c.effective_at,
        package.c.ends_at,
    ).order_by(package.c.code, package.c.effective_at)


def bundles() -> sa.Select[Any]:
    """Every bundle with each of its features, newest first."""
    return (
        sa.select(
            bundle.c.code,
            bundle.c.label,
            bundle.c.discount_ppm,
            bundle.c.effective_at,
            bundle.c.ends_at,
            bundle_feature.c.feature,
        )
        .select_from(bundle.join(bundle_feature, bundle_feature.c.bundle_id == bundle.c.id))
        .order_by(bundle.c.effective_at.desc(), bundle.c.id, bundle_feature.c.feature)
    )


def plan_versions() -> sa.Select[Any]:
    """Every version of every plan, by code and from when it is in force."""
    return sa.select(
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
    ).order_by(plan.c.code, plan.c.effective_at)


def package_purchases(account_name: str | None = None) -> sa.Select[Any]:
    """How often each account bought each package, and when last; purchases that were reversed are none."""
    code = batch.c.details["package"].as_string()
    reversal = transaction.alias("reversal")
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            code.label("code"),
            # One payment may buy a package several times.
            total(sa.func.coalesce(batch.c.details["quantity"].as_integer(), 1)).label("purchases"),
            sa.func.max(batch.c.granted_at, type_=batch.c.granted_at.type).label("last_at"),
        )
        .select_from(batch.join(account, account.c.id == batch.c.account_id))
        .where(
            sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
            code.is_not(None),
            ~sa.exists().where(reversal.c.reverses_id == batch.c.made_by_id),
        )
        .group_by(account.c.external_id, sa.text("2"))
        .order_by(account.c.external_id, sa.text("2"))
    )
    return statement if account_name is None else statement.where(batch.c.account_id == account_id(account_name))


def quantities(feature: str, *, since: datetime, until: datetime) -> sa.Select[Any]:
    """Uses of a feature in [since, until) at a price of its own, by complexity and discount: quantity, cost, events."""
    discount = sa.func.coalesce(bundle.c.discount_ppm, sa.literal(0, sa.BigInteger), type_=sa.BigInteger)
    return (
        sa.select(
            usage_event.c.complexity,
            discount.label("discount_ppm"),
            total(usage_event.c.quantity_micro).label("quantity_micro"),
            total(usage_event.c.cost_micro).label("cost_micro"),
            counted().label("events"),
        )
        .select_from(usage_event.outerjoin(bundle, bundle.c.id == usage_event.c.bundle_id))
        .where(
            usage_event.c.feature == feature,
            usage_event.c.occurred_at >= since,
            usage_event.c.occurred_at < until,
            usage_event.c.price_id.is_not(None),
        )
        .group_by(usage_event.c.complexity, sa.text("2"))
        .order_by(usage_event.c.complexity, sa.text("2"))
    )

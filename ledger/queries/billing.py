"""Statements about what providers bill: prices that stand for plans, paid invoices, meter events, the mirror."""

from typing import Any

import sqlalchemy as sa

from ledger.models import account, balance_mirror, billed_invoice, meter_event, provider_plan, subscription
from ledger.queries.parts import account_id


def plan_prices() -> sa.Select[Any]:
    """Which plan each linked price stands for."""
    return sa.select(
        provider_plan.c.provider, provider_plan.c.price_ref, provider_plan.c.plan_code, provider_plan.c.linked_at
    ).order_by(provider_plan.c.plan_code, provider_plan.c.provider, provider_plan.c.price_ref)


def billed_invoices(account_name: str, *, limit: int | None = None) -> sa.Select[Any]:
    """Paid invoices of a customer's subscriptions, newest first."""
    return (
        sa.select(
            billed_invoice.c.paid_at,
            billed_invoice.c.provider,
            billed_invoice.c.ref,
            billed_invoice.c.plan_code,
            billed_invoice.c.period_start,
            billed_invoice.c.period_end,
            billed_invoice.c.total_cents,
            billed_invoice.c.currency,
            billed_invoice.c.metered_micro,
            billed_invoice.c.metered_cents,
            billed_invoice.c.transaction_id,
        )
        .where(billed_invoice.c.account_id == account_id(account_name))
        .order_by(billed_invoice.c.paid_at.desc(), billed_invoice.c.ref)
        .limit(limit)
    )


def meter_events(account_name: str, *, limit: int | None = None) -> sa.Select[Any]:
    """What the provider's meter is told of a customer, newest first."""
    return (
        sa.select(
            meter_event.c.happened_at,
            meter_event.c.amount_micro,
            meter_event.c.state,
            meter_event.c.tries,
            meter_event.c.error,
            meter_event.c.name,
        )
        .where(meter_event.c.account_id == account_id(account_name))
        .order_by(meter_event.c.id.desc())
        .limit(limit)
    )


def mirror_rows(account_name: str, *, limit: int | None = None) -> sa.Select[Any]:
    """What the provider's customer balance is told of a customer, newest first."""
    return (
        sa.select(
            balance_mirror.c.happened_at,
            balance_mirror.c.kind,
            balance_mirror.c.cents,
            balance_mirror.c.currency,
            balance_mirror.c.description,
            balance_mirror.c.state,
            balance_mirror.c.error,
            balance_mirror.c.provider_ref,
            balance_mirror.c.name,
        )
        .where(balance_mirror.c.account_id == account_id(account_name))
        .order_by(balance_mirror.c.id.desc())
        .limit(limit)
    )


def billed_subscriptions() -> sa.Select[Any]:
    """The subscriptions of providers that bill plans here."""
    return (
        sa.select(
            account.c.external_id,
            subscription.c.provider,
            subscription.c.provider_ref,
            subscription.c.state,
            subscription.c.next_plan_code,
            subscription.c.paid_through,
        )
        .join(account, account.c.id == subscription.c.account_id)
        .where(subscription.c.provider.is_not(None))
        .order_by(account.c.external_id)
    )

"""Statements of auto-recharge: rules, who may be due, and payments that a rule began."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.payments import IN_FLIGHT, PaymentState, Purpose
from ledger.core.records import Bucket
from ledger.models import (
    account,
    batch,
    customer,
    entry,
    forecast_run,
    package,
    payment,
    provider_price,
    recharge_rule,
    saved_card,
    transaction,
)
from ledger.queries.parts import account_id, free, is_open, total

_IS_RECHARGE = payment.c.purpose == Purpose.RECHARGE.value


def recharge_candidates(*, at: datetime) -> sa.Select[Any]:
    """Accounts with a running rule that neither rests nor has a recharge in flight, by name.

    ``usable_micro`` is what can be used now, ``body`` the newest forecast where the rule has a runway, else null.
    """
    usable = (
        sa.select(total(free(at)))
        .where(batch.c.account_id == account.c.id, ~batch.c.is_spent, is_open(at))
        .correlate(account)
        .scalar_subquery()
    )
    other = forecast_run.alias("other")
    newest = (
        sa.select(sa.func.max(other.c.as_of))
        .where(other.c.account_id == recharge_rule.c.account_id)
        .correlate(recharge_rule)
        .scalar_subquery()
    )
    flying = sa.exists().where(
        payment.c.account_id == account.c.id, _IS_RECHARGE, payment.c.state.in_([state.value for state in IN_FLIGHT])
    )
    return (
        sa.select(
            account.c.external_id,
            recharge_rule.c.threshold_micro,
            recharge_rule.c.runway_days,
            usable.label("usable_micro"),
            account.c.owed_micro,
            forecast_run.c.body,
        )
        .select_from(recharge_rule.join(account, account.c.id == recharge_rule.c.account_id))
        .outerjoin(
            forecast_run,
            sa.and_(
                forecast_run.c.account_id == account.c.id,
                recharge_rule.c.runway_days.is_not(None),
                forecast_run.c.as_of == newest,
            ),
        )
        .where(
            recharge_rule.c.is_on,
            recharge_rule.c.stopped_at.is_(None),
            sa.or_(recharge_rule.c.rests_until.is_(None), recharge_rule.c.rests_until <= at),
            ~flying,
        )
        .order_by(account.c.external_id)
    )


def recharges_begun() -> sa.Select[Any]:
    """Recharges whose charge was never answered, oldest first, with the card that is to be charged, if it is there."""
    return (
        sa.select(
            payment,
            account.c.external_id,
            package.c.code,
            package.c.label,
            provider_price.c.product_ref,
            provider_price.c.price_ref,
            saved_card.c.customer_ref.label("card_customer_ref"),
            saved_card.c.card_ref,
        )
        .select_from(payment.join(account, account.c.id == payment.c.account_id))
        .join(package, package.c.id == payment.c.package_id)
        .outerjoin(
            provider_price,
            sa.and_(
                provider_price.c.package_id == payment.c.package_id, provider_price.c.provider == payment.c.provider
            ),
        )
        .outerjoin(saved_card, _its_card())
        .where(_IS_RECHARGE, payment.c.state == PaymentState.CREATED.value, payment.c.payment_ref.is_(None))
        .order_by(payment.c.id)
    )


def recharges_in(state: PaymentState) -> sa.Select[Any]:
    """Recharges in one state with the customer's contact and card, oldest first."""
    return (
        sa.select(
            payment,
            account.c.external_id,
            customer.c.name.label("customer"),
            customer.c.email,
            customer.c.owner,
            saved_card.c.words,
        )
        .select_from(payment.join(account, account.c.id == payment.c.account_id))
        .join(customer, customer.c.account_id == account.c.id)
        .outerjoin(saved_card, _its_card())
        .where(_IS_RECHARGE, payment.c.state == state.value)
        .order_by(payment.c.id)
    )


def recharge_rules(account_name: str | None = None) -> sa.Select[Any]:
    """Rules with the saved card that they charge, by account: one customer's, or all."""
    statement = (
        sa.select(recharge_rule, account.c.external_id, saved_card.c.words)
        .select_from(recharge_rule.join(account, account.c.id == recharge_rule.c.account_id))
        .outerjoin(
            saved_card,
            sa.and_(
                saved_card.c.account_id == recharge_rule.c.account_id, saved_card.c.provider == recharge_rule.c.provider
            ),
        )
        .order_by(account.c.external_id)
    )
    return statement if account_name is None else statement.where(account.c.external_id == account_name)


def saved_cards(account_name: str) -> sa.Select[Any]:
    """The cards that providers keep for one customer."""
    return (
        sa.select(saved_card.c.provider, saved_card.c.words, saved_card.c.noted_at)
        .join(account, account.c.id == saved_card.c.account_id)
        .where(account.c.external_id == account_name)
        .order_by(saved_card.c.provider)
    )


def _its_card() -> sa.ColumnElement[bool]:
    return sa.and_(saved_card.c.account_id == payment.c.account_id, saved_card.c.provider == payment.c.provider)


def balance_steps(account_name: str, *, since: datetime) -> sa.Select[Any]:
    """Each entry of one account from an instant on, in order: what was available after it, and what it changed of the
    debt."""
    owed = sa.case(
        (entry.c.from_bucket == Bucket.OWED.value, entry.c.amount_micro),
        (entry.c.to_bucket == Bucket.OWED.value, -entry.c.amount_micro),
        else_=sa.literal(0, sa.BigInteger),
    )
    return (
        sa.select(transaction.c.recorded_at, entry.c.balance_micro, owed.label("owed_change_micro"))
        .join(transaction, transaction.c.id == entry.c.transaction_id)
        .where(entry.c.account_id == account_id(account_name), transaction.c.recorded_at >= since)
        .order_by(entry.c.id)
    )


def balance_before(account_name: str, *, since: datetime) -> sa.Select[Any]:
    """What was available to one account right before an instant; no row when nothing was booked before it."""
    return (
        sa.select(entry.c.balance_micro)
        .join(transaction, transaction.c.id == entry.c.transaction_id)
        .where(entry.c.account_id == account_id(account_name), transaction.c.recorded_at < since)
        .order_by(entry.c.id.desc())
        .limit(1)
    )


def owed_now(account_name: str) -> sa.Select[Any]:
    """What one account owes."""
    return sa.select(account.c.owed_micro).where(account.c.external_id == account_name)

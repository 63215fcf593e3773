"""Statements about debt and refunds: what may still be refunded, what was, who may owe how much."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import CreditType
from ledger.models import account, approval, batch, customer, payment, provider_refund, refund, transaction
from ledger.queries.parts import account_id, held, page, total

_PAYER = account.alias("payer")


def refundable(account_name: str, *, at: datetime) -> sa.Select[Any]:
    """Every purchased batch of one account that still has credits, oldest first, with what a refund is computed from.

    Those that have expired are in it: `core.refunds` and the page say why they are not refunded. The payer is the
    account that paid for the credits, which may have been transferred since; ``reference`` is its payment.
    """
    line = (
        sa.select(batch.c.id.label("batch_id"), batch.c.parent_id, batch.c.account_id, batch.c.reference)
        .where(
            batch.c.account_id == account_id(account_name),
            batch.c.credit_type == CreditType.PURCHASED.value,
            ~batch.c.is_spent,
        )
        .cte("line", recursive=True)
    )
    above = sa.select(line.c.batch_id, batch.c.parent_id, batch.c.account_id, batch.c.reference).join(
        line, batch.c.id == line.c.parent_id
    )
    whole = line.union_all(above)
    given_back = (
        sa.select(
            refund.c.batch_id,
            total(refund.c.amount_micro).label("refunded_micro"),
            total(refund.c.cents).label("refunded_cents"),
        )
        .where(refund.c.account_id == account_id(account_name))
        .group_by(refund.c.batch_id)
        .subquery("given_back")
    )
    zero = sa.literal(0, sa.BigInteger)
    return (
        sa.select(
            batch.c.id.label("batch_id"),
            batch.c.granted_at,
            batch.c.granted_micro,
            batch.c.remaining_micro,
            held(at).label("held_micro"),
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.effective_at,
            batch.c.expires_at,
            sa.func.coalesce(given_back.c.refunded_micro, zero, type_=sa.BigInteger).label("refunded_micro"),
            sa.func.coalesce(given_back.c.refunded_cents, zero, type_=sa.BigInteger).label("refunded_cents"),
            _PAYER.c.external_id.label("payer"),
            whole.c.reference,
        )
        .select_from(
            whole.join(batch, batch.c.id == whole.c.batch_id)
            .join(_PAYER, _PAYER.c.id == whole.c.account_id)
            .outerjoin(given_back, given_back.c.batch_id == batch.c.id)
        )
        .where(whole.c.parent_id.is_(None))
        .order_by(batch.c.id)
    )


def refunds(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    account_name: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> sa.Select[Any]:
    """Refunds booked in [since, until), newest first: whose credits, how many, what money to whom for which payment."""
    statement = (
        sa.select(
            refund.c.id.label("refund_id"),
            account.c.external_id.label("account"),
            customer.c.name,
            refund.c.batch_id,
            refund.c.amount_micro,
            refund.c.cents,
            refund.c.currency,
            refund.c.policy,
            _PAYER.c.external_id.label("payer"),
            refund.c.payment_reference.label("reference"),
            transaction.c.recorded_at,
            transaction.c.actor,
            refund.c.transaction_id,
        )
        .select_from(
            refund.join(transaction, transaction.c.id == refund.c.transaction_id)
            .join(account, account.c.id == refund.c.account_id)
            .join(_PAYER, _PAYER.c.id == refund.c.payer_id)
            .outerjoin(customer, customer.c.account_id == refund.c.account_id)
        )
        .order_by(refund.c.id.desc())
    )
    if since is not None:
        statement = statement.where(transaction.c.recorded_at >= since)
    if until is not None:
        statement = statement.where(transaction.c.recorded_at < until)
    if account_name is not None:
        statement = statement.where(refund.c.account_id == account_id(account_name))
    return page(statement, limit=limit, offset=offset)


def overdrafts(account_name: str) -> sa.Select[Any]:
    """What one account owes and may owe, who asked for that overdraft and who approved it (both None without any)."""
    newest = (
        sa.select(sa.func.max(transaction.c.id))
        .where(transaction.c.account_id == account_id(account_name), transaction.c.kind == "overdraft")
        .scalar_subquery()
    )
    return (
        sa.select(
            account.c.owed_micro,
            account.c.overdraft_limit_micro.label("limit_micro"),
            account.c.overdraft_until.label("until"),
            approval.c.requester,
            transaction.c.actor.label("approver"),
            account.c.claimed_micro,
        )
        .select_from(
            account.outerjoin(transaction, transaction.c.id == newest).outerjoin(
                approval, approval.c.id == transaction.c.approval_id
            )
        )
        .where(account.c.external_id == account_name)
    )


def refunds_to_send(*, at: datetime) -> sa.Select[Any]:
    """Money that a provider is to be asked about now, oldest first, with the payment that it goes back to."""
    return (
        sa.select(
            provider_refund,
            payment.c.name.label("payment"),
            payment.c.provider,
            payment.c.payment_ref,
            payment.c.customer_ref,
        )
        .join(payment, payment.c.id == provider_refund.c.payment_id)
        .where(
            provider_refund.c.state.in_(["asked", "sent"]),
            provider_refund.c.next_try_at <= at,
            payment.c.payment_ref.is_not(None),
        )
        .order_by(provider_refund.c.id)
    )


def provider_refunds(account_name: str | None = None, *, states: Sequence[str] = ()) -> sa.Select[Any]:
    """Money that providers were asked to give back, newest first: of one customer or of all, in some states or all."""
    statement = (
        sa.select(
            provider_refund.c.name,
            account.c.external_id.label("account"),
            customer.c.name.label("customer"),
            payment.c.name.label("payment"),
            payment.c.provider,
            provider_refund.c.sent_to,
            provider_refund.c.cents,
            provider_refund.c.currency,
            provider_refund.c.state,
            provider_refund.c.error,
            provider_refund.c.tries,
            provider_refund.c.next_try_at,
            provider_refund.c.asked_at,
            provider_refund.c.ended_at,
            provider_refund.c.provider_ref,
            provider_refund.c.made_by_id,
        )
        .select_from(provider_refund.join(payment, payment.c.id == provider_refund.c.payment_id))
        .join(account, account.c.id == payment.c.account_id)
        .outerjoin(customer, customer.c.account_id == account.c.id)
        .order_by(provider_refund.c.id.desc())
    )
    if account_name is not None:
        statement = statement.where(account.c.external_id == account_name)
    return statement.where(provider_refund.c.state.in_(states)) if states else statement

"""Statements about payments at providers: how far each has come, and what went back of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.models import (
    account,
    batch,
    claw_back,
    customer,
    hold,
    mail,
    package,
    payment,
    provider_refund,
    transaction,
)
from ledger.queries.parts import account_id, contains, counted, page

_BATCH = batch.alias("bought")
_LISTED: tuple[sa.ColumnElement[Any], ...] = (
    payment.c.id.label("payment_id"),
    payment.c.name.label("payment"),
    account.c.external_id.label("account"),
    customer.c.name,
    payment.c.provider,
    payment.c.purpose,
    package.c.code.label("package"),
    package.c.label.label("package_label"),
    payment.c.quantity,
    payment.c.credits_micro,
    payment.c.price_cents,
    payment.c.currency,
    payment.c.state,
    payment.c.total_cents,
    payment.c.tax_cents,
    payment.c.paid_currency,
    payment.c.refunded_cents,
    payment.c.own_refunds_cents,
    payment.c.disputed_cents,
    payment.c.lost_cents,
    payment.c.taken_micro,
    payment.c.claimed_micro,
    payment.c.gone_micro,
    payment.c.compensated_micro,
    payment.c.batch_id,
    payment.c.payment_ref,
    payment.c.checkout_ref,
    payment.c.url,
    payment.c.error,
    payment.c.created_at,
    payment.c.ends_at,
    payment.c.paid_at,
    _BATCH.c.granted_at.label("credited_at"),
    _BATCH.c.made_by_id.label("credited_by_id"),
)
_FROM = (
    payment.join(account, account.c.id == payment.c.account_id)
    .outerjoin(customer, customer.c.account_id == account.c.id)
    .outerjoin(package, package.c.id == payment.c.package_id)
    .outerjoin(_BATCH, _BATCH.c.id == payment.c.batch_id)
)


@dataclass(frozen=True, slots=True)
class PaymentFilter:
    """Which payments: of some states, providers or purposes, or all; begun in [since, until); that contain a text.

    The text is looked for in our name of a payment, the provider's names of it, the customer and the package.
    """

    states: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    text: str = ""
    account: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    # Only those of which money went back, or is disputed.
    has_gone_back: bool = False


def provider_payments(wanted: PaymentFilter, *, limit: int | None = None, offset: int = 0) -> sa.Select[Any]:
    """Payments at providers, the newest first."""
    statement = sa.select(*_LISTED).select_from(_FROM).where(*_conditions(wanted)).order_by(payment.c.id.desc())
    return page(statement, limit=limit, offset=offset)


def provider_payments_count(wanted: PaymentFilter) -> sa.Select[Any]:
    """How many `provider_payments` there are."""
    return sa.select(counted()).select_from(_FROM).where(*_conditions(wanted))


def provider_payment(name: str) -> sa.Select[Any]:
    """One payment with all that is known of it: who began it, its receipt, what is frozen; no row when unknown."""
    receipt = mail.alias("receipt")
    more = (
        payment.c.customer_ref,
        payment.c.saves_card,
        payment.c.followed_at,
        payment.c.made_by_id,
        transaction.c.actor,
        receipt.c.to_address.label("receipt_to"),
        receipt.c.state.label("receipt_state"),
        receipt.c.sent_at.label("receipt_sent_at"),
        hold.c.amount_micro.label("frozen_micro"),
    )
    key = sa.literal("receipt:") + sa.cast(_BATCH.c.made_by_id, sa.Text)
    source = (
        _FROM.join(transaction, transaction.c.id == payment.c.made_by_id)
        .outerjoin(receipt, receipt.c.key == key)
        .outerjoin(hold, hold.c.id == payment.c.hold_id)
    )
    return sa.select(*_LISTED, *more).select_from(source).where(payment.c.name == name)


def claw_backs(payment_id: int) -> sa.Select[Any]:
    """What was taken back of one payment and put back, the oldest first."""
    return (
        sa.select(
            claw_back.c.cause,
            claw_back.c.taken_micro,
            claw_back.c.claimed_micro,
            claw_back.c.gone_micro,
            claw_back.c.compensated_micro,
            claw_back.c.cents,
            claw_back.c.currency,
            transaction.c.recorded_at,
            claw_back.c.transaction_id,
        )
        .join(transaction, transaction.c.id == claw_back.c.transaction_id)
        .where(claw_back.c.payment_id == payment_id)
        .order_by(claw_back.c.id)
    )


def payment_refunds(payment_id: int) -> sa.Select[Any]:
    """Money of one payment that a provider is to give back for us, the oldest first."""
    return (
        sa.select(
            provider_refund.c.name.label("refund"),
            provider_refund.c.sent_to,
            provider_refund.c.cents,
            provider_refund.c.currency,
            provider_refund.c.state,
            provider_refund.c.error,
            provider_refund.c.asked_at,
            provider_refund.c.ended_at,
        )
        .where(provider_refund.c.payment_id == payment_id)
        .order_by(provider_refund.c.id)
    )


def _conditions(wanted: PaymentFilter) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for column, words in (
        (payment.c.state, wanted.states),
        (payment.c.provider, wanted.providers),
        (payment.c.purpose, wanted.purposes),
    ):
        if words:
            found.append(column.in_(words))
    if wanted.account is not None:
        found.append(payment.c.account_id == account_id(wanted.account))
    if wanted.since is not None:
        found.append(payment.c.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(payment.c.created_at < wanted.until)
    if wanted.has_gone_back:
        found.append(payment.c.refunded_cents + payment.c.disputed_cents + payment.c.lost_cents > 0)
    if text := wanted.text.strip():
        named = (payment.c.name, payment.c.payment_ref, payment.c.checkout_ref, account.c.external_id, customer.c.name)
        found.append(sa.or_(*(contains(column, text) for column in (*named, package.c.code))))
    return found

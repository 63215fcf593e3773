"""Statements of the comparison with a provider: our side of payments, and what was found the last time.

A chunk of payments is named by all the names that the provider has for them; lists of names are short (some hundred).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import Bucket
from ledger.models import account, batch, entry, finding, payment, provider_refund, refund, transaction
from ledger.queries.parts import counted, total

# Whether a batch was put on the shelf by a purchase of its own, and is no part of another.
_IS_PURCHASE = sa.text("batch.credit_type = 'purchased' AND batch.parent_id IS NULL")
_reversal = transaction.alias("reversal")
_OF_PAYMENT = (
    payment,
    account.c.external_id.label("account"),
    batch.c.reference.label("batch_reference"),
    batch.c.cost_cents.label("batch_cents"),
    batch.c.currency.label("batch_currency"),
    batch.c.granted_micro.label("batch_micro"),
    batch.c.granted_at.label("batch_at"),
)


def compared_payments(
    provider: str,
    *,
    names: Sequence[str] = (),
    refs: Sequence[str] = (),
    checkouts: Sequence[str] = (),
    ids: Sequence[int] = (),
) -> sa.Select[Any]:
    """Our payments by any of their names, with account and batch."""
    return (
        sa.select(*_OF_PAYMENT)
        .select_from(
            payment.join(account, account.c.id == payment.c.account_id).outerjoin(
                batch, batch.c.id == payment.c.batch_id
            )
        )
        .where(
            payment.c.provider == provider,
            sa.or_(
                payment.c.name.in_(names),
                payment.c.payment_ref.in_(refs),
                payment.c.checkout_ref.in_(checkouts),
                payment.c.id.in_(ids),
            ),
        )
        .order_by(payment.c.id)
    )


def loose_batches(references: Sequence[str]) -> sa.Select[Any]:
    """Purchases without a payment row whose reference is one of some names: recorded by hand."""
    return _loose().where(batch.c.reference.in_(references))


def loose_batches_of(provider: str, *, since: datetime, until: datetime) -> sa.Select[Any]:
    """Purchases that somebody recorded by hand as paid at a provider in [since, until)."""
    return _loose().where(batch.c.source == provider, batch.c.granted_at >= since, batch.c.granted_at < until)


def loose_batch(batch_id: int) -> sa.Select[Any]:
    """A purchase that somebody recorded by hand, by its row id."""
    return _loose().where(batch.c.id == batch_id)


def _loose() -> sa.Select[Any]:
    return (
        sa.select(
            batch.c.id,
            batch.c.account_id,
            account.c.external_id.label("account"),
            batch.c.reference,
            batch.c.cost_cents,
            batch.c.currency,
            batch.c.granted_micro,
            batch.c.granted_at,
        )
        .select_from(
            batch.join(account, account.c.id == batch.c.account_id).join(
                transaction, transaction.c.id == batch.c.made_by_id
            )
        )
        .where(
            _IS_PURCHASE,
            transaction.c.kind == "top_up",
            # What was booked by mistake and reversed was no purchase.
            ~sa.exists().where(_reversal.c.reverses_id == batch.c.made_by_id),
            ~sa.exists().where(payment.c.batch_id == batch.c.id),
        )
        .order_by(batch.c.id)
    )


def issued_credits(batch_ids: Sequence[int]) -> sa.Select[Any]:
    """What the entries of batches issued, by batch."""
    return (
        sa.select(entry.c.batch_id, total(entry.c.amount_micro).label("issued_micro"))
        # By the few entries of its own transaction: a batch may have paid for a million uses since.
        .join(batch, (batch.c.id == entry.c.batch_id) & (batch.c.made_by_id == entry.c.transaction_id))
        .where(
            batch.c.id.in_(batch_ids),
            entry.c.from_bucket == Bucket.ISSUED.value,
            entry.c.to_bucket == Bucket.AVAILABLE.value,
        )
        .group_by(entry.c.batch_id)
    )


def refunds_by_hand(batch_ids: Sequence[int]) -> sa.Select[Any]:
    """Money given back for batches, by batch."""
    return (
        sa.select(refund.c.batch_id, total(refund.c.cents).label("cents"))
        .where(refund.c.batch_id.in_(batch_ids))
        .group_by(refund.c.batch_id)
    )


def named_accounts(names: Sequence[str]) -> sa.Select[Any]:
    """Accounts by external id."""
    return sa.select(account.c.id, account.c.external_id).where(account.c.external_id.in_(names))


def own_refunds(payment_ids: Sequence[int]) -> sa.Select[Any]:
    """Money that the provider is to give back for us, of some payments."""
    return (
        sa.select(provider_refund)
        .where(provider_refund.c.payment_id.in_(payment_ids))
        .order_by(provider_refund.c.payment_id, provider_refund.c.id)
    )


def settled_payments(provider: str, *, since: datetime, until: datetime) -> sa.Select[Any]:
    """Row ids of our payments that were paid in [since, until)."""
    return (
        sa.select(payment.c.id)
        .where(
            payment.c.provider == provider,
            payment.c.paid_at >= since,
            payment.c.paid_at < until,
        )
        .order_by(payment.c.id)
    )


def standing_findings(provider: str) -> sa.Select[Any]:
    """Findings that are not fixed, those that were looked at longest ago first."""
    return (
        sa.select(finding)
        .where(finding.c.provider == provider, finding.c.state != "fixed")
        .order_by(finding.c.seen_at, finding.c.id)
    )


def finding_row(finding_id: int) -> sa.Select[Any]:
    """One finding."""
    return sa.select(finding).where(finding.c.id == finding_id)


def settled_count(provider: str, *, since: datetime, until: datetime) -> sa.Select[Any]:
    """How many of our payments were paid in [since, until): to say how far a comparison is."""
    found = settled_payments(provider, since=since, until=until).order_by(None).subquery()
    return sa.select(counted()).select_from(found)

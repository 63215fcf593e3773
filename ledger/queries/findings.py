"""Statements of what comparisons with providers found, and of the comparisons themselves."""

from typing import Any

import sqlalchemy as sa

from ledger.models import account, customer, finding, payment, provider_run
from ledger.queries.parts import counted

_COLUMNS = (
    finding.c.id.label("finding_id"),
    finding.c.provider,
    finding.c.kind,
    finding.c.object_kind,
    finding.c.object_ref,
    finding.c.figure,
    finding.c.payment_ref,
    payment.c.name.label("payment"),
    finding.c.batch_id,
    account.c.external_id.label("account"),
    customer.c.name.label("customer"),
    finding.c.our_cents,
    finding.c.our_currency,
    finding.c.their_cents,
    finding.c.their_currency,
    finding.c.credits_micro,
    finding.c.happened_at,
    finding.c.found_at,
    finding.c.seen_at,
    finding.c.state,
    finding.c.owner,
    finding.c.note,
    finding.c.transaction_id,
)


def findings(*, provider: str, limit: int) -> sa.Select[Any]:
    """Findings of a provider, those that stand first, then the newest."""
    return (
        sa.select(*_COLUMNS)
        .select_from(_joined())
        .where(finding.c.provider == provider)
        .order_by(sa.case((finding.c.state == "fixed", 1), else_=0), finding.c.found_at.desc(), finding.c.id.desc())
        .limit(limit)
    )


def finding_in_full(*, finding_id: int) -> sa.Select[Any]:
    """One finding with both records."""
    return (
        sa.select(*_COLUMNS, finding.c.ours, finding.c.theirs).select_from(_joined()).where(finding.c.id == finding_id)
    )


def _joined() -> sa.FromClause:
    return (
        finding.outerjoin(payment, payment.c.id == finding.c.payment_id)
        .outerjoin(account, account.c.id == finding.c.account_id)
        .outerjoin(customer, customer.c.account_id == account.c.id)
    )


def finding_counts(*, provider: str) -> sa.Select[Any]:
    """Open findings by kind."""
    return (
        sa.select(finding.c.kind, counted().label("findings"))
        .where(finding.c.provider == provider, finding.c.state == "open")
        .group_by(finding.c.kind)
    )


def provider_runs(*, provider: str, limit: int) -> sa.Select[Any]:
    """Comparisons with a provider, newest first."""
    return (
        sa.select(
            provider_run.c.id.label("run_id"),
            provider_run.c.provider,
            provider_run.c.since,
            provider_run.c.until,
            provider_run.c.started_at,
            provider_run.c.finished_at,
            provider_run.c.by,
            provider_run.c.done,
            provider_run.c.counts,
            provider_run.c.error,
        )
        .where(provider_run.c.provider == provider)
        .order_by(provider_run.c.id.desc())
        .limit(limit)
    )

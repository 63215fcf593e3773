"""Statements about referral programmes, their codes, and who brought whom."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.referrals import ReferralState
from ledger.models import account, customer, referral, referral_code, referral_programme
from ledger.queries.parts import counted, page, total_if

_ONE = sa.literal(1, sa.BigInteger)


def referral_programmes() -> sa.Select[Any]:
    """Every programme, newest first."""
    return sa.select(
        referral_programme.c.code,
        referral_programme.c.label,
        referral_programme.c.referrer_micro,
        referral_programme.c.referee_micro,
        referral_programme.c.cap,
        referral_programme.c.expires_months,
        referral_programme.c.effective_at,
        referral_programme.c.ends_at,
    ).order_by(referral_programme.c.effective_at.desc(), referral_programme.c.id.desc())


def referral_codes(*, at: datetime, limit: int | None = None) -> sa.Select[Any]:
    """Codes with their owner and how often they were used, most used first."""
    counts = (
        sa.select(
            referral.c.code,
            counted().label("referrals"),
            total_if(referral.c.state == ReferralState.REWARDED.value, _ONE).label("rewarded"),
        )
        .where(referral.c.referee_id.is_not(None))
        .group_by(referral.c.code)
        .subquery("counts")
    )
    is_over = sa.and_(referral_programme.c.ends_at.is_not(None), referral_programme.c.ends_at <= at)
    state = sa.case((referral_code.c.disabled_at.is_not(None), "disabled"), (is_over, "ended"), else_="open")

    def or_zero(column: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(column, sa.literal(0, sa.BigInteger), type_=sa.BigInteger)

    statement = (
        sa.select(
            referral_code.c.code,
            referral_programme.c.code.label("programme"),
            account.c.external_id.label("account"),
            customer.c.name,
            or_zero(counts.c.referrals).label("joined"),
            or_zero(counts.c.rewarded).label("rewarded"),
            referral_programme.c.cap,
            state.label("state"),
            referral_code.c.created_at,
        )
        .select_from(
            referral_code.join(referral_programme, referral_programme.c.id == referral_code.c.programme_id)
            .join(account, account.c.id == referral_code.c.account_id)
            .join(customer, customer.c.account_id == account.c.id)
            .outerjoin(counts, counts.c.code == referral_code.c.code)
        )
        .order_by(or_zero(counts.c.referrals).desc(), referral_code.c.code)
    )
    return page(statement, limit=limit, offset=0)


def referral_counts() -> sa.Select[Any]:
    """How many referrals ever reached each stage: one row, each counted in all the stages before its own."""
    is_invited = referral.c.invited_at.is_not(None)
    has_joined = referral.c.joined_at.is_not(None)
    stages: tuple[sa.ColumnElement[Any], ...] = (
        total_if(sa.or_(is_invited, has_joined), _ONE).label("invited"),
        total_if(has_joined, _ONE).label("joined"),
        total_if(referral.c.qualified_at.is_not(None), _ONE).label("qualified"),
        total_if(referral.c.rewarded_at.is_not(None), _ONE).label("rewarded"),
        total_if(referral.c.state == ReferralState.REFUSED.value, _ONE).label("refused"),
    )
    return sa.select(*stages)


def referrals(*, is_held: bool | None = None, limit: int | None = None) -> sa.Select[Any]:
    """Referrals with both sides, newest first; ``is_held`` True: only those that wait for a person."""
    by, of = account.alias("by"), account.alias("of")
    bringer, brought = customer.alias("bringer"), customer.alias("brought")
    happened = sa.func.coalesce(
        referral.c.rewarded_at,
        referral.c.qualified_at,
        referral.c.joined_at,
        referral.c.invited_at,
        type_=referral.c.joined_at.type,
    )
    statement: sa.Select[Any] = (
        sa.select(
            referral.c.id.label("referral_id"),
            referral.c.code,
            referral_programme.c.code.label("programme"),
            by.c.external_id.label("referrer"),
            bringer.c.name.label("referrer_name"),
            of.c.external_id.label("referee"),
            sa.func.coalesce(brought.c.name, referral.c.invited).label("referee_name"),
            referral.c.state,
            referral.c.held_because,
            happened.label("changed_at"),
        )
        .select_from(
            referral.join(referral_programme, referral_programme.c.id == referral.c.programme_id)
            .join(by, by.c.id == referral.c.referrer_id)
            .join(bringer, bringer.c.account_id == by.c.id)
            .outerjoin(of, of.c.id == referral.c.referee_id)
            .outerjoin(brought, brought.c.account_id == of.c.id)
        )
        .order_by(happened.desc(), referral.c.id.desc())
    )
    if is_held:
        statement = statement.where(
            referral.c.held_because != "",
            sa.or_(referral.c.state == ReferralState.JOINED.value, referral.c.state == ReferralState.QUALIFIED.value),
        )
    return page(statement, limit=limit, offset=0)

"""Statements about gift codes and about pools with their members."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.limits import Period
from ledger.core.records import AccountKind
from ledger.models import (
    account,
    batch,
    customer,
    entry,
    gift_code,
    gift_code_set,
    pool_member,
    pool_usage,
    transaction,
    usage_daily,
    usage_event,
)
from ledger.queries.parts import account_id, counted, free, is_on_shelf, is_open, page, total, total_if

_ONE = sa.literal(1, sa.BigInteger)


def gift_code_sets(*, limit: int | None = None) -> sa.Select[Any]:
    """Sets of gift codes, newest first, with how many codes there are, were redeemed, and were disabled one by one."""
    unused = sa.and_(gift_code.c.redeemed_at.is_(None), gift_code.c.disabled_at.is_not(None))
    counts = (
        sa.select(
            gift_code.c.set_id,
            counted().label("codes"),
            total_if(gift_code.c.redeemed_at.is_not(None), _ONE).label("redeemed"),
            total_if(unused, _ONE).label("disabled"),
        )
        .group_by(gift_code.c.set_id)
        .subquery("counts")
    )
    statement = (
        sa.select(
            gift_code_set.c.id.label("set_id"),
            gift_code_set.c.label,
            gift_code_set.c.credit_type,
            gift_code_set.c.amount_micro,
            counts.c.codes,
            counts.c.redeemed,
            counts.c.disabled,
            gift_code_set.c.per_customer_limit,
            gift_code_set.c.expires_days,
            gift_code_set.c.valid_until,
            gift_code_set.c.disabled_at,
            transaction.c.recorded_at.label("issued_at"),
            transaction.c.actor,
        )
        .join(counts, counts.c.set_id == gift_code_set.c.id)
        .join(transaction, transaction.c.id == gift_code_set.c.made_by_id)
        .order_by(gift_code_set.c.id.desc())
    )
    return page(statement, limit=limit, offset=0)


def gift_codes(set_id: int, *, limit: int | None = 200, offset: int = 0) -> sa.Select[Any]:
    """Codes of one set: their last characters, who redeemed them when and in which transaction, whether disabled."""
    statement = (
        sa.select(
            gift_code.c.id.label("code_id"),
            gift_code.c.hint,
            gift_code.c.redeemed_at,
            account.c.external_id.label("account"),
            customer.c.name,
            gift_code.c.redeemed_in_id.label("transaction_id"),
            gift_code.c.disabled_at,
        )
        .select_from(
            gift_code.outerjoin(account, account.c.id == gift_code.c.redeemed_by_id).outerjoin(
                customer, customer.c.account_id == account.c.id
            )
        )
        .where(gift_code.c.set_id == set_id)
        .order_by(gift_code.c.redeemed_at.desc().nulls_last(), gift_code.c.id)
    )
    return page(statement, limit=limit, offset=offset)


def pools(*, at: datetime, since: date, account_name: str | None = None) -> sa.Select[Any]:
    """Pools by name: members, credits that can be used, credits used since a company day."""
    members = (
        sa.select(
            pool_member.c.pool_id,
            counted().label("members"),
            total_if(pool_member.c.is_active, _ONE).label("active"),
        )
        .group_by(pool_member.c.pool_id)
        .subquery("members")
    )
    available = (
        sa.select(total_if(is_open(at), free(at)))
        .where(batch.c.account_id == account.c.id, is_on_shelf(at))
        .correlate(account)
        .scalar_subquery()
    )
    used = (
        sa.select(total(usage_daily.c.used_micro))
        .where(usage_daily.c.account_id == account.c.id, usage_daily.c.day >= since)
        .correlate(account)
        .scalar_subquery()
    )
    zero = sa.literal(0, sa.BigInteger)
    statement = (
        sa.select(
            account.c.external_id.label("account"),
            customer.c.name,
            account.c.organisation,
            account.c.zone,
            customer.c.owner,
            sa.func.coalesce(members.c.members, zero, type_=sa.BigInteger).label("members"),
            sa.func.coalesce(members.c.active, zero, type_=sa.BigInteger).label("active"),
            available.label("available_micro"),
            used.label("used_micro"),
        )
        .select_from(
            account.join(customer, customer.c.account_id == account.c.id).outerjoin(
                members, members.c.pool_id == account.c.id
            )
        )
        .where(account.c.kind == AccountKind.POOL.value)
        .order_by(customer.c.name, account.c.external_id)
    )
    return statement if account_name is None else statement.where(account.c.external_id == account_name)


def pool_members(account_name: str) -> sa.Select[Any]:
    """The members of a pool with their limits, by name."""
    return (
        sa.select(
            pool_member.c.member,
            pool_member.c.label,
            *(pool_member.c[f"{period}_limit_micro"] for period in Period),
            pool_member.c.is_active,
            pool_member.c.joined_at,
        )
        .where(pool_member.c.pool_id == account_id(account_name))
        .order_by(pool_member.c.member)
    )


def pool_counters(account_name: str, *, since: datetime) -> sa.Select[Any]:
    """What members of a pool used in each hour, day and month that began at or after an instant."""
    return sa.select(pool_usage.c.member, pool_usage.c.period, pool_usage.c.starts_at, pool_usage.c.used_micro).where(
        pool_usage.c.pool_id == account_id(account_name), pool_usage.c.starts_at >= since
    )


def member_usage(account_name: str, *, since: datetime, until: datetime) -> sa.Select[Any]:
    """Use of an account by member that occurred in [since, until), most first; what was given back is not in it.

    Columns member (empty: nobody was named), used_micro, events, last_used_at.
    """
    mine = account_id(account_name)
    # Written out, because SQLite takes a partial index only for the very words it was made with.
    returned = (
        sa.select(entry.c.usage_event_id, total(entry.c.amount_micro).label("returned_micro"))
        .where(entry.c.account_id == mine, sa.text("from_bucket = 'consumed'"))
        .group_by(entry.c.usage_event_id)
        .subquery("returned")
    )
    zero = sa.literal(0, sa.BigInteger)
    left = usage_event.c.cost_micro - sa.func.coalesce(returned.c.returned_micro, zero, type_=sa.BigInteger)
    used = total(left).label("used_micro")
    return (
        sa.select(
            usage_event.c.member,
            used,
            counted().label("events"),
            sa.func.max(usage_event.c.occurred_at, type_=usage_event.c.occurred_at.type).label("last_used_at"),
        )
        .select_from(usage_event.outerjoin(returned, returned.c.usage_event_id == usage_event.c.id))
        .where(
            usage_event.c.account_id == mine,
            usage_event.c.occurred_at >= since,
            usage_event.c.occurred_at < until,
        )
        .group_by(usage_event.c.member)
        .order_by(used.desc(), usage_event.c.member)
    )

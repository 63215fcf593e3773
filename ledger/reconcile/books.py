"""Do batches and accounts say what their entries add up to, and is every entry a move that may be?"""

import sqlalchemy as sa

from ledger.core.records import DEBT_MOVES, LEGAL_MOVES, Bucket, CreditType
from ledger.models import account, batch, batch_extension, entry, transaction
from ledger.reconcile.parts import Check, Of, moved, of, or_zero, place, total


def checks(one: Of) -> dict[str, Check]:
    """Invariants 1 to 5 and 8 of the books, for one account or all."""
    return {
        "entries are of a transaction and their batch's account": _strangers(one),
        "transactions are of an account that exists": _nobodys(one),
        **_batches(one),
        **_accounts(one),
        "only legal moves": _illegal(one),
        "no credits used outside their time": _outside(one),
        "purchased credits name payment and cost": _unpaid(one),
        "balance after = sum of entries": _running_balance(one),
        # Between accounts, so of no single one.
        **({"transferred sums to zero": _abroad()} if one is None else {}),
    }


def _batches(one: Of) -> dict[str, Check]:
    arrives = (batch.c.made_by_id == entry.c.transaction_id) & (entry.c.to_bucket == Bucket.AVAILABLE.value)
    issued = arrives & entry.c.from_bucket.in_((Bucket.ISSUED.value, Bucket.TRANSFERRED.value))
    moves = (
        sa.select(
            entry.c.batch_id,
            total(moved(Bucket.AVAILABLE)).label("available"),
            total(moved(Bucket.HELD)).label("held"),
            total(sa.case((issued, entry.c.amount_micro), else_=0)).label("issued"),
        )
        .join(batch, batch.c.id == entry.c.batch_id)
        .where(of(entry.c.account_id, one))
        .group_by(entry.c.batch_id)
        .subquery()
    )
    joined = sa.outerjoin(batch, moves, moves.c.batch_id == batch.c.id)

    def against(stated: sa.ColumnElement[int], proven: sa.ColumnElement[int]) -> Check:
        entries = or_zero(proven)
        where = place("batch", batch.c.id)
        return (
            sa.select(where, stated, entries).select_from(joined).where(of(batch.c.account_id, one), stated != entries)
        )

    return {
        "batch remaining = its entries": against(batch.c.remaining_micro, moves.c.available + moves.c.held),
        "batch held = its entries": against(batch.c.held_micro, moves.c.held),
        "batch granted = its issue": against(batch.c.granted_micro, moves.c.issued),
    }


def _accounts(one: Of) -> dict[str, Check]:
    shelves = (
        sa.select(
            batch.c.account_id,
            total(batch.c.remaining_micro - batch.c.held_micro).label("available"),
            total(batch.c.held_micro).label("held"),
        )
        .where(of(batch.c.account_id, one))
        .group_by(batch.c.account_id)
        .subquery()
    )
    debts = (
        sa.select(entry.c.account_id, total(-moved(Bucket.OWED)).label("owed"))
        .where(
            of(entry.c.account_id, one),
            sa.or_(entry.c.to_bucket == Bucket.OWED.value, entry.c.from_bucket == Bucket.OWED.value),
        )
        .group_by(entry.c.account_id)
        .subquery()
    )
    joined = sa.outerjoin(account, shelves, shelves.c.account_id == account.c.id).outerjoin(
        debts, debts.c.account_id == account.c.id
    )

    def against(stated: sa.ColumnElement[int], proven: sa.ColumnElement[int]) -> Check:
        shown = or_zero(proven)
        return (
            sa.select(account.c.external_id, stated, shown)
            .select_from(joined)
            .where(of(account.c.id, one), stated != shown)
        )

    return {
        "account available = its batches": against(account.c.available_micro, shelves.c.available),
        "account held = its batches": against(account.c.held_micro, shelves.c.held),
        "account owed = its entries": against(account.c.owed_micro, debts.c.owed),
    }


def _strangers(one: Of) -> Check:
    has_batch = entry.c.batch_id.is_not(None)
    return (
        sa.select(place("entry", entry.c.id), entry.c.amount_micro, sa.literal(0))
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .outerjoin(transaction, transaction.c.id == entry.c.transaction_id)
        .where(
            of(entry.c.account_id, one),
            sa.or_(
                has_batch & batch.c.id.is_(None), batch.c.account_id != entry.c.account_id, transaction.c.id.is_(None)
            ),
        )
    )


def _nobodys(one: Of) -> Check:
    return (
        sa.select(place("transaction", transaction.c.id), transaction.c.account_id, sa.literal(0))
        .outerjoin(account, account.c.id == transaction.c.account_id)
        .where(of(transaction.c.account_id, one), transaction.c.account_id.is_not(None), account.c.id.is_(None))
    )


def _illegal(one: Of) -> Check:
    def among(moves: frozenset[tuple[Bucket, Bucket]]) -> sa.ColumnElement[bool]:
        return sa.or_(*((entry.c.from_bucket == a.value) & (entry.c.to_bucket == b.value) for a, b in moves))

    wrong = sa.or_(
        ~among(LEGAL_MOVES),
        entry.c.batch_id.is_(None) & ~among(DEBT_MOVES),
        entry.c.batch_id.is_not(None) & among(DEBT_MOVES),
    )
    return sa.select(place("entry", entry.c.id), entry.c.amount_micro, sa.literal(0)).where(
        of(entry.c.account_id, one), wrong
    )


def _outside(one: Of) -> Check:
    # A batch that lives longer now had ended when this was used, if an extension that came later says so.
    had_ended = batch.c.id.in_(sa.select(batch_extension.c.batch_id)) & sa.exists().where(
        batch_extension.c.batch_id == batch.c.id,
        batch_extension.c.transaction_id > entry.c.transaction_id,
        batch_extension.c.expires_before <= entry.c.effective_at,
    )
    return (
        sa.select(place("entry", entry.c.id), entry.c.amount_micro, sa.literal(0))
        .join(batch, batch.c.id == entry.c.batch_id)
        .where(
            of(entry.c.account_id, one),
            entry.c.to_bucket == Bucket.CONSUMED.value,
            # What was held before its end may be captured after it.
            entry.c.from_bucket == Bucket.AVAILABLE.value,
            sa.or_(entry.c.effective_at < batch.c.effective_at, entry.c.effective_at >= batch.c.expires_at, had_ended),
        )
    )


def _unpaid(one: Of) -> Check:
    return sa.select(place("batch", batch.c.id), batch.c.granted_micro, sa.literal(0)).where(
        of(batch.c.account_id, one),
        batch.c.credit_type == CreditType.PURCHASED.value,
        sa.or_(batch.c.cost_cents.is_(None), batch.c.reference == ""),
    )


def _running_balance(one: Of) -> Check:
    """The balance written on the newest entry of each account against the account's total."""
    newest = (
        sa.select(sa.func.max(entry.c.id).label("id"))
        .where(of(entry.c.account_id, one))
        .group_by(entry.c.account_id)
        .subquery()
    )
    return (
        sa.select(account.c.external_id, account.c.available_micro, entry.c.balance_micro)
        .select_from(newest)
        .join(entry, entry.c.id == newest.c.id)
        .join(account, account.c.id == entry.c.account_id)
        .where(account.c.available_micro != entry.c.balance_micro)
    )


def _abroad() -> Check:
    way = total(moved(Bucket.TRANSFERRED))
    on_the_way = sa.select(way.label("amount")).where(
        sa.or_(entry.c.to_bucket == Bucket.TRANSFERRED.value, entry.c.from_bucket == Bucket.TRANSFERRED.value)
    )
    found = on_the_way.subquery()
    return sa.select(sa.literal("company"), found.c.amount, sa.literal(0)).where(found.c.amount != 0)

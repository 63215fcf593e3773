"""The sweep: books what time alone has changed. Late or never, it changes nothing that anyone can use."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.policy import SYSTEM, Actor
from ledger.facade import Ledger
from ledger.models import account, batch, hold
from ledger.operations.expiry import ExpireDue
from ledger.receipt import Receipt


def expire_due_everywhere(ledger: Ledger, *, actor: Actor = SYSTEM) -> list[Receipt]:
    """Book what is due of every account; answers one receipt per account of which batches had expired.

    Lapsed holds and the repayment of debt are booked on the way, as transactions of their own (ledger/housekeeping.py).
    """
    at = ledger.clock.now()
    with ledger.database.reading() as connection:
        names = connection.execute(due_accounts(at)).scalars().all()
    receipts = [ledger.execute(ExpireDue(name), actor=actor, key=f"expire:{name}:{at.isoformat()}") for name in names]
    return [receipt for receipt in receipts if receipt.transaction_id is not None]


def due_accounts(at: datetime) -> sa.Select[Any]:
    """Accounts with expired batches, lapsed holds, or debt that credits of theirs could pay; by external id."""
    with_credits = (~batch.c.is_spent, batch.c.remaining_micro > batch.c.held_micro)
    expired = sa.select(batch.c.account_id).where(*with_credits, batch.c.expires_at <= at)
    # Written out, because SQLite takes a partial index only for the very words it was made with.
    lapsed = sa.select(hold.c.account_id).where(sa.text("state = 'open'"), hold.c.expires_at <= at)
    payable = (
        sa.select(batch.c.account_id)
        .join(account, account.c.id == batch.c.account_id)
        .where(
            account.c.owed_micro > 0,
            *with_credits,
            batch.c.features.is_(None),
            batch.c.effective_at <= at,
            sa.or_(batch.c.expires_at.is_(None), batch.c.expires_at > at),
        )
    )
    due = sa.union(expired, lapsed, payable).subquery("due")
    return sa.select(account.c.external_id).join(due, due.c.account_id == account.c.id).order_by(account.c.external_id)

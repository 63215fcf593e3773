"""The expiry sweep: books what has expired. Late or never, it changes nothing that anyone can use."""

import sqlalchemy as sa

from ledger.core.policy import SYSTEM, Actor
from ledger.facade import Ledger
from ledger.models import account, batch
from ledger.operations.expiry import ExpireDue
from ledger.receipt import Receipt


def expire_due_everywhere(ledger: Ledger, *, actor: Actor = SYSTEM) -> list[Receipt]:
    """Book every expired batch of every account; answers one receipt per account that had any."""
    at = ledger.clock.now()
    due = (
        sa.select(account.c.external_id)
        .join(batch, batch.c.account_id == account.c.id)
        .where(batch.c.remaining_micro > batch.c.held_micro, batch.c.expires_at <= at)
        .distinct()
        .order_by(account.c.external_id)
    )
    with ledger.database.reading() as connection:
        names = connection.execute(due).scalars().all()
    receipts = [ledger.execute(ExpireDue(name), actor=actor, key=f"expire:{name}:{at.isoformat()}") for name in names]
    return [receipt for receipt in receipts if receipt.transaction_id is not None]

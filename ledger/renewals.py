"""Two nightly jobs: renewing plans, and rewarding referrals whose customer has bought.

Late or run twice they book the same; what a plan gives carries the dates of its period, not of the job.
"""

from datetime import timedelta

import sqlalchemy as sa

from ledger.core.policy import SYSTEM, Actor
from ledger.core.referrals import ReferralState
from ledger.facade import Ledger
from ledger.models import account, batch, referral, subscription
from ledger.operations.allocations import AllocatePlanCredits
from ledger.operations.referrals import PURCHASE
from ledger.operations.rewards import QualifyReferral
from ledger.receipt import Receipt

# No zone is further ahead of UTC than this, so a customer's day has come nowhere else.
_AHEAD = timedelta(hours=14)


def renew_due(ledger: Ledger, *, actor: Actor = SYSTEM) -> list[Receipt]:
    """Renew every plan whose next billing period has begun where its customer is; one receipt per plan renewed."""
    due = (
        sa.select(account.c.external_id, subscription.c.period_end)
        .join(subscription, subscription.c.account_id == account.c.id)
        .where(
            subscription.c.state.in_(["active", "cancelled"]),
            subscription.c.period_end <= (ledger.clock.now() + _AHEAD).date(),
            # A plan that a provider bills begins no period that is not paid for.
            sa.or_(
                subscription.c.provider.is_(None),
                subscription.c.paid_through > subscription.c.period_end,
                subscription.c.state == "cancelled",
            ),
        )
        .order_by(account.c.external_id)
    )
    with ledger.database.reading() as connection:
        found = connection.execute(due).all()
    receipts = [
        ledger.execute(
            AllocatePlanCredits(row.external_id), actor=actor, key=f"renew:{row.external_id}:{row.period_end}"
        )
        for row in found
    ]
    return [receipt for receipt in receipts if receipt.transaction_id is not None]


def qualify_due(ledger: Ledger, *, actor: Actor = SYSTEM) -> list[Receipt]:
    """Reward, or hold for review, every referral whose customer has bought since it joined; one receipt for each."""
    bought = sa.select(batch.c.id).where(batch.c.account_id == referral.c.referee_id, PURCHASE).exists()
    due = (
        sa.select(account.c.external_id, referral.c.id)
        .join(referral, referral.c.referee_id == account.c.id)
        .where(referral.c.state == ReferralState.JOINED.value, bought)
        .order_by(referral.c.id)
    )
    with ledger.database.reading() as connection:
        found = connection.execute(due).all()
    return [ledger.execute(QualifyReferral(row.external_id), actor=actor, key=f"qualify:{row.id}") for row in found]

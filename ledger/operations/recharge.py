"""Auto-recharge: the rule of a customer, and what became of the charges of its saved card.

Source: docs/accounting.md, rule 34.
"""

from datetime import datetime

import sqlalchemy as sa

from ledger.context import Context
from ledger.database import Prepared
from ledger.models import alert_look, recharge_rule

_ACCOUNT_ID = sa.bindparam("of", type_=sa.BigInteger)
_AT = sa.bindparam("at", type_=recharge_rule.c.stopped_at.type)
# Whatever stopped it first is what somebody has to mend.
_IS_LAST = sa.and_(recharge_rule.c.stopped_at.is_(None), recharge_rule.c.declines + 1 >= recharge_rule.c.stop_after)
_WENT_WELL = Prepared(sa.update(recharge_rule).where(recharge_rule.c.account_id == _ACCOUNT_ID).values(declines=0))
_WAS_DECLINED = Prepared(
    sa.update(recharge_rule)
    .where(recharge_rule.c.account_id == _ACCOUNT_ID)
    .values(
        declines=recharge_rule.c.declines + 1,
        stopped_at=sa.case((_IS_LAST, _AT), else_=recharge_rule.c.stopped_at),
        stopped_because=sa.case(
            (_IS_LAST, sa.bindparam("because", type_=sa.Text)), else_=recharge_rule.c.stopped_because
        ),
    )
)
# A charge that failed moves no credits, so the job of alerts would not look at the account by itself.
_LOOK_ANEW = Prepared(sa.delete(alert_look).where(alert_look.c.account_id == _ACCOUNT_ID))


def note_outcome(context: Context, *, account_id: int, is_good: bool, failure: str, at: datetime) -> None:
    """Count how a recharge ended: one that went well forgives earlier declines, the last one allowed stops the rule.

    For the handler that follows the payment, which has the account locked; ``failure`` is why the card was declined.
    Does nothing when the customer has no rule any more.
    """
    if is_good:
        context.queue(_WENT_WELL, {"of": account_id})
        return
    because = f"the card was declined ({failure or 'the provider does not say why'})"
    context.queue(_WAS_DECLINED, {"of": account_id, "at": at, "because": because})
    context.queue(_LOOK_ANEW, {"of": account_id})

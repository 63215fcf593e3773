"""What mends a finding of a comparison: the provider is asked again and followed, and the finding is looked at anew."""

from dataclasses import dataclass

import sqlalchemy as sa

from ledger.comparing import recheck
from ledger.core.payments import Provider
from ledger.core.policy import Actor, Permission
from ledger.errors import NotAllowedNow, NotFound
from ledger.facade import Ledger
from ledger.models import finding, payment
from ledger.receipt import Receipt
from ledger.selling.follow import Unmatched, follow, follow_ref


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of it: the state of the finding, what was booked (None: nothing new), and why if nothing could be."""

    state: str
    receipt: Receipt | None
    why: str = ""


def mend(ledger: Ledger, finding_id: int, *, by: Actor) -> Mended:
    """Ask the provider how the payment of a finding stands, book what is new, and look at the finding again.

    Nothing is booked but what the provider says, so whoever compares may let it happen. Raises NotPermitted, NotFound,
    NotAllowedNow for a finding without a payment or while a comparison runs, and what the provider raises.
    """
    ledger.require(by, Permission.RECONCILE)
    columns = (finding.c.provider, finding.c.payment_ref, payment.c.name)
    with ledger.database.reading() as connection:
        row = connection.execute(
            sa.select(*columns)
            .select_from(finding.outerjoin(payment, payment.c.id == finding.c.payment_id))
            .where(finding.c.id == finding_id)
        ).one_or_none()
    if row is None:
        raise NotFound(what="finding", id=str(finding_id))
    answer: Receipt | Unmatched | None = None
    why = ""
    try:
        if row.payment_ref is not None:
            answer = follow_ref(ledger, Provider(row.provider), payment_ref=row.payment_ref)
        elif row.name is not None:
            answer = follow(ledger, row.name)
        else:
            why = "Neither side names a payment that could be asked about."
    except NotAllowedNow as refusal:
        # Such as a second payment under one name: the finding stays, and the reason is what people need.
        why = refusal.why
    if isinstance(answer, Unmatched):
        why, answer = answer.why, None
    booked = answer is not None and answer.transaction_id is not None
    return Mended(recheck(ledger, finding_id, by=by), answer if booked else None, why)

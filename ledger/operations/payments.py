"""Credits that were paid for."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, amount_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO, Money
from ledger.core.policy import Permission
from ledger.core.records import CreditType
from ledger.database import Prepared
from ledger.errors import Fault, ReferenceUsed
from ledger.journal import BatchTerms
from ledger.models import batch
from ledger.operations.grants import put_on_shelf, shelf_faults, validity

_SAME_REFERENCE = Prepared(
    sa.select(batch.c.id).where(
        # Written out as in the index that keeps a payment single, so that the planner may use it.
        sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        batch.c.reference == sa.bindparam("reference"),
    )
)


@dataclass(frozen=True, slots=True)
class RecordTopUp(Command):
    """Book credits paid outside the product, such as by bank transfer: the price paid becomes their cost basis.

    ``reference`` names the payment (transfer id, invoice number) and can be used once only.
    """

    kind: ClassVar[str] = "top_up"
    permission: ClassVar[Permission] = Permission.RECORD_TOP_UP

    account: str
    amount_micro: int
    price: Money
    reference: str
    reason: Reason
    source: str = "bank_transfer"
    campaign: str = ""
    expires_on: date | None = None
    effective_at: datetime | None = None
    priority: int = 0
    details: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + amount_faults("amount", self.amount_micro) + self.reason.faults()
        found += text_faults("reference", self.reference, longest=120)
        if not 0 < self.price.cents <= MAX_MICRO:
            found.append(Fault("price", "must be more than 0; give free credits as a grant"))
        return found + shelf_faults(self.campaign, self.source, self.effective_at, self.priority)


def record_top_up(context: Context, command: RecordTopUp) -> Outcome:
    reference = command.reference.strip()
    state, (ids, same) = context.load(
        command.account, context.work.next_ids(batch), (_SAME_REFERENCE, {"reference": reference})
    )
    if same:
        raise ReferenceUsed(reference=reference, batch_id=same[0][0])
    starts, ends = validity(
        context, state, CreditType.PURCHASED, effective_at=command.effective_at, expires_on=command.expires_on
    )
    terms = BatchTerms(
        CreditType.PURCHASED,
        context.at,
        starts,
        ends,
        source=command.source,
        campaign=command.campaign,
        reference=reference,
        priority=command.priority,
        cost_cents=command.price.cents,
        currency=command.price.currency,
        details=command.details,
    )
    batch_id = context.work.ids_of(ids)[0]
    return put_on_shelf(context, state, batch_id, command.kind, command.amount_micro, terms, command.reason)

"""Credits that were paid for."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

from ledger.commands import Command, Outcome, Reason, amount_faults, details_faults, text_faults
from ledger.context import Context, Read, Rows
from ledger.core.amounts import MAX_MICRO, Money, micro_to_text
from ledger.core.packages import Package
from ledger.core.policy import Permission
from ledger.core.records import CreditType
from ledger.errors import Fault, NotAllowedNow, ReferenceUsed
from ledger.journal import BatchTerms
from ledger.models import batch
from ledger.operations import told
from ledger.operations.grants import put_on_shelf, shelf_faults, validity
from ledger.operations.sales import SAME_REFERENCE, package_reads, price_text, refuse_beyond_limit, version_at


@dataclass(frozen=True, slots=True)
class RecordTopUp(Command):
    """Book credits paid outside the product, such as by bank transfer: the price paid becomes their cost basis.

    ``reference`` names the payment (transfer id, invoice number) and can be used once only. ``package`` is the code of
    what was sold: its credits and price, time and limit per customer are checked again when the top-up is booked.
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
    package: str = ""

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + amount_faults("amount", self.amount_micro) + self.reason.faults()
        found += text_faults("reference", self.reference, longest=120)
        found += text_faults("package", self.package, required=False, longest=120)
        if not 0 < self.price.cents <= MAX_MICRO:
            found.append(Fault("price", "must be more than 0; give free credits as a grant"))
        found += details_faults(self.details)
        return found + shelf_faults(self.campaign, self.source, self.effective_at, self.priority)


def record_top_up(context: Context, command: RecordTopUp) -> Outcome:
    reference = command.reference.strip()
    reads: list[Read] = [
        context.work.next_ids(batch),
        (SAME_REFERENCE, {"reference": reference}),
        told.contact_of(command.account),
    ]
    if command.package:
        reads += package_reads(command.account, command.package)
    state, (ids, same, contact, *of_package) = context.load(command.account, *reads)
    if same:
        raise ReferenceUsed(reference=reference, batch_id=same[0][0])
    details, label = dict(command.details), ""
    if command.package:
        versions, bought = of_package
        sold = _sold(command, versions, bought, context.at)
        details, label = details | {"package": sold.code, "package_id": sold.id}, sold.label
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
        details=details,
    )
    batch_id = context.work.ids_of(ids)[0]
    outcome = put_on_shelf(context, state, batch_id, command.kind, command.amount_micro, terms, command.reason)
    told.tell_purchase(
        context,
        state,
        contact=contact,
        batch=outcome.receipt.new_batches[0],
        price_cents=command.price.cents,
        currency=command.price.currency,
        package=label,
        reference=reference,
    )
    return outcome


def _sold(command: RecordTopUp, versions: Rows, bought: Rows, at: datetime) -> Package:
    """The package version that a top-up is a sale of. Raises NotFound, NotAllowedNow with what is allowed instead."""
    instead = "choose another package, or record what was paid without one."
    version = version_at(command.package, versions, at, instead=instead)
    if (command.amount_micro, command.price) != (version.credits_micro, version.price):
        raise NotAllowedNow(
            f"{version.label} is {micro_to_text(version.credits_micro)} credits for {price_text(version.price)}, not "
            f"{micro_to_text(command.amount_micro)} for {price_text(command.price)}; record another sum without the "
            "package."
        )
    refuse_beyond_limit(command.account, version, bought)
    return version

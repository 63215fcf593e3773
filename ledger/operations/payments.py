"""Credits that were paid for."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from ledger.commands import Command, Outcome, Reason, amount_faults, text_faults
from ledger.context import Context, Read, Rows
from ledger.core.amounts import MAX_MICRO, Money, micro_to_text
from ledger.core.packages import Package
from ledger.core.policy import Permission
from ledger.core.records import CreditType
from ledger.database import Prepared
from ledger.errors import Fault, NotAllowedNow, NotFound, ReferenceUsed
from ledger.journal import BatchTerms
from ledger.models import account, batch, package, transaction
from ledger.operations import told
from ledger.operations.grants import put_on_shelf, shelf_faults, validity

_SAME_REFERENCE = Prepared(
    sa.select(batch.c.id).where(
        # Written out as in the index that keeps a payment single, so that the planner may use it.
        sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        batch.c.reference == sa.bindparam("reference"),
    )
)
_PACKAGE_VERSIONS = Prepared(
    sa.select(
        package.c.id,
        package.c.code,
        package.c.label,
        package.c.price_list,
        package.c.credits_micro,
        package.c.price_cents,
        package.c.currency,
        package.c.per_customer_limit,
        package.c.effective_at,
        package.c.ends_at,
    )
    .where(package.c.code == sa.bindparam("package"))
    .order_by(package.c.effective_at)
)
_reversal = transaction.alias("reversal")
_PURCHASES_OF_PACKAGE = Prepared(
    sa.select(sa.func.count(batch.c.id)).where(
        batch.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        batch.c.details["package"].as_string() == sa.bindparam("package"),
        # A purchase that was booked by mistake and reversed was none; a refunded one was.
        ~sa.exists().where(_reversal.c.reverses_id == batch.c.made_by_id),
    )
)


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
        return found + shelf_faults(self.campaign, self.source, self.effective_at, self.priority)


def record_top_up(context: Context, command: RecordTopUp) -> Outcome:
    reference = command.reference.strip()
    reads: list[Read] = [
        context.work.next_ids(batch),
        (_SAME_REFERENCE, {"reference": reference}),
        told.contact_of(command.account),
    ]
    if command.package:
        reads.append((_PACKAGE_VERSIONS, {"package": command.package}))
        reads.append((_PURCHASES_OF_PACKAGE, {"package": command.package, "account": command.account}))
    state, (ids, same, contact, *of_package) = context.load(command.account, *reads)
    if same:
        raise ReferenceUsed(reference=reference, batch_id=same[0][0])
    details, label = dict(command.details), ""
    if command.package:
        versions, bought = of_package
        sold = _sold(command, versions, bought[0][0], context.at)
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


def _sold(command: RecordTopUp, versions: Rows, bought: int, at: datetime) -> Package:
    """The package version that a top-up is a sale of. Raises NotFound, NotAllowedNow with what is allowed instead."""
    if not versions:
        raise NotFound(what="package", id=command.package)
    begun = [one for one in map(_package, versions) if one.effective_at <= at]
    if not begun:
        raise NotAllowedNow(f"{command.package} is for sale from {_instant(_package(versions[0]).effective_at)} on.")
    version = begun[-1]
    if version.ends_at is not None and not version.is_for_sale(at):
        raise NotAllowedNow(
            f"{version.label} was for sale until {_instant(version.ends_at)}; choose another package, or record what "
            "was paid without one."
        )
    if (command.amount_micro, command.price) != (version.credits_micro, version.price):
        raise NotAllowedNow(
            f"{version.label} is {micro_to_text(version.credits_micro)} credits for {_price(version.price)}, not "
            f"{micro_to_text(command.amount_micro)} for {_price(command.price)}; record another sum without the "
            "package."
        )
    if version.left_for(bought) == 0:
        raise NotAllowedNow(
            f"{command.account} has bought {version.label} {_times(bought)} and may buy it "
            f"{_times(version.per_customer_limit or 0)}; choose another package."
        )
    return version


def _package(row: tuple[Any, ...]) -> Package:
    id_, code, label, price_list, credits_micro, cents, currency, limit, starts, ends = row
    return Package(id_, code, label, price_list, credits_micro, Money(cents, currency), limit, starts, ends)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _price(price: Money) -> str:
    return f"{Decimal(price.cents).scaleb(-get_currency_precision(price.currency))} {price.currency}"


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"

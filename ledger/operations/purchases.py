"""Buying credits at a provider: a payment is begun here, and settled by what the provider says of it.

Source: docs/accounting.md, rule 32.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import (
    Before,
    Command,
    Outcome,
    Reason,
    amount_faults,
    effect,
    instant_faults,
    text_faults,
)
from ledger.context import Context, Read
from ledger.core.amounts import MAX_MICRO, Money
from ledger.core.payments import PaymentState, Provider, Purpose
from ledger.core.policy import Permission
from ledger.errors import Fault, NotAllowedNow, ReferenceUsed
from ledger.journal import AccountState
from ledger.models import payment
from ledger.operations.payment_rows import change_payment, load_payment
from ledger.operations.sales import (
    SAME_REFERENCE,
    Sale,
    begin_payment,
    package_reads,
    refuse_beyond_limit,
    version_at,
)
from ledger.statements import Prepared

QUANTITY_MAX = 100
REF_MAX_CHARS = 255
_INSTEAD = "choose another package."
_SAME_PAYMENT = Prepared(
    sa.select(payment.c.name).where(
        payment.c.provider == sa.bindparam("provider"), payment.c.payment_ref == sa.bindparam("payment_ref")
    )
)


@dataclass(frozen=True, slots=True)
class StartPurchase(Command):
    """Begin a payment for so many of one package; no credits move before the provider says that it is paid.

    The package has to be for sale, and within its limit for that customer. The payment's row is ``subject_id`` of the
    receipt; its name (pay_…) is the same for the same key.
    """

    kind: ClassVar[str] = "start_purchase"
    permission: ClassVar[Permission] = Permission.SELL

    account: str
    package: str
    provider: Provider
    quantity: int = 1
    purpose: Purpose = Purpose.CHECKOUT
    saves_card: bool = False

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + text_faults("package", self.package, longest=120)
        if not 1 <= self.quantity <= QUANTITY_MAX:
            found.append(Fault("quantity", f"must be between 1 and {QUANTITY_MAX}"))
        if self.purpose is not Purpose.CHECKOUT:
            found.append(Fault("purpose", "a purchase is paid at a checkout; other payments begin otherwise"))
        return found


@dataclass(frozen=True, slots=True)
class NoteCheckout(Command):
    """Keep the page of the provider on which a payment waits for its customer: ``url``, payable until ``ends_at``."""

    kind: ClassVar[str] = "note_checkout"
    permission: ClassVar[Permission] = Permission.FOLLOW_PROVIDER

    payment: str
    checkout_ref: str
    url: str
    ends_at: datetime | None

    def faults(self) -> list[Fault]:
        found = text_faults("payment", self.payment)
        found += text_faults("checkout_ref", self.checkout_ref, longest=REF_MAX_CHARS)
        return found + text_faults("url", self.url, longest=4000) + instant_faults("ends_at", self.ends_at)


@dataclass(frozen=True, slots=True)
class AdoptPayment(Command):
    """Make a payment that was made at the provider without this product one of an account, to be followed from now on.

    Credits appear when the provider says that it is paid. Give a package, or ``credits_micro``; ``price`` is what was
    asked for all of it, without tax. The package has to be for sale now; how often this customer may buy it does not
    count: a person has decided.
    """

    kind: ClassVar[str] = "adopt_payment"
    permission: ClassVar[Permission] = Permission.MANAGE_PAYMENTS

    provider: Provider
    payment_ref: str
    account: str
    price: Money
    reason: Reason
    package: str = ""
    quantity: int = 1
    credits_micro: int | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + self.reason.faults()
        found += text_faults("payment_ref", self.payment_ref, longest=REF_MAX_CHARS)
        found += text_faults("package", self.package, required=False, longest=120)
        if bool(self.package) == (self.credits_micro is not None):
            found.append(Fault("package", "give the package that was bought or a number of credits, one of the two"))
        if self.credits_micro is not None:
            found += amount_faults("amount", self.credits_micro)
        if not 1 <= self.quantity <= QUANTITY_MAX:
            found.append(Fault("quantity", f"must be between 1 and {QUANTITY_MAX}"))
        if not 0 < self.price.cents <= MAX_MICRO:
            found.append(Fault("price", "must be more than 0"))
        return found


def start_purchase(context: Context, command: StartPurchase) -> Outcome:
    reads = package_reads(command.account, command.package)
    state, (versions, bought, ids) = context.load(command.account, *reads, context.work.next_ids(payment))
    version = version_at(command.package, versions, context.at, instead=_INSTEAD)
    refuse_beyond_limit(command.account, version, bought, quantity=command.quantity)
    sale = Sale.of(version, command.quantity, provider=command.provider, purpose=command.purpose)
    sale = replace(sale, saves_card=command.saves_card)
    return _begun(context, state, command.kind, sale, context.work.ids_of(ids)[0], Reason("", ""))


def note_checkout(context: Context, command: NoteCheckout) -> Outcome:
    state, row, _ = load_payment(context, command.payment)
    receipt = effect(command.kind, state, context.at, Before.of(state, context.at), money=row.price, subject_id=row.id)
    if row.checkout_ref == command.checkout_ref:
        return Outcome(receipt, state.id, context.at, nothing_to_do=True)
    if row.checkout_ref is not None:
        raise NotAllowedNow(
            f"The payment {row.name} has the checkout {row.checkout_ref!r} already; it cannot have another one."
        )
    # It may have been paid before its page was noted: then it stays paid.
    new_state = PaymentState.OPEN if row.state is PaymentState.CREATED else row.state
    noted = replace(row, state=new_state, checkout_ref=command.checkout_ref, url=command.url, ends_at=command.ends_at)
    change_payment(context, noted)
    return Outcome(receipt, state.id, context.at)


def adopt_payment(context: Context, command: AdoptPayment) -> Outcome:
    ref = command.payment_ref.strip()
    reads: list[Read] = [
        context.work.next_ids(payment),
        (SAME_REFERENCE, {"reference": ref}),
        (_SAME_PAYMENT, {"provider": command.provider.value, "payment_ref": ref}),
    ]
    if command.package:
        reads += package_reads(command.account, command.package)
    state, (ids, booked, known, *of_package) = context.load(command.account, *reads)
    if booked:
        raise ReferenceUsed(reference=ref, batch_id=booked[0][0])
    if known:
        raise NotAllowedNow(f"The payment {ref!r} is known here as {known[0][0]}; nothing was booked now.")
    credits_micro, package_id = command.credits_micro or 0, None
    if command.package:
        version = version_at(command.package, of_package[0], context.at, instead="give a number of credits instead.")
        credits_micro, package_id = version.credits_micro * command.quantity, version.id
    sale = Sale(
        command.provider,
        Purpose.EXTERNAL,
        credits_micro,
        command.price,
        command.quantity,
        package_id,
        payment_ref=ref,
    )
    return _begun(context, state, command.kind, sale, context.work.ids_of(ids)[0], command.reason)


def _begun(context: Context, state: AccountState, kind: str, sale: Sale, payment_id: int, reason: Reason) -> Outcome:
    name = begin_payment(context, state, sale, payment_id=payment_id)
    before = Before.of(state, context.at)
    receipt = effect(
        kind, state, context.at, before, money=sale.price, subject_id=payment_id, notes=(f"Payment {name}",)
    )
    return Outcome(receipt, state.id, context.at, reason, weight_micro=sale.credits_micro if reason.code else 0)

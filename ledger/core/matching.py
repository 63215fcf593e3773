"""Records of payments, ours and a provider's, in the same words, and which of them belong together. Pure.

Money is whole cents with the customer's tax in it, save for the cost of a batch. Source: docs/accounting.md, rule 35.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledger.core.amounts import Money


class Kind(StrEnum):
    """What is wrong. What is not here has matched."""

    # Too young to tell: it will most likely be gone the next time.
    TIMING = "timing"
    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT = "amount"
    CURRENCY = "currency"
    DUPLICATE = "duplicate"


class ObjectKind(StrEnum):
    """What it is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    BATCH = "batch"


class Figure(StrEnum):
    """What of it differs."""

    # One side has no record, or has it as not paid.
    EXISTENCE = "existence"
    CURRENCY = "currency"
    TOTAL = "total"
    TAX = "tax"
    # The payment that a batch names as its reference.
    REFERENCE = "reference"
    COST = "cost"
    # Credits on the shelf against those that were bought.
    CREDITS = "credits"
    # Credits on the shelf against the entries that issued them.
    JOURNAL = "journal"
    # All refunds of a payment together; all disputes.
    SUM = "sum"
    # A dispute that was decided there and is open here, or the other way round.
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class TheirRefund:
    """A refund at the provider; ``counts``: its money left, or is on its way. ``ours`` is our name of it, if any."""

    ref: str
    cents: int
    counts: bool
    ours: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class TheirDispute:
    """A dispute at the provider; ``state``: inquiry, open, won or lost."""

    ref: str
    cents: int
    state: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Theirs:
    """A payment at the provider. ``name`` is our name of it in the provider's metadata.

    ``is_about_us``: it names a payment, a package or a customer of ours. A company sells other things, too.
    """

    ref: str
    checkout_ref: str | None
    name: str | None
    is_about_us: bool
    is_paid: bool
    total: Money
    tax_cents: int
    at: datetime
    refunds: tuple[TheirRefund, ...] = ()
    disputes: tuple[TheirDispute, ...] = ()

    @property
    def net(self) -> Money:
        """What was paid without tax."""
        return Money(self.total.cents - self.tax_cents, self.total.currency)


@dataclass(frozen=True, slots=True)
class OurBatch:
    """A purchased batch. ``issued_micro``: by its entries; ``refunded_cents``: given back for it by hand."""

    id: int
    reference: str
    cost: Money
    granted_micro: int
    issued_micro: int
    at: datetime
    refunded_cents: int = 0


@dataclass(frozen=True, slots=True)
class OurRefund:
    """Money that the provider is to give back for us; ``state`` as in the table provider_refund."""

    name: str
    money: Money
    state: str
    to_balance: bool
    at: datetime

    @property
    def is_given_up(self) -> bool:
        """Whether it is known here that the money did not leave."""
        return self.state in ("failed", "replaced")


@dataclass(frozen=True, slots=True)
class OurPayment:
    """A payment in our books, with the batch and the refunds that belong to it.

    ``is_settled``: our books say that the customer has paid. ``external_cents`` are refunds that others made at the
    provider, ``own_cents`` those that we asked for, as followed.
    """

    id: int
    name: str
    payment_ref: str | None
    checkout_ref: str | None
    is_settled: bool
    total: Money
    tax_cents: int
    credits_micro: int
    at: datetime
    external_cents: int = 0
    own_cents: int = 0
    disputed_cents: int = 0
    lost_cents: int = 0
    batch: OurBatch | None = None
    refunds: tuple[OurRefund, ...] = ()
    # Paid by an invoice that billed a plan besides the credits: ``tax_cents`` is all that is not for credits.
    is_part_of_invoice: bool = False

    @property
    def net_cents(self) -> int:
        """What was paid without tax."""
        return self.total.cents - self.tax_cents


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that should agree; one side may be missing.

    ``batch`` is one that was recorded by hand for this payment. ``is_second``: the other side of it has its partner
    already, so it is there twice.
    """

    theirs: Theirs | None = None
    ours: OurPayment | None = None
    batch: OurBatch | None = None
    is_second: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement. ``ours`` and ``theirs``: the money on either side, None where there is none.

    ``at``: when it came about, as far as it is known; ``is_passing``: following the provider mends it.
    """

    kind: Kind
    object_kind: ObjectKind
    ref: str
    figure: Figure
    ours: Money | None
    theirs: Money | None
    at: datetime | None
    batch_id: int | None = None
    is_passing: bool = False


def pair(theirs: Sequence[Theirs], ours: Sequence[OurPayment], batches: Sequence[OurBatch]) -> list[Pair]:
    """Find partners: by the provider's name of the payment, then by ours, then by the checkout.

    ``batches`` are purchased ones without a payment row. Every record is in at least one pair; of two partners for the
    same payment the older is the first, and the other is a second.
    """
    by_ref = {one.payment_ref: one for one in ours if one.payment_ref}
    by_name = {one.name: one for one in ours}
    by_checkout = {one.checkout_ref: one for one in ours if one.checkout_ref}
    by_reference = {one.reference: one for one in batches}
    taken: set[int] = set()
    used: set[int] = set()
    pairs = []
    for one in sorted(theirs, key=lambda each: (each.at, each.ref)):
        found = by_ref.get(one.ref) or by_name.get(one.name or "") or by_checkout.get(one.checkout_ref or "")
        by_hand = next((by_reference[name] for name in _names(one) if name in by_reference), None)
        if found is not None and (found.is_settled or by_hand is None):
            is_other = found.payment_ref not in (None, one.ref)
            pairs.append(Pair(one, found, is_second=is_other or found.id in taken))
            if not is_other:
                taken.add(found.id)
            continue
        pairs.append(Pair(one, batch=by_hand, is_second=by_hand is not None and by_hand.id in used))
        if by_hand is not None:
            used.add(by_hand.id)
    pairs += [Pair(ours=one) for one in ours if one.id not in taken]
    for loose in batches:
        if loose.id not in used:
            payment = by_ref.get(loose.reference) or by_name.get(loose.reference) or by_checkout.get(loose.reference)
            is_second = payment is not None and payment.is_settled
            pairs.append(Pair(ours=payment if is_second else None, batch=loose, is_second=is_second))
    return pairs


def _names(theirs: Theirs) -> Iterable[str]:
    return (name for name in (theirs.ref, theirs.name, theirs.checkout_ref) if name)

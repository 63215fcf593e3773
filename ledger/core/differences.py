"""In what two records of a payment disagree, ours and the provider's, and what both come to. Pure.

A chain is compared link by link: the provider's payment with ours, its refunds and disputes with what is followed here,
our payment with the batch that it paid for, the batch with the entries that issued it. Source: docs/accounting.md,
rule 35.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ledger.core.amounts import Money
from ledger.core.matching import (
    Difference,
    Figure,
    Kind,
    ObjectKind,
    OurBatch,
    OurPayment,
    OurRefund,
    Pair,
    TheirRefund,
    Theirs,
)

# Messages may be on their way, and banks take turns: what is younger than this and will mend itself is no fault yet.
GRACE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sums:
    """What was settled in one currency, with tax: payments and cents here and there.

    ``told_cents`` is how much more there is there for payments that have a finding: the rest of the difference would be
    one that nobody was told of.
    """

    currency: str
    here: int = 0
    here_cents: int = 0
    there: int = 0
    there_cents: int = 0
    told_cents: int = 0

    @property
    def difference_cents(self) -> int:
        """How much more there is there."""
        return self.there_cents - self.here_cents

    def plus(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(
            self.currency,
            self.here + other.here,
            self.here_cents + other.here_cents,
            self.there + other.there,
            self.there_cents + other.there_cents,
            self.told_cents + other.told_cents,
        )


def settled(found: Pair, told: Iterable[Difference]) -> list[Sums]:
    """What a pair adds to the control sums, by currency; ``told`` are its differences."""
    sums = []
    theirs, ours, batch = found.theirs, found.ours, found.batch
    is_ours = ours is not None or batch is not None
    if theirs is not None and theirs.is_paid and (theirs.is_about_us or is_ours):
        sums.append(Sums(theirs.total.currency, there=1, there_cents=theirs.total.cents))
    if batch is not None and not (theirs is not None and found.is_second):
        # What was recorded by hand has no tax in it: that of the provider is taken for true.
        tax = theirs.tax_cents if theirs is not None and theirs.total.currency == batch.cost.currency else 0
        sums.append(Sums(batch.cost.currency, here=1, here_cents=batch.cost.cents + tax))
    elif batch is None and ours is not None and ours.is_settled and not found.is_second:
        sums.append(Sums(ours.total.currency, here=1, here_cents=ours.total.cents))
    if any(_is_about_money(one, found) for one in told):
        sums = [replace(one, told_cents=one.difference_cents) for one in sums]
    return sums


def add_up(sums: Iterable[Sums]) -> dict[str, Sums]:
    """One line per currency, in alphabetical order."""
    lines: dict[str, Sums] = {}
    for one in sums:
        lines[one.currency] = lines.get(one.currency, Sums(one.currency)).plus(one)
    return dict(sorted(lines.items()))


def _is_about_money(one: Difference, found: Pair) -> bool:
    """Whether a difference is one of the money that was paid; a batch recorded by hand stands for its payment."""
    return one.object_kind is ObjectKind.PAYMENT or (one.object_kind is ObjectKind.BATCH and found.batch is not None)


def differences(found: Pair, *, at: datetime) -> list[Difference]:
    """Everything about which the two sides of a pair disagree at an instant; nothing when they match.

    One object is named once, with the first figure that differs; of a payment that one side does not have, neither
    refunds nor disputes are looked at.
    """
    return [_by_age(one, at) for one in _differences(found)]


def _by_age(one: Difference, at: datetime) -> Difference:
    is_young = one.at is not None and at - one.at < GRACE
    return replace(one, kind=Kind.TIMING) if one.is_passing and is_young else one


def _differences(found: Pair) -> Iterator[Difference]:
    theirs, ours, batch = found.theirs, found.ours, found.batch
    if theirs is None or not theirs.is_paid:
        yield from _not_there(found)
    elif found.is_second:
        yield _of_payment(Kind.DUPLICATE, theirs, None, Figure.EXISTENCE)
    elif ours is None and batch is None:
        if theirs.is_about_us:
            yield _of_payment(Kind.MISSING_HERE, theirs, None, Figure.EXISTENCE)
    elif ours is None and batch is not None:
        yield from _by_hand(theirs, batch)
    elif ours is not None and not ours.is_settled:
        yield _of_payment(Kind.MISSING_HERE, theirs, None, Figure.EXISTENCE)
    elif ours is not None:
        yield from _payment(theirs, ours)
        yield from _batch(theirs, ours)
        yield from _refunds(theirs, ours)
        yield from _disputes(theirs, ours.disputed_cents, ours.lost_cents)


def _not_there(found: Pair) -> Iterator[Difference]:
    ours, batch = found.ours, found.batch
    if batch is not None:
        kind = Kind.DUPLICATE if found.is_second else Kind.MISSING_THERE
        yield Difference(
            kind, ObjectKind.BATCH, batch.reference, Figure.EXISTENCE, batch.cost, None, batch.at, batch.id
        )
    elif ours is not None and ours.is_settled:
        yield Difference(
            Kind.MISSING_THERE,
            ObjectKind.PAYMENT,
            ours.payment_ref or ours.name,
            Figure.EXISTENCE,
            ours.total,
            None,
            ours.at,
        )


def _of_payment(kind: Kind, theirs: Theirs, ours: Money | None, figure: Figure) -> Difference:
    is_passing = kind is Kind.MISSING_HERE
    return Difference(
        kind, ObjectKind.PAYMENT, theirs.ref, figure, ours, theirs.total, theirs.at, is_passing=is_passing
    )


def _payment(theirs: Theirs, ours: OurPayment) -> Iterator[Difference]:
    if ours.total.currency != theirs.total.currency:
        yield _of_payment(Kind.CURRENCY, theirs, ours.total, Figure.CURRENCY)
    elif ours.total.cents != theirs.total.cents:
        yield _of_payment(Kind.AMOUNT, theirs, ours.total, Figure.TOTAL)
    elif ours.tax_cents != theirs.tax_cents and not ours.is_part_of_invoice:
        ours_tax, their_tax = (Money(cents, ours.total.currency) for cents in (ours.tax_cents, theirs.tax_cents))
        yield Difference(Kind.AMOUNT, ObjectKind.PAYMENT, theirs.ref, Figure.TAX, ours_tax, their_tax, theirs.at)


def _batch(theirs: Theirs, ours: OurPayment) -> Iterator[Difference]:
    """The batch against both payments: where those differ, either may be right about what it cost."""
    batch = ours.batch
    if batch is None:
        return
    net = Money(ours.net_cents, ours.total.currency)
    kind, figure = Kind.AMOUNT, None
    if batch.reference != theirs.ref:
        kind, figure = Kind.MISSING_HERE, Figure.REFERENCE
    elif batch.cost.currency not in (net.currency, theirs.total.currency):
        kind, figure = Kind.CURRENCY, Figure.CURRENCY
    elif batch.cost.cents not in (net.cents, theirs.net.cents):
        figure = Figure.COST
    elif batch.granted_micro != ours.credits_micro:
        figure = Figure.CREDITS
    elif batch.granted_micro != batch.issued_micro:
        figure = Figure.JOURNAL
    if figure is not None:
        yield Difference(kind, ObjectKind.BATCH, theirs.ref, figure, batch.cost, theirs.net, batch.at, batch.id)


def _by_hand(theirs: Theirs, batch: OurBatch) -> Iterator[Difference]:
    """A purchase that somebody recorded by hand: its cost, and what happened to the money since."""
    if batch.cost.currency != theirs.total.currency:
        kind, figure = Kind.CURRENCY, Figure.CURRENCY
    else:
        kind, figure = Kind.AMOUNT, Figure.COST
    if batch.cost != theirs.net:
        yield Difference(kind, ObjectKind.BATCH, batch.reference, figure, batch.cost, theirs.net, theirs.at, batch.id)
    back = [one for one in theirs.refunds if one.counts]
    gone = sum(one.cents for one in back)
    # Refunds by hand are booked without tax, so with tax in it only whether there is one can be said.
    if gone and (not batch.refunded_cents or (not theirs.tax_cents and gone != batch.refunded_cents)):
        kind = Kind.AMOUNT if batch.refunded_cents else Kind.MISSING_HERE
        ours = Money(batch.refunded_cents, batch.cost.currency) if batch.refunded_cents else None
        ref = back[0].ref if len(back) == 1 else theirs.ref
        yield _of_refund(kind, theirs, ref, Figure.SUM, ours, gone, max(one.at for one in back))
    yield from _disputes(theirs, 0, 0)


def _of_refund(
    kind: Kind,
    theirs: Theirs,
    ref: str,
    figure: Figure,
    ours: Money | None,
    their_cents: int | None,
    at: datetime | None,
) -> Difference:
    there = None if their_cents is None else Money(their_cents, theirs.total.currency)
    return Difference(kind, ObjectKind.REFUND, ref, figure, ours, there, at, is_passing=True)


def _refunds(theirs: Theirs, ours: OurPayment) -> Iterator[Difference]:
    """Refunds that we asked for, one by one; those of others; and what was followed, when each of them agrees."""
    there = {one.ours: one for one in theirs.refunds if _is_own(one, ours)}
    found = [told for mine in ours.refunds for told in _own_refund(theirs, mine, there.get(mine.name))]
    found += _others_refunds(theirs, ours)
    yield from found
    gone = sum(one.cents for one in there.values() if one.counts)
    if not found and gone != ours.own_cents:
        at = max((one.at for one in there.values()), default=None)
        here = Money(ours.own_cents, ours.total.currency)
        yield _of_refund(Kind.AMOUNT, theirs, theirs.ref, Figure.SUM, here, gone, at)


def _is_own(one: TheirRefund, ours: OurPayment) -> bool:
    return any(one.ours == mine.name for mine in ours.refunds)


def _own_refund(theirs: Theirs, mine: OurRefund, there: TheirRefund | None) -> list[Difference]:
    is_there = there is not None and there.counts
    if not is_there:
        # What went to the customer's balance never left the provider, so its payment knows nothing of it.
        if mine.is_given_up or (mine.to_balance and there is None):
            return []
        ref = mine.name if there is None else there.ref
        return [_of_refund(Kind.MISSING_THERE, theirs, ref, Figure.EXISTENCE, mine.money, None, mine.at)]
    assert there is not None
    if mine.state not in ("sent", "done"):
        return [_of_refund(Kind.MISSING_HERE, theirs, there.ref, Figure.EXISTENCE, None, there.cents, there.at)]
    if mine.money.currency != theirs.total.currency:
        return [_of_refund(Kind.CURRENCY, theirs, there.ref, Figure.CURRENCY, mine.money, there.cents, there.at)]
    if mine.money.cents != there.cents:
        return [_of_refund(Kind.AMOUNT, theirs, there.ref, Figure.TOTAL, mine.money, there.cents, there.at)]
    return []


def _others_refunds(theirs: Theirs, ours: OurPayment) -> Iterator[Difference]:
    """Refunds that others made at the provider: here only their sum is kept, so the one that is new is found by it."""
    others = [one for one in theirs.refunds if not _is_own(one, ours)]
    there = sorted((one for one in others if one.counts), key=lambda one: one.at, reverse=True)
    gone = sum(one.cents for one in there)
    missing = gone - ours.external_cents
    if not missing:
        return
    here = Money(ours.external_cents, ours.total.currency) if ours.external_cents else None
    newest = there[0].at if there else None
    if missing > 0:
        single = next((one for one in there if one.cents == missing), None)
        if single is not None:
            yield _of_refund(Kind.MISSING_HERE, theirs, single.ref, Figure.EXISTENCE, None, single.cents, single.at)
        else:
            kind = Kind.AMOUNT if here else Kind.MISSING_HERE
            yield _of_refund(kind, theirs, theirs.ref, Figure.SUM, here, gone, newest)
        return
    # One that came back, or was never there.
    back = next((one for one in others if not one.counts and one.cents == -missing), None)
    if back is not None:
        yield _of_refund(
            Kind.MISSING_THERE,
            theirs,
            back.ref,
            Figure.EXISTENCE,
            Money(back.cents, ours.total.currency),
            None,
            back.at,
        )
    else:
        kind = Kind.AMOUNT if gone else Kind.MISSING_THERE
        yield _of_refund(kind, theirs, theirs.ref, Figure.SUM, here, gone or None, newest)


def _disputes(theirs: Theirs, disputed_cents: int, lost_cents: int) -> Iterator[Difference]:
    """Disputes there against those followed here: open and lost ones; an inquiry and a won one hold no money."""
    open_there = sum(one.cents for one in theirs.disputes if one.state == "open")
    lost_there = sum(one.cents for one in theirs.disputes if one.state == "lost")
    if (open_there, lost_there) == (disputed_cents, lost_cents):
        return
    here, there = disputed_cents + lost_cents, open_there + lost_there
    holding = [one for one in theirs.disputes if one.state in ("open", "lost")]
    told = max(holding or theirs.disputes, key=lambda one: one.at, default=None)
    figure = Figure.SUM
    if here == there:
        kind, figure = Kind.MISSING_HERE, Figure.OUTCOME
    elif not here:
        kind, figure = Kind.MISSING_HERE, Figure.EXISTENCE
    elif not there:
        kind, figure = Kind.MISSING_THERE, Figure.EXISTENCE
    else:
        kind = Kind.AMOUNT
    currency = theirs.total.currency
    yield Difference(
        kind,
        ObjectKind.DISPUTE,
        theirs.ref if told is None else told.ref,
        figure,
        Money(here, currency) if here else None,
        Money(there, currency) if there else None,
        None if told is None else told.at,
        is_passing=True,
    )

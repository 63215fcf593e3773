"""One look at a provider's payments and at ours: pairs them chunk by chunk and keeps what differs. Reads only."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from ledger.both_sides import OurSide, Record, add_loose_batch, load_loose, load_ours, their_words, theirs_of
from ledger.comparing_findings import Found
from ledger.core.differences import Sums, add_up, differences, settled
from ledger.core.matching import Difference, ObjectKind, Pair, pair
from ledger.facade import Ledger
from ledger.gateways.provider import Gateway, PaymentFacts
from ledger.queries import comparing as queries

T = TypeVar("T")
CHUNK = 200
# Findings from before the period that are looked at again, those that waited longest first: each costs a request.
AGAIN_MAX = 500


class Looking:
    """The state of one comparison: what was seen so far, and what of it differs.

    ``objects`` counts what was looked at by kind, ``others`` payments that are none of ours.
    """

    def __init__(self, ledger: Ledger, gateway: Gateway, *, since: datetime, until: datetime, at: datetime) -> None:
        self.provider = gateway.provider.value
        self.found: list[Found] = []
        self.objects: Counter[str] = Counter()
        self.others = 0
        self.done = 0
        self.sums: dict[str, Sums] = {}
        self._ledger, self._gateway = ledger, gateway
        self._since, self._until, self._at = since, until, at
        # Names that the provider was asked about, or that it told of itself.
        self._refs: set[str] = set()
        self._payments: set[int] = set()
        self._batches: set[int] = set()
        self._is_of_period = True

    def run(self, tell: Callable[[int, int], None]) -> None:
        """Look at everything; ``tell`` is told how many payments were seen, and how many there are at least."""
        with self._ledger.database.reading() as connection:
            counted = queries.settled_count(self.provider, since=self._since, until=self._until)
            expected = connection.execute(counted).scalar_one()
        later: list[PaymentFacts] = []
        for chunk in _chunks(self._gateway.payments(since=self._since, until=self._until)):
            later += self._take(chunk)
            tell(self.done, max(expected, self.done))
        # Those whose partner has followed none of them yet: all that claim the same one are seen together.
        self._judge(later, self._ours(later))
        for ids in _chunks(self._unseen()):
            self._ask_for(ids)
            tell(self.done, max(expected, self.done))
        self._ask_for_loose()
        self._look_again()
        tell(self.done, self.done)

    def was_looked_at(self, row: Any) -> bool:
        """Whether the object of a finding was looked at, so that it is gone unless it was found again."""
        if row.payment_ref is not None:
            return row.payment_ref in self._refs
        return row.payment_id in self._payments or row.batch_id in self._batches

    def _ours(self, facts: Iterable[PaymentFacts], ids: Sequence[int] = ()) -> OurSide:
        with self._ledger.database.reading() as connection:
            return load_ours(connection, self.provider, facts, ids=ids)

    def _take(self, facts: Sequence[PaymentFacts]) -> list[PaymentFacts]:
        """Judge a chunk; answers those that have to wait until all are known."""
        ours = self._ours(facts)
        unsettled = {one.name for one in ours.payments if one.payment_ref is None}
        unsettled |= {one.checkout_ref for one in ours.payments if one.payment_ref is None and one.checkout_ref}
        now: list[PaymentFacts] = []
        later: list[PaymentFacts] = []
        for one in facts:
            (later if one.payment in unsettled or one.checkout_ref in unsettled else now).append(one)
        self._judge(now, ours)
        return later

    def _unseen(self) -> list[int]:
        """Payments that our books say were paid in the time, and that the provider did not list."""
        with self._ledger.database.reading() as connection:
            wanted = queries.settled_payments(self.provider, since=self._since, until=self._until)
            ids = connection.execute(wanted).scalars().all()
        return [id_ for id_ in ids if id_ not in self._payments]

    def _ask_for(self, ids: Sequence[int]) -> None:
        """Ask for payments by name: the provider may have begun them before the time that was listed."""
        ours = self._ours((), ids)
        facts = []
        for one in ours.payments:
            there = None
            if one.payment_ref or one.checkout_ref:
                checkout_ref = None if one.payment_ref else one.checkout_ref
                there = self._gateway.look(payment_ref=one.payment_ref, checkout_ref=checkout_ref)
            self._refs.add(one.payment_ref or one.checkout_ref or one.name)
            if there is not None:
                facts.append(there)
        self._judge(facts, self._ours(facts, ids))

    def _ask_for_loose(self) -> None:
        """Ask for what was recorded by hand as paid at this provider, and was not met yet."""
        with self._ledger.database.reading() as connection:
            ours = load_loose(connection, self.provider, since=self._since, until=self._until)
        ours.batches = [one for one in ours.batches if one.id not in self._batches]
        self._refs |= {one.reference for one in ours.batches}
        looked = (self._gateway.look(payment_ref=one.reference) for one in ours.batches)
        self._judge([one for one in looked if one is not None], ours)

    def _look_again(self) -> None:
        """Look at the objects of standing findings that lie outside of the time."""
        with self._ledger.database.reading() as connection:
            standing = connection.execute(queries.standing_findings(self.provider)).all()
        for row in [one for one in standing if not self.was_looked_at(one)][:AGAIN_MAX]:
            if not self.was_looked_at(row):
                self.look_at(row)

    def look_at(self, row: Any) -> None:
        """Look at the object of one finding, whatever its time."""
        self._is_of_period = False
        there = None
        if row.payment_ref:
            there = self._gateway.look(payment_ref=row.payment_ref)
            self._refs.add(row.payment_ref)
        facts = [] if there is None else [there]
        ids = [] if row.payment_id is None else [row.payment_id]
        ours = self._ours(facts, ids)
        if row.batch_id is not None:
            with self._ledger.database.reading() as connection:
                add_loose_batch(connection, ours, row.batch_id)
        self._judge(facts, ours)
        # Also where neither side has anything left to compare.
        if row.payment_id is not None:
            self._payments.add(row.payment_id)
        if row.batch_id is not None:
            self._batches.add(row.batch_id)

    def _judge(self, facts: Sequence[PaymentFacts], ours: OurSide) -> None:
        """Compare the pairs of a chunk; what differs is asked for once more, both sides, before it counts."""
        by_ref = {theirs_of(one).ref: one for one in facts}
        sure: list[tuple[Pair, list[Difference]]] = []
        doubtful: list[tuple[Pair, list[Difference]]] = []
        for one in self._pairs(facts, ours):
            told = differences(one, at=self._at)
            is_met = one.theirs is not None and (one.ours is not None or one.batch is not None)
            (doubtful if told and is_met else sure).append((one, told))
        for one, told in sure:
            self._count(one, told, by_ref, ours)
        if not doubtful:
            return
        again = [self._again(by_ref[one.theirs.ref]) for one, _ in doubtful if one.theirs is not None]
        fresh = self._ours(again)
        by_ref = {theirs_of(one).ref: one for one in again}
        for one in self._pairs(again, fresh):
            if one.theirs is not None:
                self._count(one, differences(one, at=self._at), by_ref, fresh)

    def _pairs(self, facts: Sequence[PaymentFacts], ours: OurSide) -> list[Pair]:
        found = pair([theirs_of(one) for one in facts], ours.payments, ours.batches)
        return [one for one in found if one.theirs is not None or one.is_second or self._was_asked_for(one)]

    def _was_asked_for(self, one: Pair) -> bool:
        """Whether the provider was asked for ours by name, so that having no partner means that there is none."""
        if one.batch is not None:
            return one.batch.reference in self._refs
        payment = one.ours
        return payment is not None and (payment.payment_ref or payment.checkout_ref or payment.name) in self._refs

    def _again(self, facts: PaymentFacts) -> PaymentFacts:
        # A provider may list what it does not find by name for a moment; then the list is what there is.
        return self._gateway.look(payment_ref=facts.payment_ref) or facts if facts.payment_ref else facts

    def _count(self, one: Pair, told: Sequence[Difference], by_ref: dict[str, PaymentFacts], ours: OurSide) -> None:
        theirs = one.theirs
        if one.batch is not None and one.batch.id in self._batches:
            return
        if theirs is None and one.batch is None and one.ours is not None and one.ours.id in self._payments:
            return
        self.done += 1
        facts = None if theirs is None else by_ref.get(theirs.ref)
        if theirs is not None:
            self._refs.add(theirs.ref)
        if one.batch is not None:
            self._batches.add(one.batch.id)
        if one.ours is not None and not one.is_second:
            self._payments.add(one.ours.id)
            if one.ours.batch is not None:
                self._batches.add(one.ours.batch.id)
        self.found += [self._found(one, each, facts, ours) for each in told]
        if not self._is_of_period:
            return
        if theirs is not None and one.ours is None and one.batch is None and not theirs.is_about_us:
            self.others += 1
            return
        self.objects.update(_objects(one))
        self.sums = add_up([*self.sums.values(), *settled(one, told)])

    def _found(self, one: Pair, told: Difference, facts: PaymentFacts | None, ours: OurSide) -> Found:
        batch = one.batch
        payment = None if one.ours is None else one.ours
        here: Record | None = None
        account_id = None if facts is None else ours.accounts.get(facts.account or "")
        credits_micro: int | None = None
        if payment is not None:
            account_id, here = ours.payment_accounts[payment.id], ours.payment_words[payment.id]
            credits_micro = payment.credits_micro
        if batch is not None:
            account_id, credits_micro = ours.batch_accounts[batch.id], batch.granted_micro
            here = {**ours.batch_words[batch.id], **({"payment": here} if here else {})}
        there: Record | None = None if facts is None else their_words(facts)
        return Found(
            told,
            payment_id=None if payment is None else payment.id,
            payment_ref=_ref(one),
            batch_id=told.batch_id,
            account_id=account_id,
            credits_micro=credits_micro,
            ours=here,
            theirs=there,
            is_of_period=self._is_of_period,
        )


def _ref(one: Pair) -> str | None:
    """The name by which the provider can be asked about a pair."""
    if one.theirs is not None:
        return one.theirs.ref
    if one.ours is not None:
        return one.ours.payment_ref
    return None if one.batch is None else one.batch.reference


def _chunks(many: Iterable[T]) -> Iterator[list[T]]:
    waiting = iter(many)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk


def _objects(one: Pair) -> Counter[str]:
    """What a pair consists of."""
    counted: Counter[str] = Counter()
    if one.theirs is not None or one.batch is None:
        counted[ObjectKind.PAYMENT.value] += 1
    if one.batch is not None or (one.ours is not None and one.ours.batch is not None and not one.is_second):
        counted[ObjectKind.BATCH.value] += 1
    if one.theirs is not None:
        counted[ObjectKind.REFUND.value] += len(one.theirs.refunds)
        counted[ObjectKind.DISPUTE.value] += len(one.theirs.disputes)
    return counted

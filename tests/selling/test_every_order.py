"""Paid, refunded, refund failed, disputed, won, lost, used, expired, in every order: the books end as a model says.

The model knows single credits, one by one, and nothing of the product: no shares, no plans, no entries.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger import MICRO, SYSTEM, FollowPayment, InsufficientCredits, Ledger
from ledger.as_of import balance_as_of
from ledger.clock import FixedClock
from ledger.errors import ProviderRefused
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.gateways.provider import PaymentFacts
from ledger.operations.following import STALE
from tests.kit.factories import fresh_key, grant, open_account, price_feature, use
from tests.kit.paying import define_package, open_checkout, row_of, start

CREDITS, CENTS = 100, 10_000
ACTS = ("refund", "fail", "dispute", "win", "lose", "use", "grant", "over", "keep", "late", "follow", "follow")


@dataclass
class Shelf:
    """The credits of one batch, counted by where they are."""

    rank: int
    free: int
    frozen: int = 0
    expired: int = 0
    is_over: bool = False


@dataclass
class Model:
    """What one customer has to have, credit by credit."""

    shelves: list[Shelf] = field(default_factory=list)
    bought: Shelf | None = None
    owed: int = 0
    # Of the payment's credits: taken off, found expired, claimed and not made good.
    taken: int = 0
    gone: int = 0
    claimed: int = 0

    def usable(self) -> int:
        return sum(one.free for one in self.shelves if not one.is_over)

    def put(self, rank: int, amount: int) -> Shelf:
        shelf = Shelf(rank, amount)
        self.shelves.append(shelf)
        self.repay()
        return shelf

    def spend(self, amount: int) -> None:
        for shelf in sorted(self.shelves, key=lambda one: one.rank):
            part = 0 if shelf.is_over else min(amount, shelf.free)
            shelf.free -= part
            amount -= part

    def repay(self) -> None:
        paid = min(self.owed, self.usable())
        self.spend(paid)
        self.owed -= paid

    def end_of_year(self) -> None:
        for shelf in self.shelves:
            shelf.expired, shelf.free, shelf.is_over = shelf.expired + shelf.free, 0, True

    def follow(self, facts: PaymentFacts) -> None:
        """Make the credits agree with the money, one credit at a time."""
        if self.bought is None:
            self.bought = self.put(1, CREDITS)
        disputed, lost = (sum(d.cents for d in facts.disputes if d.state == word) for word in ("open", "lost"))
        gone = min(CENTS, facts.refunded_cents + lost) // 100
        doubtful = min(CENTS, facts.refunded_cents + lost + disputed) // 100
        shelf, pool = self.bought, self.bought.frozen + self.bought.free
        while self.taken + self.gone + self.claimed < gone:
            if pool:
                pool, self.taken = pool - 1, self.taken + 1
            elif shelf.expired > self.gone:
                self.gone += 1
            else:
                self.claimed, self.owed = self.claimed + 1, self.owed + 1
        anew = 0
        while self.taken + self.gone + self.claimed > gone:
            if self.claimed and self.owed:
                self.claimed, self.owed = self.claimed - 1, self.owed - 1
            elif self.gone:
                self.gone -= 1
            elif self.taken:
                self.taken -= 1
                if shelf.is_over:
                    shelf.expired += 1
                else:
                    pool += 1
            else:
                self.claimed, anew = self.claimed - 1, anew + 1
        shelf.frozen = min(pool, doubtful - gone)
        pool -= shelf.frozen
        shelf.free, shelf.expired = (0, shelf.expired + pool) if shelf.is_over else (pool, shelf.expired)
        self.put(2, anew)


@dataclass
class Told:
    """A story while it is told: the ledger beside the model."""

    ledger: Ledger
    mock: MockGateway
    clock: FixedClock
    account: str
    model: Model
    payment: str
    ref: str
    kept: PaymentFacts | None = None

    def act(self, what: str, amount: int) -> None:
        self.clock.advance(timedelta(seconds=1))
        # Where more than is left was to be given back, the provider says no, and nothing has happened.
        with suppress(ProviderRefused):
            getattr(self, what)(amount)
        self.check(f"{what} {amount}")

    def refund(self, amount: int) -> None:
        self.mock.give_back(self.ref, amount * 100)

    def fail(self, amount: int) -> None:
        made = [one for one in self.look().refunds if one.counts]
        if made:
            self.mock.fail_refund(self.ref, made[amount % len(made)].ref)

    def dispute(self, amount: int) -> None:
        self.mock.dispute(self.ref, amount * 100)

    def win(self, amount: int) -> None:
        self.close(amount, is_won=True)

    def lose(self, amount: int) -> None:
        self.close(amount, is_won=False)

    def close(self, amount: int, *, is_won: bool) -> None:
        opened = [one for one in self.look().disputes if one.state == "open"]
        if opened:
            self.mock.close_dispute(self.ref, opened[amount % len(opened)].ref, is_won=is_won)

    def use(self, amount: int) -> None:
        if amount <= self.model.usable():
            use(self.ledger, self.account, amount)
            self.model.spend(amount)
            return
        with pytest.raises(InsufficientCredits):
            use(self.ledger, self.account, amount)

    def grant(self, amount: int) -> None:
        grant(self.ledger, self.account, amount)
        self.model.put(0, amount)

    def over(self, _: int) -> None:
        self.clock.advance(timedelta(days=400))
        self.model.end_of_year()

    def look(self) -> PaymentFacts:
        facts = self.mock.look(payment_ref=self.ref)
        assert facts is not None
        return facts

    def keep(self, _: int) -> None:
        self.kept = self.look()

    def late(self, _: int) -> None:
        if self.kept is not None:
            self.book(self.kept)

    def follow(self, _: int) -> None:
        self.book(self.look())

    def book(self, facts: PaymentFacts) -> None:
        key = fresh_key("follow")
        before = row_of(self.ledger, name=self.payment).followed_at
        receipt = self.ledger.execute(FollowPayment(self.payment, replace(facts, raw={})), actor=SYSTEM, key=key)
        is_late = before is not None and facts.asked_at < before
        assert (STALE in receipt.notes) == is_late
        if not is_late:
            self.model.follow(facts)

    def check(self, act: str) -> None:
        now = self.clock.now()
        with self.ledger.database.reading() as connection:
            found = balance_as_of(connection, self.account, at=now, known_at=now)
        frozen = self.model.bought.frozen if self.model.bought else 0
        said = (found.available_micro, found.held_micro, found.owed_micro)
        assert said == tuple(part * MICRO for part in (self.model.usable(), frozen, self.model.owed)), act


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(1, CREDITS)), max_size=14))
@example([("follow", 1), ("use", 60), ("refund", 100), ("follow", 1), ("grant", 30), ("fail", 0), ("follow", 1)])
@example([("follow", 1), ("over", 1), ("refund", 50), ("follow", 1), ("fail", 0)])
@example([("follow", 1), ("dispute", 50), ("follow", 1), ("over", 1), ("win", 0), ("follow", 1), ("refund", 90)])
@example([("dispute", 100), ("keep", 1), ("follow", 1), ("lose", 0), ("refund", 40), ("follow", 1), ("late", 1)])
def test_money_and_credits_agree_in_every_order(
    market: tuple[Ledger, MockGateway], clock: FixedClock, acts: list[tuple[str, int]]
) -> None:
    """A fresh customer per example; the auditor looks at all of them at the end."""
    ledger, mock = market
    account = fresh_key("acct")
    open_account(ledger, account)
    name = start(ledger, account)
    facts = mock.pay(open_checkout(ledger, mock, name, account=account), GOOD_CARD)
    told = Told(ledger, mock, clock, account, Model(), name, str(facts.payment_ref))
    for what, amount in [*acts, ("follow", 1)]:
        told.act(what, amount)


@pytest.fixture
def market(ledger: Ledger, mock: MockGateway) -> tuple[Ledger, MockGateway]:
    """A package for sale, and something to use credits for."""
    define_package(ledger, credits=CREDITS, cents=CENTS)
    price_feature(ledger)
    return ledger, mock

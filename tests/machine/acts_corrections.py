"""Random give-backs, voids, extensions, reversals and refunds."""

from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ledger import ExtendExpiry, GiveBack, RefundPurchase, ReverseTransaction, VoidBatch
from tests.machine import auditor_corrections, auditor_usage
from tests.machine.story import REASON, Story, credits_micro, picks, strangers


class Corrections(Story):
    @precondition(lambda self: self.auditor.events)
    @rule(pick=picks, stranger=strangers, amount=st.none() | credits_micro)
    def give_back(self, pick: int, stranger: str | None, amount: int | None) -> None:
        who, event = list(self.auditor.events)[-1 - pick % len(self.auditor.events)]
        who = self.mine(stranger) if stranger else who
        self.agree(
            GiveBack(who, event, REASON, amount),
            who,
            decide=lambda books: auditor_usage.give_back(books, who, event, amount, at=self.now),
        )

    @precondition(lambda self: self.batch_ids)
    @rule(pick=picks, stranger=strangers)
    def void(self, pick: int, stranger: str | None) -> None:
        place = pick % len(self.batch_ids)
        who = self.owner(place, stranger)
        command = VoidBatch(who, self.batch_ids[place], REASON)
        self.agree(command, who, decide=lambda books: auditor_corrections.void(books, who, place, at=self.now))

    @precondition(lambda self: self.batch_ids)
    @rule(
        pick=picks,
        stranger=strangers,
        lasts=st.none() | st.sampled_from([-1, 0, 1, 30, 90, 91, 200]) | st.just("from its end"),
    )
    def extend_a_batch(self, pick: int, stranger: str | None, lasts: int | str | None) -> None:
        place = pick % len(self.batch_ids)
        who, ends = self.owner(place, stranger), self.auditor.lots[place].ends
        last: date | None = None
        if lasts == "from its end" and ends is not None:
            last = ends.date() + timedelta(days=1)
        elif isinstance(lasts, int):
            last = self.now.astimezone(self.auditor.zones[self.auditor.lots[place].account]).date()
            last += timedelta(days=lasts)
        self.agree(
            ExtendExpiry(who, self.batch_ids[place], REASON, expires_on=last, never_expires=last is None),
            who,
            decide=lambda books: auditor_corrections.extend(books, who, place, last, at=self.now),
        )

    @precondition(lambda self: self.transactions)
    @rule(pick=picks)
    def reverse(self, pick: int) -> None:
        """Mostly of what was booked lately, because the rest has been used."""
        booked = sorted(self.transactions, reverse=True)
        act = booked[pick % min(len(booked), 12)]
        accounts = dict.fromkeys(move.account for move in self.auditor.acts[act].moves)
        self.agree(
            ReverseTransaction(self.transactions[act], REASON),
            *accounts,
            decide=lambda books: auditor_corrections.reverse(books, act, at=self.now),
        )

    @precondition(lambda self: self.batch_ids)
    @rule(pick=picks, stranger=strangers, amount=st.none() | credits_micro)
    def refund(self, pick: int, stranger: str | None, amount: int | None) -> None:
        paid = [place for place, lot in enumerate(self.auditor.lots) if lot.credit_type == "purchased"]
        # Now and then one that nobody paid for.
        places = paid if paid and pick % 4 else list(range(len(self.batch_ids)))
        place = places[pick % len(places)]
        who = self.owner(place, stranger)
        self.agree(
            RefundPurchase(who, self.batch_ids[place], amount, REASON),
            who,
            decide=lambda books: auditor_corrections.refund(books, who, place, amount, at=self.now),
        )

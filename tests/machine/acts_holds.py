"""Random holds: placed, captured, released, extended, or left to lapse."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ledger import CaptureHold, ExtendHold, PlaceHold, ReleaseHold
from tests.machine import auditor_holds
from tests.machine.acts_credits import ago
from tests.machine.story import REASON, Story, credits_micro, features, names, picks, strangers

references = st.sampled_from(["job-1", "job-2", "job-3", "job-4", "job-5", "job-6"])
spans = st.sampled_from([timedelta(hours=-1), timedelta(hours=1), timedelta(days=1), timedelta(days=60)])


class Holds(Story):
    @rule(name=names, reference=references, feature=features, amount=credits_micro, span=st.none() | spans)
    def place_hold(self, name: str, reference: str, feature: str, amount: int, span: timedelta | None) -> None:
        who, until = self.mine(name), None if span is None else self.now + span
        self.agree(
            PlaceHold(who, reference, feature, amount, until),
            who,
            decide=lambda books: auditor_holds.place(books, who, reference, feature, amount, until, at=self.now),
        )

    @precondition(lambda self: self.auditor.holds)
    @rule(pick=picks)
    def place_it_again(self, pick: int) -> None:
        one = self.some_hold(pick)
        who, same = one.account, (one.reference, one.feature, one.amount, one.until)
        self.agree(PlaceHold(who, *same), who, decide=lambda books: auditor_holds.place(books, who, *same, at=self.now))

    @precondition(lambda self: self.auditor.holds)
    @rule(
        pick=picks,
        stranger=strangers,
        event=st.integers(1, 40).map(lambda number: f"e{number}"),
        amount=st.none() | credits_micro,
        back=st.none() | ago,
    )
    def capture(self, pick: int, stranger: str | None, event: str, amount: int | None, back: timedelta | None) -> None:
        who, reference = self.hold_of(pick, stranger)
        happened = None if back is None else self.now - back
        # When the work happened is looked at before the account is.
        early = "invalid_command" if back is not None and back < timedelta(minutes=-5) else None
        self.agree(
            CaptureHold(who, reference, event, amount, happened),
            who,
            decide=lambda books: auditor_holds.capture(books, who, reference, event, amount, happened, at=self.now),
            early=early,
        )

    def hold_of(self, pick: int, stranger: str | None) -> tuple[str, str]:
        one = self.some_hold(pick)
        return self.mine(stranger) if stranger else one.account, one.reference

    @precondition(lambda self: self.auditor.holds)
    @rule(pick=picks, stranger=strangers)
    def release(self, pick: int, stranger: str | None) -> None:
        who, reference = self.hold_of(pick, stranger)
        command = ReleaseHold(who, reference, REASON)
        self.agree(command, who, decide=lambda books: auditor_holds.release(books, who, reference, at=self.now))

    @precondition(lambda self: self.auditor.holds)
    @rule(pick=picks, stranger=strangers, span=spans)
    def extend_hold(self, pick: int, stranger: str | None, span: timedelta) -> None:
        who, reference = self.hold_of(pick, stranger)
        until = self.now + span
        self.agree(
            ExtendHold(who, reference, until, REASON),
            who,
            decide=lambda books: auditor_holds.extend(books, who, reference, until, at=self.now),
        )

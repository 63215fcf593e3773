"""Random transfers and gifts, and overdrafts, which one person asks for and another allows."""

from copy import deepcopy
from datetime import datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ledger import ApproveOverdraft, AskApproval, DecideApproval, GiftCredits, TransferCredits
from tests.kit.factories import BEA
from tests.machine import auditor_sharing
from tests.machine.auditor import MICRO, Auditor, Verdict
from tests.machine.story import REASON, Story, credits_micro, names, picks

partners = st.sampled_from(["acme", "acme", "bolt", "bolt", "core"])


class Sharing(Story):
    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[int, tuple[str, int, datetime | None]] = {}

    @rule(name=partners, to=partners, amount=credits_micro, pick=st.none() | picks, is_gift=st.booleans())
    def transfer(self, name: str, to: str, amount: int, pick: int | None, is_gift: bool) -> None:
        sender, receiver = self.mine(name), self.mine(to)
        place = None if pick is None or not self.batch_ids else pick % len(self.batch_ids)
        batch_id = None if place is None else self.batch_ids[place]
        command: TransferCredits | GiftCredits = TransferCredits(sender, receiver, amount, REASON, batch_id)
        if is_gift:
            command = GiftCredits(sender, receiver, amount, REASON, "thank you", batch_id)
        kind = "gift" if is_gift else "transfer"
        self.agree(
            command,
            sender,
            receiver,
            decide=lambda books: auditor_sharing.transfer(
                books, sender, receiver, amount, place, kind=kind, at=self.now
            ),
            early="invalid_command" if sender == receiver else None,
        )

    @rule(
        name=names,
        limit=st.sampled_from([0, 10, 60, 60]).map(lambda n: n * MICRO),
        span=st.none() | st.sampled_from([timedelta(hours=-1), timedelta(days=1), timedelta(days=50)]),
        at_once=st.booleans(),
    )
    def ask_overdraft(self, name: str, limit: int, span: timedelta | None, at_once: bool) -> None:
        who, until = self.mine(name), None if span is None else self.now + span

        def decide(books: Auditor) -> Verdict:
            # Asking tries it out and lets it go.
            tried = auditor_sharing.allow_overdraft(deepcopy(books), who, limit, until, at=self.now)
            return Verdict(tried.refusal)

        command = ApproveOverdraft(who, limit, until, REASON)
        early = "invalid_command" if limit == 0 and until is not None else None
        receipt = self.agree(AskApproval(command), who, decide=decide, early=early)
        if receipt is not None:
            assert receipt.approval_id is not None
            self.refused(command, BEA, f"{self.story}-{next(self.keys)}", "approval_required")
            self.asked[receipt.approval_id] = (who, limit, until)
            if at_once:
                self.approve(len(self.asked) - 1)

    @precondition(lambda self: self.asked)
    @rule(pick=picks)
    def approve(self, pick: int) -> None:
        """It is carried out as things are now; when that cannot be, the request keeps waiting."""
        request = list(self.asked)[pick % len(self.asked)]
        who, limit, until = self.asked[request]
        receipt = self.agree(
            DecideApproval(request, True, "decided at random"),
            who,
            decide=lambda books: auditor_sharing.allow_overdraft(books, who, limit, until, at=self.now),
            actor=BEA,
        )
        if receipt is not None:
            del self.asked[request]

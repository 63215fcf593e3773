"""Random gift codes: made in sets, redeemed, disabled."""

from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ledger import CreditType, DisableGiftCodes, IssueGiftCodes, RedeemGiftCode
from ledger.codes import hash_of
from tests.machine import auditor_codes
from tests.machine.auditor import CodeSet
from tests.machine.story import REASON, Story, credits_micro, names, picks


class Codes(Story):
    def __init__(self) -> None:
        super().__init__()
        # By the place of the set in the auditor's list.
        self.set_ids: list[int] = []

    @rule(
        credit_type=st.sampled_from([one for one in CreditType if one is not CreditType.PURCHASED]),
        amount=credits_micro,
        days=st.sampled_from([None, None, 0, 29, 30, 90]),
        span=st.sampled_from([None, timedelta(hours=-1), timedelta(days=1), timedelta(days=60)]),
        limit=st.integers(1, 2),
    )
    def issue_codes(
        self, credit_type: CreditType, amount: int, days: int | None, span: timedelta | None, limit: int
    ) -> None:
        until = None if span is None else self.now + span
        new = CodeSet(credit_type.value, amount, days, until, limit)
        codes = [self.code(len(self.set_ids), number) for number in range(3)]
        command = IssueGiftCodes(
            "fair",
            credit_type,
            amount,
            tuple(hash_of(code) for code in codes),
            ("CODE",) * len(codes),
            REASON,
            valid_until=until,
            expires_days=days,
            per_customer_limit=limit,
        )
        receipt = self.agree(command, decide=lambda books: auditor_codes.issue(books, new, at=self.now))
        if receipt is not None:
            assert receipt.subject_id is not None
            self.set_ids.append(receipt.subject_id)

    def code(self, place: int, number: int) -> str:
        return f"{self.story}-{place}-{'abc'[number]}"

    @precondition(lambda self: self.set_ids)
    @rule(name=names, pick=picks, number=st.integers(0, 2))
    def redeem(self, name: str, pick: int, number: int) -> None:
        who, place = self.mine(name), pick % len(self.set_ids)
        code = self.code(place, number)
        self.agree(
            RedeemGiftCode(who, code),
            who,
            decide=lambda books: auditor_codes.redeem(books, who, place, code, at=self.now),
        )

    @precondition(lambda self: self.set_ids)
    @rule(pick=picks)
    def disable_codes(self, pick: int) -> None:
        place = pick % len(self.set_ids)
        command = DisableGiftCodes(self.set_ids[place], REASON)
        self.agree(command, decide=lambda books: auditor_codes.disable(books, place))

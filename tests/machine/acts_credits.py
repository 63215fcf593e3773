"""Random grants, top-ups, corrections, usage and sweeps."""

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from ledger import (
    AdjustBalance,
    CreditType,
    ExpireDue,
    IssueGrant,
    Money,
    OpenAccount,
    Receipt,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    SetFeaturePrice,
    UsageEvent,
)
from tests.kit.factories import ADMIN
from tests.machine import auditor_usage
from tests.machine.auditor import MICRO, Verdict
from tests.machine.story import REASON, Story, credits_micro, features, names, picks

# Who may exchange credits with whom.
ORGANISATIONS = {"acme": "north", "bolt": "north", "core": ""}

ago = st.one_of(
    st.sampled_from([timedelta(0), timedelta(minutes=-5), timedelta(minutes=-6), timedelta(days=2)]),
    st.integers(0, 90 * 24).map(lambda hours: timedelta(hours=hours)),
)
uses = st.tuples(st.integers(1, 40), features, credits_micro, ago)
Use = tuple[int, str, int, timedelta]


class Credits(Story):
    @precondition(lambda self: len(self.auditor.zones) < len(ORGANISATIONS) or len(self.done) % 5 == 0)
    @rule(name=names, zone=st.sampled_from(["Europe/Berlin", "Asia/Tokyo"]))
    def open(self, name: str, zone: str) -> None:
        who, organisation = self.mine(name), ORGANISATIONS[name]
        known = who in self.auditor.zones
        if not known:
            self.auditor.zones[who], self.auditor.organisations[who] = ZoneInfo(zone), organisation
        command = OpenAccount(who, name, zone=zone, organisation=organisation)
        self.agree(command, decide=lambda _: Verdict("invalid_command" if known else None))

    @rule(feature=features, price=st.integers(1, 3 * MICRO), back=ago)
    def set_price(self, feature: str, price: int, back: timedelta) -> None:
        what, since = self.mine(feature), self.now - back
        command = SetFeaturePrice(what, price, effective_at=since)
        self.agree(command, decide=lambda books: auditor_usage.set_price(books, what, since, price))

    @rule(
        name=names,
        credit_type=st.sampled_from([one for one in CreditType if one is not CreditType.PURCHASED]),
        amount=credits_micro,
        lasts=st.none() | st.sampled_from([-1, 0, 1, 29, 30, 90, 91]) | st.just("never"),
        later=st.none() | st.sampled_from([timedelta(seconds=-1), timedelta(hours=3), timedelta(days=40)]),
        priority=st.integers(-1, 1),
    )
    def grant(
        self,
        name: str,
        credit_type: CreditType,
        amount: int,
        lasts: int | str | None,
        later: timedelta | None,
        priority: int,
    ) -> None:
        who, never = self.mine(name), lasts == "never"
        starts = None if later is None else self.now + later
        last: date | None = None
        if isinstance(lasts, int) and who in self.auditor.zones:
            last = (starts or self.now).astimezone(self.auditor.zones[who]).date() + timedelta(days=lasts)
        terms: dict[str, Any] = {"expires_on": last, "never_expires": never, "effective_at": starts}
        command = IssueGrant(who, credit_type, amount, REASON, priority=priority, **terms)
        more: dict[str, Any] = {"starts": starts, "last": last, "never": never, "priority": priority}
        self.give(command, who, credit_type.value, amount, more)

    def give(self, command: Any, who: str, credit_type: str, amount: int, terms: dict[str, Any]) -> None:
        receipt = self.agree(
            command, who, decide=lambda books: books.give(who, credit_type, amount, at=self.now, **terms)
        )
        if receipt is not None:
            self.same_ends(receipt)

    def same_ends(self, receipt: Receipt) -> None:
        (new,), lot = receipt.new_batches, self.auditor.lots[-1]
        assert (new.effective_at, new.expires_at) == (lot.starts, lot.ends)

    @rule(name=names, amount=credits_micro, cents=st.integers(1, 3000), reference=st.integers(1, 6))
    def top_up(self, name: str, amount: int, cents: int, reference: int) -> None:
        who, payment = self.mine(name), f"{self.story}-{reference}"
        command = RecordTopUp(who, amount, Money(cents, "EUR"), payment, REASON)
        receipt = self.agree(command, who, decide=lambda books: books.top_up(who, amount, cents, payment, at=self.now))
        if receipt is not None:
            self.same_ends(receipt)

    @rule(name=names, amount=credits_micro)
    def add(self, name: str, amount: int) -> None:
        who = self.mine(name)
        self.give(AdjustBalance(who, amount, REASON), who, "compensation", amount, {"kind": "adjust"})

    @rule(name=names, amount=credits_micro)
    def remove(self, name: str, amount: int) -> None:
        who = self.mine(name)
        command = AdjustBalance(who, -amount, REASON)
        self.agree(command, who, decide=lambda books: books.take(who, amount, at=self.now))

    @precondition(lambda self: self.batch_ids)
    @rule(name=names, amount=credits_micro, pick=picks)
    def remove_from_a_batch(self, name: str, amount: int, pick: int) -> None:
        who, place = self.mine(name), pick % len(self.batch_ids)
        command = AdjustBalance(who, -amount, REASON, batch_id=self.batch_ids[place])
        self.agree(command, who, decide=lambda books: books.take_from(who, place, amount, at=self.now))

    @rule(name=names, use=uses)
    def use(self, name: str, use: Use) -> None:
        self.charge(self.mine(name), self.event(use))

    def charge(self, who: str, event: UsageEvent) -> None:
        # A lone event of the future is refused before anybody looks whether its id is known.
        early = "invalid_command" if event.occurred_at > self.now + timedelta(minutes=5) else None
        is_known = (who, event.event_id) in self.auditor.events
        content = (event.event_id, event.feature, event.quantity_micro, event.occurred_at)
        receipt = self.agree(
            RecordUsage(who, event),
            who,
            decide=lambda books: auditor_usage.charge(books, who, *content, at=self.now),
            early=early,
        )
        if receipt is not None:
            assert receipt.replayed is is_known

    @precondition(lambda self: self.batch_ids)
    @rule(name=names, number=st.integers(1, 40), extra=st.sampled_from([-5 * MICRO, 0, 1, 5 * MICRO, 60 * MICRO]))
    def use_up(self, name: str, number: int, extra: int) -> None:
        """All that is there, a little less, or more, which needs an overdraft."""
        who = self.mine(name)
        quantity = self.auditor.available(who, self.now) + extra
        if quantity > 0:
            self.charge(who, UsageEvent(f"e{number}", self.mine("units"), self.now, quantity))

    def event(self, use: Use) -> UsageEvent:
        number, feature, quantity, back = use
        return UsageEvent(f"e{number}", self.mine(feature), self.now - back, quantity)

    @rule(name=names, many=st.lists(uses, min_size=1, max_size=30))
    def bulk(self, name: str, many: list[Use]) -> None:
        who, events = self.mine(name), tuple(self.event(one) for one in many)
        contents = [(one.event_id, one.feature, one.quantity_micro, one.occurred_at) for one in events]
        fates: list[str | None] = []

        def decide(books: Any) -> Verdict:
            verdict, found = auditor_usage.charge_all(books, who, contents, at=self.now)
            fates.extend(found)
            return verdict

        receipt = self.agree(RecordUsageBulk(who, events), who, decide=decide)
        if receipt is not None:
            counts = (receipt.events_recorded, receipt.events_replayed)
            assert counts == (fates.count(None), fates.count("replayed"))
            assert [one.code for one in receipt.refusals] == [one for one in fates if one not in (None, "replayed")]

    @rule(name=names)
    def sweep(self, name: str) -> None:
        who = self.mine(name)
        self.agree(ExpireDue(who), who, decide=lambda books: books.sweep(who, at=self.now))

    @rule(name=names, amount=credits_micro)
    def preview(self, name: str, amount: int) -> None:
        who = self.mine(name)
        if who not in self.auditor.zones:
            return
        before = self.row_counts()
        shown = self.ledger.preview(IssueGrant(who, CreditType.REFERRAL, amount, REASON), actor=ADMIN)
        shelf = self.auditor.available(who, self.now) - self.auditor.owed.get(who, 0) + amount
        assert shown.available_after_micro - shown.owed_after_micro == shelf
        assert self.row_counts() == before

"""Random commands in random order against an independent auditor: after each one both have the same books."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ledger import (
    AdjustBalance,
    Command,
    CreditType,
    ExpireDue,
    IssueGrant,
    KeyReused,
    Ledger,
    LedgerError,
    Money,
    OpenAccount,
    Reason,
    Receipt,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    SetFeaturePrice,
    UsageEvent,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.models import account, batch, usage_daily
from tests.kit.factories import ADMIN
from tests.machine.auditor import MICRO, Auditor, Verdict
from tests.operations.books import audit, row_counts

COMPANY = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 27, 21, tzinfo=UTC)
REASON = Reason("machine", "a random command")

names = st.sampled_from(["acme", "bolt", "core"])
features = st.sampled_from(["images", "words"])
credits_micro = st.one_of(st.integers(1, 40).map(lambda n: n * MICRO), st.integers(1, 3 * MICRO))
ago = st.one_of(
    st.sampled_from([timedelta(0), timedelta(minutes=-5), timedelta(minutes=-6), timedelta(days=2)]),
    st.integers(0, 90 * 24).map(lambda hours: timedelta(hours=hours)),
)
uses = st.tuples(st.integers(1, 12), features, credits_micro, ago)
_examples = count(1)


class Books(RuleBasedStateMachine):
    """One random story. All stories share a database; each has accounts, features and references of its own."""

    ledger: Ledger
    clock: FixedClock

    def __init__(self) -> None:
        super().__init__()
        self.story = f"s{next(_examples)}"
        self.auditor = Auditor(COMPANY)
        self.batch_ids: list[int] = []
        self.keys = count(1)
        self.done: list[tuple[Command, str, Receipt]] = []
        self.clock.set(START)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def mine(self, name: str) -> str:
        return f"{self.story}-{name}"

    def agree(self, command: Command, verdict: Verdict) -> Receipt | None:
        """Carry a command out and compare with what the auditor says; answers the receipt unless it was refused."""
        key = f"{self.story}-{next(self.keys)}"
        before = row_counts(self.ledger)
        if verdict.refusal not in (None, "replayed"):
            with pytest.raises(LedgerError) as refused:
                self.ledger.execute(command, actor=ADMIN, key=key)
            assert refused.value.code == verdict.refusal
            assert row_counts(self.ledger) == before
            return None
        receipt = self.ledger.execute(command, actor=ADMIN, key=key)
        assert [(t.batch_id, t.amount_micro) for t in receipt.takes] == [
            (self.batch_ids[place], amount) for place, amount in verdict.takes
        ]
        self.batch_ids += [new.id for new in receipt.new_batches]
        if receipt.transaction_id is not None and verdict.refusal is None:
            self.done.append((command, key, receipt))
        return receipt

    @initialize()
    def begin(self) -> None:
        for name, zone in (("acme", "America/New_York"), ("bolt", "Asia/Tokyo")):
            self.open(name, zone)
        self.set_price("images", MICRO, timedelta(days=60))
        self.grant("acme", CreditType.REFERRAL, 30 * MICRO, None, None, 0)

    @rule(name=names, zone=st.sampled_from(["Europe/Berlin", "Asia/Tokyo"]))
    def open(self, name: str, zone: str) -> None:
        known = self.mine(name) in self.auditor.zones
        if not known:
            self.auditor.zones[self.mine(name)] = ZoneInfo(zone)
        self.agree(OpenAccount(self.mine(name), name, zone=zone), Verdict("invalid_command" if known else None))

    @rule(feature=features, price=credits_micro, back=ago)
    def set_price(self, feature: str, price: int, back: timedelta) -> None:
        since = self.now - back
        command = SetFeaturePrice(self.mine(feature), price, effective_at=since)
        self.agree(command, self.auditor.price(self.mine(feature), since, price))

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
        who = self.mine(name)
        starts = None if later is None else self.now + later
        last: date | None = None
        if isinstance(lasts, int) and who in self.auditor.zones:
            last = (starts or self.now).astimezone(self.auditor.zones[who]).date() + timedelta(days=lasts)
        terms: dict[str, Any] = {"expires_on": last, "never_expires": lasts == "never", "effective_at": starts}
        command = IssueGrant(who, credit_type, amount, REASON, priority=priority, **terms)
        if who not in self.auditor.zones:
            self.agree(command, Verdict("not_found"))
            return
        verdict = self.auditor.give(
            who,
            credit_type.value,
            amount,
            at=self.now,
            starts=starts,
            last=last,
            never=lasts == "never",
            priority=priority,
        )
        receipt = self.agree(command, verdict)
        if receipt is not None:
            self.same_ends(receipt)

    def same_ends(self, receipt: Receipt) -> None:
        (new,), lot = receipt.new_batches, self.auditor.lots[-1]
        assert (new.effective_at, new.expires_at) == (lot.starts, lot.ends)

    @rule(name=names, amount=credits_micro, reference=st.integers(1, 4))
    def top_up(self, name: str, amount: int, reference: int) -> None:
        who, payment = self.mine(name), f"{self.story}-{reference}"
        command = RecordTopUp(who, amount, Money(5, "EUR"), payment, REASON)
        if who not in self.auditor.zones:
            self.agree(command, Verdict("not_found"))
            return
        receipt = self.agree(command, self.auditor.top_up(who, amount, payment, at=self.now))
        if receipt is not None:
            self.same_ends(receipt)

    @rule(name=names, amount=credits_micro)
    def add(self, name: str, amount: int) -> None:
        who = self.mine(name)
        command = AdjustBalance(who, amount, REASON)
        if who not in self.auditor.zones:
            self.agree(command, Verdict("not_found"))
            return
        self.agree(command, self.auditor.give(who, "compensation", amount, at=self.now))

    @rule(name=names, amount=credits_micro)
    def remove(self, name: str, amount: int) -> None:
        who = self.mine(name)
        known = who in self.auditor.zones
        verdict = self.auditor.take(who, amount, at=self.now) if known else Verdict("not_found")
        self.agree(AdjustBalance(who, -amount, REASON), verdict)

    @precondition(lambda self: self.batch_ids)
    @rule(name=names, amount=credits_micro, pick=st.integers(0, 100))
    def remove_from_a_batch(self, name: str, amount: int, pick: int) -> None:
        who, place = self.mine(name), pick % len(self.batch_ids)
        verdict = self.auditor.take_from(who, place, amount, at=self.now)
        self.agree(AdjustBalance(who, -amount, REASON, batch_id=self.batch_ids[place]), verdict)

    @rule(name=names, use=uses)
    def use(self, name: str, use: tuple[int, str, int, timedelta]) -> None:
        who, event = self.mine(name), self.event(use)
        verdict = Verdict("not_found")
        if who in self.auditor.zones or event.occurred_at > self.now + timedelta(minutes=5):
            verdict = self.charge(who, event)
            # A lone event of the future is refused before anybody looks whether its id is known.
            if event.occurred_at > self.now + timedelta(minutes=5):
                verdict = Verdict("invalid_command")
        receipt = self.agree(RecordUsage(who, event), verdict)
        if receipt is not None:
            assert receipt.replayed is (verdict.refusal == "replayed")

    def event(self, use: tuple[int, str, int, timedelta]) -> UsageEvent:
        number, feature, quantity, back = use
        return UsageEvent(f"e{number}", self.mine(feature), self.now - back, quantity)

    def charge(self, who: str, event: UsageEvent) -> Verdict:
        return self.auditor.charge(
            who, event.event_id, event.feature, event.quantity_micro, event.occurred_at, at=self.now
        )

    @rule(name=names, many=st.lists(uses, min_size=1, max_size=30))
    def bulk(self, name: str, many: list[tuple[int, str, int, timedelta]]) -> None:
        who, events = self.mine(name), tuple(self.event(one) for one in many)
        command = RecordUsageBulk(who, events)
        if who not in self.auditor.zones:
            self.agree(command, Verdict("not_found"))
            return
        verdicts = [self.charge(who, event) for event in events]
        together: dict[int, int] = {}
        for verdict in verdicts:
            for place, amount in verdict.takes:
                together[place] = together.get(place, 0) + amount
        receipt = self.agree(command, Verdict(takes=list(together.items())))
        assert receipt is not None
        fates = [verdict.refusal for verdict in verdicts]
        assert (receipt.events_recorded, receipt.events_replayed) == (fates.count(None), fates.count("replayed"))
        assert [one.code for one in receipt.refusals] == [fate for fate in fates if fate not in (None, "replayed")]

    @rule(name=names)
    def sweep(self, name: str) -> None:
        who = self.mine(name)
        if who not in self.auditor.zones:
            self.agree(ExpireDue(who), Verdict("not_found"))
            return
        gone = self.auditor.sweep(who, at=self.now)
        receipt = self.ledger.execute(ExpireDue(who), actor=ADMIN, key=f"{self.story}-{next(self.keys)}")
        assert (receipt.transaction_id is None) is (not gone)
        assert sorted((t.batch_id, t.amount_micro) for t in receipt.takes) == sorted(
            (self.batch_ids[place], amount) for place, amount in gone
        )

    @rule(by=st.sampled_from([timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=45)]))
    def wait(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule(pick=st.integers(0, 100), early=st.booleans())
    def wait_for_an_expiry(self, pick: int, early: bool) -> None:
        ends = sorted({lot.ends for lot in self.auditor.lots if lot.ends is not None and lot.ends > self.now})
        if ends:
            self.clock.set(ends[pick % min(len(ends), 3)] - timedelta(microseconds=early))

    @precondition(lambda self: self.done)
    @rule(pick=st.integers(0, 1000))
    def repeat(self, pick: int) -> None:
        command, key, receipt = self.done[pick % len(self.done)]
        before = row_counts(self.ledger)
        assert self.ledger.execute(command, actor=ADMIN, key=key) == receipt.as_replayed()
        assert row_counts(self.ledger) == before

    @precondition(lambda self: self.done)
    @rule(pick=st.integers(0, 1000))
    def reuse_a_key(self, pick: int) -> None:
        command, key, _ = self.done[pick % len(self.done)]
        other = IssueGrant(self.mine("acme"), CreditType.REFERRAL, 77 * MICRO, REASON, campaign="another")
        assert other != command
        with pytest.raises(KeyReused):
            self.ledger.execute(other, actor=ADMIN, key=key)

    @rule(name=names, amount=credits_micro)
    def preview(self, name: str, amount: int) -> None:
        who = self.mine(name)
        if who in self.auditor.zones:
            before = row_counts(self.ledger)
            shown = self.ledger.preview(IssueGrant(who, CreditType.REFERRAL, amount, REASON), actor=ADMIN)
            assert shown.available_after_micro == self.auditor.available(who, self.now) + amount
            assert shown.balance_after_micro == self.auditor.balance(who, self.now) + amount
            assert row_counts(self.ledger) == before

    @invariant()
    def the_shelves_are_the_same(self) -> None:
        with self.ledger.database.reader.connect() as connection:
            rows = connection.execute(
                sa.select(batch.c.id, account.c.external_id, batch.c.remaining_micro)
                .join(account, account.c.id == batch.c.account_id)
                .where(account.c.external_id.startswith(f"{self.story}-"))
                .order_by(batch.c.id)
            ).all()
        lots = zip(self.batch_ids, self.auditor.lots, strict=True)
        assert [tuple(row) for row in rows] == sorted((id_, lot.account, lot.left) for id_, lot in lots)

    def teardown(self) -> None:
        with self.ledger.database.reader.connect() as connection:
            rows = connection.execute(
                sa.select(
                    account.c.external_id,
                    usage_daily.c.day,
                    usage_daily.c.feature,
                    usage_daily.c.credit_type,
                    usage_daily.c.used_micro,
                )
                .join(account, account.c.id == usage_daily.c.account_id)
                .where(account.c.external_id.startswith(f"{self.story}-"))
            ).all()
        assert {tuple(row)[:4]: row.used_micro for row in rows} == self.auditor.used


@pytest.fixture
def machine(database_url: str) -> Iterator[type[Books]]:
    opened = open_ledger(database_url, clock=FixedClock(START))
    yield type("BooksHere", (Books,), {"ledger": opened, "clock": opened.clock})
    assert audit(opened) == []
    opened.database.dispose()


def play(machine: Callable[[], Books], *, examples: int, steps: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    limits = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=limits)


def test_the_ledger_agrees_with_the_auditor(machine: type[Books], request: pytest.FixtureRequest) -> None:
    play(machine, examples=30 if machine.ledger.database.is_sqlite else 15, steps=30)


@pytest.mark.slow
@pytest.mark.skipif("'slow' not in config.getoption('-m')", reason="long; ask for it with -m slow")
def test_the_ledger_agrees_with_the_auditor_for_a_long_time(machine: type[Books]) -> None:
    play(machine, examples=100, steps=50)

"""What every random story has: accounts, a clock, one way to act, and what has to be true after each act."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger import Actor, Command, CreditType, IssueGrant, KeyReused, Ledger, LedgerError, Reason, Receipt
from ledger.clock import FixedClock
from ledger.models import account, batch, hold, metadata, usage_daily
from ledger.queries.accounts import customers
from ledger.reconcile import reconcile
from tests.kit.factories import ADMIN
from tests.machine.auditor import MICRO, Auditor, Hold, Verdict

COMPANY = ZoneInfo("Europe/Berlin")
START = datetime(2026, 3, 27, 21, tzinfo=UTC)
REASON = Reason("machine", "a random command")

names = st.sampled_from(["acme", "acme", "acme", "bolt", "bolt", "core"])
features = st.sampled_from(["images", "words"])
credits_micro = st.one_of(st.integers(1, 40).map(lambda n: n * MICRO), st.integers(1, 3 * MICRO))
picks = st.integers(0, 100)
# Mostly nobody: then a rule acts on the account that its pick belongs to.
strangers = st.sampled_from([None, None, None, None, None, "acme", "bolt"])
_stories = count(1)
_ROW_COUNTS = sa.select(*(sa.select(sa.func.count()).select_from(t).scalar_subquery() for t in metadata.sorted_tables))


class Story(RuleBasedStateMachine):
    """One random story. All stories share a database; each has accounts, features and references of its own."""

    ledger: Ledger
    clock: FixedClock
    # How often a kind of command ended how, over all stories.
    fates: Counter[tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.story = f"s{next(_stories)}"
        self.auditor = Auditor(COMPANY)
        self.batch_ids: list[int] = []
        # By the place of the act in the auditor's list.
        self.transactions: dict[int, int] = {}
        self.keys = count(1)
        self.done: list[tuple[Command, Actor, str, Receipt]] = []
        self.clock.set(START)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def mine(self, name: str) -> str:
        return f"{self.story}-{name}"

    def owner(self, place: int, stranger: str | None) -> str:
        """The account of a batch, unless somebody else is to try."""
        return self.mine(stranger) if stranger else self.auditor.lots[place].account

    def some_hold(self, pick: int) -> Hold:
        """A hold, mostly one that is still open."""
        live = [one for one in self.auditor.holds if one.is_live(self.now)]
        places = live if live and pick % 5 else self.auditor.holds
        return places[-1 - pick % len(places)]

    def row_counts(self) -> tuple[int, ...]:
        with self.ledger.database.reader.connect() as connection:
            return tuple(connection.execute(_ROW_COUNTS).one())

    def agree(
        self,
        command: Command,
        *accounts: str,
        decide: Callable[[Auditor], Verdict],
        early: str | None = None,
        actor: Actor = ADMIN,
    ) -> Receipt | None:
        """Carry a command out and compare with what the auditor says; answers the receipt unless it was refused.

        Args: the accounts that it works on; what the auditor decides once these are in order; the code of a refusal
        that comes before anybody looks at an account.
        """
        books = deepcopy(self.auditor)
        if early is not None or not set(accounts) <= set(books.zones):
            verdict = Verdict(early or "not_found")
        else:
            for name in accounts:
                books.tidy(name, self.now)
            verdict = decide(books)
        self.fates[command.kind, verdict.refusal or "booked"] += 1
        key = f"{self.story}-{next(self.keys)}"
        if verdict.refusal not in (None, "replayed"):
            self.refused(command, actor, key, verdict.refusal)
            return None
        self.auditor = books
        receipt = self.ledger.execute(command, actor=actor, key=key)
        self.batch_ids += [new.id for new in receipt.new_batches]
        self.compare(receipt, verdict)
        if verdict.refusal is None and receipt.transaction_id is not None:
            self.done.append((command, actor, key, receipt))
            if verdict.act is not None:
                self.transactions[verdict.act] = receipt.transaction_id
        return receipt

    def refused(self, command: Command, actor: Actor, key: str, code: str | None) -> None:
        before = self.row_counts()
        with pytest.raises(LedgerError) as refused:
            self.ledger.execute(command, actor=actor, key=key)
        assert refused.value.code == code
        assert self.row_counts() == before

    def compare(self, receipt: Receipt, verdict: Verdict) -> None:
        """The receipt says what the auditor says, in the auditor's order."""
        for said, expected in (
            (receipt.takes, verdict.takes),
            (receipt.returned, verdict.returned),
            (receipt.expired, verdict.expired),
        ):
            assert [(t.batch_id, t.amount_micro) for t in said] == [
                (self.batch_ids[place], amount) for place, amount in expected
            ]
        assert (receipt.money and receipt.money.cents) == verdict.cents
        for who, available, balance in (
            (receipt.account, receipt.available_after_micro, receipt.balance_after_micro),
            (receipt.counterpart, receipt.counterpart_available_micro, receipt.counterpart_balance_micro),
        ):
            if who is not None:
                assert available == self.auditor.available(who, self.now)
                assert balance == self.auditor.balance(who, self.now)
        if receipt.account is not None:
            assert receipt.owed_after_micro == self.auditor.owed.get(receipt.account, 0)

    @rule(by=st.sampled_from([timedelta(microseconds=1), timedelta(hours=1), timedelta(days=1), timedelta(days=45)]))
    def wait(self, by: timedelta) -> None:
        self.clock.advance(by)

    @rule(pick=picks, early=st.booleans())
    def wait_for_an_end(self, pick: int, early: bool) -> None:
        """Until a batch expires, starts, or a hold times out; or the last instant before."""
        ends = {lot.ends for lot in self.auditor.lots} | {lot.starts for lot in self.auditor.lots}
        ends |= {one.until for one in self.auditor.holds if one.state == "open"}
        coming = sorted(end for end in ends if end is not None and end > self.now)
        if coming:
            self.clock.set(coming[pick % min(len(coming), 3)] - timedelta(microseconds=early))

    @precondition(lambda self: self.done)
    @rule(pick=st.integers(0, 1000))
    def repeat(self, pick: int) -> None:
        command, actor, key, receipt = self.done[pick % len(self.done)]
        before = self.row_counts()
        assert self.ledger.execute(command, actor=actor, key=key) == receipt.as_replayed()
        assert self.row_counts() == before

    @precondition(lambda self: self.done)
    @rule(pick=st.integers(0, 1000))
    def reuse_a_key(self, pick: int) -> None:
        command, actor, key, _ = self.done[pick % len(self.done)]
        other = IssueGrant(self.mine("acme"), CreditType.REFERRAL, 77 * MICRO, REASON, campaign="another")
        assert other != command
        with pytest.raises(KeyReused):
            self.ledger.execute(other, actor=actor, key=key)

    @invariant()
    def the_books_are_the_same(self) -> None:
        with self.ledger.database.reader.connect() as connection:
            self.same_shelves(connection)
            self.same_holds(connection)
            self.same_balances(connection)

    def same_shelves(self, connection: sa.Connection) -> None:
        columns = (batch.c.id, account.c.external_id, batch.c.remaining_micro, batch.c.held_micro, batch.c.expires_at)
        statement = sa.select(*columns).join(account, account.c.id == batch.c.account_id).order_by(batch.c.id)
        rows = connection.execute(statement.where(self.is_mine())).all()
        lots = zip(self.batch_ids, self.auditor.lots, strict=True)
        assert [tuple(row) for row in rows] == [
            (id_, lot.account, lot.left, lot.held, lot.ends) for id_, lot in sorted(lots, key=lambda one: one[0])
        ]

    def same_holds(self, connection: sa.Connection) -> None:
        columns = (account.c.external_id, hold.c.reference, hold.c.state, hold.c.expires_at)
        statement = sa.select(*columns).join(account, account.c.id == hold.c.account_id).order_by(hold.c.id)
        rows = connection.execute(statement.where(self.is_mine())).all()
        assert [tuple(row) for row in rows] == [
            (one.account, one.reference, one.state, one.until) for one in self.auditor.holds
        ]

    def same_balances(self, connection: sa.Connection) -> None:
        """What people are shown: lapses and expiries count at once, booked or not."""
        today = self.now.astimezone(COMPANY).date()
        statement = customers(
            at=self.now, in_30_days=self.now + timedelta(days=30), used_since=today, used_until=today
        ).where(self.is_mine())
        shown = {
            row.account: (row.available_micro, row.held_micro, row.balance_micro, row.owed_micro)
            for row in connection.execute(statement)
        }
        books = self.auditor
        assert shown == {
            who: (
                books.available(who, self.now),
                books.all_held(who, self.now),
                books.balance(who, self.now),
                books.owed.get(who, 0),
            )
            for who in books.zones
        }

    def is_mine(self) -> sa.ColumnElement[bool]:
        return account.c.external_id.startswith(f"{self.story}-")

    def teardown(self) -> None:
        columns = (
            account.c.external_id,
            usage_daily.c.day,
            usage_daily.c.feature,
            usage_daily.c.credit_type,
            usage_daily.c.used_micro,
        )
        statement = sa.select(*columns).join(account, account.c.id == usage_daily.c.account_id)
        with self.ledger.database.reader.connect() as connection:
            rows = connection.execute(statement.where(self.is_mine())).all()
            for who in self.auditor.zones:
                assert reconcile(connection, account_name=who).findings == ()
        assert {tuple(row)[:4]: row.used_micro for row in rows} == self.auditor.used

"""Charges of many callers in shared transactions: the same books, receipts and refusals as one after another."""

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ledger import (
    MICRO,
    SYSTEM,
    EventReused,
    InsufficientCredits,
    InvalidCommand,
    KeyReused,
    Ledger,
    LedgerError,
    NotFound,
    Receipt,
    RecordUsage,
    UsageEvent,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.database import Work
from ledger.digest import digest_of
from ledger.groups import Request
from ledger.reconcile import reconcile
from ledger.together import Together
from tests.kit.factories import NOW, grant, open_account, price_feature
from tests.operations.books import all_rows, audit

pytestmark = pytest.mark.postgres


@pytest.fixture
def shared(postgres_url: str, clock: FixedClock) -> Iterator[Ledger]:
    """A PostgreSQL ledger with two customers and one price."""
    ledger = open_ledger(postgres_url, clock=clock)
    price_feature(ledger)
    for name in ("acme", "zeta"):
        open_account(ledger, name)
        grant(ledger, name, 20)
        grant(ledger, name, 30, features=("images",))
        grant(ledger, name, 50, features=("words",))
    yield ledger
    ledger.database.dispose()


def usage(event_id: str, credits: int = 1, account: str = "acme", feature: str = "images") -> RecordUsage:
    return RecordUsage(account, UsageEvent(event_id, feature, NOW, credits * MICRO))


Asked = tuple[RecordUsage, str]


def requests_of(*asked: Asked) -> list[Request]:
    return [Request(command, SYSTEM, key, digest_of(command)) for command, key in asked]


def answers_of(requests: list[Request]) -> list[Receipt | LedgerError | None]:
    return [one.refusal or one.receipt for one in requests]


def together(ledger: Ledger, *asked: Asked) -> list[Receipt | LedgerError | None]:
    """Charge all of them in one transaction, after one read."""
    requests = requests_of(*asked)
    Together(ledger.database, ledger._context).after_reading(requests)
    return answers_of(requests)


def plain(ledger: Ledger) -> Ledger:
    """The same books, where every charge goes the plain way."""
    other = Ledger(ledger.database, ledger.clock)
    other._coalescer = None
    return other


def one_by_one(ledger: Ledger, *asked: Asked) -> list[Receipt | LedgerError]:
    """Charge all of them the plain way."""
    answers: list[Receipt | LedgerError] = []
    for command, key in asked:
        try:
            answers.append(plain(ledger).execute(command, actor=SYSTEM, key=key))
        except LedgerError as refusal:
            answers.append(refusal)
    return answers


def comparable(answers: list[Any]) -> list[Any]:
    """Answers without ids, which come from sequences."""
    return [
        (type(one), str(one)) if isinstance(one, LedgerError) else replace(one, transaction_id=None) for one in answers
    ]


def random_requests(dice: random.Random) -> list[tuple[RecordUsage, str]]:
    """Charges that now and then repeat a key or an event, are too large, too early, or of nobody."""
    asked = []
    for _ in range(dice.randint(2, 30)):
        command = usage(
            f"event-{dice.randrange(20)}",
            dice.choice((1, 2, 3, 30)),
            dice.choice(("acme", "zeta", "acme", "zeta", "nobody")),
            dice.choice(("images", "images", "images", "unpriced")),
        )
        if dice.random() < 0.1:
            command = replace(command, event=replace(command.event, occurred_at=NOW + timedelta(hours=1)))
        asked.append((command, f"key-{dice.randrange(25)}"))
    return asked


@pytest.mark.parametrize("seed", range(12))
def test_a_group_books_what_one_after_another_would(
    shared: Ledger, postgres_template: Any, clock: FixedClock, seed: int
) -> None:
    asked = random_requests(random.Random(seed))
    found = together(shared, *asked)
    assert None not in found
    mine = all_rows(shared)
    assert audit(shared) == []
    with shared.database.reader.connect() as connection:
        assert reconcile(connection).findings == ()
    # The same again replays or refuses in the same way, whatever the road.
    again = one_by_one(shared, *asked)
    for first, second in zip(found, again, strict=True):
        if isinstance(first, Receipt):
            assert isinstance(second, Receipt)
            assert second.replayed
    assert all_rows(shared)["entry"] == mine["entry"]


@pytest.mark.parametrize("seed", range(12))
def test_answers_and_totals_are_those_of_the_plain_way(
    postgres_url: str, sqlite_url: str, clock: FixedClock, seed: int
) -> None:
    asked = random_requests(random.Random(seed))
    told: list[Any] = []
    for url, how in ((postgres_url, together), (sqlite_url, one_by_one)):
        ledger = open_ledger(url, clock=clock)
        price_feature(ledger)
        for name in ("acme", "zeta"):
            open_account(ledger, name)
            grant(ledger, name, 20)
            grant(ledger, name, 30, features=("images",))
        answers = how(ledger, *asked)  # type: ignore[operator]
        rows = all_rows(ledger)
        batches = [(row["account_id"], row["credit_type"], row["remaining_micro"]) for row in rows["batch"]]
        days = [(row["account_id"], row["day"], row["used_micro"], row["events"]) for row in rows["usage_daily"]]
        events = sorted((row["account_id"], row["event_id"], row["cost_micro"]) for row in rows["usage_event"])
        entries = [(row["amount_micro"], row["balance_micro"]) for row in rows["entry"]]
        told.append((comparable(answers), batches, days, events, entries))
        ledger.database.dispose()
    for mine, plain in zip(*told, strict=True):
        assert mine == plain


def test_each_member_of_a_group_has_its_own_fate(shared: Ledger) -> None:
    first, taken, twice, other, broke, nobody, early = together(
        shared,
        (usage("a"), "1"),
        (usage("a"), "2"),
        (usage("a"), "1"),
        (usage("a", 2), "3"),
        (usage("b", 500), "4"),
        (usage("c", account="nobody"), "5"),
        (replace(usage("d"), event=replace(usage("d").event, occurred_at=NOW + timedelta(days=1))), "6"),
    )
    assert isinstance(first, Receipt)
    assert isinstance(taken, Receipt)
    assert isinstance(twice, Receipt)
    assert not first.replayed
    assert taken.replayed
    assert (twice.replayed, twice.transaction_id) == (True, first.transaction_id)
    assert isinstance(other, EventReused)
    assert isinstance(broke, InsufficientCredits)
    assert broke.available_micro == 49 * MICRO
    assert isinstance(nobody, NotFound)
    assert isinstance(early, InvalidCommand)
    (reused,) = together(shared, (usage("z"), "1"))
    assert isinstance(reused, KeyReused)
    assert len(all_rows(shared)["usage_event"]) == 1


def test_what_is_out_of_the_ordinary_is_left_to_the_plain_way(shared: Ledger) -> None:
    member = RecordUsage("acme", UsageEvent("m", "images", NOW, MICRO, member="kim"))
    assert together(shared, (member, "1"), (usage("a"), "2"))[0] is None


def race(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What ``count`` threads get that start at the same instant."""
    start = threading.Barrier(count)

    def run(number: int) -> Any:
        start.wait()
        try:
            return act(number)
        except LedgerError as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_many_callers_never_overspend_one_account(shared: Ledger) -> None:
    # Half of them repeat the key of another, and there are credits for only some of the rest.
    answers = race(64, lambda n: shared.execute(usage(f"e{n % 40}", 2), actor=SYSTEM, key=f"k{n % 40}"))
    booked = {one.transaction_id for one in answers if isinstance(one, Receipt)}
    assert len(booked) == 25
    assert sum(isinstance(one, Receipt) and not one.replayed for one in answers) == 25
    assert all(isinstance(one, Receipt | InsufficientCredits) for one in answers)
    assert audit(shared) == []


def test_an_account_that_is_locked_long_keeps_only_its_own_callers_waiting(shared: Ledger, postgres_url: str) -> None:
    address = postgres_url.replace("+psycopg", "")
    with (
        psycopg.connect(address) as somebody,
        psycopg.connect(address, autocommit=True) as watcher,
        ThreadPoolExecutor(8) as pool,
    ):
        somebody.execute("SELECT FROM account WHERE external_id = 'acme' FOR UPDATE")

        def charge(number: int) -> Any:
            account = "zeta" if number else "acme"
            return shared.execute(usage(f"l{number}", account=account), actor=SYSTEM, key=f"l{number}")

        locked_out = pool.submit(charge, 0)
        while not watcher.execute("SELECT FROM pg_locks WHERE NOT granted").rowcount:
            assert not locked_out.done()
        # Far less than what a caller of the locked account waits (ledger/database.py).
        others = [pool.submit(charge, number) for number in range(1, 8)]
        assert not any(one.result(timeout=5).replayed for one in others)
        assert not locked_out.done()
        somebody.rollback()
        assert not locked_out.result(timeout=5).replayed
    assert len(all_rows(shared)["usage_event"]) == 8
    assert audit(shared) == []


def test_a_group_whose_commit_is_lost_is_booked_again_and_replayed(
    shared: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice, lost = random.Random(1), []
    finish = Work.finish_call

    def failing(work: Work) -> Any:
        answer = finish(work)
        if dice.random() < 0.3:
            # It is durable, but the answer never arrives: nobody knows that it was booked.
            lost.append(answer)
            raise psycopg.OperationalError("connection lost")
        return answer

    monkeypatch.setattr(Work, "finish_call", failing)
    for turn in range(4):
        keys = [f"{turn}-{n}" for n in range(12)]
        answers = race(12, lambda n, keys=keys: shared.execute(usage(keys[n]), actor=SYSTEM, key=keys[n]))  # type: ignore[misc]
        assert all(isinstance(one, Receipt) for one in answers)
    assert lost
    assert len(all_rows(shared)["usage_event"]) == 48
    assert audit(shared) == []

"""Real processes at the same instant: nobody spends a credit twice, and a killed writer leaves whole books behind."""

import multiprocessing
import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from ledger import (
    MICRO,
    AllocatePlanCredits,
    CreateReferralCode,
    DefineReferralProgramme,
    JoinReferral,
    Ledger,
    LedgerError,
    Money,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    ReverseTransaction,
    UsageEvent,
    open_ledger,
)
from ledger.clock import FixedClock
from ledger.seeds import seed_plans
from tests.kit.factories import ADMIN, NOW, REASON, grant, open_account, price_feature, run, start_plan, use
from tests.operations.books import all_rows, audit

# Spawned, never forked: a forked child would share the parent's connections.
SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 8

Attempt = Callable[[Ledger, int], str]


def spend_seven(ledger: Ledger, worker: int) -> str:
    return use_once(
        ledger, event_id=f"{worker}-{time.monotonic_ns()}", key=f"{worker}-{time.monotonic_ns()}", credits=7
    )


def same_event(ledger: Ledger, worker: int) -> str:
    return use_once(ledger, event_id="one", key="one", credits=7)


def same_event_other_key(ledger: Ledger, worker: int) -> str:
    return use_once(ledger, event_id="one", key=f"key-{worker}", credits=7)


def same_key_other_account(ledger: Ledger, worker: int) -> str:
    return use_once(ledger, event_id=f"e-{worker}", key="one", credits=7, account="bolt" if worker % 2 else "acme")


def same_payment_other_account(ledger: Ledger, worker: int) -> str:
    account = "bolt" if worker % 2 else "acme"
    command = RecordTopUp(account, 7 * MICRO, Money(700, "EUR"), "INV-1", REASON)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"top-up-{worker}"))


def same_file(ledger: Ledger, worker: int) -> str:
    events = tuple(UsageEvent(f"line-{n}", "images", NOW, MICRO) for n in range(30))
    command = RecordUsageBulk("acme", events if worker % 2 else events[::-1])
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"file-{worker}"))


def renew_at_once(ledger: Ledger, worker: int) -> str:
    return outcome(lambda: ledger.execute(AllocatePlanCredits("acme"), actor=ADMIN, key=f"renew-{worker}"))


def join_in_a_circle(ledger: Ledger, worker: int) -> str:
    """Every customer joins by the code of the next one, and the last by that of the first."""
    command = JoinReferral(f"CODE-{(worker + 1) % PROCESSES}", f"club-{worker}")
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"join-{worker}"))


def same_reversal(ledger: Ledger, worker: int) -> str:
    command = ReverseTransaction(_granted_in(ledger, 1), REASON)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"reverse-{worker}"))


def reverse_or_use(ledger: Ledger, worker: int) -> str:
    """One process takes back the grant that all others are using up."""
    if worker == 0:
        return f"reverse {same_reversal(ledger, worker)}"
    return f"use {spend_seven(ledger, worker)}"


def _granted_in(ledger: Ledger, batch_id: int) -> int:
    return next(int(row["made_by_id"]) for row in all_rows(ledger)["batch"] if row["id"] == batch_id)


def use_once(ledger: Ledger, *, event_id: str, key: str, credits: int, account: str = "acme") -> str:
    event = UsageEvent(event_id, "images", NOW, credits * MICRO)
    return outcome(lambda: ledger.execute(RecordUsage(account, event), actor=ADMIN, key=key))


def outcome(act: Callable[[], Any]) -> str:
    """One word for what became of an attempt."""
    try:
        receipt = act()
    except LedgerError as error:
        return error.code
    return "replayed" if receipt.replayed or receipt.transaction_id is None else "booked"


_barrier: Any = None


def _meet_at(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _run(attempt: Attempt, url: str, times: int, worker: int) -> list[str]:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    _barrier.wait(timeout=60)
    done = [attempt(ledger, worker) for _ in range(times)]
    ledger.database.dispose()
    return done


@pytest.fixture(scope="module")
def crowd() -> Iterator[tuple[ProcessPoolExecutor, int]]:
    """Processes that start their attempts at the same instant."""
    barrier = SPAWN.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        yield pool, PROCESSES


@pytest.fixture
def contested(database_url: str) -> Iterator[Ledger]:
    """Acme with 100 credits in two batches, bolt with 100 in one."""
    ledger = open_ledger(database_url, clock=FixedClock(NOW))
    open_account(ledger)
    open_account(ledger, "bolt")
    price_feature(ledger)
    grant(ledger, credits=50)
    grant(ledger, credits=50)
    grant(ledger, "bolt", credits=100)
    yield ledger
    assert audit(ledger) == []
    ledger.database.dispose()


RACES = [
    # 14 × 7 = 98 of 100 credits; the other 18 of 32 attempts find 2.
    pytest.param(spend_seven, 4, {"booked": 14, "insufficient_credits": 18}, 14, id="spend-100-credits-in-sevens"),
    pytest.param(same_event, 1, {"booked": 1, "replayed": 7}, 1, id="one-key"),
    pytest.param(same_event_other_key, 1, {"booked": 1, "replayed": 7}, 1, id="one-event-under-many-keys"),
    pytest.param(same_key_other_account, 1, {"booked": 1, "key_reused": 7}, 1, id="one-key-for-many-commands"),
    pytest.param(same_payment_other_account, 1, {"booked": 1, "reference_used": 7}, 0, id="one-payment-two-accounts"),
    pytest.param(same_file, 1, {"booked": 1, "replayed": 7}, 30, id="one-file-in-two-orders"),
    pytest.param(same_reversal, 1, {"booked": 1, "already_reversed": 7}, 0, id="one-transaction-reversed-by-many"),
]


@pytest.mark.parametrize(("attempt", "times", "expected", "events"), RACES)
def test_race(
    contested: Ledger,
    database_url: str,
    crowd: tuple[ProcessPoolExecutor, int],
    attempt: Attempt,
    times: int,
    expected: dict[str, int],
    events: int,
) -> None:
    pool, count = crowd
    done = pool.map(partial(_run, attempt, database_url, times), range(count), timeout=120)
    assert Counter(word for words in done for word in words) == expected
    assert len(all_rows(contested)["usage_event"]) == events


def test_two_renewals_at_once_give_one_allowance(
    database_url: str, crowd: tuple[ProcessPoolExecutor, int], contested: Ledger
) -> None:
    # The plan began two months before the instant at which everybody renews it.
    past = open_ledger(database_url, clock=FixedClock(NOW - timedelta(days=62)))
    seed_plans(past, actor=ADMIN)
    start_plan(past)
    past.database.dispose()
    pool, count = crowd
    done = pool.map(partial(_run, renew_at_once, database_url, 1), range(count), timeout=120)
    assert Counter(word for words in done for word in words) == {"booked": 1, "replayed": count - 1}
    kinds = Counter(row["kind"] for row in all_rows(contested)["allocation"])
    assert kinds == {"allowance": 3, "rollover": 2}


def test_joins_at_once_never_close_a_circle(
    database_url: str, crowd: tuple[ProcessPoolExecutor, int], contested: Ledger
) -> None:
    run(contested, DefineReferralProgramme("friends", "Friends", MICRO, MICRO))
    pool, count = crowd
    for worker in range(count):
        open_account(contested, f"club-{worker}")
        run(contested, CreateReferralCode(f"club-{worker}", "friends", f"CODE-{worker}"))
    done = pool.map(partial(_run, join_in_a_circle, database_url, 1), range(count), timeout=120)
    assert Counter(word for words in done for word in words) == {"booked": count - 1, "not_allowed_now": 1}


def test_a_grant_is_reversed_whole_or_used_but_never_both(
    contested: Ledger, database_url: str, crowd: tuple[ProcessPoolExecutor, int]
) -> None:
    pool, count = crowd
    done = Counter(
        word for words in pool.map(partial(_run, reverse_or_use, database_url, 1), range(count)) for word in words
    )
    used = done["use booked"]
    if done["reverse booked"]:
        # Fifty of the hundred credits were left to the seven others, who want seven each.
        assert used == 7
        assert all_rows(contested)["batch"][0]["remaining_micro"] == 0
    else:
        assert done["reverse not_allowed_now"] == 1
        assert used == 7
        assert all_rows(contested)["batch"][0]["remaining_micro"] == MICRO


def _write_until_killed(url: str) -> None:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    for number in range(1_000_000):
        events = tuple(UsageEvent(f"{number}-{n}", "images", NOW - timedelta(days=n), 1) for n in range(25))
        ledger.execute(RecordUsageBulk("acme", events), actor=ADMIN, key=f"bulk-{number}")
        use_once(ledger, event_id=f"{number}", key=f"{number}", credits=1, account="bolt")


def test_a_killed_writer_leaves_whole_transactions_and_nothing_else(contested: Ledger, database_url: str) -> None:
    for delay in (0.0, 0.05):
        writer = SPAWN.Process(target=_write_until_killed, args=(database_url,))
        writer.start()
        assert writer.pid is not None
        deadline = time.monotonic() + 60
        before = len(all_rows(contested)["usage_event"])
        while len(all_rows(contested)["usage_event"]) < before + 100 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(delay)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join(30)
        rows = all_rows(contested)
        assert len(rows["usage_event"]) >= before + 100
        assert audit(contested) == []
        charged = Counter(row["transaction_id"] for row in rows["usage_event"])
        assert set(charged.values()) <= {1, 25}
        # Whoever comes next is not locked out.
        assert use(contested).transaction_id is not None
    if contested.database.is_sqlite:
        with sqlite3.connect(str(contested.database.url.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()

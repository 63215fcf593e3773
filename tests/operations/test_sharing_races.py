"""Real processes at the same instant: transfers both ways end, one code has one winner, no member passes a limit."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import pytest

from ledger import (
    MICRO,
    Ledger,
    LedgerError,
    RecordUsage,
    RedeemGiftCode,
    TransferCredits,
    UsageEvent,
    open_ledger,
)
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, grant, price_feature
from tests.kit.sharing import issue_codes, limited, open_pool, open_sister
from tests.operations.books import all_rows, audit

# Spawned, never forked: a forked child would share the parent's connections.
SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 6

_barrier: Any = None


def _meet_at(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _run(url: str, attempt: Callable[[Ledger, int, int], Any], times: int, worker: int) -> list[str]:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    _barrier.wait(timeout=60)
    done = []
    for number in range(times):
        try:
            attempt(ledger, worker, number)
        except LedgerError as refusal:
            done.append(refusal.code)
        else:
            done.append("booked")
    ledger.database.dispose()
    return done


@pytest.fixture(scope="module")
def crowd() -> Iterator[ProcessPoolExecutor]:
    """Processes that start their attempts at the same instant."""
    barrier = SPAWN.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        yield pool


@pytest.fixture
def contested(database_url: str) -> Iterator[Ledger]:
    ledger = open_ledger(database_url, clock=FixedClock(NOW))
    open_sister(ledger, "acme")
    open_sister(ledger, "bolt")
    price_feature(ledger)
    yield ledger
    assert audit(ledger) == []
    ledger.database.dispose()


def race(
    crowd: ProcessPoolExecutor, ledger: Ledger, attempt: Callable[[Ledger, int, int], Any], times: int = 1
) -> Counter[str]:
    """What became of all attempts of all processes."""
    url = ledger.database.url.render_as_string(hide_password=False)
    done = crowd.map(partial(_run, url, attempt, times), range(PROCESSES), timeout=120)
    return Counter(word for words in done for word in words)


def send(ledger: Ledger, worker: int, number: int) -> None:
    account, to = ("acme", "bolt") if worker % 2 else ("bolt", "acme")
    command = TransferCredits(account, to, (worker + 1) * MICRO, REASON)
    ledger.execute(command, actor=ADMIN, key=f"{worker}-{number}")


def test_transfers_both_ways_at_once_all_end(crowd: ProcessPoolExecutor, contested: Ledger) -> None:
    grant(contested, "acme", 500)
    grant(contested, "bolt", 500)
    assert race(crowd, contested, send, times=8) == {"booked": 8 * PROCESSES}
    rows = all_rows(contested)
    # Workers 0, 2, 4 send 1, 3, 5 credits each time to acme; 1, 3, 5 send 2, 4, 6 to bolt.
    left = {row["external_id"]: row["available_micro"] // MICRO for row in rows["account"]}
    assert left == {"acme": 500 + 8 * (9 - 12), "bolt": 500 + 8 * (12 - 9)}


def drain(ledger: Ledger, worker: int, number: int) -> None:
    ledger.execute(TransferCredits("acme", "bolt", 7 * MICRO, REASON), actor=ADMIN, key=f"{worker}-{number}")


def test_nobody_sends_a_credit_twice(crowd: ProcessPoolExecutor, contested: Ledger) -> None:
    grant(contested, "acme", 100)
    # 14 × 7 = 98 of 100 credits.
    assert race(crowd, contested, drain, times=4) == {"booked": 14, "insufficient_credits": 4 * PROCESSES - 14}


def redeem_one(code: str, ledger: Ledger, worker: int, number: int) -> None:
    account = "acme" if worker % 2 else "bolt"
    ledger.execute(RedeemGiftCode(account, code), actor=ADMIN, key=f"redeem-{worker}")


def test_one_code_has_one_winner(crowd: ProcessPoolExecutor, contested: Ledger) -> None:
    _, codes = issue_codes(contested, 1)
    assert race(crowd, contested, partial(redeem_one, codes[0])) == {"booked": 1, "not_allowed_now": PROCESSES - 1}


def redeem_own(codes: list[str], ledger: Ledger, worker: int, number: int) -> None:
    ledger.execute(RedeemGiftCode("acme", codes[worker]), actor=ADMIN, key=f"redeem-{worker}")


def test_a_customer_gets_no_more_codes_by_hurrying(crowd: ProcessPoolExecutor, contested: Ledger) -> None:
    _, codes = issue_codes(contested, PROCESSES, per_customer_limit=2)
    done = race(crowd, contested, partial(redeem_own, codes))
    assert done == {"booked": 2, "not_allowed_now": PROCESSES - 2}


def use_seven(ledger: Ledger, worker: int, number: int) -> None:
    event = UsageEvent(f"{worker}-{number}", "images", NOW, 7 * MICRO, member="ana")
    ledger.execute(RecordUsage("pool", event), actor=ADMIN, key=f"use-{worker}-{number}")


def test_no_member_passes_a_limit_by_hurrying(crowd: ProcessPoolExecutor, contested: Ledger) -> None:
    open_pool(contested, limited("ana", day=50))
    grant(contested, "pool", 1000)
    assert race(crowd, contested, use_seven, times=3) == {"booked": 7, "limit_reached": 3 * PROCESSES - 7}

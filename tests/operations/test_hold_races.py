"""One hold, many processes: it ends once, and every credit of it goes one way."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial

import pytest

from ledger import MICRO, SYSTEM, CaptureHold, ExpireDue, GiveBack, Ledger, PlaceHold, ReleaseHold, open_ledger
from ledger.clock import FixedClock
from tests.kit.factories import ADMIN, NOW, REASON, grant, open_account, price_feature, use
from tests.kit.holding import place
from tests.operations.books import all_rows, audit
from tests.operations.test_races import PROCESSES, SPAWN, _meet_at, _run, outcome

Attempt = Callable[[Ledger, int], str]


def capture_a_part(ledger: Ledger, worker: int) -> str:
    command = CaptureHold("acme", "job-1", f"call-{worker}", (worker + 1) * MICRO)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"capture-{worker}"))


def same_capture(ledger: Ledger, worker: int) -> str:
    command = CaptureHold("acme", "job-1", "call", 20 * MICRO)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"capture-{worker}"))


def same_hold(ledger: Ledger, worker: int) -> str:
    command = PlaceHold("acme", "job-2", "images", 7 * MICRO, NOW + timedelta(hours=1))
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"place-{worker}"))


def other_holds(ledger: Ledger, worker: int) -> str:
    command = PlaceHold("acme", f"job-{worker}-{os.getpid()}-{len(_placed)}", "images", 7 * MICRO)
    _placed.append(worker)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=command.reference))


_placed: list[int] = []


def capture_or_release_or_let_lapse(ledger: Ledger, worker: int) -> str:
    """A third captures while the hold lives, a third releases it, a third comes when it has timed out."""
    if worker % 3 == 0:
        return capture_a_part(ledger, worker)
    if worker % 3 == 1:
        command = ReleaseHold("acme", "job-1", REASON)
        return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"release-{worker}"))
    later = open_ledger(str(ledger.database.url), clock=FixedClock(NOW + timedelta(hours=2)))
    try:
        return "swept:" + outcome(lambda: later.execute(ExpireDue("acme"), actor=SYSTEM, key=f"sweep-{worker}"))
    finally:
        later.database.dispose()


def give_back_sevens(ledger: Ledger, worker: int) -> str:
    command = GiveBack("acme", "call", REASON, 7 * MICRO)
    return outcome(lambda: ledger.execute(command, actor=ADMIN, key=f"back-{worker}"))


@pytest.fixture(scope="module")
def crowd() -> Iterator[ProcessPoolExecutor]:
    """Processes that start their attempts at the same instant."""
    barrier = SPAWN.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        yield pool


@pytest.fixture
def held(database_url: str) -> Iterator[Ledger]:
    """Acme with 100 credits in two batches, 30 of them used as "call", and 20 held as job-1 for an hour."""
    ledger = open_ledger(database_url, clock=FixedClock(NOW))
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=40)
    grant(ledger, credits=60)
    yield ledger
    assert audit(ledger) == []
    ledger.database.dispose()


def race(crowd: ProcessPoolExecutor, url: str, attempt: Attempt, times: int = 1) -> Counter[str]:
    done = crowd.map(partial(_run, attempt, url, times), range(PROCESSES), timeout=120)
    return Counter(word for words in done for word in words)


def test_one_of_many_captures_wins(held: Ledger, database_url: str, crowd: ProcessPoolExecutor) -> None:
    place(held, credits=20)
    assert race(crowd, database_url, capture_a_part) == {"booked": 1, "hold_already_resolved": 7}
    (hold,), (event,) = all_rows(held)["hold"], all_rows(held)["usage_event"]
    assert hold["captured_micro"] == event["cost_micro"]


def test_the_same_capture_is_booked_once(held: Ledger, database_url: str, crowd: ProcessPoolExecutor) -> None:
    place(held, credits=20)
    assert race(crowd, database_url, same_capture) == {"booked": 1, "replayed": 7}


def test_the_same_hold_is_placed_once(held: Ledger, database_url: str, crowd: ProcessPoolExecutor) -> None:
    assert race(crowd, database_url, same_hold) == {"booked": 1, "replayed": 7}


def test_no_credit_is_held_twice(held: Ledger, database_url: str, crowd: ProcessPoolExecutor) -> None:
    # 14 × 7 = 98 of 100 credits.
    assert race(crowd, database_url, other_holds, 4) == {"booked": 14, "insufficient_credits": 18}
    assert sum(row["held_micro"] for row in all_rows(held)["batch"]) == 98 * MICRO


def test_capture_release_and_lapse_exclude_each_other(
    held: Ledger, database_url: str, crowd: ProcessPoolExecutor
) -> None:
    place(held, credits=20)
    done = race(crowd, database_url, capture_or_release_or_let_lapse)
    (hold,) = all_rows(held)["hold"]
    # The sweeps find nothing to expire; one of them may have booked the lapse on the way.
    assert done.pop("swept:replayed") == 2
    winners = done.pop("booked", 0)
    assert winners == (0 if hold["state"] == "lapsed" else 1)
    assert done == {"hold_already_resolved": 6 - winners}
    assert sum(row["held_micro"] for row in all_rows(held)["batch"]) == 0


def test_no_credit_is_given_back_twice(held: Ledger, database_url: str, crowd: ProcessPoolExecutor) -> None:
    use(held, quantity=30, event_id="call")
    # 4 × 7 = 28 of 30 credits.
    assert race(crowd, database_url, give_back_sevens) == {"booked": 4, "invalid_command": 4}
    assert sum(row["used_micro"] for row in all_rows(held)["usage_daily"]) == 2 * MICRO

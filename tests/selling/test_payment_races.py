"""Real processes at the same instant: a payment is credited once, limits hold, what is used is not taken back too."""

import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from ledger import MICRO, SYSTEM, FollowPayment, Ledger, LedgerError, Money, PaymentState, Provider, open_ledger
from ledger.clock import FixedClock
from ledger.gateways.provider import PaymentFacts, Progress, RefundFacts
from tests.kit.factories import NOW, open_account, price_feature, use
from tests.kit.paying import define_package, row_of, start
from tests.operations.books import all_rows

# Spawned, never forked: a forked child would share the parent's connections.
SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 4
Attempt = Callable[[Ledger, int], str]
_barrier: Any = None


def _meet_at(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _run(attempt: Attempt, url: str, times: int, worker: int) -> list[str]:
    ledger = open_ledger(url, clock=FixedClock(NOW))
    _barrier.wait(timeout=60)
    try:
        return [attempt(ledger, worker * times + number) for number in range(times)]
    finally:
        ledger.database.dispose()


@pytest.fixture(scope="module")
def crowd() -> Iterator[ProcessPoolExecutor]:
    """Processes that start their attempts at the same instant."""
    barrier = SPAWN.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        yield pool


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """A customer, two packages, something to use credits for."""
    open_account(ledger)
    define_package(ledger)
    define_package(ledger, "starter", limit=1)
    price_feature(ledger)
    return ledger


def paid(name: str, number: int = 0) -> PaymentFacts:
    """What the provider says of a payment that is paid."""
    price = Money(10_000, "EUR")
    return PaymentFacts(
        Provider.MOCK, Progress.PAID, NOW, NOW, price, payment_ref=f"pi_{number}", payment=name, paid_at=NOW
    )


def follow_as(facts: PaymentFacts, ledger: Ledger, number: int) -> str:
    receipt = ledger.execute(FollowPayment(str(facts.payment), facts), actor=SYSTEM, key=f"follow-{number}")
    return "nothing new" if receipt.transaction_id is None else receipt.kind


def follow_own(names: list[str], ledger: Ledger, number: int) -> str:
    return follow_as(paid(names[number], number), ledger, number)


def take_back_or_use(facts: PaymentFacts, ledger: Ledger, number: int) -> str:
    """The first process takes the payment back in tenths, the others use credits one by one."""
    if number >= 50:
        try:
            use(ledger, event_id=f"event-{number}", key=f"use-{number}")
        except LedgerError as error:
            return error.code
        return "used"
    if number >= 10:
        return "rest"
    back = RefundFacts(f"re_{number}", 1_000 * (number + 1), "done", NOW)
    return follow_as(replace(facts, refunds=(back,)), ledger, number)


def test_many_followers_of_one_payment_credit_it_once(
    shop: Ledger, database_url: str, crowd: ProcessPoolExecutor
) -> None:
    name = start(shop)
    done = crowd.map(partial(_run, partial(follow_as, paid(name)), database_url, 3), range(PROCESSES), timeout=120)
    assert Counter(word for words in done for word in words) == {"purchase": 1, "nothing new": 3 * PROCESSES - 1}
    assert len(all_rows(shop)["batch"]) == 1


def test_the_limit_per_customer_holds_when_all_pay_at_once(
    shop: Ledger, database_url: str, crowd: ProcessPoolExecutor
) -> None:
    names = [start(shop, package="starter") for _ in range(PROCESSES)]
    done = crowd.map(partial(_run, partial(follow_own, names), database_url, 1), range(PROCESSES), timeout=120)
    assert Counter(word for words in done for word in words) == {"purchase": 1, "follow_payment": PROCESSES - 1}
    states = Counter(row_of(shop, name=name).state for name in names)
    assert states == {PaymentState.CREDITED: 1, PaymentState.BLOCKED: PROCESSES - 1}


def test_every_credit_is_used_or_taken_back_and_never_both(
    shop: Ledger, database_url: str, crowd: ProcessPoolExecutor
) -> None:
    name = start(shop)
    follow_as(paid(name), shop, -1)
    attempt = partial(take_back_or_use, paid(name))
    done = crowd.map(partial(_run, attempt, database_url, 50), range(PROCESSES), timeout=120)
    said = Counter(word for words in done for word in words)
    assert said["used"] + said["insufficient_credits"] == 150 and said["claw_back"] == 10
    row = row_of(shop, name=name)
    (account,) = all_rows(shop)["account"]
    # All the money is gone: what was used is owed, what was not used was taken.
    assert (row.claimed_micro, row.taken_micro) == (said["used"] * MICRO, (100 - said["used"]) * MICRO)
    assert (account["owed_micro"], account["available_micro"]) == (said["used"] * MICRO, 0)

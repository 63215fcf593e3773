"""A thousand charges of several processes at once, with a card that is declined by chance and answers that get lost.

Whoever gets in between: no day and no month costs more than its cap, and there are never two recharges in flight.
"""

import hashlib
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from ledger import MICRO, Ledger, LedgerError, ProviderUnavailable, RecordUsage, UsageEvent, open_ledger
from ledger.gateways import registry
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import Document, MockStore, Turn
from ledger.gateways.provider import ChargeRequest, PaymentFacts
from ledger.models import transaction
from ledger.selling.recharging import recharge_due
from tests.kit.factories import ADMIN, NOW, open_account, price_feature
from tests.kit.paying import define_package
from tests.kit.recharging import recharges, rule_row, save_card, set_rule
from tests.operations.books import all_rows, audit

SPAWN = multiprocessing.get_context("spawn")
PROCESSES = 3
DEBITS = 334
# A second of the machine is five and a half hours of the ledger: days and rests pass while the processes work.
FASTER = 20_000
DAY_CAP, MONTH_CAP = 100_000, 260_000


class FastClock:
    """The clock that all processes share."""

    def __init__(self, began: float) -> None:
        self._began = began

    def now(self) -> datetime:
        return NOW + timedelta(seconds=(time.time() - self._began) * FASTER)


class MoodyGateway(MockGateway):
    """Declines one charge in three, and loses the answer to one in three, by the name of the payment."""

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        facts = super().charge_saved_card(request)
        if _chance(f"lost {request.payment} {time.time_ns()}") == 0:
            raise ProviderUnavailable(provider="mock", detail="timed out")
        return facts

    def _charge(self, turn: Turn, known: Document, *, is_away: bool) -> None:
        if is_away:
            self._end_payment(turn, known, "insufficient_funds" if _chance(known["payment"]) == 0 else "")
        else:
            super()._charge(turn, known, is_away=is_away)


def _chance(text: str) -> int:
    return hashlib.sha256(text.encode()).digest()[0] % 3


_SLOW = (
    pytest.mark.slow,
    pytest.mark.skipif("'slow' not in config.getoption('-m')", reason="long; ask for it with -m slow"),
)
_barrier: Any = None


def _meet_at(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _spend(url: str, books: str, began: float, debits: int, worker: int) -> Counter[str]:
    """What one process does: use credits, and now and then run the job as its own runner would."""
    ledger = open_ledger(url, clock=FastClock(began))
    moody = MoodyGateway(MockStore(Path(books)), ledger.clock, page_url="http://127.0.0.1/pay/mock")
    registry.gateway = lambda *_: moody  # type: ignore[assignment]
    words: Counter[str] = Counter()
    _barrier.wait(timeout=60)
    for number in range(debits):
        event = UsageEvent(f"{worker}-{number}", "images", ledger.clock.now(), 5 * MICRO)
        try:
            ledger.execute(RecordUsage("acme", event), actor=ADMIN, key=event.event_id)
            words["used"] += 1
        except LedgerError as error:
            words[error.code] += 1
        if number % 10 == worker:
            words.update(recharge_due(ledger))
    ledger.database.dispose()
    return words


@pytest.fixture(scope="module")
def crowd() -> Iterator[ProcessPoolExecutor]:
    """Processes that start at the same instant."""
    barrier = SPAWN.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, mp_context=SPAWN, initializer=_meet_at, initargs=(barrier,)) as pool:
        yield pool


@pytest.mark.parametrize(
    "database_url",
    # SQLite has one writer at a time, so the race is decided by its lock; it is run when there is time for it.
    [pytest.param("postgresql", marks=pytest.mark.postgres), pytest.param("sqlite", marks=_SLOW)],
    indirect=True,
)
def test_caps_hold_and_none_is_in_flight_beside_another(
    crowd: ProcessPoolExecutor, database_url: str, ledger: Ledger, mock: MockGateway, tmp_path: Path
) -> None:
    open_account(ledger)
    price_feature(ledger)
    define_package(ledger)
    save_card(ledger, mock)
    set_rule(
        ledger,
        below=400,
        day_cap=DAY_CAP,
        month_cap=MONTH_CAP,
        cool_down=timedelta(minutes=10),
        stop_after=10,
    )
    spend = partial(_spend, database_url, str(tmp_path / "mock_provider.sqlite"), time.time(), DEBITS)
    words = sum(crowd.map(spend, range(PROCESSES), timeout=120), Counter())
    assert words["used"] + words["insufficient_credits"] == PROCESSES * DEBITS
    _settle_what_was_lost(ledger)
    made = recharges(ledger)
    assert {row.state for row in made} <= {"credited", "failed"}
    assert Counter(row.state for row in made)["credited"] >= 2
    _check_caps(mock)
    _check_one_at_a_time(ledger, {row.id for row in made})
    assert rule_row(ledger).stopped_at is None
    assert audit(ledger) == []
    # What the provider took is what was bought here, once each.
    paid = {one.payment: one.total.cents for one in _paid(mock)}
    assert paid == {row.name: row.price_cents for row in made if row.state == "credited"}


def _settle_what_was_lost(ledger: Ledger) -> None:
    """The answers that got lost at the end are asked for by the next turn of the job."""
    for _ in range(20):
        if all(row.state in ("credited", "failed") for row in recharges(ledger)):
            return
        recharge_due(ledger)
    pytest.fail("a recharge stays without an answer")


def _paid(mock: MockGateway) -> list[PaymentFacts]:
    everything = mock.payments(since=NOW - timedelta(days=1), until=NOW + timedelta(days=400))
    return [one for one in everything if one.paid_at is not None and one.checkout_ref is None]


def _check_caps(mock: MockGateway) -> None:
    """By the provider's own books, in the customer's zone."""
    days: Counter[str] = Counter()
    months: Counter[str] = Counter()
    for one in _paid(mock):
        day = one.created_at.astimezone(ZoneInfo("Europe/Berlin")).date().isoformat()
        days[day] += one.total.cents
        months[day[:7]] += one.total.cents
    # So much was used that the cap of the first day was what ended it.
    assert max(days.values()) == DAY_CAP
    assert max(months.values()) <= MONTH_CAP


def _check_one_at_a_time(ledger: Ledger, ids: set[int]) -> None:
    """Under the lock of the account, in the order of the books: begun, ended, begun, ended."""
    statement = (
        sa.select(transaction.c.kind, transaction.c.receipt)
        .where(transaction.c.kind.in_(["start_recharge", "purchase", "follow_payment"]))
        .order_by(transaction.c.id)
    )
    with ledger.database.reading() as connection:
        rows = connection.execute(statement).all()
    flying = None
    for row in rows:
        number = row.receipt.get("subject_id")
        if number not in ids:
            continue
        if row.kind == "start_recharge":
            assert flying is None, f"payment {number} was begun while {flying} was in flight"
            flying = number
        else:
            assert flying == number
            flying = None
    assert len(all_rows(ledger)["payment"]) == len(ids) + 1

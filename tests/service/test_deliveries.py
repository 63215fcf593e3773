"""A thousand deliveries, doubled and shuffled, while the server and what settles are killed at random.

Zero double grants, zero lost. DELIVERIES=20000 makes it a longer one (`make deliveries`).
"""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from ledger import MICRO, Ledger, inbox, queries
from ledger.clock import SystemClock
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.gateways.mock_store import Document
from ledger.models import batch, company, payment
from ledger.models import inbox as inbox_table
from ledger.reconcile import reconcile
from ledger.selling.settling import settle_due
from tests.kit import factories, selling
from tests.kit.postgres import free_port

ROOT = Path(__file__).parents[2]
DELIVERIES = int(os.environ.get("DELIVERIES", "1000"))
ACCOUNTS = 6
SENDERS = 8
GIVE_UP_SECONDS = 60 + DELIVERIES / 10
KILLS_MAX = max(2, DELIVERIES // 1_000)
UP = "startup complete"
SERVER = ("-m", "uvicorn", "--factory", "service.public:standalone", "--no-access-log", "--port")
SETTLER = f"""
import time
from ledger import open_ledger
from ledger.selling.settling import settle_due
ledger = open_ledger()
print("{UP}", flush=True)
while True:
    settle_due(ledger, limit=20)
    time.sleep(0.02)
"""


class Process:
    """A process that is killed at random once it is up, and started again, until the block ends."""

    def __init__(self, command: tuple[str, ...], environment: dict[str, str], log: Path) -> None:
        self._command, self._environment, self._log = command, environment, log
        self.kills = 0
        self._over = threading.Event()
        self._killer = threading.Thread(target=self._kill)

    def __enter__(self) -> "Process":
        self._start()
        self._killer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._killer.join()
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        with self._log.open("w") as output:
            self._process = subprocess.Popen(
                [sys.executable, *self._command], cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )

    def _kill(self) -> None:
        dice = random.Random(self._command[-1])
        # Starting costs more than all else: one that was killed once more would be no other finding.
        while self.kills < KILLS_MAX:
            while UP not in self._log.read_text(errors="replace"):
                if self._over.wait(0.02):
                    return
            if self._over.wait(dice.uniform(0.05, 0.6)):
                return
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self.kills += 1
            self._start()


def events_of(ledger: Ledger, mock: MockGateway, dice: random.Random, *, count: int) -> list[Document]:
    """What the mock tells of so many sales: paid, some refunded in part or whole, some disputed and decided."""
    for number in range(count):
        sale = selling.sold(ledger, f"acme-{number % ACCOUNTS}")
        assert sale.checkout_ref is not None
        ref = mock.pay(sale.checkout_ref, GOOD_CARD).payment_ref
        assert ref is not None
        chance = dice.random()
        if chance < 0.2:
            mock.give_back(ref, selling.CENTS // 2)
        elif chance < 0.3:
            mock.close_dispute(ref, mock.dispute(ref), is_won=chance < 0.25)
    return mock.store.take_outgoing()


def deliver(address: str, mock: MockGateway, events: list[Document], deadline: float) -> int:
    """Deliver each event until it is answered 200, as a provider does; answers how many answers were lost."""
    lost = 0
    with httpx2.Client(timeout=5) as client:
        for event in events:
            body, headers = mock.sign(event)
            while True:
                assert time.monotonic() < deadline, "deliveries found no end"
                try:
                    status = client.post(address, content=body, headers=headers).status_code
                except httpx2.HTTPError:
                    status = 0
                if status == 200:
                    break
                assert status in (0, 503), status
                lost += 1
                time.sleep(0.05)
    return lost


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database_url", "deliveries"),
    [
        # Each round of starting and killing costs seconds: SQLite has its turn in the longer run.
        pytest.param("sqlite", DELIVERIES, marks=pytest.mark.skipif(DELIVERIES <= 1_000, reason="in the longer run")),
        pytest.param("postgresql", DELIVERIES, marks=pytest.mark.postgres),
    ],
    indirect=["database_url"],
)
def test_deliveries_doubled_shuffled_and_cut_off_grant_each_payment_once(
    ledger: Ledger, mock: MockGateway, database_url: str, deliveries: int, tmp_path: Path
) -> None:
    ledger.clock = SystemClock()
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    for number in range(ACCOUNTS):
        factories.open_account(ledger, f"acme-{number}")
    selling.open_shop(ledger)
    dice = random.Random(20)
    events = events_of(ledger, mock, dice, count=deliveries // 40)
    # Each comes at least once; the rest are repetitions.
    sent = events + dice.choices(events, k=deliveries - len(events))
    dice.shuffle(sent)
    port = free_port()
    environment = os.environ | {"DATABASE_URL": database_url}
    server = Process((*SERVER, str(port)), environment, tmp_path / "server.log")
    settler = Process(("-c", SETTLER), environment, tmp_path / "settler.log")
    deadline = time.monotonic() + GIVE_UP_SECONDS
    with server, settler, ThreadPoolExecutor(SENDERS) as pool:
        parts = [sent[place::SENDERS] for place in range(SENDERS)]
        address = f"http://127.0.0.1:{port}/webhooks/mock"
        list(pool.map(lambda part: deliver(address, mock, part, deadline), parts))
    assert server.kills and settler.kills
    while inbox.is_due(ledger):
        settle_due(ledger)
    proven(ledger, events, deliveries)


def proven(ledger: Ledger, events: list[Document], deliveries: int) -> None:
    """Every event is known once and settled; every payment has its credits once; the books agree with themselves."""
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(inbox_table)).all()
        payments = connection.execute(sa.select(payment)).all()
        references = connection.execute(sa.select(batch.c.reference).where(batch.c.reference != "")).scalars().all()
        balances = {
            number: sum(
                row.available_micro
                for row in connection.execute(queries.balances(at=ledger.clock.now(), account_name=f"acme-{number}"))
            )
            for number in range(ACCOUNTS)
        }
    assert {row.event_id for row in rows} == {event["id"] for event in events}
    assert {row.state for row in rows} == {"settled"}, [row.outcome for row in rows if row.state != "settled"]
    # An answer that was lost is a delivery that came all the same.
    assert sum(row.deliveries for row in rows) >= deliveries
    assert {one.state for one in payments} == {"credited"}
    assert sorted(references) == sorted(one.payment_ref for one in payments)
    expected = sum(
        selling.CREDITS * MICRO * (selling.CENTS - one.refunded_cents - one.lost_cents) // selling.CENTS
        for one in payments
    )
    assert sum(balances.values()) == expected
    with ledger.database.reading() as connection:
        assert reconcile(connection).findings == ()

"""What the measurements share: a durable PostgreSQL, its own pgbench as the yardstick, and a place for the figures."""

import multiprocessing
import os
import re
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ledger import MICRO, SYSTEM, CreditType, IssueGrant, Ledger, OpenAccount, Reason, SetFeaturePrice, open_ledger
from ledger.migrations import upgrade
from tests.kit.postgres import Cluster

ROUNDS = 3
SECONDS = 6
CLIENTS = 8
ACCOUNTS = 200
REASON = Reason("bench", "filled for a measurement")


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure: ours per second, the yardstick's per second, and the median of ours ÷ yardstick over the rounds."""

    what: str
    ours: float
    yardstick: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.what}: {self.ours:,.0f}/s against {self.yardstick:,.0f}/s = {self.ratio:.2f}"


def compare(what: str, ours: Callable[[], float], yardstick: Callable[[], float]) -> Ratio:
    """Measure both in turn, several rounds, so that a busy moment hits both; rates per second."""
    rounds = [(yardstick(), ours()) for _ in range(ROUNDS)]
    found = Ratio(
        what,
        statistics.median(mine for _, mine in rounds),
        statistics.median(theirs for theirs, _ in rounds),
        statistics.median(mine / theirs for theirs, mine in rounds),
    )
    print(f"\n  {found}", flush=True)
    return found


def pgbench(cluster: Cluster, database: str, *, clients: int = CLIENTS) -> float:
    """Transactions a second of pgbench's own tpcb-like script."""
    binary = str(Path(cluster.bin_dir) / "pgbench")
    command = [binary, "-n", "-c", str(clients), "-j", "2", "-T", str(SECONDS), cluster.url(database)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"tps = ([\d.]+)", output)
    assert found, output
    return float(found[1])


def prepare_pgbench(cluster: Cluster, database: str) -> None:
    """Fill pgbench's tables at a scale at which its clients seldom wait for the same row."""
    url = cluster.create(database)
    subprocess.run(
        [str(Path(cluster.bin_dir) / "pgbench"), "-i", "-q", "-s", "50", url], capture_output=True, check=True
    )


def prepare_ledger(url: str, *, accounts: int = ACCOUNTS) -> None:
    """A ledger whose customers hold three batches each, large enough for any measurement."""
    upgrade(url, name="Bench", zone="Europe/Berlin", currency="USD")
    ledger = open_ledger(url)
    price = SetFeaturePrice("call", MICRO, effective_at=datetime(2020, 1, 1, tzinfo=UTC))
    ledger.execute(price, actor=SYSTEM, key="price")
    for number in range(accounts):
        account = f"a{number}"
        ledger.execute(OpenAccount(account, account), actor=SYSTEM, key=f"open-{account}")
        for credit_type in (CreditType.PROMOTIONAL, CreditType.REFERRAL, CreditType.COMPENSATION):
            grant = IssueGrant(account, credit_type, 10_000_000 * MICRO, REASON)
            ledger.execute(grant, actor=SYSTEM, key=f"grant-{account}-{credit_type}")
    ledger.database.dispose()


def in_processes(work: Callable[[str, int, float], int], url: str, *, clients: int = CLIENTS) -> float:
    """Operations a second of several processes that each run ``work(url, number, seconds)`` and answer a count."""
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(clients, initializer=_warm, initargs=(url,)) as pool:
        # Every process has imported and connected before the clock starts.
        pool.starmap(work, [(url, number, 0.2) for number in range(clients)], chunksize=1)
        started = time.perf_counter()
        counts = pool.starmap(work, [(url, number, SECONDS) for number in range(clients)], chunksize=1)
        return sum(counts) / (time.perf_counter() - started)


_ledgers: dict[str, Ledger] = {}


def _warm(url: str) -> None:
    _ledgers[url] = open_ledger(url)


def ledger_of(url: str) -> Ledger:
    """The ledger of this process."""
    if url not in _ledgers:
        _warm(url)
    return _ledgers[url]


def folder_on_disk() -> Path:
    """A folder on a real disk: /tmp may be memory, where a durable commit costs nothing."""
    chosen = Path(os.environ.get("BENCH_FOLDER", "var/bench"))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen.absolute()

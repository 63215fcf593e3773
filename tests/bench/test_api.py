"""The HTTP API under load, against pgbench on the same PostgreSQL; and how pages feel meanwhile.

Load generator, server and database share this machine. The generator is tests/bench/load.py in a process of its own.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from ledger import SYSTEM, CreateApiKey, Reason, Scope, open_ledger
from ledger.api_keys import make_key
from tests.bench.kit import CLIENTS, SECONDS, compare, pgbench, prepare_ledger, prepare_pgbench
from tests.bench.load import EVENTS
from tests.bench.test_pages import cpu_seconds
from tests.kit.browser import App, running_app
from tests.kit.postgres import Cluster, running

pytestmark = pytest.mark.bench

CONNECTIONS = 16
BULK_CONNECTIONS = 2
PAGE_RERUNS = 30
# Longer than the reruns can take; the load is ended with them.
LONG_SECONDS = 300


@dataclass(frozen=True)
class Served:
    """The product on a durable PostgreSQL, with a key that has no limit that matters."""

    app: App
    cluster: Cluster
    secret: str

    def load(self, kind: str, *, seconds: float = SECONDS) -> subprocess.Popen[str]:
        """The generator, started; its last line says what it saw."""
        path, connections = ("/usage", CONNECTIONS) if kind == "single" else ("/usage/bulk", BULK_CONNECTIONS)
        command = [sys.executable, "-m", "tests.bench.load", f"{self.app.url}/api/v1{path}", self.secret, kind]
        return subprocess.Popen([*command, str(connections), str(seconds)], stdout=subprocess.PIPE, text=True)

    def rate(self, kind: str) -> float:
        """Requests a second; every one of them has to be booked."""
        before, started = cpu_seconds(self.app.pid), time.perf_counter()
        output, _ = self.load(kind).communicate()
        seen = json.loads(output)
        assert set(seen["statuses"]) == {"201"}, seen
        count, spent = seen["statuses"]["201"], time.perf_counter() - started
        cpu_ms = 1000 * (cpu_seconds(self.app.pid) - before) / count
        print(f"\n  {kind}: {seen['p50']:.0f} ms at the median, {seen['p99']:.0f} ms for 99 %; ", end="")
        print(f"{cpu_ms:.2f} ms of server CPU a request, generator {100 * seen['cpu'] / spent:.0f} % of a core", end="")
        return float(seen["rate"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with running(durable=True) as cluster:
        prepare_pgbench(cluster, "yardstick")
        url = cluster.create("ledger")
        prepare_ledger(url)
        ledger, made = open_ledger(url), make_key()
        reason = Reason("bench", "made for a measurement")
        command = CreateApiKey("bench", made.prefix, made.secret_hash, (Scope.USAGE_WRITE,), reason, 1_000_000)
        ledger.execute(command, actor=SYSTEM, key="key")
        ledger.database.dispose()
        settings = {"CUSTOMER_REQUESTS_PER_MINUTE": "1000000", "RUN_JOBS": "false"}
        log: Path = tmp_path_factory.mktemp("api") / "app.log"
        with running_app(url, log=log, environment=os.environ | settings) as app:
            found = Served(app, cluster, made.text)
            found.load("single", seconds=1).communicate()
            yield found


def test_single_charges_over_http(served: Served) -> None:
    found = compare(
        f"POST /usage, {CONNECTIONS} connections ÷ pgbench tpcb-like, {CLIENTS} clients",
        lambda: served.rate("single"),
        lambda: pgbench(served.cluster, "yardstick"),
    )
    assert found.ratio >= 0.3


def test_bulk_charges_over_http(served: Served) -> None:
    found = compare(
        f"POST /usage/bulk, {EVENTS:,} events a request, events ÷ pgbench tpcb-like, {CLIENTS} clients",
        lambda: served.rate("bulk") * EVENTS,
        lambda: pgbench(served.cluster, "yardstick"),
    )
    assert found.ratio >= 2


async def reruns(address: str, page: str, count: int) -> list[float]:
    """Seconds of each rerun of a page for one visitor, over the protocol that the browser speaks."""
    stream = address.replace("http://", "ws://") + "/_stcore/stream"
    times = []
    async with websockets.connect(stream, subprotocols=["streamlit"], origin=address, max_size=None) as socket:
        for _ in range(count + 2):
            message = BackMsg()
            message.rerun_script.page_name = page
            started = time.perf_counter()
            await socket.send(message.SerializeToString())
            while True:
                answer = ForwardMsg()
                answer.ParseFromString(await socket.recv())
                if answer.WhichOneof("type") == "script_finished" and answer.script_finished == 0:
                    break
            times.append(time.perf_counter() - started)
    # The first two load what the others find.
    return times[2:]


@pytest.mark.parametrize("kind", ["single", "bulk"])
def test_pages_stay_usable_while_the_api_is_loaded(served: Served, kind: str) -> None:
    quiet = asyncio.run(reruns(served.app.url, "customers", PAGE_RERUNS))
    load = served.load(kind, seconds=LONG_SECONDS)
    try:
        loaded = asyncio.run(reruns(served.app.url, "customers", PAGE_RERUNS))
        was_loaded = load.poll() is None
    finally:
        load.kill()
        load.communicate()
    for what, times in (("quiet", quiet), (f"under {kind} charges", loaded)):
        worst = 1000 * max(times)
        print(
            f"\n  page Customers, {what}: {1000 * statistics.median(times):.0f} ms at the median, {worst:.0f} at worst"
        )
    assert was_loaded, "the load ended before the page was measured"
    assert statistics.median(loaded) < 1

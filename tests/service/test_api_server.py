"""The API over a real socket, by both ways in which the product is started, beside the pages."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from ledger import Ledger, open_ledger
from ledger.core.policy import Scope
from tests.kit import factories
from tests.kit.calling import api_key
from tests.kit.postgres import free_port

ROOT = Path(__file__).parents[2]
START_LIMIT_SECONDS = 60
COMMANDS = {
    "streamlit": ("-m", "streamlit", "run", "app.py", "--server.headless", "true", "--server.port"),
    "uvicorn": ("-m", "uvicorn", "app:app", "--port"),
}


@contextmanager
def served(command: str, url: str, log: Path) -> Iterator[str]:
    """The address of the product, started by that command."""
    port = str(free_port())
    environment = os.environ | {"DATABASE_URL": url, "DEV_IDENTITY": "1", "RUN_JOBS": "false"}
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, *COMMANDS[command], port], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + START_LIMIT_SECONDS
            while time.monotonic() < deadline and server.poll() is None:
                try:
                    httpx2.get(f"http://127.0.0.1:{port}/_stcore/health", timeout=2).raise_for_status()
                except httpx2.HTTPError:
                    time.sleep(0.1)
                else:
                    break
            else:
                pytest.fail(log.read_text(errors="replace"))
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            try:
                server.wait(timeout=10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


@pytest.fixture
def filled(database_url: str) -> Iterator[Ledger]:
    ledger = open_ledger(database_url)
    factories.open_account(ledger)
    factories.price_feature(ledger, "call", 1)
    factories.grant(ledger, credits=50)
    yield ledger
    ledger.database.dispose()


# Each command on one of the databases: starting the product takes seconds.
@pytest.mark.parametrize(
    ("database_url", "command"), [("sqlite", "streamlit"), ("postgresql", "uvicorn")], indirect=["database_url"]
)
def test_pages_and_api_share_one_port(filled: Ledger, database_url: str, command: str, tmp_path: Path) -> None:
    secret = api_key(filled, Scope.USAGE_WRITE)
    headers = {"Authorization": f"Bearer {secret}"}
    with served(command, database_url, tmp_path / "server.log") as address:
        with httpx2.Client(base_url=f"{address}/api/v1", headers=headers, timeout=30) as client:

            def charge(number: int) -> int:
                body = {"account": "acme", "event_id": f"e{number % 30}", "feature": "call"}
                return client.post("/usage", json=body).status_code

            with ThreadPoolExecutor(8) as pool:
                codes = list(pool.map(charge, range(60)))
            assert sorted(codes) == [200] * 30 + [201] * 30
            hang_up(address, secret)
            balance = client.get("/customers/acme/balance").json()
        assert balance["available"] == "20"
        assert httpx2.get(f"{address}/api/v1/docs").status_code == 200
        assert httpx2.get(f"{address}/api/v1", timeout=30).status_code == 401
        page = httpx2.get(address)
        assert (page.status_code, "text/html" in page.headers["content-type"]) == (200, True)
        assert httpx2.post(f"{address}/api/v1/usage", json={}).json()["code"] == "unauthenticated"
    assert secret.split("_")[2] not in (tmp_path / "server.log").read_text(errors="replace")


def hang_up(address: str, secret: str) -> None:
    """A caller who is gone in the middle of a body."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as line:
        head = (
            f"POST /api/v1/usage HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 500\r\n\r\n"
        )
        line.sendall(head.encode() + b'{"account": "acme"')

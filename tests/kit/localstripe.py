"""localstripe as a peer: its own process on a free port, behind a door that speaks the older API that it knows.

The door forgets what came into the API after it (`allowed_payment_method_types`), and answers for lists that it does
not keep: there are no disputes there, and no invoices of payments. Everything else goes through as it is.
"""

import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.kit.postgres import free_port

KEY = "sk_test_12345"
_UNKNOWN_THERE = ("/v1/disputes", "/v1/invoice_payments")
# All payments are listed there, whatever was asked for.
_UNFILTERED = "/v1/payment_intents"
_NEWER = "allowed_payment_method_types"


@dataclass(frozen=True)
class Peer:
    """``address`` is the door's; ``direct`` that of localstripe itself."""

    address: str
    direct: str

    def post(self, path: str, **fields: str) -> dict[str, Any]:
        """A request past the gateway, as the customer's browser would make it."""
        return _ask(f"{self.direct}{path}", urllib.parse.urlencode(fields).encode())

    def saved_card(self, number: str) -> tuple[str, str]:
        """A customer with a card of that number: the names of both."""
        customer = self.post("/v1/customers", email="a@example.com")["id"]
        fields = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2040", "card[cvc]": "123"}
        card = self.post("/v1/payment_methods", type="card", **fields)["id"]
        self.post(f"/v1/payment_methods/{card}/attach", customer=customer)
        return customer, card

    def send_events_to(self, url: str, secret: str) -> None:
        request = urllib.request.Request(
            f"{self.direct}/_config/webhooks/ours",
            json.dumps({"url": url, "secret": secret}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request).close()


@contextmanager
def running_localstripe() -> Iterator[Peer]:
    """localstripe with empty books, until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", "localstripe", "--port", str(port), "--from-scratch"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    direct = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{direct}/v1/customers", process)
        with _door(direct) as address:
            yield Peer(address, direct)
    finally:
        process.kill()
        process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, "localstripe ended"
        try:
            _ask(url)
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("localstripe did not come up within half a minute")


def _ask(url: str, body: bytes | None = None) -> dict[str, Any]:
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def _door(direct: str) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            path = urllib.parse.urlsplit(self.path).path
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if path in _UNKNOWN_THERE:
                self._write(200, json.dumps({"object": "list", "data": [], "has_more": False, "url": path}).encode())
                return
            kept = [pair for pair in urllib.parse.parse_qsl(text) if not pair[0].startswith(_NEWER)]
            headers = {"Authorization": self.headers["Authorization"]}
            body = urllib.parse.urlencode(kept).encode() if self.command == "POST" else None
            target = path if path == _UNFILTERED and self.command == "GET" else self.path
            request = urllib.request.Request(f"{direct}{target}", body, headers, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    self._write(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    self._write(error.code, error.read())

        do_GET = do_POST = _serve  # noqa: N815 - the names that the server calls

        def _write(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""Calling the HTTP API in the tests' own process, with keys made for the purpose."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2
from starlette.testclient import TestClient

from ledger import CreateApiKey, Ledger
from ledger.api_keys import make_key
from ledger.core.policy import Scope
from service.api import API_PATH, standalone
from tests.kit.factories import ADMIN, REASON, fresh_key

T = TypeVar("T")


def api_key(ledger: Ledger, *scopes: Scope) -> str:
    """The text of a new key with some scopes."""
    made = make_key()
    command = CreateApiKey("test", made.prefix, made.secret_hash, scopes, REASON)
    ledger.execute(command, actor=ADMIN, key=fresh_key("key"))
    return made.text


class Caller:
    """A holder of a key who calls the API; `post` names each attempt unless a key is given."""

    def __init__(self, ledger: Ledger, *scopes: Scope) -> None:
        self._start(ledger, api_key(ledger, *scopes))

    @classmethod
    def with_secret(cls, ledger: Ledger | None, secret: str) -> "Caller":
        """A holder of a key that was made before, who calls another process."""
        made = cls.__new__(cls)
        made._start(ledger, secret)
        return made

    def _start(self, ledger: Ledger | None, secret: str) -> None:
        self.secret = secret
        if ledger is not None:
            self.ledger = ledger
        self._client = TestClient(standalone(ledger), raise_server_exceptions=False)

    def bare(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """A call without any key but the given one."""
        return self._client.request(method, API_PATH + path, **more)  # type: ignore[return-value]

    def post(self, path: str, body: Any, *, key: str | None = None) -> httpx2.Response:
        return self.send("POST", path, json=body, key=key or fresh_key("call"))

    def get(self, path: str, **query: Any) -> httpx2.Response:
        return self.send("GET", path, params=query)

    def send(
        self, method: str, path: str, *, key: str | None = None, kind: str | None = None, **more: Any
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.secret}"} | ({"Content-Type": kind} if kind else {})
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._client.request(method, API_PATH + path, headers=headers, **more)  # type: ignore[return-value]


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a thread of its own: the main one may have the browser's event loop running."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()

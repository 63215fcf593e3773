"""Who calls: an API key becomes an actor with scopes, and every endpoint says which permission it needs.

An endpoint asks for a `Call` by the permission that its command or read needs (ledger/core/policy.py):

    @router.get("/customers/{account:path}/balance", responses=documented(404))
    def balance(account: str, call: Annotated[Call, reads(Permission.VIEW_CUSTOMER)]) -> Response: ...

    @router.post("/holds", status_code=201, responses=documented(402, 404, 409))
    def place_hold(body: NewHold, call: Annotated[Call, writes(Permission.RECORD_USAGE)]) -> Response:
        return call.write(PlaceHold(...))

`Call.write` executes a command under the Idempotency-Key of the request and answers 201, or 200 when it is the first
answer again. `Call.about` counts a request against the limit of a customer; `Call.write` does so by itself.
Endpoints are plain functions: they run in the pool of threads, where the ledger brings concurrent charges together.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from ledger import (
    Actor,
    Command,
    Fault,
    InvalidCommand,
    Ledger,
    Permission,
    Receipt,
    Unauthenticated,
    open_ledger,
)
from ledger.api_keys import KeyRing
from service.api.answers import written

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="An API key, made in Settings or by `python -m service.cli keys create`.",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Names this attempt. The same key with the same body again changes nothing and gets the first "
        "answer; with another body it is refused.",
        examples=["order-4711"],
        max_length=200,
    ),
]


class Service:
    """What all requests of a process share: the ledger, opened when the first one comes, and the keys in use."""

    def __init__(self, ledger: Ledger | None = None, open_: Callable[[], Ledger] = open_ledger) -> None:
        self._open, self._lock = open_, threading.Lock()
        self._parts: tuple[Ledger, KeyRing] | None = None
        if ledger is not None:
            self._parts = self._with(ledger)

    @property
    def is_open(self) -> bool:
        return self._parts is not None

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises NotSetUp, Unavailable; the next request tries again."""
        return self._all()[0]

    @property
    def keys(self) -> KeyRing:
        return self._all()[1]

    def close(self) -> None:
        """Close the connections of the ledger that was opened here."""
        if self._parts is not None:
            self._parts[0].database.dispose()

    def _all(self) -> tuple[Ledger, KeyRing]:
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    self._parts = self._with(self._open())
        return self._parts

    def _with(self, ledger: Ledger) -> tuple[Ledger, KeyRing]:
        return (ledger, KeyRing(ledger))


@dataclass(frozen=True, slots=True)
class Call:
    """One authorised request: the ledger, who asks, and the name of the attempt when it writes."""

    service: Service
    actor: Actor
    key: str | None = None

    @property
    def ledger(self) -> Ledger:
        return self.service.ledger

    def about(self, account: str) -> None:
        """Count this request against the limit of a customer. Raises TooManyRequests."""

    def execute(self, command: Command, *, key: str | None = None) -> Receipt:
        """Carry a command out under the request's Idempotency-Key, or ``key`` when there is none (an event's id)."""
        chosen = self.key or key
        if not chosen:
            raise InvalidCommand([Fault("Idempotency-Key", "send this header; it makes a repeat harmless")])
        account = getattr(command, "account", None)
        if account:
            self.about(account)
        return self.ledger.execute(command, actor=self.actor, key=chosen)

    def write(self, command: Command, *, key: str | None = None) -> Response:
        """As `execute`; the receipt as a response: 201, or 200 when it is the first answer again."""
        return written(self.execute(command, key=key))


def reads(permission: Permission) -> Any:
    """The dependency of an endpoint that reads."""

    async def call(request: Request, credentials: _Credentials) -> Call:
        return await _authorised(request, credentials, permission, None)

    return Depends(call)


def writes(permission: Permission) -> Any:
    """The dependency of an endpoint that writes: also takes the Idempotency-Key."""

    async def call(request: Request, credentials: _Credentials, idempotency_key: _Key = None) -> Call:
        return await _authorised(request, credentials, permission, idempotency_key)

    return Depends(call)


async def _authorised(
    request: Request, credentials: HTTPAuthorizationCredentials | None, permission: Permission, key: str | None
) -> Call:
    service: Service = request.app.state.service
    if credentials is None:
        raise Unauthenticated(why="the request carries no API key")
    known = service.keys.remembered(credentials.credentials) if service.is_open else None
    if known is None:
        # Asks the database: not in the event loop, where everybody waits.
        known = await run_in_threadpool(lambda: service.keys.find(credentials.credentials))
    service.ledger.require(known.actor, permission)
    return Call(service, known.actor, key)

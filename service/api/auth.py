"""Who calls: an API key becomes an actor with scopes, and every endpoint says which permission it needs.

An endpoint asks for a `Call` by the permission that its command or read needs (ledger/core/policy.py):

    @router.get("/customers/{account:path}/balance", responses=documented(404))
    def balance(account: str, call: Annotated[Call, reads(Permission.VIEW_CUSTOMER)]) -> Response: ...

    @router.post("/grants", status_code=201, responses=WRITTEN | documented(404, 409))
    def issue_grant(body: NewGrant, call: Annotated[Call, writes(Permission.ISSUE_GRANT)]) -> Response:
        return call.write(IssueGrant(...))

`Call.write` executes a command under the Idempotency-Key of the request and answers 201, or 200 when it is the first
answer again. `Call.about` counts a request against the limit of a customer; `Call.write` does so by itself.
Endpoints are plain functions: they run in the pool of threads.

The key itself is checked, and its limit counted, before anything of a request is read (service/api/frame.py).
"""

import threading
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from weakref import WeakKeyDictionary

from fastapi import Depends, Header, Request, Response
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from ledger import (
    Actor,
    Command,
    Fault,
    InvalidCommand,
    Ledger,
    Permission,
    Receipt,
    ScopeMissing,
    Unauthenticated,
    open_ledger,
)
from ledger.api_keys import KeyRing, KnownKey
from ledger.commands import text_faults
from ledger.core.policy import ACT_WORDS, allows, scopes_with
from ledger.limits import Limiter
from ledger.settings import settings
from service.api.answers import written
from service.api.gathering import Gatherer
from service.api.keys import KEY_MAX_CHARS

# Where the frame leaves the key of a request in its scope.
KEY_IN_SCOPE = "credits.key"
KEY_HEADER = "Idempotency-Key"
# Decides nothing: the frame has read the header. It tells the document that endpoints need a key.
NEEDS_KEY = Depends(
    HTTPBearer(
        auto_error=False,
        scheme_name="API key",
        description="An API key, made in Settings or by `python -m service.cli keys create`.",
    )
)
_KEY: dict[str, Any] = {
    "alias": KEY_HEADER,
    "examples": ["order-4711"],
    "min_length": 1,
    "max_length": KEY_MAX_CHARS,
    "description": "Names this attempt. The same key with the same body again changes nothing and gets the first "
    "answer; with another body it is refused.",
}
_Key = Annotated[str, Header(**_KEY)]
_MaybeKey = Annotated[
    str | None, Header(**_KEY | {"description": _KEY["description"] + " Unless given, the names in the body do."})
]


class Service:
    """What all requests of a process share: ledger, keys and limits, opened when the first request comes."""

    def __init__(self, ledger: Ledger | None = None, open_: Callable[[], Ledger] = open_ledger) -> None:
        self._open, self._lock = open_, threading.Lock()
        self._parts: tuple[Ledger, KeyRing, Limiter] | None = None
        if ledger is not None:
            self._parts = _parts_of(ledger)
        self._gatherers: WeakKeyDictionary[AbstractEventLoop, Gatherer] = WeakKeyDictionary()

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises NotSetUp, Unavailable; the next request tries again."""
        return self._all()[0]

    @property
    def limits(self) -> Limiter:
        return self._all()[2]

    def charger(self) -> Gatherer:
        """What brings the single charges of the running event loop together."""
        loop = get_running_loop()
        found = self._gatherers.get(loop)
        if found is None:
            found = self._gatherers[loop] = Gatherer(self.ledger)
        return found

    async def admit(self, text: str) -> KnownKey:
        """The key with that text, one request counted. Raises Unauthenticated, TooManyRequests."""
        known = self._parts[1].remembered(text) if self._parts is not None else None
        if known is None:
            # Asks the database: not in the event loop, where everybody waits.
            known = await run_in_threadpool(lambda: self._all()[1].find(text))
        await self.count(f"key:{known.id}", known.per_minute or settings().key_requests_per_minute, "This API key")
        return known

    async def count(self, name: str, per_minute: int, whose: str) -> None:
        """Take a token without keeping the event loop waiting."""
        if self.limits.count(name, per_minute, whose=whose):
            await run_in_threadpool(self.limits.settle, name, per_minute, whose=whose)

    def _all(self) -> tuple[Ledger, KeyRing, Limiter]:
        if self._parts is None:
            with self._lock:
                if self._parts is None:
                    self._parts = _parts_of(self._open())
        return self._parts


def _parts_of(ledger: Ledger) -> tuple[Ledger, KeyRing, Limiter]:
    return (ledger, KeyRing(ledger), Limiter(ledger.database))


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
        name, per_minute, whose = customer_limit(account)
        self.service.limits.take(name, per_minute, whose=whose)

    def named(self, key: str | None = None) -> str:
        """The name of this attempt: the header, or ``key`` when there is none. Raises InvalidCommand without both."""
        chosen = self.key or key
        if not chosen:
            raise InvalidCommand([Fault(KEY_HEADER, "send this header; it makes a repeat harmless")])
        return chosen

    def execute(self, command: Command, *, key: str | None = None) -> Receipt:
        """Carry a command out under the request's Idempotency-Key, or ``key`` when there is none (an event's id)."""
        chosen = self.named(key)
        account = getattr(command, "account", None)
        if account:
            self.about(account)
        return self.ledger.execute(command, actor=self.actor, key=chosen)

    def write(self, command: Command, *, key: str | None = None) -> Response:
        """As `execute`; the receipt as a response: 201, or 200 when it is the first answer again."""
        return written(self.execute(command, key=key))


def customer_limit(account: str) -> tuple[str, int, str]:
    """The bucket of a customer: its name, its limit, and whose it is in words."""
    return f"customer:{account}", settings().customer_requests_per_minute, "All API keys together, for one customer,"


def reads(*permissions: Permission) -> Any:
    """The dependency of an endpoint that reads; any one of the permissions suffices."""

    async def call(request: Request) -> Call:
        return authorised(request, *permissions)

    return Depends(call)


def writes(*permissions: Permission) -> Any:
    """The dependency of an endpoint that writes: also takes the Idempotency-Key, which has to be there."""

    async def call(request: Request, idempotency_key: _Key) -> Call:
        return authorised(request, *permissions, key=idempotency_key)

    return Depends(call)


def writes_named(*permissions: Permission) -> Any:
    """As `writes`, where the body names the write by itself (`Call.write` is given that as ``key``)."""

    async def call(request: Request, idempotency_key: _MaybeKey = None) -> Call:
        return authorised(request, *permissions, key=idempotency_key)

    return Depends(call)


def authorised(request: Request, *permissions: Permission, key: str | None = None) -> Call:
    """The call of a request whose key the frame has checked. Raises ScopeMissing, InvalidCommand."""
    known: KnownKey | None = request.scope.get(KEY_IN_SCOPE)
    if known is None:
        raise Unauthenticated(why="the request carries no API key")
    if not any(allows(known.actor, one) for one in permissions):
        scopes = dict.fromkeys(scope.value for one in permissions for scope in scopes_with(one))
        raise ScopeMissing(act=ACT_WORDS[permissions[0]], scopes=tuple(scopes))
    if key is not None and (faults := text_faults(KEY_HEADER, key, longest=KEY_MAX_CHARS)):
        raise InvalidCommand(faults)
    return Call(request.app.state.service, known.actor, key)

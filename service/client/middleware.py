"""ASGI middleware: a request runs only when its customer can pay, and is charged when it succeeded."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from service.client.calls import Amount, AsyncCreditsClient
from service.client.errors import CreditsError, Refused, TooManyRequests, Unsettled
from service.client.guard import HOLD_SECONDS, Spending, give_up

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_log = logging.getLogger(__name__)
# Where an application finds the charge of its request: ``scope["credits"].used = Decimal("12.5")``.
IN_SCOPE = "credits"
FAILED = 400


@dataclass(slots=True)
class Charge:
    """What a request may spend: ``amount`` credits to hold, or without it ``quantity`` of the feature to check.

    ``used`` is set by the application when it knows what to charge of it; 0 charges nothing, None all.
    Name the use by ``event_id``, such as the Idempotency-Key of your own caller, and a repeat is not charged again.
    """

    account: str
    feature: str
    amount: Amount | None = None
    quantity: Amount = 1
    event_id: str | None = None
    member: str = ""
    expires_in: int = HOLD_SECONDS
    used: Amount | None = field(default=None, init=False)


class RequireCredits:
    """The middleware. ``charge`` says what a request costs, from its scope; None: nothing.

    The answer's last part waits for the charge, so a caller that has an answer was charged for it. An answer with a
    status from 400 on is not charged. Too few credits are answered with 402 and the body of the service; a service
    that cannot be reached with 503, before any work. ``on_unsettled`` is told of answers that could not be charged.
    """

    def __init__(
        self,
        app: App,
        client: AsyncCreditsClient,
        charge: Callable[[Scope], Charge | None],
        on_unsettled: Callable[[Unsettled], None] | None = None,
    ) -> None:
        self._app, self._client, self._charge = app, client, charge
        self._on_unsettled = on_unsettled or _log_unsettled

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        charge = self._charge(scope) if scope["type"] == "http" else None
        if charge is None:
            await self._app(scope, receive, send)
            return
        one = Spending.of(
            charge.account,
            charge.feature,
            amount=charge.amount,
            quantity=charge.quantity,
            event_id=charge.event_id,
            expires_in=charge.expires_in,
            member=charge.member,
        )
        try:
            await one.begin(self._client)
        except CreditsError as error:
            await _answer(send, error)
            return
        scope[IN_SCOPE] = charge
        status, is_over = 0, False

        async def charging(message: Message) -> None:
            nonlocal status, is_over
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body") and not is_over:
                is_over = True
                await self._resolve(one, charge, status)
            await send(message)

        try:
            await self._app(scope, receive, charging)
        finally:
            if not is_over:
                # Also when the caller went away and this task is being cancelled.
                await asyncio.shield(give_up(self._client, one))

    async def _resolve(self, one: Spending, charge: Charge, status: int) -> None:
        used = None if charge.used is None else Decimal(charge.used)
        if status >= FAILED or used == 0:
            await give_up(self._client, one)
            return
        try:
            await one.settle(self._client, used)
        except CreditsError as error:
            if one.was_charged_before(error):
                await give_up(self._client, one)
                return
            unsettled = one.unsettled(None)
            unsettled.__cause__ = error
            self._on_unsettled(unsettled)


def _log_unsettled(unsettled: Unsettled) -> None:
    _log.error("%s", unsettled, exc_info=unsettled)


async def _answer(send: Send, error: CreditsError) -> None:
    """The refusal as an answer: too few credits and too many requests as they came, all others without their reasons,
    which are between this product and the service."""
    headers = [(b"content-type", b"application/problem+json")]
    if isinstance(error, Refused) and error.status == 402:
        status, body = 402, error.problem
    elif isinstance(error, TooManyRequests):
        status, body = 429, error.problem
        headers.append((b"retry-after", str(int(error.retry_after or 1)).encode()))
    else:
        _log.error("credits could not be set aside", exc_info=error)
        status, body = 503, {"title": "Credits cannot be checked at the moment", "status": 503, "code": "unavailable"}
        headers.append((b"retry-after", b"2"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})

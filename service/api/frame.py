"""Around every request: the API key and its limit before anything is read, the size of the body, a reference for
whatever nobody foresaw, and a short way to the endpoint that is called most."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger import InsufficientCredits, LedgerError, Unauthenticated
from service.api import errors
from service.api.auth import KEY_IN_SCOPE, Service

# The largest body that is read: 10,000 usage events with room for long names.
BODY_MAX_BYTES = 8 * 1024 * 1024
PUBLIC = ("/docs", "/openapi.json", "/errors/")

Endpoint = Callable[[Request], Awaitable[Response]]


class Frame:
    """The outermost layer of the API. ``shortcuts`` are endpoints reached without FastAPI's machinery, by method and
    path: the same functions as behind it, which only costs more than a charge does."""

    def __init__(self, app: ASGIApp, service: Service, shortcuts: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app, self._service, self._shortcuts = app, service, shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def watched(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            answer = await self._answer(scope, receive, watched)
        except InsufficientCredits as error:
            # Asks the database for what signs the link to buy.
            answer = await run_in_threadpool(lambda refused: errors.refusal(refused, self._service.ledger), error)
        except LedgerError as error:
            answer = errors.refusal(error)
        except BodyTooLarge:
            answer = too_large()
        except Exception as error:  # noqa: BLE001 - whatever it is, its trace goes to the log and nowhere else
            answer = errors.failure(error)
        if answer is not None and not has_begun:
            await answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """What to answer; None when the application has answered itself."""
        path = get_route_path(scope)
        if not path.startswith(PUBLIC):
            text, length = _headers(scope)
            if text is None:
                raise Unauthenticated(why="the request carries no API key")
            scope[KEY_IN_SCOPE] = await self._service.admit(text)
            if length is None:
                receive = _measured(receive)
            elif length > BODY_MAX_BYTES:
                return too_large()
        shortcut = self._shortcuts.get((scope["method"], path))
        if shortcut is not None:
            return await shortcut(Request(scope, receive, send))
        await self._app(scope, receive, send)
        return None


class BodyTooLarge(BaseException):
    """Not an Exception: nothing between the reader of a body and the frame may take it for a fault of the body."""


def too_large() -> Response:
    return errors.problem("body_too_large", f"At most {BODY_MAX_BYTES:,} bytes are read; send less at a time.")


def _headers(scope: Scope) -> tuple[str | None, int | None]:
    """The API key of a request and the length of its body, as far as its headers tell."""
    text, length = None, None
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, rest = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer":
                text = rest.strip()
        elif name == b"content-length" and value.isdigit():
            length = int(value)
    return text, length


def _measured(receive: Receive) -> Receive:
    """A body whose length nobody declared, counted while it comes."""
    seen = 0

    async def receive_measured() -> Message:
        nonlocal seen
        message: Any = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_MAX_BYTES:
            raise BodyTooLarge
        return dict(message)

    return receive_measured

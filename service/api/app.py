"""The HTTP API: a FastAPI application mounted at /api/v1 beside the pages.

How to add endpoints: write service/api/<noun>.py with ``router = APIRouter(tags=["<Noun>"])``, plain ``def`` endpoints
with a `Call` from `service.api.auth` (``reads(permission)`` or ``writes(permission)``), bodies as pydantic models with
``extra="forbid"`` and examples (base class `service.api.answers.Body`), answers by `answers.json_response` or
``call.write(command)`` with the model named in ``responses`` (`answers.WRITTEN | errors.documented(402, 404)`), and add
the router to `ROUTERS` here. Refusals are raised as errors of the ledger; nothing is caught in an endpoint. Account
ids in paths are ``{account:path}``, because they may hold any character.
"""

from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger import Ledger
from service.api import errors, usage
from service.api.auth import Service

ROUTERS: tuple[APIRouter, ...] = (usage.router,)

# The largest body that is read: 10,000 usage events with room for long names.
BODY_MAX_BYTES = 8 * 1024 * 1024


def create_api(ledger: Ledger | None = None) -> FastAPI:
    """The API on a ledger; without one it opens that of the settings when the first request comes."""
    api = FastAPI(
        title="Credits Balance Tracker",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        servers=[{"url": errors.API_PATH}],
        root_path_in_servers=False,
        redirect_slashes=False,
    )
    api.state.service = Service(ledger)
    errors.install(api)
    for router in ROUTERS:
        api.include_router(router)
    api.add_middleware(Frame)
    return api


def mount(ledger: Ledger | None = None) -> Mount:
    """The API as a route of the server."""
    return Mount(errors.API_PATH, app=create_api(ledger), name="api")


class Frame:
    """Around every request: bodies that are too large are refused, and what nobody foresaw becomes a reference."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False
        seen = 0

        async def watched_send(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        async def measured_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > BODY_MAX_BYTES:
                raise _TooLarge
            return message

        if _declared_length(scope) > BODY_MAX_BYTES:
            await _too_large()(scope, receive, send)
            return
        try:
            await self.app(scope, measured_receive, watched_send)
        except _TooLarge:
            await _too_large()(scope, receive, send)
        except Exception as error:
            response = errors.failure(error)
            if has_begun:
                raise
            await response(scope, receive, send)


class _TooLarge(BaseException):
    """Not an Exception: nothing between here and the reader of the body may take it for a fault of the body."""


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _too_large() -> Any:
    return errors.problem("body_too_large", f"At most {BODY_MAX_BYTES:,} bytes are read; send less at a time.")

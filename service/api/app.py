"""The HTTP API: a FastAPI application at /api/v1 beside the pages.

How to add endpoints: write service/api/<noun>.py with ``router = APIRouter(tags=["<Noun>"])``, plain ``def`` endpoints
with a `Call` from `service.api.auth` (``reads(permission)`` or ``writes(permission)``), bodies as pydantic models
derived from `service.api.answers.Body` with examples, answers by `answers.json_response` or ``call.write(command)``
with the model named in ``responses`` (`answers.WRITTEN | errors.documented(402, 404)`), and add the router to `ROUTERS`
here. Amounts and quantities in bodies are `answers.Micro`, instants `answers.Instant`. Refusals are raised as errors of
the ledger; nothing is caught in an endpoint. Account ids in paths are ``{account:path}``, because they may hold any
character; what an endpoint reads or writes of one customer it counts by ``call.about(account)`` (`call.write` does so).
"""

from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from ledger import Ledger
from service.api import (
    approvals,
    balance,
    corrections,
    customers,
    docs,
    errors,
    grants,
    holds,
    plans,
    purchases,
    recharge,
    reports,
    usage,
)
from service.api.auth import NEEDS_KEY, Service
from service.api.frame import Frame

ROUTERS: tuple[APIRouter, ...] = (
    usage.router,
    holds.router,
    balance.router,
    grants.router,
    corrections.router,
    approvals.router,
    plans.router,
    purchases.router,
    recharge.router,
    reports.router,
    # Its last path takes everything behind /customers/.
    customers.router,
)
SHORTCUTS = {("POST", "/usage"): usage.record_usage}


def create_api(ledger: Ledger | None = None) -> FastAPI:
    """The API on a ledger; without one it opens that of the settings when the first request comes."""
    api = FastAPI(
        title=docs.TITLE,
        version="1",
        description=docs.DESCRIPTION,
        openapi_tags=docs.TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        servers=[{"url": errors.API_PATH}],
        root_path_in_servers=False,
        redirect_slashes=False,
    )
    api.state.service = Service(ledger)
    errors.install(api)
    docs.install(api)
    for router in ROUTERS:
        api.include_router(router, dependencies=[NEEDS_KEY])
    api.add_middleware(Frame, service=api.state.service, shortcuts=SHORTCUTS)
    return api


class ApiFirst:
    """Middleware that hands requests of the API to it before any layer that only pages need.

    By the beginning of the path: a route of the server would miss addresses with a line break in them.
    """

    def __init__(self, app: ASGIApp, api: ASGIApp) -> None:
        self._app, self._api = app, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["path"] + "/").startswith(_BELOW):
            root: Any = scope.get("root_path", "")
            await self._api({**scope, "root_path": root + errors.API_PATH}, receive, send)
            return
        await self._app(scope, receive, send)


def standalone(ledger: Ledger | None = None) -> ApiFirst:
    """The API without the pages: `uvicorn --factory service.api:standalone --workers 4`."""
    return ApiFirst(Starlette(), create_api(ledger))


_BELOW = errors.API_PATH + "/"

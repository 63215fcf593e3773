"""The API's own document: what it says of itself, and a page that shows it without asking anybody else's server."""

from pathlib import Path
from typing import Any

import fastapi_offline
from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from service.api.errors import API_PATH, LEDGER_PROBLEMS, PROBLEMS, Problem, problem

TITLE = "Credits Balance Tracker"
DESCRIPTION = """\
Charge usage, reserve credits, ask for balances. Send your key as `Authorization: Bearer cbt_…`.

**Amounts** of credits and quantities are decimal text with at most six decimals in answers (`"12.5"`); requests may
also write a number. **Instants** carry an offset, such as `2026-03-10T12:00:00Z`; answers are in UTC.

**Every write is safe to repeat**: name the attempt in the header `Idempotency-Key`, or by the id of the event or hold
where there is one. A repeat books nothing and gets the first answer with status 200 and `Idempotency-Replayed: true`.

**Refusals** are problem details (RFC 9457): decide by `code`, show `detail` to people.
"""
TAGS = [
    {"name": "Usage", "description": "What customers did, charged to their batches."},
    {"name": "Holds", "description": "Credits set aside for work whose cost is not known yet."},
    {"name": "Balance", "description": "What customers have, and whether they can afford something."},
    {"name": "Grants and top-ups", "description": "Credits that come: given, paid elsewhere, out of a gift code."},
    {"name": "Purchases", "description": "Selling packages on the page of a payment provider."},
    {"name": "Corrections", "description": "Credits that are put right or moved, with a reason."},
    {"name": "Approvals", "description": "Asking a second person for what nobody may do alone."},
    {"name": "Plans", "description": "Subscription plans of customers."},
    {"name": "Reports and estimates", "description": "The balance report, and what a use would cost."},
    {"name": "Customers", "description": "Who holds credits; batches, history and use, page by page."},
]
_ASSETS = Path(fastapi_offline.__file__).parent / "static"


def install(api: FastAPI) -> None:
    """Serve the page with its files, and say what each code means."""
    api.mount("/docs/assets", StaticFiles(directory=_ASSETS), name="assets")
    api.add_api_route("/docs", _page, include_in_schema=False)
    api.add_api_route("/errors/{code}", _explain, include_in_schema=False)
    openapi = api.openapi

    def complete() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = completed(openapi())
        return api.openapi_schema

    api.openapi = complete  # type: ignore[method-assign]


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the body of refusals, and without the ones that FastAPI would have sent."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    made = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(made.pop("$defs", {}))
    schemas["Problem"] = made
    # Said once for all endpoints.
    shared = document["components"].setdefault("responses", {})
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and shared.setdefault(f"Problem{status}", response) == response:
                    operation["responses"][status] = {"$ref": f"#/components/responses/Problem{status}"}
    return document


async def _page(request: Request) -> HTMLResponse:
    root = request.scope.get("root_path", "")
    assets = f"{root}/docs/assets"
    return get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=f"{TITLE}: HTTP API",
        swagger_js_url=f"{assets}/swagger-ui-bundle.js",
        swagger_css_url=f"{assets}/swagger-ui.css",
        swagger_favicon_url=f"{assets}/favicon.png",
        swagger_ui_parameters={"persistAuthorization": False, "tryItOutEnabled": False, "validatorUrl": None},
    )


async def _explain(code: str) -> Response:
    """What a code means: the address that ``type`` of a problem names."""
    if code not in PROBLEMS:
        return problem("no_such_endpoint", f"There is no problem {code[:100]!r}.")
    status, title = PROBLEMS[code]
    origin = "the ledger" if code in LEDGER_PROBLEMS else "the HTTP interface"
    lines = f"{code}: {title}. Status {status}, from {origin}. See docs/api.md and {API_PATH}/docs.\n"
    return Response(lines, media_type="text/plain; charset=utf-8")

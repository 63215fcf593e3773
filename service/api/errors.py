"""Refusals as RFC 9457 problem details: one body for everything that is not an answer.

Every body has type, title, status, detail and the stable ``code`` of its error class; more members by class are listed
in `MEMBERS`. ``type`` is the path under which this API explains the code. Nothing internal is ever in a body: what
nobody foresaw becomes a reference, and the log holds the rest under the same reference.
"""

import logging
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from ledger import (
    InsufficientCredits,
    InvalidCommand,
    Ledger,
    LedgerCorrupt,
    LedgerError,
    LimitReached,
    ScopeMissing,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    micro_to_text,
)
from ledger.selling.links import purchase_address
from ledger.settings import settings

API_PATH = "/api/v1"
PROBLEM_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)

# Status and title of each error class of the ledger, by its code. docs/api.md lists the same.
LEDGER_PROBLEMS: dict[str, tuple[int, str]] = {
    "ledger_error": (500, "The ledger refused"),
    "invalid_command": (422, "The request has faults"),
    "unauthenticated": (401, "Not signed in"),
    "not_permitted": (403, "Not permitted"),
    "approval_required": (403, "A second person has to approve"),
    "scope_missing": (403, "The API key has no such scope"),
    "not_found": (404, "There is no such thing"),
    "conflict": (409, "At odds with what is booked"),
    "key_reused": (409, "The idempotency key was used for something else"),
    "batch_closed": (409, "The batch can give no credits"),
    "reference_used": (409, "The payment is booked already"),
    "event_reused": (409, "The event id was used for other content"),
    "hold_reused": (409, "The reference names another hold"),
    "hold_already_resolved": (409, "The hold is over"),
    "already_reversed": (409, "Reversed before"),
    "approval_decided": (409, "Decided before"),
    "period_closed": (409, "The period is closed"),
    "not_allowed_now": (409, "Not allowed as things stand"),
    "insufficient_credits": (402, "Not enough credits"),
    "limit_reached": (402, "The limit of a member is reached"),
    "too_many_requests": (429, "Too many requests"),
    "gateway_error": (503, "Another system did not answer"),
    "not_set_up": (503, "The ledger is not set up yet"),
    "mail_unavailable": (503, "The mail server did not answer"),
    "provider_unavailable": (503, "The payment provider did not answer"),
    "provider_refused": (502, "The payment provider refused"),
    "provider_not_set_up": (503, "No payment provider is set up"),
    "unavailable": (503, "The database did not answer"),
    "ledger_corrupt": (500, "Something went wrong on our side"),
}
# What only HTTP can get wrong.
HTTP_PROBLEMS: dict[str, tuple[int, str]] = {
    "no_such_endpoint": (404, "There is no such address"),
    "method_not_allowed": (405, "Another method is needed here"),
    "body_too_large": (413, "The body is too large"),
    "unsupported_media_type": (415, "The body has another type"),
    "internal_error": (500, "Something went wrong on our side"),
}
PROBLEMS = LEDGER_PROBLEMS | HTTP_PROBLEMS
# Seconds after which a client asks again when the database did not answer.
_RETRY_UNAVAILABLE = 2


class FaultBody(BaseModel):
    """One thing wrong with one field."""

    field: str = Field(description="Path of the field, such as events.3.quantity", examples=["quantity"])
    message: str = Field(examples=["must be more than 0 credits"])


class Problem(BaseModel):
    """Why a request was refused (RFC 9457)."""

    type: str = Field(examples=[f"{API_PATH}/errors/insufficient_credits"])
    title: str = Field(examples=["Not enough credits"])
    status: int = Field(examples=[402])
    detail: str = Field(description="The same for people, with the figures of this case")
    code: str = Field(description="Stable name of the refusal; decide by this", examples=["insufficient_credits"])
    faults: list[FaultBody] | None = Field(None, description="Everything that is wrong, when the request has faults")
    required: str | None = Field(None, description="Credits that were asked for", examples=["12.5"])
    available: str | None = Field(None, description="Credits that could be used for it", examples=["4"])
    shortfall: str | None = Field(None, description="Credits that are missing", examples=["8.5"])
    purchase_url: str | None = Field(None, description="Where credits for the account are bought")
    scopes: list[str] | None = Field(None, description="Any of which the API key would need")
    resets_at: str | None = Field(None, description="When the limit of a member begins anew")
    retry_after: int | None = Field(None, description="Seconds to wait, as in the header Retry-After")
    reference: str | None = Field(None, description="Names this failure in our log")


class ProblemResponse(Response):
    media_type = PROBLEM_TYPE


def problem(
    code: str, detail: str, *, headers: Mapping[str, str] | None = None, status: int | None = None, **members: Any
) -> Response:
    """A problem response; ``members`` are further members of the body."""
    usual, title = PROBLEMS[code]
    status = status or usual
    body = {"type": f"{API_PATH}/errors/{code}", "title": title, "status": status, "detail": detail, "code": code}
    return ProblemResponse(to_json(body | members), status_code=status, headers=headers)


def refusal(error: LedgerError, ledger: Ledger | None = None) -> Response:
    """The problem response of a refusal of the ledger; with the ledger it can say where credits are bought."""
    if isinstance(error, LedgerCorrupt) or LEDGER_PROBLEMS[error.code][0] == 500:
        # Its sentence names rows of ours.
        return failure(error)
    headers: dict[str, str] = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="credits"'
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after_seconds)
    if isinstance(error, Unavailable):
        headers["Retry-After"] = str(_RETRY_UNAVAILABLE)
    return problem(error.code, _detail(error), headers=headers, **_members(error, ledger))


def failure(error: BaseException) -> Response:
    """The response to what nobody foresaw: a reference, and the trace in the log under it."""
    reference = secrets.token_hex(4)
    _log.error("API request failed, reference %s", reference, exc_info=error)
    detail = f"Nothing is known about the outcome; ask again with the same key. Tell us the reference {reference}."
    return problem("internal_error", detail, reference=reference)


def _detail(error: LedgerError) -> str:
    if isinstance(error, Unavailable):
        # The class of a driver's error is ours to know.
        return f"The {error.what} did not answer. It is safe to try again with the same key."
    if error.code == "not_set_up":
        return "The database of this service holds no ledger yet; its operators have to set it up."
    return str(error)


def _members(error: LedgerError, ledger: Ledger | None) -> dict[str, Any]:
    if isinstance(error, InvalidCommand):
        return {"faults": [{"field": fault.field, "message": fault.message} for fault in error.faults]}
    if isinstance(error, InsufficientCredits):
        return {
            "required": micro_to_text(error.required_micro),
            "available": micro_to_text(error.available_micro),
            "shortfall": micro_to_text(error.shortfall_micro),
            "purchase_url": _purchase_url(error.account, ledger),
        }
    if isinstance(error, LimitReached):
        left = max(0, error.limit_micro - error.used_micro)
        return {
            "required": micro_to_text(error.required_micro),
            "available": micro_to_text(left),
            "shortfall": micro_to_text(max(0, error.required_micro - left)),
            "resets_at": error.resets_at,
        }
    if isinstance(error, TooManyRequests):
        return {"retry_after": error.retry_after_seconds}
    if isinstance(error, ScopeMissing):
        return {"scopes": list(error.scopes)}
    return {}


def _purchase_url(account: str, ledger: Ledger | None) -> str:
    """A link that the customer itself can buy by, where a provider takes money."""
    if ledger is not None:
        try:
            return purchase_address(ledger, account)
        except LedgerError as error:
            # What is refused stays refused, also when the link to buy cannot be made.
            _log.warning("no link to buy for a refusal: %s", error)
    return settings().page_address("top_ups", customer=account)


def install(api: FastAPI) -> None:
    """Answer every kind of exception with a problem."""
    api.add_exception_handler(LedgerError, _on_refusal)
    api.add_exception_handler(RequestValidationError, _on_faults)
    api.add_exception_handler(HTTPException, _on_http)


async def _on_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    if isinstance(error, InsufficientCredits):
        # Asks the database for what signs the link.
        return await run_in_threadpool(lambda: refusal(error, request.app.state.service.ledger))
    return refusal(error)


async def _on_faults(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return faults_of(error.errors())


def faults_of(found: Iterable[Mapping[str, Any]]) -> Response:
    """The refusal of a body or parameters with faults as pydantic tells them."""
    faults = [{"field": path_of(one["loc"]), "message": str(one["msg"])} for one in found]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in faults)
    return problem("invalid_command", detail[:2_000], faults=faults)


def path_of(place: tuple[Any, ...]) -> str:
    """The path of a field as the caller wrote it: without the word body, query or header before it."""
    inner = place[1:] if place and place[0] in {"body", "query", "path", "header"} else place
    return ".".join(str(part) for part in inner) or "body"


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return problem("no_such_endpoint", f"There is no address {request.url.path[:200]}; see {API_PATH}/docs.")
    if error.status_code == 405:
        detail = f"{request.method} is not possible here; see {API_PATH}/docs."
        return problem("method_not_allowed", detail, headers={"Allow": _allowed(request)})
    if error.status_code == 400:
        # FastAPI's own word for a body that it could not read.
        fault = {"field": "body", "message": "could not be read"}
        return problem("invalid_command", "body: could not be read", faults=[fault])
    return failure(error)


def _allowed(request: Request) -> str:
    """The methods of all endpoints at an address; the router itself knows only those of the first."""
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


_ABOUT = {
    400: "The body could not be read",
    401: "The API key is missing, unknown, revoked or expired",
    402: "Not enough credits, or a member's limit in a pool",
    403: "The key has no such scope, or a second person has to approve",
    404: "There is no such account, feature, hold or batch",
    409: "At odds with what is booked, such as an event id that was used for other content, or a hold that is over",
    413: "The body is too large",
    415: "The body has another type than the endpoint reads",
    422: "The request has faults; all of them are listed",
    429: "Too many requests; the header Retry-After says when to come again",
    500: "Something went wrong on our side",
    502: "The payment provider refused",
    503: "The database did not answer; safe to repeat with the same key",
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an endpoint that may refuse with these statuses; those of every endpoint are added."""
    every = {401, 403, 422, 429, 500, 503, *statuses}
    return {status: _documented(status) for status in sorted(every)}


def _documented(status: int) -> dict[str, Any]:
    code, title = next((code, title) for code, (number, title) in _EXAMPLES.items() if number == status)
    example = {
        "type": f"{API_PATH}/errors/{code}",
        "title": title,
        "status": status,
        "detail": _ABOUT[status] + ".",
        "code": code,
    }
    headers = {}
    if status in {429, 503}:
        headers["Retry-After"] = {"description": "Seconds to wait", "schema": {"type": "integer"}}
    if status == 401:
        headers["WWW-Authenticate"] = {"description": "Bearer", "schema": {"type": "string"}}
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {PROBLEM_TYPE: {"schema": schema, "example": example | _example_members(status)}}
    return {"description": _ABOUT[status], "content": content, "headers": headers}


def _example_members(status: int) -> dict[str, Any]:
    if status == 402:
        return {"required": "12.5", "available": "4", "shortfall": "8.5"}
    if status == 422:
        return {"faults": [{"field": "quantity", "message": "must be more than 0 credits"}]}
    if status == 429:
        return {"retry_after": 7}
    if status == 500:
        return {"reference": "9f2c01ab"}
    return {}


# The code that stands for a status in the document.
_EXAMPLES = {
    code: PROBLEMS[code]
    for code in (
        "unauthenticated",
        "insufficient_credits",
        "scope_missing",
        "not_found",
        "key_reused",
        "body_too_large",
        "unsupported_media_type",
        "invalid_command",
        "too_many_requests",
        "internal_error",
        "provider_refused",
        "unavailable",
    )
}

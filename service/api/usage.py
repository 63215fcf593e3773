"""Usage: charge one event, or up to 10,000 with a result for each."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from ledger import EventReused, KeyReused, Permission, RecordUsage, UsageEvent
from service.api import bulk
from service.api.answers import WRITTEN, written
from service.api.auth import KEY_HEADER, Call, authorised, customer_limit
from service.api.errors import documented, faults_of, problem
from service.api.events import BATCH_TYPES, CLOUD_EVENT, JSON, NewUsage, event_from_cloud, many_events, one_event
from service.api.keys import KEY_MAX_CHARS, key_of
from service.repeats import happened_at

router = APIRouter(tags=["Usage"])

_IN_DOCUMENT: dict[str, Any] = {
    "parameters": [
        {
            "name": KEY_HEADER,
            "in": "header",
            "required": False,
            "description": "Names this attempt; unless given, the event id does.",
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX_CHARS},
            "example": "req-8f14e45f",
        }
    ],
}
_ONE = _IN_DOCUMENT | {"requestBody": one_event()}
_MANY = _IN_DOCUMENT | {"requestBody": many_events()}


@router.post(
    "/usage",
    status_code=201,
    responses=WRITTEN | documented(402, 404, 409, 413, 415),
    openapi_extra=_ONE,
    summary="Charge one event",
)
async def record_usage(request: Request) -> Response:
    """Charge one event, as JSON or as a CloudEvent. The event id makes a repeat harmless."""
    call = _call(request)
    kind = media_type(request)
    if kind not in (JSON, CLOUD_EVENT):
        return unsupported(kind, JSON, CLOUD_EVENT)
    raw = await request.body()
    try:
        body = NewUsage.model_validate_json(raw) if kind == JSON else event_from_cloud(raw)
    except ValidationError as error:
        return faults_of(error.errors(include_url=False, include_input=False, include_context=False))
    await call.service.count(*customer_limit(body.account))
    key = call.key or key_of("usage", body.account, body.event_id)
    charge = call.service.charger().charge
    command = _command(body, body.occurred_at or call.ledger.clock.now())
    try:
        return written(await charge(command, actor=call.actor, key=key))
    except (KeyReused, EventReused):
        # An event without a time happened when it was first sent: a repeat has to say the same.
        known = (
            None if body.occurred_at else await run_in_threadpool(happened_at, call.ledger, body.account, body.event_id)
        )
        if known is None:
            raise
        return written(await charge(_command(body, known), actor=call.actor, key=key))


@router.post(
    "/usage/bulk",
    status_code=201,
    responses=bulk.ANSWERED | documented(409, 413, 415),
    openapi_extra=_MANY,
    summary="Charge up to 10,000 events",
)
async def record_usage_bulk(request: Request) -> Response:
    """Charge many events of any accounts, each on its own merits, with a result for each in their order.

    The events of one account are booked in one transaction. 201 when something was booked, 200 when nothing new was.
    """
    call = _call(request)
    kind = media_type(request)
    if kind not in BATCH_TYPES:
        return unsupported(kind, *BATCH_TYPES)
    raw = await request.body()
    return await run_in_threadpool(bulk.charge, call, kind, raw)


def media_type(request: Request) -> str:
    """The type of a body, without its parameters; JSON unless said otherwise."""
    return request.headers.get("content-type", JSON).partition(";")[0].strip().lower()


def unsupported(kind: str, *allowed: str) -> Response:
    """The refusal of a body of another type."""
    detail = f"The body has the type {kind[:100]!r}; send {' or '.join(allowed)}."
    return problem("unsupported_media_type", detail, headers={"Accept-Post": ", ".join(allowed)})


def _call(request: Request) -> Call:
    return authorised(request, Permission.RECORD_USAGE, key=request.headers.get(KEY_HEADER))


def _command(body: NewUsage, at: datetime) -> RecordUsage:
    event = UsageEvent(body.event_id, body.feature, at, body.quantity, body.complexity, body.member)
    return RecordUsage(body.account, event)

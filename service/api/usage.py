"""Usage: charge one event, or up to 10,000 with a result for each."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from ledger import MICRO, Permission, RecordUsage, UsageEvent
from service.api.answers import WRITTEN, Body, Instant, Micro
from service.api.auth import Call, writes
from service.api.errors import documented

router = APIRouter(tags=["Usage"])


class NewUsage(Body):
    """One thing that happened. The event id makes a repeat harmless, whatever the Idempotency-Key."""

    account: str = Field(examples=["acme"])
    event_id: str = Field(description="Your id of the event, once per account", examples=["req-8f14e45f"])
    feature: str = Field(examples=["api-call"])
    quantity: Micro = Field(MICRO, validate_default=False, description="Units of the feature", examples=["1"])
    occurred_at: Instant | None = Field(None, description="Now, unless given")
    complexity: str = Field("", description="Which factor of the price applies")
    member: str = Field("", description="Who of a pool it was")


@router.post("/usage", status_code=201, responses=WRITTEN | documented(402, 404, 409))
def record_usage(body: NewUsage, call: Annotated[Call, writes(Permission.RECORD_USAGE)]) -> Response:
    """Charge one event."""
    at = body.occurred_at or call.ledger.clock.now()
    event = UsageEvent(body.event_id, body.feature, at, body.quantity, body.complexity, body.member)
    return call.write(RecordUsage(body.account, event), key=body.event_id)

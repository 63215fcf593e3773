"""Holds: credits set aside for work whose cost is not known yet, then captured or released."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from ledger import (
    MICRO,
    CaptureHold,
    ExtendHold,
    Fault,
    HoldReused,
    InvalidCommand,
    KeyReused,
    Permission,
    PlaceHold,
    Reason,
    ReleaseHold,
    micro_to_text,
    queries,
)
from ledger.estimates import load_debt
from service.api.answers import WRITTEN, Body, Instant, Micro, json_response, written
from service.api.auth import Call, reads, writes_named
from service.api.errors import documented
from service.api.keys import key_of
from service.api.paging import answering
from service.repeats import hold_ends_at

router = APIRouter(tags=["Holds"])
_Writes = Annotated[Call, writes_named(Permission.RECORD_USAGE)]
_Manages = Annotated[Call, writes_named(Permission.MANAGE_HOLDS)]
LIVES_MAX = timedelta(days=366)


class NamedHold(Body):
    """A hold by its name."""

    account: str = Field(examples=["acme"])
    reference: str = Field(description="Your name of the hold, once per account", examples=["job-4711"])


class NewHold(NamedHold):
    """Credits to set aside."""

    feature: str = Field(examples=["video"])
    amount: Micro = Field(description="Credits", examples=["50"])
    expires_at: Instant | None = Field(
        None, description="When it lapses; give this or ``expires_in``", examples=["2026-03-10T13:00:00Z"]
    )
    expires_in: int | None = Field(
        None, ge=1, le=int(LIVES_MAX.total_seconds()), description="Seconds until it lapses", examples=[900]
    )
    member: str = Field("", description="Who of a pool it is for")


class Capture(NamedHold):
    """What was used of a hold. The rest of it is released."""

    event_id: str = Field(description="Your id of the usage event that this becomes", examples=["job-4711-done"])
    amount: Micro | None = Field(None, description="Credits; all that is held, unless given", examples=["37.5"])
    occurred_at: Instant | None = Field(None, description="Now, unless given", examples=["2026-03-10T12:30:00Z"])
    quantity: Micro = Field(MICRO, description="Units of the feature; 1 unless given", examples=["1"])


class Release(NamedHold):
    """A hold that is not needed any more."""

    note: str = Field("", description="Why, for people; may be left out", examples=["The job was cancelled"])


class Extension(NamedHold):
    """A later end of a hold."""

    expires_at: Instant = Field(examples=["2026-03-10T15:00:00Z"])
    note: str = Field("", description="Why, for people; may be left out", examples=["The job takes longer"])


class HoldBody(BaseModel):
    """A hold as it is."""

    reference: str = Field(examples=["job-4711"])
    state: str = Field(description="open, captured, released or lapsed", examples=["open"])
    feature: str = Field(examples=["video"])
    amount: str = Field(examples=["50"])
    captured: str = Field(examples=["0"])
    member: str
    placed_at: datetime
    expires_at: datetime | None = Field(description="Null: it never lapses, or is over")
    ended_at: datetime | None


class Holds(BaseModel):
    """Holds of one account, the open ones first."""

    account: str
    holds: list[HoldBody]


@router.post("/holds", status_code=201, responses=WRITTEN | documented(402, 404, 409))
def place_hold(body: NewHold, call: _Writes) -> Response:
    """Set credits aside. The reference makes a repeat harmless while the hold is open."""
    if body.expires_at is not None and body.expires_in is not None:
        raise InvalidCommand([Fault("expires_in", "give this or expires_at, not both")])
    until = body.expires_at
    if body.expires_in is not None:
        until = call.ledger.clock.now() + timedelta(seconds=body.expires_in)
    key = key_of("hold", body.account, body.reference)
    command = _place(body, until)
    try:
        return call.write(command, key=key)
    except (KeyReused, HoldReused):
        # A time that was given as seconds from now: a repeat has to mean the end that the first one got.
        known = hold_ends_at(call.ledger, body.account, body.reference) if body.expires_in is not None else None
        if known is None:
            raise
        return written(call.ledger.execute(_place(body, known), actor=call.actor, key=call.named(key)))


@router.post("/holds/capture", status_code=201, responses=WRITTEN | documented(404, 409))
def capture_hold(body: Capture, call: _Writes) -> Response:
    """Use held credits. Leaves a usage event; its id makes a repeat harmless."""
    command = CaptureHold(
        body.account,
        body.reference,
        body.event_id,
        amount_micro=body.amount,
        occurred_at=body.occurred_at,
        quantity_micro=body.quantity,
    )
    return call.write(command, key=key_of("capture", body.account, body.event_id))


@router.post("/holds/release", status_code=201, responses=WRITTEN | documented(404, 409))
def release_hold(body: Release, call: _Manages) -> Response:
    """Give all held credits back. A hold is released once, so a repeat is harmless."""
    command = ReleaseHold(body.account, body.reference, _reason(body.note))
    return call.write(command, key=key_of("release", body.account, body.reference))


@router.post("/holds/extend", status_code=201, responses=WRITTEN | documented(404, 409))
def extend_hold(body: Extension, call: _Manages) -> Response:
    """Let a hold lapse later."""
    command = ExtendHold(body.account, body.reference, body.expires_at, _reason(body.note))
    return call.write(command, key=key_of("extend", body.account, body.reference, body.expires_at.isoformat()))


@router.get("/customers/{account:path}/holds", responses=answering(Holds) | documented(404))
def holds(
    account: str,
    call: Annotated[Call, reads(Permission.VIEW_CUSTOMER, Permission.RECORD_USAGE)],
    is_open: Annotated[bool, Query(description="Only those that keep credits")] = True,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Holds of an account: the open ones, the next to lapse first; then, if asked for, past ones, the newest first."""
    call.about(account)
    at = call.ledger.clock.now()
    with call.ledger.database.reading() as connection:
        load_debt(connection, account)
        rows: list[Any] = list(connection.execute(queries.open_holds(at=at, account_name=account, limit=limit)))
        found = [_body(row, "open", expires_at=row.expires_at) for row in rows]
        if not is_open and len(found) < limit:
            past = connection.execute(queries.past_holds(account, at=at, limit=limit - len(found)))
            found += [_body(row, row.state, captured_micro=row.captured_micro, ended_at=row.ended_at) for row in past]
    return json_response({"account": account, "holds": found})


def _body(
    row: Any,
    state: str,
    *,
    captured_micro: int = 0,
    expires_at: datetime | None = None,
    ended_at: datetime | None = None,
) -> dict[str, Any]:
    return {
        "reference": row.reference,
        "state": state,
        "feature": row.feature,
        "amount": micro_to_text(row.amount_micro),
        "captured": micro_to_text(captured_micro),
        "member": row.member,
        "placed_at": row.placed_at,
        "expires_at": expires_at,
        "ended_at": ended_at,
    }


def _place(body: NewHold, until: datetime | None) -> PlaceHold:
    return PlaceHold(body.account, body.reference, body.feature, body.amount, until, body.member)


def _reason(note: str) -> Reason | None:
    return Reason("api", note) if note else None

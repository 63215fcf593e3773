"""Balances, now and as of an instant; and whether a customer can afford something."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from ledger import (
    MICRO,
    Fault,
    InvalidCommand,
    Permission,
    micro_to_text,
    queries,
)
from ledger.affording import require_affordable
from ledger.as_of import balance_as_of
from ledger.estimates import load_debt
from service.api.answers import Body, Instant, Micro, TakeBody, json_response, takes_body
from service.api.auth import Call, reads
from service.api.errors import documented
from service.api.paging import answering

router = APIRouter(tags=["Balance"])
_Reads = Annotated[Call, reads(Permission.VIEW_CUSTOMER, Permission.RECORD_USAGE)]


class TypeBalance(BaseModel):
    """What an account has of one type of credits."""

    credit_type: str = Field(examples=["promotional"])
    available: str = Field(examples=["1200"])
    held: str = Field(examples=["50"])
    scheduled: str = Field(description="Becomes effective later", examples=["0"])
    next_expiry_at: datetime | None = None


class BalanceBody(BaseModel):
    """What an account has. Held and scheduled credits are part of the balance, and not of what is available."""

    account: str = Field(examples=["acme"])
    at: datetime
    known_at: datetime | None = Field(None, description="Only of a past instant: as known then or since")
    available: str = Field(description="Can be used at once", examples=["1200"])
    held: str = Field(description="Set aside by holds", examples=["50"])
    scheduled: str = Field(description="Becomes effective later", examples=["0"])
    balance: str = Field(description="All of these", examples=["1250"])
    owed: str = Field(description="Debt of an approved overdraft", examples=["0"])
    overdraft_limit: str | None = Field(None, description="How far below zero is allowed now", examples=["0"])
    by_type: list[TypeBalance]


class Question(Body):
    """A use that may come."""

    account: str = Field(examples=["acme"])
    feature: str = Field(examples=["api-call"])
    quantity: Micro = Field(MICRO, description="Units of the feature; 1 unless given", examples=["1000"])
    complexity: str = Field("", description="Which factor of the price applies")
    member: str = Field("", description="Who of a pool it would be")


class Affordable(BaseModel):
    """The use would be charged if it happened now."""

    account: str = Field(examples=["acme"])
    feature: str = Field(examples=["api-call"])
    is_affordable: bool = Field(description="Always true: otherwise the answer is a problem with status 402")
    required: str = Field(description="Credits that it costs", examples=["25"])
    available: str = Field(description="Credits that can pay for it now; holds keep theirs", examples=["1200"])
    left: str = Field(description="What would be left of them", examples=["1175"])
    owed: str = Field(description="What of it an approved overdraft would pay", examples=["0"])
    takes: list[TakeBody] = Field(description="Which batches would pay, in burn order")


@router.get("/customers/{account:path}/balance", responses=answering(BalanceBody) | documented(404))
def balance(
    account: str,
    call: _Reads,
    at: Annotated[Instant | None, Query(description="A past instant; now unless given")] = None,
    known_at: Annotated[
        Instant | None, Query(description="As the books knew it then: the instant itself, or later; now unless given")
    ] = None,
) -> Response:
    """What an account has now, or had at an instant."""
    call.about(account)
    now = call.ledger.clock.now()
    if at is None and known_at is not None:
        raise InvalidCommand([Fault("known_at", "goes with at; give both")])
    if at is None:
        return _balance_now(call, account, now)
    given = (("at", at), ("known_at", known_at))
    if faults := [Fault(name, "lies in the future") for name, when in given if when is not None and when > now]:
        raise InvalidCommand(faults)
    with call.ledger.database.reading() as connection:
        found = balance_as_of(connection, account, at=at, known_at=known_at or now)
    by_type: dict[str, dict[str, Any]] = {}
    for batch in found.batches:
        one = by_type.setdefault(batch.credit_type.value, {"available": 0, "held": 0, "scheduled": 0, "ends": None})
        one["held"] += batch.held_micro
        is_open = batch.expires_at is None or batch.expires_at > at
        if is_open:
            one["available" if batch.effective_at <= at else "scheduled"] += batch.free_micro
        if batch.expires_at is not None and is_open and (one["ends"] is None or batch.expires_at < one["ends"]):
            one["ends"] = batch.expires_at
    return json_response(
        {
            "account": account,
            "at": at,
            "known_at": found.known_at,
            "available": micro_to_text(found.available_micro),
            "held": micro_to_text(found.held_micro),
            "scheduled": micro_to_text(found.scheduled_micro),
            "balance": micro_to_text(found.balance_micro),
            "owed": micro_to_text(found.owed_micro),
            "by_type": [
                _type_body(name, one["available"], one["held"], one["scheduled"], one["ends"])
                for name, one in sorted(by_type.items())
            ],
        }
    )


@router.post("/check", responses=answering(Affordable) | documented(402, 404, 409))
def check(body: Question, call: _Reads) -> Response:
    """Whether a customer can afford a use now: 200 when it can, 402 with what is missing and where to buy credits.

    Holds, debt, overdrafts, limits of a pool's members and batches that are for certain features only are considered.
    Nothing is booked or held: to keep the credits until the work is done, place a hold.
    """
    call.about(body.account)
    found = require_affordable(
        call.ledger,
        body.account,
        body.feature,
        quantity_micro=body.quantity,
        complexity=body.complexity,
        member=body.member,
    )
    return json_response(
        {
            "account": body.account,
            "feature": body.feature,
            "is_affordable": True,
            "required": micro_to_text(found.cost_micro),
            "available": micro_to_text(found.available_micro),
            "left": micro_to_text(max(0, found.available_micro - found.cost_micro)),
            "owed": micro_to_text(found.owed_micro),
            "takes": takes_body(found.takes),
        }
    )


def _balance_now(call: Call, account: str, now: datetime) -> Response:
    with call.ledger.database.reading() as connection:
        found = load_debt(connection, account)
        rows = connection.execute(queries.balances(at=now, account_name=account)).all()
    available = sum(row.available_micro for row in rows)
    held = sum(row.held_micro for row in rows)
    scheduled = sum(row.scheduled_micro for row in rows)
    is_over = found.overdraft_until is not None and found.overdraft_until <= now
    return json_response(
        {
            "account": account,
            "at": now,
            "available": micro_to_text(available),
            "held": micro_to_text(held),
            "scheduled": micro_to_text(scheduled),
            "balance": micro_to_text(available + held + scheduled),
            "owed": micro_to_text(found.owed_micro),
            "overdraft_limit": micro_to_text(0 if is_over else found.overdraft_limit_micro),
            "by_type": [
                _type_body(
                    row.credit_type, row.available_micro, row.held_micro, row.scheduled_micro, row.next_expiry_at
                )
                for row in rows
            ],
        }
    )


def _type_body(
    name: str, available_micro: int, held_micro: int, scheduled_micro: int, next_expiry_at: datetime | None
) -> dict[str, Any]:
    return {
        "credit_type": name,
        "available": micro_to_text(available_micro),
        "held": micro_to_text(held_micro),
        "scheduled": micro_to_text(scheduled_micro),
        "next_expiry_at": next_expiry_at,
    }

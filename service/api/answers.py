"""What the API's bodies are made of: amounts as decimal text, instants in UTC, and the receipt of a write.

Amounts of credits and quantities are decimal text with at most six decimals in answers ("12.5"); requests may also
write a JSON number. Nothing is rounded: more decimals are refused.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Response
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError, to_json

from ledger import Receipt, Take, credits_to_micro, micro_to_text

_AMOUNT = r"^[0-9]{1,10}(\.[0-9]{1,6})?$"
REPLAYED = "Idempotency-Replayed"


def _micro(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise PydanticCustomError("amount", 'must be decimal text such as "12.5", or a number')
    try:
        # The shortest text of a float is what its sender wrote.
        micro = credits_to_micro(repr(value) if isinstance(value, float) else value)
    except ValueError as error:
        raise PydanticCustomError("amount", "{why}", {"why": str(error)}) from None
    # Faults of size are the command's to tell; this keeps out what no integer column holds.
    if abs(micro) >= 2**63:
        raise PydanticCustomError("amount", "is more than 1,000,000,000 credits")
    return micro


_amount_schema = {
    "anyOf": [
        {"type": "string", "pattern": _AMOUNT},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000_000, "multipleOf": 0.000001},
    ]
}
# Millionths of what the caller wrote as a decimal.
Micro = Annotated[int, BeforeValidator(_micro), WithJsonSchema(_amount_schema)]
# The same for what may be taken away, too.
SignedMicro = Annotated[
    int,
    BeforeValidator(_micro),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _AMOUNT.replace("^", "^-?")},
                {"type": "number", "minimum": -1_000_000_000, "maximum": 1_000_000_000, "multipleOf": 0.000001},
            ]
        }
    ),
]


def _aware(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise PydanticCustomError("no_zone", "has no time zone; give an offset such as Z or +00:00")
    return at.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_aware), WithJsonSchema({"type": "string", "format": "date-time"})]


class Body(BaseModel):
    """Base of all bodies that are sent in: an unknown member is a fault, not a silent loss."""

    model_config = ConfigDict(extra="forbid")


class Credits(BaseModel):
    """What an account has before and after."""

    before: str = Field(examples=["1200"])
    after: str = Field(examples=["1187.5"])


class TakeBody(BaseModel):
    """Credits of one batch."""

    batch_id: int
    credit_type: str = Field(examples=["promotional"])
    amount: str = Field(examples=["12.5"])


class NewBatchBody(TakeBody):
    """A batch that was put on the shelf."""

    effective_at: datetime
    expires_at: datetime | None


class ReceiptBody(BaseModel):
    """What became of a write. The same for a repeat, which has ``replayed`` true and books nothing."""

    kind: str = Field(examples=["usage"])
    account: str | None = Field(examples=["acme"])
    transaction_id: int | None = Field(description="Null when there was nothing to do", examples=[4711])
    replayed: bool
    recorded_at: datetime
    available: Credits = Field(description="Credits that can be used at once")
    balance: Credits = Field(description="Also those that become effective later")
    takes: list[TakeBody] = Field(description="Which batches gave credits, in burn order")
    owed: Credits | None = Field(None, description="Debt of an approved overdraft, when there is some")
    new_batches: list[NewBatchBody] | None = None
    returned: list[TakeBody] | None = Field(None, description="Credits put back on the shelf")
    expired: list[TakeBody] | None = Field(None, description="Of those, credits that were past their date")
    hold_id: int | None = None
    held_until: datetime | None = None
    subject_id: int | None = Field(None, description="Id of what was made, in its own table")
    approval_id: int | None = Field(None, description="Number of the request for approval that was filed")
    counterpart: str | None = Field(None, description="The other account of a transfer or gift")
    money_cents: int | None = None
    currency: str | None = None
    notes: list[str] | None = None


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A body of plain values as JSON."""
    return Response(to_json(body), status_code=status, headers=headers, media_type="application/json")


def written(receipt: Receipt) -> Response:
    """The answer to a write: 201 with its receipt; 200 and the header Idempotency-Replayed when it is a repeat."""
    if receipt.replayed:
        return json_response(receipt_body(receipt), headers={REPLAYED: "true"})
    return json_response(receipt_body(receipt), status=201)


def receipt_body(receipt: Receipt) -> dict[str, Any]:
    """A receipt in the shape of `ReceiptBody`; members that say nothing are left out."""
    body: dict[str, Any] = {
        "kind": receipt.kind,
        "account": receipt.account,
        "transaction_id": receipt.transaction_id,
        "replayed": receipt.replayed,
        "recorded_at": receipt.recorded_at,
        "available": _change(receipt.available_before_micro, receipt.available_after_micro),
        "balance": _change(receipt.balance_before_micro, receipt.balance_after_micro),
        "takes": takes_body(receipt.takes),
    }
    if receipt.owed_before_micro or receipt.owed_after_micro:
        body["owed"] = _change(receipt.owed_before_micro, receipt.owed_after_micro)
    if receipt.new_batches:
        body["new_batches"] = [
            {
                "batch_id": one.id,
                "credit_type": one.credit_type.value,
                "amount": micro_to_text(one.amount_micro),
                "effective_at": one.effective_at,
                "expires_at": one.expires_at,
            }
            for one in receipt.new_batches
        ]
    if receipt.returned:
        body["returned"] = takes_body(receipt.returned)
    if receipt.expired:
        body["expired"] = takes_body(receipt.expired)
    plain = {
        "hold_id": receipt.hold_id,
        "held_until": receipt.held_until_at,
        "subject_id": receipt.subject_id,
        "approval_id": receipt.approval_id,
        "counterpart": receipt.counterpart,
        "notes": list(receipt.notes) or None,
    }
    if receipt.money is not None:
        plain |= {"money_cents": receipt.money.cents, "currency": receipt.money.currency}
    body.update((name, value) for name, value in plain.items() if value is not None)
    return body


def takes_body(takes: tuple[Take, ...]) -> list[dict[str, Any]]:
    """Takes in the shape of `TakeBody`."""
    return [
        {"batch_id": take.batch_id, "credit_type": take.credit_type.value, "amount": micro_to_text(take.amount_micro)}
        for take in takes
    ]


def _change(before_micro: int, after_micro: int) -> dict[str, str]:
    return {"before": micro_to_text(before_micro), "after": micro_to_text(after_micro)}


# What an endpoint that writes a command answers, for ``responses``.
WRITTEN: dict[int | str, dict[str, Any]] = {
    201: {"model": ReceiptBody, "description": "Booked"},
    200: {
        "model": ReceiptBody,
        "description": "Booked before under this key: the first answer again",
        "headers": {REPLAYED: {"description": "true", "schema": {"type": "string"}}},
    },
}

"""Usage events as they are sent: our own JSON, or CloudEvents 1.0 in structured mode."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from ledger import MICRO
from service.api.answers import Body, Instant, Micro

JSON = "application/json"
LINES = "application/x-ndjson"
CLOUD_EVENT = "application/cloudevents+json"
CLOUD_BATCH = "application/cloudevents-batch+json"
BATCH_TYPES = (JSON, LINES, CLOUD_BATCH)


class NewUsage(Body):
    """One thing that happened."""

    account: str = Field(examples=["acme"])
    event_id: str = Field(description="Your id of the event, once per account", examples=["req-8f14e45f"])
    feature: str = Field(examples=["api-call"])
    quantity: Micro = Field(MICRO, description="Units of the feature; 1 unless given", examples=["2.5"])
    occurred_at: Instant | None = Field(
        None, description="Now, unless given; needed in bulk", examples=["2026-03-10T12:00:00Z"]
    )
    complexity: str = Field("", description="Which factor of the price applies")
    member: str = Field("", description="Who of a pool it was")


class CloudUsage(BaseModel):
    """The ``data`` of a CloudEvent. What else is in it stays with its sender."""

    model_config = ConfigDict(extra="ignore")

    feature: str | None = Field(None, description="The type of the event, unless given", examples=["api-call"])
    quantity: Micro = Field(MICRO, examples=["2.5"])
    complexity: str = ""
    member: str = ""


def _text(value: Any) -> Any:
    if value == "":
        raise PydanticCustomError("empty", "must not be empty")
    return value


_Name = Annotated[str, BeforeValidator(_text), Field(min_length=1)]


class CloudEvent(BaseModel):
    """A CloudEvent 1.0: its subject is the account; source and id together are the event id, as ``<source>#<id>``."""

    model_config = ConfigDict(extra="allow")

    specversion: Literal["1.0"]
    id: _Name = Field(examples=["8f14e45f"])
    source: _Name = Field(examples=["/gateway/eu-1"])
    type: _Name = Field(examples=["api-call"])
    subject: _Name = Field(description="The account", examples=["acme"])
    time: Instant | None = Field(None, examples=["2026-03-10T12:00:00Z"])
    data: CloudUsage = Field(default_factory=CloudUsage)

    def as_usage(self) -> NewUsage:
        """The same event in our own words."""
        return NewUsage.model_construct(
            account=self.subject,
            event_id=f"{self.source}#{self.id}",
            feature=self.data.feature or self.type,
            quantity=self.data.quantity,
            occurred_at=self.time,
            complexity=self.data.complexity,
            member=self.data.member,
        )


def event_from_cloud(raw: bytes | str) -> NewUsage:
    """A CloudEvent in JSON as a usage event. Raises ValidationError."""
    return CloudEvent.model_validate_json(raw).as_usage()


def one_event() -> dict[str, Any]:
    """The request body of one event, for the document."""
    return {"required": True, "content": _CONTENT}


def many_events() -> dict[str, Any]:
    """The request body of many events, for the document."""
    return {"required": True, "content": _BATCH_CONTENT}


def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


_EXAMPLE = {"account": "acme", "event_id": "req-8f14e45f", "feature": "api-call", "occurred_at": "2026-03-10T12:00:00Z"}
_CLOUD_EXAMPLE = {
    "specversion": "1.0",
    "id": "8f14e45f",
    "source": "/gateway/eu-1",
    "type": "api-call",
    "subject": "acme",
    "time": "2026-03-10T12:00:00Z",
    "data": {"quantity": "2.5"},
}
_LINE = '{"account": "acme", "event_id": "e-1", "feature": "api-call", "occurred_at": "2026-03-10T12:00:00Z"}'
_CONTENT: dict[str, dict[str, Any]] = {
    JSON: {"schema": _schema(NewUsage), "example": _EXAMPLE},
    CLOUD_EVENT: {"schema": _schema(CloudEvent), "example": _CLOUD_EXAMPLE},
}
_BATCH_CONTENT: dict[str, dict[str, Any]] = {
    JSON: {
        "schema": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": _schema(NewUsage)},
        "example": [_EXAMPLE],
    },
    LINES: {"schema": {"type": "string", "description": "One event a line"}, "example": _LINE + "\n"},
    CLOUD_BATCH: {
        "schema": {"type": "array", "minItems": 1, "maxItems": 10_000, "items": _schema(CloudEvent)},
        "example": [_CLOUD_EXAMPLE],
    },
}

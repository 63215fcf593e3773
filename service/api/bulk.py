"""Many usage events in one request: each is judged on its own, and each account's are booked together."""

import uuid
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.responses import Response

from ledger import Fault, InvalidCommand, Ledger, NotFound, Receipt, RecordUsageBulk, UsageEvent, queries
from ledger.commands import text_faults
from ledger.operations.usage import BULK_MAX_EVENTS
from service.api.answers import REPLAYED, json_response
from service.api.auth import Call
from service.api.errors import FaultBody, path_of
from service.api.events import CLOUD_BATCH, LINES, CloudEvent, NewUsage
from service.api.keys import key_of


class EventResult(BaseModel):
    """What became of one event."""

    index: int = Field(description="Its place in the request, from 0")
    event_id: str | None = Field(description="Null when it could not be read")
    status: str = Field(description="recorded, replayed (recorded before) or refused", examples=["recorded"])
    code: str | None = Field(None, description="Why it was refused", examples=["insufficient_credits"])
    message: str | None = None
    faults: list[FaultBody] | None = None


class BulkAnswer(BaseModel):
    """What became of many events, in their order."""

    recorded: int
    replayed: int
    refused: int
    results: list[EventResult]


_EXAMPLE = {
    "recorded": 1,
    "replayed": 0,
    "refused": 1,
    "results": [
        {"index": 0, "event_id": "e-1", "status": "recorded"},
        {
            "index": 1,
            "event_id": "e-2",
            "status": "refused",
            "code": "not_found",
            "message": "There is no feature 'x'.",
        },
    ],
}
ANSWERED: dict[int | str, dict[str, Any]] = {
    201: {
        "model": BulkAnswer,
        "description": "Some events were booked",
        "content": {"application/json": {"example": _EXAMPLE}},
    },
    200: {
        "model": BulkAnswer,
        "description": "Nothing new was booked: every event was recorded before, or refused",
        "headers": {REPLAYED: {"description": "true when all were recorded before", "schema": {"type": "string"}}},
    },
}
_OURS = TypeAdapter(list[NewUsage])
_CLOUD = TypeAdapter(list[CloudEvent])
# Event ids that one question names.
_ASKED = 1_000
_REFUSED = {"status": "refused"}
_WHEN = Fault("occurred_at", "is needed in bulk: say when it happened, so that a repeat says the same")


@dataclass(slots=True)
class _Row:
    """One event of the request: what was read of it, or why it is refused."""

    index: int
    event: NewUsage | None
    refused: dict[str, Any] | None = None

    def refuse(self, code: str, message: str, faults: list[dict[str, str]] | None = None) -> None:
        self.refused = {"code": code, "message": message} | ({"faults": faults} if faults else {})


def charge(call: Call, kind: str, raw: bytes) -> Response:
    """Charge the events of a body of that type. Raises InvalidCommand when it is no list of 1 to 10,000 events."""
    rows = _rows(kind, raw)
    if not 0 < len(rows) <= BULK_MAX_EVENTS:
        raise InvalidCommand([Fault("body", f"give 1 to {BULK_MAX_EVENTS:,} events, not {len(rows):,}")])
    by_account: dict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        if row.event is not None and not _judged(row, row.event):
            by_account[row.event.account].append(row)
    for account in by_account:
        call.about(account)
    statuses: dict[int, str] = {}
    for account, theirs in by_account.items():
        statuses |= _charge_account(call, account, theirs)
    return _answer(rows, statuses)


def _judged(row: _Row, event: NewUsage) -> bool:
    """Whether an event is refused for what can be seen of it alone."""
    faults = text_faults("account", event.account)
    if event.occurred_at is None:
        faults.append(_WHEN)
    else:
        faults += _usage(event).faults()
    if faults:
        refusal = InvalidCommand(faults)
        row.refuse(refusal.code, str(refusal), [{"field": one.field, "message": one.message} for one in faults])
    return bool(faults)


def _charge_account(call: Call, account: str, rows: list[_Row]) -> dict[int, str]:
    """Charge the events of one account in one command; answers the status of each that is not refused, by index."""
    first: dict[str, tuple[_Row, UsageEvent]] = {}
    again: list[tuple[_Row, UsageEvent]] = []
    for row in rows:
        assert row.event is not None
        event = _usage(row.event)
        if event.event_id in first:
            again.append((row, event))
        else:
            first[event.event_id] = (row, event)
    command = RecordUsageBulk(account, tuple(event for _, event in first.values()))
    # Without a name of the whole each event stands for itself: what was refused before is tried again.
    key = key_of("bulk", account, call.key or str(uuid.uuid4()))
    try:
        receipt = call.ledger.execute(command, actor=call.actor, key=key)
    except NotFound as unknown:
        for row in rows:
            row.refuse(unknown.code, str(unknown))
        return {}
    for refusal in receipt.refusals:
        first[refusal.event_id][0].refuse(refusal.code, refusal.message)
    recorded = _recorded(call.ledger, receipt, set(first) - {one.event_id for one in receipt.refusals}, account)
    statuses = {
        row.index: "recorded" if event_id in recorded else "replayed"
        for event_id, (row, _) in first.items()
        if row.refused is None
    }
    for row, event in again:
        original, content = first[event.event_id]
        if original.refused is not None:
            row.refused = dict(original.refused)
        elif content != event:
            row.refuse("event_reused", f"The event {event.event_id!r} is in this request before, with other content.")
        else:
            statuses[row.index] = "replayed"
    return statuses


def _recorded(ledger: Ledger, receipt: Receipt, charged: set[str], account: str) -> set[str]:
    """Which of the charged events this very command recorded, rather than an earlier one."""
    if receipt.replayed or not receipt.events_recorded:
        return set()
    if not receipt.events_replayed:
        return charged
    ids = sorted(charged)
    with ledger.database.reading() as connection:
        return {
            row.event_id
            for start in range(0, len(ids), _ASKED)
            for row in connection.execute(queries.event_transactions(account, ids[start : start + _ASKED]))
            if row.transaction_id == receipt.transaction_id
        }


def _answer(rows: list[_Row], statuses: dict[int, str]) -> Response:
    results = []
    for row in rows:
        result = {"index": row.index, "event_id": row.event.event_id if row.event else None}
        results.append(
            result | ({"status": "refused"} | row.refused if row.refused else {"status": statuses[row.index]})
        )
    counts = Counter(result["status"] for result in results)
    body = {name: counts[name] for name in ("recorded", "replayed", "refused")} | {"results": results}
    headers = {REPLAYED: "true"} if counts["replayed"] == len(rows) else None
    return json_response(body, status=201 if counts["recorded"] else 200, headers=headers)


def _usage(event: NewUsage) -> UsageEvent:
    at = event.occurred_at
    assert at is not None
    return UsageEvent(event.event_id, event.feature, at, event.quantity, event.complexity, event.member)


def _rows(kind: str, raw: bytes) -> list[_Row]:
    """The events of a body; one that cannot be read is refused alone. Raises InvalidCommand when none can be told."""
    lines = [line for line in raw.splitlines() if line.strip()] if kind == LINES else []
    try:
        # As a whole: several times as fast as one by one, and mostly nothing is wrong.
        whole = b"[" + b",".join(lines) + b"]" if kind == LINES else raw
        events = _read_whole(kind, whole)
        if kind != LINES or len(events) == len(lines):
            return [_Row(index, event) for index, event in enumerate(events)]
    except ValidationError:
        pass
    return [_read(kind, index, one) for index, one in enumerate(lines if kind == LINES else _parts(raw))]


def _read_whole(kind: str, raw: bytes) -> list[NewUsage]:
    if kind == CLOUD_BATCH:
        return [one.as_usage() for one in _CLOUD.validate_json(raw)]
    return _OURS.validate_json(raw)


def _parts(raw: bytes) -> list[Any]:
    try:
        parts = from_json(raw)
    except ValueError as error:
        raise InvalidCommand([Fault("body", f"is no JSON: {error}")]) from None
    if not isinstance(parts, list):
        raise InvalidCommand([Fault("body", "must be a JSON array of events")])
    return parts


def _read(kind: str, index: int, part: Any) -> _Row:
    model = CloudEvent if kind == CLOUD_BATCH else NewUsage
    try:
        event = model.model_validate_json(part) if kind == LINES else model.model_validate(part)
    except ValidationError as error:
        row = _Row(index, None)
        found = error.errors(include_url=False, include_input=False, include_context=False)
        faults = [{"field": path_of(one["loc"]), "message": one["msg"]} for one in found]
        message = "; ".join(f"{one['field']}: {one['message']}" for one in faults)
        row.refuse(InvalidCommand.code, message[:500], faults)
        return row
    return _Row(index, event.as_usage() if isinstance(event, CloudEvent) else event)

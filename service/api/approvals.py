"""Two people: a program asks for what it may not do alone, and sees what became of it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from analytics import frames
from ledger import AskApproval, Command, NotFound, Permission
from service.api.answers import json_response
from service.api.auth import Call, reads
from service.api.errors import documented
from service.api.paging import answering

router = APIRouter(tags=["Approvals"])
_Asks = Annotated[Call, reads(Permission.ASK_APPROVAL)]
# What happens with a write that one may not do alone.
Mode = Annotated[
    Literal["do", "ask"],
    Query(description="``ask`` files a request that a second person decides about, instead of doing it"),
]


class ApprovalBody(BaseModel):
    """A request that this key filed."""

    approval_id: int = Field(examples=[17])
    kind: str = Field(description="What was asked for", examples=["grant"])
    account: str | None = Field(examples=["acme"])
    state: str = Field(description="asked, approved, refused or withdrawn", examples=["asked"])
    asked_at: datetime
    decided_at: datetime | None
    decided_by: str | None = Field(examples=["bea@example.com"])
    decision_note: str
    transaction_id: int | None = Field(description="What was booked when it was approved", examples=[4711])


def carry_out(call: Call, command: Command, mode: str) -> Response:
    """Do it, or ask for it: a request is filed once per Idempotency-Key, too."""
    if mode == "do":
        return call.write(command)
    account = getattr(command, "account", None)
    if account:
        call.about(account)
    return call.write(AskApproval(command))


@router.get("/approvals/{approval_id}", responses=answering(ApprovalBody) | documented(404))
def show_approval(approval_id: Annotated[int, Path(ge=1, le=2**63 - 1)], call: _Asks) -> Response:
    """What became of a request that this key filed."""
    with call.ledger.database.reading() as connection:
        found = frames.load_approval(connection, approval_id)
    if found.requester != call.actor.id:
        raise NotFound(what="request for approval", id=str(approval_id))
    return json_response(
        {
            "approval_id": found.approval_id,
            "kind": found.kind,
            "account": found.account,
            "state": found.state,
            "asked_at": found.asked_at,
            "decided_at": found.decided_at,
            "decided_by": found.decided_by,
            "decision_note": found.decision_note,
            "transaction_id": found.decided_in_id if found.state == "approved" else None,
        }
    )

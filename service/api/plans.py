"""Plans of customers: started, changed, cancelled."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from analytics import frames
from ledger import CancelPlan, ChangePlan, NotFound, Permission, StartPlan, micro_to_text
from service.api.answers import WRITTEN, json_response
from service.api.auth import Call, reads, writes
from service.api.errors import documented
from service.api.paging import answering
from service.api.reasons import Reasoned

router = APIRouter(tags=["Plans"])
_Reads = Annotated[Call, reads(Permission.VIEW_CUSTOMER)]
_Writes = Annotated[Call, writes(Permission.MANAGE_PLANS)]


class PlanBody(BaseModel):
    """The plan of a customer. Days are the customer's, each the first one after what it ends."""

    account: str = Field(examples=["acme"])
    plan: str = Field(description="Code of the plan of the running period", examples=["pro"])
    next_plan: str | None = Field(description="Code of the plan of the next period; null: none follows")
    state: str = Field(description="active, cancelled (ends with the period) or ended", examples=["active"])
    credits: str = Field(description="Allowance of a whole period", examples=["500"])
    months: int = Field(description="Length of a period")
    period_start: date
    period_end: date = Field(description="First day of the next period")
    started_at: datetime
    ended_at: datetime | None = None
    billed_by: str | None = Field(description="The provider that bills it; null: periods begin by the calendar alone")
    subscription: str | None = Field(description="The provider's name of it", examples=["sub_1Qx"])
    paid_through: date | None = Field(description="Billed by a provider: first day that is not paid for")


class PlanStart(Reasoned):
    """A plan to start."""

    account: str = Field(examples=["acme"])
    plan: str = Field(description="Code of the plan", examples=["pro"])
    anchor_day: int | None = Field(None, description="Day of the month on which periods begin; today's unless given")


class PlanChange(Reasoned):
    """A plan to move to."""

    account: str = Field(examples=["acme"])
    plan: str = Field(examples=["business"])


class PlanEnd(Reasoned):
    """A plan to end."""

    account: str = Field(examples=["acme"])


@router.get("/customers/{account:path}/plan", responses=answering(PlanBody) | documented(404))
def plan_of_customer(account: str, call: _Reads) -> Response:
    """The plan that a customer is on, or was on last; 404 when it never had one."""
    call.about(account)
    with call.ledger.database.reading() as connection:
        found = frames.load_plan_of(connection, account=account)
    if found is None:
        raise NotFound(what="plan of", id=account)
    return json_response(
        {
            "account": account,
            "plan": found.terms.code,
            "next_plan": found.next_code or None,
            "state": found.state,
            "credits": micro_to_text(found.terms.credits_micro),
            "months": found.terms.months,
            "period_start": found.period_start,
            "period_end": found.period_end,
            "started_at": found.started_at,
            "ended_at": found.ended_at,
            "billed_by": found.provider,
            "subscription": found.provider_ref,
            "paid_through": found.paid_through,
        }
    )


@router.post("/plans/start", status_code=201, responses=WRITTEN | documented(404, 409))
def start_plan(body: PlanStart, call: _Writes) -> Response:
    """Put a customer on a plan from today on, with the allowance for what is left of the billing period."""
    return call.write(StartPlan(body.account, body.plan, body.why(), body.anchor_day))


@router.post("/plans/change", status_code=201, responses=WRITTEN | documented(404, 409))
def change_plan(body: PlanChange, call: _Writes) -> Response:
    """Move a customer to another plan: up at once, with the prorated difference; else from the next period on."""
    return call.write(ChangePlan(body.account, body.plan, body.why()))


@router.post("/plans/cancel", status_code=201, responses=WRITTEN | documented(404, 409))
def cancel_plan(body: PlanEnd, call: _Writes) -> Response:
    """End a customer's plan with the running period; credits given stay until they expire."""
    return call.write(CancelPlan(body.account, body.why()))

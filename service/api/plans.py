"""Plans of customers: started, changed, cancelled."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from ledger import CancelPlan, ChangePlan, Permission, StartPlan
from service.api.answers import WRITTEN
from service.api.auth import Call, writes
from service.api.errors import documented
from service.api.reasons import Reasoned

router = APIRouter(tags=["Plans"])
_Writes = Annotated[Call, writes(Permission.MANAGE_PLANS)]


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

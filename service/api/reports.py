"""Reports and estimates: the balance report as JSON and Markdown, what a use would cost."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from analytics.report_markdown import to_markdown
from ledger import Fault, InvalidCommand, NotFound, Permission, credits_to_micro, estimate_cost, micro_to_text
from ledger.commands import text_faults
from service.api.answers import Instant, TakeBody, json_response, takes_body
from service.api.auth import Call, reads
from service.api.customers import Account
from service.api.errors import documented
from service.api.paging import answering
from service.report_body import ReportBody, report_body
from service.reports import make_report

router = APIRouter(tags=["Reports and estimates"])
_Exports = Annotated[Call, reads(Permission.EXPORT)]
_Reads = Annotated[Call, reads(Permission.VIEW_CUSTOMER)]
MARKDOWN = "text/markdown"
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {MARKDOWN: {"schema": {"type": "string"}}}, "description": "The report as text"}
}


class EstimateBody(BaseModel):
    """What a use would cost. The members about who would pay are null without an account."""

    feature: str = Field(examples=["image"])
    quantity: str = Field(examples=["10"])
    complexity: str = Field(examples=["high"])
    at: datetime
    price: str = Field(description="Credits per unit", examples=["5"])
    factor: str = Field(description="Of the complexity", examples=["1.5"])
    cost: str = Field(description="Credits in all", examples=["67.5"])
    saved: str = Field(description="What a bundle takes off", examples=["7.5"])
    account: str | None = Field(examples=["acme"])
    available: str | None = Field(description="Credits that can pay for the feature", examples=["1200"])
    takes: list[TakeBody] | None = Field(description="Which batches would pay, in burn order")
    owed: str | None = Field(description="What would go on an approved overdraft", examples=["0"])
    short: str | None = Field(description="What is missing, so that the use would be refused", examples=["0"])
    is_affordable: bool | None = Field(examples=[True])


@router.get("/estimate", responses=answering(EstimateBody) | documented(404))
def estimate(
    call: _Reads,
    feature: Annotated[str, Query(examples=["image"])],
    quantity: Annotated[str, Query(description="Units of the feature, decimal text", examples=["10"])] = "1",
    complexity: Annotated[str, Query(description="Which factor of the price applies")] = "",
    account: Annotated[str | None, Query(description="Who would pay", examples=["acme"])] = None,
    at: Annotated[Instant | None, Query(description="Now, unless given")] = None,
) -> Response:
    """What a use would cost and which batches would pay. Nothing is booked or held."""
    faults = text_faults("complexity", complexity, required=False)
    try:
        quantity_micro = credits_to_micro(quantity)
    except ValueError as error:
        faults.append(Fault("quantity", str(error)))
    if faults:
        raise InvalidCommand(faults)
    if account is not None:
        _refuse_unwritable(account)
        call.about(account)
    found = estimate_cost(
        call.ledger, feature, quantity_micro=quantity_micro, complexity=complexity, account=account, at=at
    )
    payers: dict[str, Any] = dict.fromkeys(("account", "available", "takes", "owed", "short", "is_affordable"))
    if account is not None:
        payers = {
            "account": account,
            "available": micro_to_text(found.available_micro),
            "takes": takes_body(found.takes),
            "owed": micro_to_text(found.owed_micro),
            "short": micro_to_text(found.short_micro),
            "is_affordable": found.short_micro == 0,
        }
    return json_response(
        {
            "feature": found.feature,
            "quantity": micro_to_text(found.quantity_micro),
            "complexity": found.complexity,
            "at": found.at,
            "price": micro_to_text(found.price_micro),
            "factor": micro_to_text(found.factor_micro),
            "cost": micro_to_text(found.cost_micro),
            "saved": micro_to_text(found.saved_micro),
            **payers,
        }
    )


@router.get("/customers/{account:path}/report", responses=answering(ReportBody) | documented(404))
def report(account: Account, call: _Exports) -> Response:
    """The balance report of a customer: every figure of its page. What cannot be computed is null, with a reason."""
    _refuse_unwritable(account)
    call.about(account)
    return json_response(report_body(make_report(call.ledger, account)))


@router.get(
    "/customers/{account:path}/report.md",
    responses=_TEXT | documented(404),
)
def report_text(account: Account, call: _Exports) -> Response:
    """The same as Markdown, for people."""
    _refuse_unwritable(account)
    call.about(account)
    return Response(to_markdown(make_report(call.ledger, account)), media_type=f"{MARKDOWN}; charset=utf-8")


def _refuse_unwritable(account: str) -> None:
    """What no id can contain is not looked for; a database may not even take it. Raises NotFound."""
    if text_faults("account", account):
        raise NotFound(what="customer", id=account)

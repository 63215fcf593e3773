"""Auto-recharge: the rule by which a customer's saved card is charged when credits run low."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from analytics import frames
from ledger import NotFound, Permission, Provider, RechargeTerms, ResumeRecharge, SetRechargeRule, micro_to_text
from ledger.gateways import registry
from service.api.answers import WRITTEN, Micro, json_response
from service.api.auth import Call, reads, writes
from service.api.errors import documented
from service.api.paging import answering
from service.api.reasons import Reasoned

router = APIRouter(tags=["Purchases"])
_Reads = Annotated[Call, reads(Permission.MANAGE_RECHARGE, Permission.VIEW_CUSTOMER)]
_Writes = Annotated[Call, writes(Permission.MANAGE_RECHARGE)]


class RechargeRuleBody(BaseModel):
    """The rule in force, and how it stands."""

    account: str = Field(examples=["acme"])
    is_on: bool = Field(description="Whether somebody switched it on")
    runs: bool = Field(description="Whether it charges when its line is crossed: on, and not stopped")
    provider: str = Field(examples=["stripe"])
    card: str | None = Field(description="What it charges; null: no card is saved", examples=["visa •••• 4242, 12/27"])
    package: str = Field(examples=["professional"])
    threshold: str | None = Field(description="Charges when fewer credits can be used", examples=["500"])
    runway_days: int | None = Field(description="Charges when they last fewer days by the forecast", examples=[7])
    day_cap_cents: int = Field(examples=[50000])
    month_cap_cents: int = Field(examples=[150000])
    currency: str = Field(description="Of the caps", examples=["EUR"])
    cool_down_minutes: int = Field(description="Rest after each try", examples=[60])
    stop_after: int = Field(description="Declines in a row after which it stops", examples=[3])
    declines: int = Field(description="Declines in a row so far", examples=[0])
    stopped_at: datetime | None
    stopped_because: str | None = Field(examples=["the card was declined (card declined)"])
    rests_until: datetime | None = Field(description="No try before")


class NewRechargeRule(Reasoned):
    """A rule to be in force from now on. At least one of the two lines is given."""

    package: str = Field(description="Code of a package that can be bought any number of times", examples=["starter"])
    threshold: Micro | None = Field(None, description="Charge when fewer credits can be used", examples=["500"])
    runway_days: int | None = Field(None, description="Charge when they last fewer days by the forecast")
    day_cap_cents: int = Field(description="At most so much in any day of the customer's zone", examples=[50000])
    month_cap_cents: int = Field(description="At most so much in any month", examples=[150000])
    cool_down_minutes: int = Field(60, ge=1, le=43_200, description="Rest after each try, good or bad")
    stop_after: int = Field(3, description="Stop after so many declines in a row, 1 to 10")
    provider: Provider | None = Field(None, description="Whose saved card; unless given, who takes new purchases")


class RechargeEnd(Reasoned):
    """Why a rule is switched off, or resumed."""


@router.get("/customers/{account:path}/recharge", responses=answering(RechargeRuleBody) | documented(404))
def recharge_rule(account: str, call: _Reads) -> Response:
    """The rule of a customer; 404 when there never was one."""
    call.about(account)
    with call.ledger.database.reading() as connection:
        found = frames.load_recharge_rule(connection, account)
    if found is None:
        raise NotFound(what="rule of auto-recharge of", id=account)
    return json_response(_body(found))


@router.put("/customers/{account:path}/recharge", status_code=201, responses=WRITTEN | documented(404, 409))
def set_recharge_rule(account: str, body: NewRechargeRule, call: _Writes) -> Response:
    """Set the rule of a customer who has a saved card; it runs at once, the rest after the last try stays."""
    terms = RechargeTerms(
        body.package,
        body.threshold,
        body.runway_days,
        body.day_cap_cents,
        body.month_cap_cents,
        timedelta(minutes=body.cool_down_minutes),
        body.stop_after,
    )
    provider = body.provider or registry.selling(call.ledger)
    return call.write(SetRechargeRule(account, terms, provider, body.why()))


@router.post("/customers/{account:path}/recharge/off", status_code=201, responses=WRITTEN | documented(404, 409))
def switch_recharge_off(account: str, body: RechargeEnd, call: _Writes) -> Response:
    """Charge no card of a customer by itself any more."""
    # Whose card it was does not matter any more.
    return call.write(SetRechargeRule(account, None, Provider.STRIPE, body.why()))


@router.post("/customers/{account:path}/recharge/resume", status_code=201, responses=WRITTEN | documented(404, 409))
def resume_recharge(account: str, body: RechargeEnd, call: _Writes) -> Response:
    """Let a rule charge again that stopped after declines, or for another reason that was mended."""
    return call.write(ResumeRecharge(account, body.why()))


def _body(found: frames.RechargeRule) -> dict[str, object]:
    terms = found.terms
    return {
        "account": found.account,
        "is_on": found.is_on,
        "runs": found.runs,
        "provider": found.provider.value,
        "card": found.card or None,
        "package": terms.package,
        "threshold": None if terms.threshold_micro is None else micro_to_text(terms.threshold_micro),
        "runway_days": terms.runway_days,
        "day_cap_cents": terms.day_cap_cents,
        "month_cap_cents": terms.month_cap_cents,
        "currency": found.currency,
        "cool_down_minutes": terms.cool_down // timedelta(minutes=1),
        "stop_after": terms.stop_after,
        "declines": found.declines,
        "stopped_at": found.stopped_at,
        "stopped_because": found.stopped_because or None,
        "rests_until": found.rests_until,
    }

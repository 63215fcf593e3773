"""Credits that come: grants, top-ups paid elsewhere, gift codes."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from ledger import CreditType, IssueGrant, Money, Permission, RecordTopUp, RedeemGiftCode
from service.api.answers import WRITTEN, Body, Instant, Micro
from service.api.approvals import Mode, carry_out
from service.api.auth import Call, writes
from service.api.errors import documented
from service.api.reasons import LastDay, Reasoned

router = APIRouter(tags=["Grants and top-ups"])
_Grants = Annotated[Call, writes(Permission.ISSUE_GRANT)]
_Priority = Annotated[int, Field(ge=-1_000_000, le=1_000_000, description="A lower number burns first")]


class NewGrant(Reasoned):
    """Promotional, referral, compensation or rollover credits to give."""

    account: str = Field(examples=["acme"])
    credit_type: CreditType = Field(examples=["compensation"])
    amount: Micro = Field(examples=["500"])
    campaign: str = Field("", examples=["spring"])
    expires_on: LastDay = Field(None, description="The default of the type unless given")
    never_expires: bool = Field(False, description="No end at all, where the type allows it")
    effective_at: Instant | None = Field(None, description="At once, unless given")
    priority: _Priority = 0
    features: list[str] = Field([], max_length=100, description="The only features that they pay for; empty: all")


class NewTopUp(Reasoned):
    """Credits that were paid for outside the product."""

    account: str = Field(examples=["acme"])
    amount: Micro = Field(examples=["1000"])
    price_cents: int = Field(ge=1, le=10**15, description="Paid, in the currency's smallest unit", examples=[8000])
    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])
    reference: str = Field(description="Names the payment; can be used once", examples=["SEPA-2026-0042"])
    package: str = Field("", description="Code of what was sold; its price and limit are checked", examples=["large"])
    campaign: str = ""
    expires_on: LastDay = None
    effective_at: Instant | None = Field(None, description="At once, unless given")
    priority: _Priority = 0


class Redemption(Body):
    """A gift code as a customer typed it."""

    account: str = Field(examples=["acme"])
    code: str = Field(examples=["SPRING-7K2QX-BBDM4-TTA9R-HWZ3J"])


@router.post("/grants", status_code=201, responses=WRITTEN | documented(404, 409))
def issue_grant(body: NewGrant, call: _Grants, mode: Mode = "do") -> Response:
    """Give credits that nobody pays for. More than one may give alone is refused as approval_required: ask."""
    return carry_out(
        call,
        IssueGrant(
            body.account,
            body.credit_type,
            body.amount,
            body.why(),
            campaign=body.campaign,
            source="api",
            expires_on=body.expires_on,
            never_expires=body.never_expires,
            effective_at=body.effective_at,
            priority=body.priority,
            features=tuple(body.features),
        ),
        mode,
    )


@router.post("/top-ups", status_code=201, responses=WRITTEN | documented(404, 409))
def record_top_up(
    body: NewTopUp, call: Annotated[Call, writes(Permission.RECORD_TOP_UP)], mode: Mode = "do"
) -> Response:
    """Book credits that were paid for outside the product, such as by bank transfer."""
    return carry_out(
        call,
        RecordTopUp(
            body.account,
            body.amount,
            Money(body.price_cents, body.currency),
            body.reference,
            body.why(),
            campaign=body.campaign,
            expires_on=body.expires_on,
            effective_at=body.effective_at,
            priority=body.priority,
            package=body.package,
        ),
        mode,
    )


@router.post("/gift-codes/redeem", status_code=201, responses=WRITTEN | documented(404, 409))
def redeem_gift_code(body: Redemption, call: _Grants) -> Response:
    """Give a customer the credits of a gift code. A code is redeemed once, by whoever comes first."""
    return call.write(RedeemGiftCode(body.account, body.code))

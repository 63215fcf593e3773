"""Credits that are put right or moved: adjusted, transferred, refunded, voided, reversed, given back, extended."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field

from ledger import (
    AdjustBalance,
    CreditType,
    ExtendExpiry,
    GiftCredits,
    GiveBack,
    Permission,
    RefundPurchase,
    RefundTo,
    ReverseTransaction,
    TransferCredits,
    VoidBatch,
)
from service.api.answers import WRITTEN, Instant, Micro, SignedMicro
from service.api.approvals import Mode, carry_out
from service.api.auth import Call, writes
from service.api.errors import documented
from service.api.reasons import LastDay, Reasoned, RowId

router = APIRouter(tags=["Corrections"])
_Adjusts = Annotated[Call, writes(Permission.ADJUST_BALANCE)]
_Transfers = Annotated[Call, writes(Permission.TRANSFER)]


class Adjustment(Reasoned):
    """Credits to add (positive) or to take away (negative); a balance is never set."""

    account: str = Field(examples=["acme"])
    amount: SignedMicro = Field(examples=["-25.5"])
    batch_id: RowId | None = Field(None, description="Take from this batch alone; burn order unless given")
    credit_type: CreditType = Field(CreditType.COMPENSATION, description="Of credits that are added")
    expires_on: LastDay = None
    effective_at: Instant | None = Field(None, description="From when added credits count, in an open period")


class Transfer(Reasoned):
    """Credits to move to another account; they keep type, dates, origin and cost."""

    account: str = Field(description="Who gives", examples=["acme"])
    to: str = Field(description="Who gets", examples=["acme-lab"])
    amount: Micro = Field(examples=["100"])
    batch_id: RowId | None = Field(None, description="From this batch alone; burn order unless given")


class Gift(Transfer):
    """The same with a message that stays with the credits."""

    message: str = Field(examples=["Thank you for the talk"])


class Refund(Reasoned):
    """Purchased credits to take back."""

    account: str = Field(examples=["acme"])
    batch_id: RowId = Field(examples=[812])
    amount: Micro | None = Field(None, description="All that is neither used nor held, unless given", examples=["40"])
    to: RefundTo = Field(
        RefundTo.OUTSIDE,
        description="Who gives the money back: you (outside), or the provider, to the card or to the balance there",
    )


class BatchToVoid(Reasoned):
    """A batch that should not have been given."""

    account: str = Field(examples=["acme"])
    batch_id: RowId = Field(examples=[812])


class Reversal(Reasoned):
    """A transaction to take back."""

    transaction_id: RowId = Field(examples=[4711])


class UsageToGiveBack(Reasoned):
    """A usage event that failed or served badly."""

    account: str = Field(examples=["acme"])
    event_id: str = Field(examples=["req-8f14e45f"])
    amount: Micro | None = Field(None, description="All that is left of it, unless given", examples=["2.5"])


class Extension(Reasoned):
    """A batch that may live longer."""

    account: str = Field(examples=["acme"])
    batch_id: RowId = Field(examples=[812])
    expires_on: LastDay = None
    never_expires: bool = False


@router.post("/adjustments", status_code=201, responses=WRITTEN | documented(402, 404, 409))
def adjust_balance(body: Adjustment, call: _Adjusts, mode: Mode = "do") -> Response:
    """Add credits to a balance or take some away, with a reason."""
    return carry_out(
        call,
        AdjustBalance(
            body.account,
            body.amount,
            body.why(),
            batch_id=body.batch_id,
            credit_type=body.credit_type,
            expires_on=body.expires_on,
            effective_at=body.effective_at,
        ),
        mode,
    )


@router.post("/transfers", status_code=201, responses=WRITTEN | documented(402, 404, 409))
def transfer_credits(body: Transfer, call: _Transfers, mode: Mode = "do") -> Response:
    """Move credits to another account. Which accounts may exchange credits is a setting."""
    return carry_out(call, TransferCredits(body.account, body.to, body.amount, body.why(), body.batch_id), mode)


@router.post("/gifts", status_code=201, responses=WRITTEN | documented(402, 404, 409))
def gift_credits(body: Gift, call: _Transfers, mode: Mode = "do") -> Response:
    """Move credits to another account with a message."""
    return carry_out(
        call, GiftCredits(body.account, body.to, body.amount, body.why(), body.message, body.batch_id), mode
    )


@router.post("/refunds", status_code=201, responses=WRITTEN | documented(404, 409))
def refund_purchase(body: Refund, call: Annotated[Call, writes(Permission.REFUND)], mode: Mode = "do") -> Response:
    """Take unused purchased credits off the shelf; ``money_cents`` of the answer, without tax, goes back for them."""
    return carry_out(call, RefundPurchase(body.account, body.batch_id, body.amount, body.why(), body.to), mode)


@router.post("/voids", status_code=201, responses=WRITTEN | documented(404, 409))
def void_batch(body: BatchToVoid, call: _Adjusts, mode: Mode = "do") -> Response:
    """Take away what is left of a batch; what of it was used stays used."""
    return carry_out(call, VoidBatch(body.account, body.batch_id, body.why()), mode)


@router.post("/reversals", status_code=201, responses=WRITTEN | documented(404, 409))
def reverse_transaction(body: Reversal, call: _Adjusts, mode: Mode = "do") -> Response:
    """Take back everything that a transaction did; at most once."""
    return carry_out(call, ReverseTransaction(body.transaction_id, body.why()), mode)


@router.post("/give-backs", status_code=201, responses=WRITTEN | documented(404, 409))
def give_back(body: UsageToGiveBack, call: _Adjusts, mode: Mode = "do") -> Response:
    """Return the credits of a usage event, all or a part, to the batches that paid."""
    return carry_out(call, GiveBack(body.account, body.event_id, body.why(), body.amount), mode)


@router.post("/extensions", status_code=201, responses=WRITTEN | documented(404, 409))
def extend_expiry(
    body: Extension, call: Annotated[Call, writes(Permission.EXTEND_EXPIRY)], mode: Mode = "do"
) -> Response:
    """Let a batch live longer; what of it had expired comes back."""
    return carry_out(
        call,
        ExtendExpiry(
            body.account, body.batch_id, body.why(), expires_on=body.expires_on, never_expires=body.never_expires
        ),
        mode,
    )

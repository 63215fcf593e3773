"""Purchases: a package is sold on the provider's page, and followed until its credits are there."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from ledger import Permission, micro_to_text
from ledger.selling.checkout import ADDRESS_MAX_CHARS, Sale, cancel, load_sale, load_sales, sell
from ledger.selling.follow import follow
from service.api.answers import REPLAYED, Body, json_response
from service.api.auth import Call, reads, writes
from service.api.errors import documented
from service.api.paging import NEXT, Cursor, Limit, answering, cursor_after, cut, number_of

router = APIRouter(tags=["Purchases"])
_Sells = Annotated[Call, writes(Permission.SELL)]
_Reads = Annotated[Call, reads(Permission.SELL, Permission.VIEW_CUSTOMER)]
_Address = Annotated[str, Field(max_length=ADDRESS_MAX_CHARS, examples=["https://shop.example/thanks"])]


class NewPurchase(Body):
    """A package that a customer is to pay."""

    account: str = Field(examples=["acme"])
    package: str = Field(description="Code of a package that is for sale", examples=["professional"])
    quantity: int = Field(1, ge=1, le=100)
    saves_card: bool = Field(False, description="Keep the card, so that auto-recharge can charge it later")
    success_url: _Address | None = Field(None, description="Where to go once paid; unless given, a page of ours")
    cancel_url: _Address | None = Field(None, description="Where to go without paying; unless given, a page of ours")


class Purchase(BaseModel):
    """A purchase as it stands. Credits are there when its state is credited."""

    payment: str = Field(description="Our name of it", examples=["pay_5f3e9a0c7d1b2a4e6f8091ab"])
    account: str = Field(examples=["acme"])
    provider: str = Field(examples=["stripe"])
    purpose: str = Field(description="checkout, recharge, invoice or external", examples=["checkout"])
    state: str = Field(
        description="created, open, processing, needs_action, credited, blocked, failed or expired", examples=["open"]
    )
    package: str | None = Field(description="Code of the package; null: none", examples=["professional"])
    quantity: int = Field(examples=[1])
    credits: str = Field(description="All that is bought", examples=["5000"])
    price_cents: int = Field(description="All of it, without tax", examples=[39900])
    currency: str = Field(examples=["EUR"])
    total_cents: int | None = Field(description="Taken from the customer, with tax; null: not paid yet")
    refunded_cents: int = Field(description="Given back so far, with tax", examples=[0])
    url: str | None = Field(description="Where the customer pays, or confirms; null: nothing to do there")
    ends_at: datetime | None = Field(description="It can be paid until then")
    created_at: datetime
    paid_at: datetime | None
    credited_at: datetime | None
    error: str | None = Field(description="Why it failed or is blocked", examples=[None])
    transaction_id: int | None = Field(description="Of the credits")


class Purchases(BaseModel):
    """Purchases of one account, newest first."""

    account: str
    purchases: list[Purchase]
    next_cursor: str | None = Field(description=NEXT)


_BEGUN: dict[int | str, dict[str, Any]] = {
    201: {"model": Purchase, "description": "Begun"},
    200: {
        "model": Purchase,
        "description": "Begun before under this key: as it stands now",
        "headers": {REPLAYED: {"description": "true", "schema": {"type": "string"}}},
    },
}


@router.post(
    "/purchases",
    status_code=201,
    responses=_BEGUN | documented(404, 409, 502),
)
def start_purchase(body: NewPurchase, call: _Sells) -> Response:
    """Sell a package: send the customer to ``url``. The same key again answers the same purchase as it stands then.

    Credits come when the provider says that it is paid; ask for the purchase, or let the customer come back.
    """
    call.about(body.account)
    is_known = call.ledger.receipt(actor=call.actor, key=call.named()) is not None
    sale = sell(
        call.ledger,
        body.account,
        body.package,
        actor=call.actor,
        key=call.named(),
        quantity=body.quantity,
        success_url=body.success_url,
        cancel_url=body.cancel_url,
        saves_card=body.saves_card,
    )
    if is_known:
        return json_response(purchase_body(sale), headers={REPLAYED: "true"})
    return json_response(purchase_body(sale), status=201)


@router.get("/purchases/{payment}", responses=answering(Purchase) | documented(404))
def purchase(
    payment: str,
    call: _Reads,
    fresh: Annotated[bool, Query(description="Ask the provider first, instead of telling what is known here")] = False,
) -> Response:
    """One purchase."""
    sale = load_sale(call.ledger, payment)
    call.about(sale.account)
    if fresh and not sale.is_final:
        follow(call.ledger, payment)
        sale = load_sale(call.ledger, payment)
    return json_response(purchase_body(sale))


@router.post("/purchases/{payment}/cancel", responses=answering(Purchase) | documented(404, 409, 502))
def cancel_purchase(payment: str, call: _Sells) -> Response:
    """End a checkout that was not paid. The same again answers the same; a paid one is refused: refund it instead."""
    call.about(load_sale(call.ledger, payment).account)
    return json_response(purchase_body(cancel(call.ledger, payment, actor=call.actor)))


@router.get("/customers/{account:path}/purchases", responses=answering(Purchases) | documented(404))
def purchases(account: str, call: _Reads, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """Purchases of a customer, newest first, whatever became of them."""
    call.about(account)
    found, has_more = cut(load_sales(call.ledger, account, before=number_of(cursor), limit=limit + 1), limit)
    body = {
        "account": account,
        "purchases": [purchase_body(sale) for _, sale in found],
        "next_cursor": cursor_after(str(found[-1][0])) if has_more else None,
    }
    return json_response(body)


def purchase_body(sale: Sale) -> dict[str, Any]:
    """A sale as the API tells it."""
    return {
        "payment": sale.payment,
        "account": sale.account,
        "provider": sale.provider.value,
        "purpose": sale.purpose.value,
        "state": sale.state.value,
        "package": sale.package,
        "quantity": sale.quantity,
        "credits": micro_to_text(sale.credits_micro),
        "price_cents": sale.price.cents,
        "currency": sale.price.currency,
        "total_cents": sale.total_cents,
        "refunded_cents": sale.refunded_cents,
        "url": sale.url or None,
        "ends_at": sale.ends_at,
        "created_at": sale.created_at,
        "paid_at": sale.paid_at,
        "credited_at": sale.credited_at,
        "error": sale.error or None,
        "transaction_id": sale.transaction_id,
    }

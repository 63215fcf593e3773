"""Customers: opened, changed, listed; their batches, their history, their use.

`router` has a path that takes everything behind /customers/, so it stands last in the list of routers.
"""

from datetime import date, datetime, timedelta
from typing import Annotated, Any

import pandas as pd
from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from analytics import burn, frames
from analytics.frames.customers import load_customer_page
from analytics.periods import Period
from ledger import (
    AccountType,
    ChangeCustomer,
    Fault,
    InvalidCommand,
    NotFound,
    OpenAccount,
    Permission,
    micro_to_text,
)
from ledger.commands import text_faults
from service.api.answers import WRITTEN, Body, json_response
from service.api.auth import Call, reads, writes
from service.api.errors import documented
from service.api.paging import NEXT, Cursor, Limit, answering, cursor_after, cut, number_of, text_of

router = APIRouter(tags=["Customers"])

USAGE_DAYS = 30
USAGE_DAYS_MAX = 366
Account = Annotated[str, Path(description="Id of the account", examples=["acme"])]
_Writes = Annotated[Call, writes(Permission.MANAGE_CUSTOMERS)]
_Reads = Annotated[Call, reads(Permission.VIEW_CUSTOMER)]


class Profile(Body):
    """What is known about a customer; on a change a member that is left out stays as it is."""

    email: str | None = Field(None, examples=["billing@acme.example"])
    account_type: AccountType | None = Field(None, description="How the customer pays; prepaid unless said otherwise")
    tier: str | None = Field(None, examples=["pro"])
    owner: str | None = Field(None, description="E-mail of the account manager", examples=["mara@example.com"])
    stripe_id: str | None = Field(None, examples=["cus_NffrFeUfNV2Hib"])
    organisation: str | None = Field(None, description="Accounts of one organisation may exchange credits")

    def given(self) -> dict[str, Any]:
        """The members that were given."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class NewCustomer(Profile):
    """A customer to open an account for."""

    account: str = Field(description="The id by which everybody names it from then on", examples=["acme"])
    name: str = Field(examples=["Acme Robotics"])
    zone: str = Field("UTC", description="Time zone in which its credits expire", examples=["Europe/Berlin"])


class CustomerChange(Profile):
    """What to change."""

    account: str = Field(examples=["acme"])
    name: str | None = Field(None, examples=["Acme Robotics SE"])


class CustomerBody(BaseModel):
    """One customer."""

    account: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme Robotics"])
    email: str = Field(examples=["billing@acme.example"])
    account_type: AccountType
    tier: str = Field(examples=["pro"])
    owner: str = Field(examples=["mara@example.com"])
    zone: str = Field(examples=["Europe/Berlin"])
    stripe_id: str | None = Field(examples=["cus_NffrFeUfNV2Hib"])
    opened_at: datetime


class CustomerPage(BaseModel):
    """A page of customers, by account id."""

    customers: list[CustomerBody]
    next_cursor: str | None = Field(description=NEXT)


class BatchBody(BaseModel):
    """What one grant or purchase left on the shelf; amounts as decimal text."""

    batch_id: int = Field(examples=[812])
    credit_type: str = Field(examples=["promotional"])
    state: str = Field(description="open, scheduled, expired or used up", examples=["open"])
    burn_number: int | None = Field(description="Place in the burn order; null when it gives no credits now")
    granted: str = Field(examples=["500"])
    left: str = Field(examples=["120.5"])
    held: str = Field(examples=["20"])
    used: str = Field(examples=["379.5"])
    expired: str = Field(examples=["0"])
    removed: str = Field(examples=["0"])
    effective_at: datetime
    expires_at: datetime | None = Field(description="Null: never")
    cost_cents: int | None = Field(description="Price paid; null when it was not bought", examples=[None])
    currency: str | None = Field(examples=[None])
    campaign: str = Field(examples=["spring"])
    only_for: list[str] | None = Field(description="The only features that it pays for; null: all")


class BatchPage(BaseModel):
    """A page of batches, newest first."""

    batches: list[BatchBody]
    next_cursor: str | None = Field(description=NEXT)


class HistoryLine(BaseModel):
    """One transaction of an account. ``amount`` is negative when credits were taken."""

    transaction_id: int = Field(examples=[4711])
    kind: str = Field(examples=["usage"])
    words: str = Field(description="What happened, for people", examples=["Used for api-call"])
    recorded_at: datetime
    effective_at: datetime
    amount: str = Field(examples=["-12.5"])
    available_after: str = Field(examples=["1187.5"])
    events: int = Field(description="Usage events in it", examples=[1])
    credit_types: list[str] = Field(examples=[["promotional"]])
    batch_ids: list[int] = Field(examples=[[812]])
    actor: str = Field(examples=["key:cbt_k3X9aBcD"])
    key: str = Field(description="The Idempotency-Key that it was booked under", examples=["req-8f14e45f"])
    reason_code: str
    note: str
    ticket: str
    reverses_id: int | None
    reversed_by_id: int | None


class HistoryPage(BaseModel):
    """A page of the history, newest first. Transactions booked meanwhile come before its first page and move none."""

    transactions: list[HistoryLine]
    next_cursor: str | None = Field(description=NEXT)


class UsedDay(BaseModel):
    """Use on one day."""

    day: date
    used: str = Field(examples=["34.5"])
    events: int = Field(examples=[12])


class UsedFeature(BaseModel):
    """Use of one feature in the period."""

    feature: str = Field(examples=["api-call"])
    label: str = Field(examples=["API call"])
    used: str = Field(examples=["420"])
    events: int = Field(examples=[840])
    share: float | None = Field(description="Of all use, 0 to 1; null when there was none", examples=[0.62])
    trend: str = Field(description="rising, steady, falling or not enough data", examples=["steady"])


class UsageBody(BaseModel):
    """Use of one account in [since, until), by day without gaps and by feature, most used first."""

    account: str = Field(examples=["acme"])
    since: date
    until: date
    zone: str = Field(description="Whose days these are", examples=["Europe/Berlin"])
    used: str = Field(examples=["680"])
    events: int = Field(examples=[1204])
    days: list[UsedDay]
    features: list[UsedFeature]


@router.post("/customers", status_code=201, responses=WRITTEN | documented(409))
def open_customer(body: NewCustomer, call: _Writes) -> Response:
    """Open an account for a customer."""
    return call.write(OpenAccount(body.account, body.name, zone=body.zone, **_profile(body)))


@router.patch("/customers", status_code=201, responses=WRITTEN | documented(404, 409))
def change_customer(body: CustomerChange, call: _Writes) -> Response:
    """Change what is known about a customer."""
    return call.write(ChangeCustomer(body.account, name=body.name, **_profile(body)))


@router.get("/customers", responses=answering(CustomerPage) | documented())
def list_customers(
    call: _Reads,
    search: Annotated[str, Query(max_length=200, description="Part of an id, name, e-mail or Stripe id")] = "",
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """Customers by account id, all or those that a search finds."""
    after = text_of(cursor)
    faults = text_faults("search", search, required=False) + text_faults("cursor", after, required=False)
    if faults:
        raise InvalidCommand(faults)
    with call.ledger.database.reading() as connection:
        found = load_customer_page(connection, search=search, after=after, limit=limit + 1)
    page, has_more = cut(found, limit)
    cursor_ = cursor_after(page[-1].account) if has_more else None
    return json_response({"customers": [_customer_body(one) for one in page], "next_cursor": cursor_})


@router.get("/customers/{account:path}/batches", responses=answering(BatchPage) | documented(404))
def list_batches(account: Account, call: _Reads, limit: Limit = 50, cursor: Cursor = "") -> Response:
    """The batches of an account, newest first, used and expired ones included."""
    below = number_of(cursor)
    call.about(account)
    with call.ledger.database.reading() as connection:
        _require(connection, account)
        found = frames.load_batches(connection, account=account, at=call.ledger.clock.now())
    found = found.sort_values("batch_id", ascending=False)
    if below is not None:
        found = found[found["batch_id"] < below]
    page, has_more = cut(found.head(limit + 1).to_dict("records"), limit)
    cursor_ = cursor_after(str(page[-1]["batch_id"])) if has_more else None
    return json_response({"batches": [_batch_body(row) for row in page], "next_cursor": cursor_})


@router.get("/customers/{account:path}/history", responses=answering(HistoryPage) | documented(404))
def list_history(
    account: Account,
    call: _Reads,
    kind: Annotated[list[str] | None, Query(description="Only these kinds, such as grant or usage")] = None,
    limit: Limit = 50,
    cursor: Cursor = "",
) -> Response:
    """What happened to an account, newest first. Bulk usage is one row."""
    kinds, below = tuple(kind or ()), number_of(cursor)
    if unknown := sorted(set(kinds) - set(frames.KIND_WORDS)):
        raise InvalidCommand([Fault("kind", f"{unknown[0][:50]!r} is none of {', '.join(frames.KIND_WORDS)}")])
    call.about(account)
    with call.ledger.database.reading() as connection:
        _require(connection, account)
        found = frames.load_history(connection, account=account, kinds=kinds, below_id=below, limit=limit + 1)
    page, has_more = cut(found.to_dict("records"), limit)
    cursor_ = cursor_after(str(page[-1]["transaction_id"])) if has_more else None
    return json_response({"transactions": [_history_line(row) for row in page], "next_cursor": cursor_})


@router.get("/customers/{account:path}/usage", responses=answering(UsageBody) | documented(404))
def show_usage(
    account: Account,
    call: _Reads,
    since: Annotated[date | None, Query(description="First day; 30 days up to today unless given")] = None,
    until: Annotated[date | None, Query(description="Day after the last one; tomorrow unless given")] = None,
) -> Response:
    """Use by day and by feature, in days of the company's time zone; at most 366 at a time."""
    ledger = call.ledger
    period = _period(frames.today(ledger.clock.now(), ledger.company_zone), since, until)
    call.about(account)
    with ledger.database.reading() as connection:
        _require(connection, account)
        usage = frames.load_daily_usage(connection, since=period.since, until=period.until, account=account)
        labels = frames.load_feature_labels(connection, at=ledger.clock.now())
    days, features = burn.daily(usage, period), burn.by_feature(usage, period)
    return json_response(
        {
            "account": account,
            "since": period.since,
            "until": period.until,
            "zone": ledger.company_zone.key,
            "used": micro_to_text(int(days["used_micro"].sum())),
            "events": int(days["events"].sum()),
            "days": [
                {"day": row["day"].date(), "used": micro_to_text(row["used_micro"]), "events": row["events"]}
                for row in days.to_dict("records")
            ],
            "features": [
                {
                    "feature": row["feature"],
                    "label": labels.get(row["feature"], row["feature"]),
                    "used": micro_to_text(row["used_micro"]),
                    "events": row["events"],
                    "share": None if pd.isna(row["share"]) else row["share"],
                    "trend": row["trend"],
                }
                for row in features.to_dict("records")
            ],
        }
    )


@router.get("/customers/{account:path}", responses=answering(CustomerBody) | documented(404))
def show_customer(account: Account, call: _Reads) -> Response:
    """One customer."""
    call.about(account)
    with call.ledger.database.reading() as connection:
        return json_response(_customer_body(_require(connection, account)))


def _profile(body: Profile) -> dict[str, Any]:
    known = body.given()
    return {name: known[name] for name in Profile.model_fields if name in known}


def _require(connection: Any, account: str) -> frames.Customer:
    # What no id can contain is not looked for; a database may not even take it.
    if text_faults("account", account):
        raise NotFound(what="customer", id=account)
    return frames.load_customer(connection, account)


def _period(today: date, since: date | None, until: date | None) -> Period:
    end = until or (today + timedelta(days=1))
    if not date(1971, 1, 1) < end < date(3000, 1, 1):
        raise InvalidCommand([Fault("until", "must lie between the years 1971 and 2999")])
    start = since or end - timedelta(days=USAGE_DAYS)
    if not 0 < (end - start).days <= USAGE_DAYS_MAX:
        raise InvalidCommand([Fault("since", f"must be 1 to {USAGE_DAYS_MAX} days before until")])
    return Period(start, end)


def _customer_body(one: frames.Customer) -> dict[str, Any]:
    return {
        "account": one.account,
        "name": one.name,
        "email": one.email,
        "account_type": one.account_type.value,
        "tier": one.tier,
        "owner": one.owner,
        "zone": one.zone.key,
        "stripe_id": one.stripe_id,
        "opened_at": one.opened_at,
    }


def _batch_body(row: dict[Any, Any]) -> dict[str, Any]:
    amounts = ("granted", "left", "held", "used", "expired", "removed")
    return {
        "batch_id": row["batch_id"],
        "credit_type": row["credit_type"],
        "state": row["state"],
        "burn_number": _maybe(row["burn_number"]),
        **{name: micro_to_text(row[f"{name}_micro"]) for name in amounts},
        "effective_at": row["effective_at"].to_pydatetime(),
        "expires_at": None if pd.isna(row["expires_at"]) else row["expires_at"].to_pydatetime(),
        "cost_cents": _maybe(row["cost_cents"]),
        "currency": _maybe(row["currency"]),
        "campaign": row["campaign"],
        "only_for": None if pd.isna(row["only_for"]) else row["only_for"].split(", "),
    }


def _history_line(row: dict[Any, Any]) -> dict[str, Any]:
    plain = ("transaction_id", "kind", "words", "events", "actor", "key", "reason_code", "note", "ticket")
    return {
        **{name: row[name] for name in plain},
        "recorded_at": row["recorded_at"].to_pydatetime(),
        "effective_at": row["effective_at"].to_pydatetime(),
        "amount": micro_to_text(row["amount_micro"]),
        "available_after": micro_to_text(row["available_after_micro"]),
        "credit_types": row["credit_types"].split(", ") if row["credit_types"] else [],
        "batch_ids": list(row["batch_ids"]),
        "reverses_id": _maybe(row["reverses_id"]),
        "reversed_by_id": _maybe(row["reversed_by_id"]),
    }


def _maybe(value: Any) -> Any:
    return None if pd.isna(value) else value

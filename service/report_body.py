"""The balance report as JSON: the same for the HTTP API and `report --json`.

Amounts of credits are decimal text, money is whole cents with its currency. A figure that cannot be computed is null,
and the member beside it that ends in ``_reason`` says why.
"""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

from analytics.advice import Advice
from analytics.advice import sentence as advice_sentence
from analytics.figures import Change
from analytics.report import Absent, ExpiringLine, Point, Report, Summary, TypeLine, Usage, Worth
from analytics.report_markdown import ENGLISH
from analytics.words import unit_price_text
from ledger import MICRO, Money, micro_to_text


class MoneyBody(BaseModel):
    """An amount of money."""

    cents: int = Field(examples=[1401])
    currency: str = Field(examples=["EUR"])


class WorthBody(BaseModel):
    """Credits, and what was paid for them by currency; no currency when nothing was."""

    credits: str = Field(examples=["1400"])
    paid: list[MoneyBody]


class SummaryBody(BaseModel):
    """What there is now. Balance counts what is held and what becomes usable later, less what is owed."""

    balance: WorthBody
    held: WorthBody
    available: WorthBody
    expiring_30_days: WorthBody
    owed: str = Field(examples=["0"])


class TypeBody(BaseModel):
    """Available credits of one type."""

    credit_type: str = Field(examples=["promotional"])
    available: str = Field(examples=["180"])
    share: float | None = Field(description="Of all available credits, 0 to 1", examples=[0.113])
    share_reason: str | None = None
    next_expiry: date | None = Field(description="Last usable day; null: nothing of it expires")
    batches: int = Field(examples=[1])


class PointBody(BaseModel):
    """The balance at the end of a day, in credits, with the 80 % range."""

    label: str = Field(examples=["In 30 days"])
    day: date
    likely: float = Field(examples=[1650.0])
    low: float = Field(examples=[1475.0])
    high: float = Field(examples=[1650.0])
    status: str = Field(description="covered, at risk or out", examples=["covered"])
    wasted_before: float = Field(description="Credits that will probably have expired unused", examples=[79.0])


class ForecastBody(BaseModel):
    """What becomes of the balance if use goes on as forecast and nothing is added."""

    points: list[PointBody]
    runs_out: date | None = Field(description="Most likely day; null beyond covered_until or when no day can be said")
    runs_out_earliest: date | None = Field(description="Early end of the 80 % range")
    runs_out_latest: date | None = Field(description="Late end of the 80 % range")
    runs_out_reason: str | None = Field(None, description="Why no single day is given")
    runway_days: int | None = Field(examples=[20])
    cause: str = Field(description="use, expiry or none", examples=["use"])
    covered_until: date
    words: str
    burn_a_day: float = Field(description="Expected credits per day", examples=[36.3])
    method: str = Field(examples=["legs"])
    method_reason: str | None = Field(None, description="Why it is not the full method")
    known_until: date = Field(description="Last day of use that the forecast knows")


class ChangeBody(BaseModel):
    """Change against the period before as a share: 0.12 is +12 %."""

    share: float | None = Field(examples=[0.12])
    share_reason: str | None = Field(None, description="Why there is none, such as: nothing was used before")


class UsageSumsBody(BaseModel):
    """Use in [since, until) against the same number of days before."""

    since: date
    until: date
    used: str = Field(examples=["1058"])
    used_change: ChangeBody
    burn_a_day: float = Field(description="Mean credits per day", examples=[35.3])
    burn_change: ChangeBody
    events: int = Field(examples=[97])
    paid_per_credit: list[str] | None = Field(description="Over all purchases", examples=[["$0.008"]])
    paid_per_credit_reason: str | None = None


class FeatureBody(BaseModel):
    """Use of one feature."""

    feature: str = Field(examples=["image"])
    label: str = Field(examples=["Image generation"])
    used: str = Field(examples=["525"])
    share: float = Field(examples=[0.496])
    change: ChangeBody
    trend: str = Field(examples=["steady"])


class DayBody(BaseModel):
    """Use on one day."""

    day: date
    used: str = Field(examples=["53"])


class ExpiringBody(BaseModel):
    """A batch that ends within 30 days."""

    batch_id: int
    credit_type: str
    campaign: str
    left: str
    expires_on: date = Field(description="Last usable day")
    days_left: int
    only_for: list[str] | None = Field(description="The only features that it pays for; null: all")
    wasted: float = Field(description="Credits of it that will probably expire unused")


class AdviceBody(BaseModel):
    """The package that makes the credits last, with its sum."""

    days: int = Field(examples=[90])
    expected: str = Field(description="Credits expected to be used", examples=["3270"])
    usable: str = Field(description="Credits that are there for it", examples=["834"])
    needed: str = Field(examples=["2436"])
    package: str | None = Field(description="Its code; null when none is needed, or none covers the need")
    count: int | None = Field(examples=[3])
    price: MoneyBody | None
    saved: MoneyBody | None = Field(description="Against covering the need with the dearest package")
    words: str


class RecentBody(BaseModel):
    """One of the newest transactions."""

    transaction_id: int
    recorded_at: datetime
    kind: str = Field(examples=["usage"])
    words: str = Field(examples=["Used for image"])
    amount: str = Field(examples=["-12.5"])
    available_after: str = Field(examples=["1187.5"])


class LinkBody(BaseModel):
    """A page where something can be done about it."""

    label: str = Field(examples=["Top up credits"])
    url: str


class ReportBody(BaseModel):
    """The Credits Balance Report of one customer."""

    account: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme Robotics"])
    account_type: str = Field(examples=["prepaid"])
    tier: str
    at: datetime
    zone: str = Field(description="Whose days these are", examples=["Europe/Berlin"])
    last_transaction: int = Field(description="The newest transaction that is in it")
    summary: SummaryBody
    by_type: list[TypeBody]
    forecast: ForecastBody
    usage: UsageSumsBody
    by_feature: list[FeatureBody]
    days: list[DayBody]
    expiring: list[ExpiringBody]
    advice: AdviceBody | None
    advice_reason: str | None = None
    recent: list[RecentBody]
    links: list[LinkBody]


def report_body(report: Report) -> dict[str, Any]:
    """A report in the shape of `ReportBody`, as plain values."""
    customer, advice = report.customer, report.advice
    return {
        "account": customer.account,
        "name": customer.name,
        "account_type": customer.account_type.value,
        "tier": customer.tier,
        "at": report.at,
        "zone": report.zone.key,
        "last_transaction": report.last_transaction,
        "summary": _summary(report.summary),
        "by_type": [_type(line) for line in report.by_type],
        "forecast": _forecast(report),
        "usage": _usage(report.usage),
        "by_feature": [
            {
                "feature": line.feature,
                "label": line.label,
                "used": micro_to_text(line.used_micro),
                "share": line.share,
                "change": _change(line.change),
                "trend": line.trend,
            }
            for line in report.by_feature
        ],
        "days": [{"day": line.day, "used": micro_to_text(line.used_micro)} for line in report.days],
        "expiring": [_expiring(line) for line in report.expiring],
        "advice": None if isinstance(advice, Absent) else _advice(advice),
        "advice_reason": advice.reason if isinstance(advice, Absent) else None,
        "recent": [
            {
                "transaction_id": line.transaction_id,
                "recorded_at": line.recorded_at,
                "kind": line.kind,
                "words": line.words,
                "amount": micro_to_text(line.amount_micro),
                "available_after": micro_to_text(line.available_after_micro),
            }
            for line in report.recent
        ],
        "links": [{"label": link.label, "url": link.url} for link in report.links],
    }


def _money(money: Money) -> dict[str, Any]:
    return {"cents": money.cents, "currency": money.currency}


def _worth(worth: Worth) -> dict[str, Any]:
    return {"credits": micro_to_text(worth.amount_micro), "paid": [_money(one) for one in worth.money]}


def _summary(found: Summary) -> dict[str, Any]:
    return {
        "balance": _worth(found.balance),
        "held": _worth(found.held),
        "available": _worth(found.available),
        "expiring_30_days": _worth(found.expiring),
        "owed": micro_to_text(found.owed_micro),
    }


def _type(line: TypeLine) -> dict[str, Any]:
    share = line.share
    return {
        "credit_type": line.credit_type.value,
        "available": micro_to_text(line.available_micro),
        "share": None if isinstance(share, Absent) else share,
        "share_reason": share.reason if isinstance(share, Absent) else None,
        "next_expiry": line.expires_on,
        "batches": line.batches,
    }


def _point(point: Point) -> dict[str, Any]:
    status = point.status
    return {
        "label": point.label,
        "day": status.day,
        "likely": status.likely,
        "low": status.low,
        "high": status.high,
        "status": status.word,
        "wasted_before": point.wasted,
    }


def _forecast(report: Report) -> dict[str, Any]:
    ahead = report.ahead
    reason = ahead.cannot_say
    if ahead.likely is None:
        reason = f"most likely not before {ahead.covered_until}, the last day looked at"
    return {
        "points": [_point(point) for point in ahead.points],
        "runs_out": None if reason else ahead.likely,
        "runs_out_earliest": ahead.low,
        "runs_out_latest": ahead.high,
        "runs_out_reason": reason,
        "runway_days": None if reason else ahead.runway_days,
        "cause": ahead.cause,
        "covered_until": ahead.covered_until,
        "words": ahead.sentence,
        "burn_a_day": ahead.burn_a_day,
        "method": ahead.method,
        "method_reason": ahead.method_reason,
        "known_until": ahead.known_until,
    }


def _change(change: Change) -> dict[str, Any]:
    reason = "nothing was used before" if change.is_new else change.reason
    return {"share": change.value, "share_reason": reason}


def _usage(found: Usage) -> dict[str, Any]:
    price = found.paid_per_credit
    assert found.used.value is not None and found.rate.value is not None
    return {
        "since": found.period.since,
        "until": found.period.until,
        "used": micro_to_text(int(found.used.value)),
        "used_change": _change(found.used_change),
        "burn_a_day": found.rate.value / MICRO,
        "burn_change": _change(found.rate_change),
        "events": found.events,
        "paid_per_credit": None
        if isinstance(price, Absent)
        else [unit_price_text(cents, currency, ENGLISH) for cents, currency in price],
        "paid_per_credit_reason": price.reason if isinstance(price, Absent) else None,
    }


def _expiring(line: ExpiringLine) -> dict[str, Any]:
    return {
        "batch_id": line.batch_id,
        "credit_type": line.credit_type.value,
        "campaign": line.campaign,
        "left": micro_to_text(line.left_micro),
        "expires_on": line.expires_on,
        "days_left": line.days_left,
        "only_for": line.only_for.split(", ") if line.only_for else None,
        "wasted": line.wasted,
    }


def _advice(advice: Advice) -> dict[str, Any]:
    fit = advice.fit
    return {
        "days": advice.days,
        "expected": micro_to_text(advice.expected_micro),
        "usable": micro_to_text(advice.usable_micro),
        "needed": micro_to_text(advice.need_micro),
        "package": None if fit is None else fit.package.code,
        "count": None if fit is None else fit.count,
        "price": None if fit is None else _money(fit.price),
        "saved": None if fit is None else _money(fit.saved),
        "words": advice_sentence(advice, ENGLISH),
    }

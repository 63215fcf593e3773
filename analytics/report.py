"""The Credits Balance Report of one customer: every figure of the customer's page at one instant, as plain values.

A figure that cannot be computed is `Absent` and says why; it is never 0. `analytics.report_markdown` writes it down.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics import burn, frames
from analytics.advice import Advice, advice_for
from analytics.depletion import BalanceStatus
from analytics.depletion import sentence as run_out_sentence
from analytics.figures import Change, Figure
from analytics.frames import SOON_DAYS, Customer, Holdings
from analytics.outlook import Outlook, values_ahead
from analytics.periods import Comparison, Period, PeriodChoice, compared, period
from ledger.core.amounts import MICRO, Money, share_of_cost_cents
from ledger.core.lifecycle import last_day
from ledger.core.packages import in_force
from ledger.core.records import CreditType

RECENT = 10


@dataclass(frozen=True, slots=True)
class Absent:
    """A figure that cannot be computed: why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Worth:
    """Credits and what was paid for them, by currency; ``money`` is empty when nothing was."""

    amount_micro: int
    money: tuple[Money, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What there is now. Balance counts what is held and what becomes usable later, less what is owed."""

    balance: Worth
    held: Worth
    available: Worth
    expiring: Worth
    owed_micro: int


@dataclass(frozen=True, slots=True)
class TypeLine:
    """Available credits of one type. ``expires_on`` is the next last usable day, None when nothing of it expires."""

    credit_type: CreditType
    available_micro: int
    share: float | Absent
    expires_on: date | None
    batches: int


@dataclass(frozen=True, slots=True)
class Point:
    """The balance ahead on one day, and what will probably have expired unused by then, in credits."""

    label: str
    status: BalanceStatus
    wasted: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """What becomes of the balance if use goes on as forecast and nothing is added.

    ``likely``, ``low`` and ``high`` are the run-out day with its 80 % range, None beyond ``covered_until``;
    ``cannot_say`` is set when the range is too wide for a single day. ``sentence`` is that in words.
    """

    points: tuple[Point, ...]
    likely: date | None
    low: date | None
    high: date | None
    runway_days: int | None
    cause: str
    cannot_say: str | None
    covered_until: date
    sentence: str
    burn_a_day: float
    method: str
    method_reason: str | None
    known_until: date


@dataclass(frozen=True, slots=True)
class Usage:
    """Use in a period against the one before. ``paid_per_credit`` is over all purchases: cents by currency."""

    period: Period
    before: Period
    used: Figure
    used_change: Change
    rate: Figure
    rate_change: Change
    events: int
    paid_per_credit: tuple[tuple[Fraction, str], ...] | Absent


@dataclass(frozen=True, slots=True)
class FeatureLine:
    """Use of one feature in the period."""

    feature: str
    label: str
    used_micro: int
    share: float
    change: Change
    trend: str


@dataclass(frozen=True, slots=True)
class DayLine:
    """Use on one day."""

    day: date
    used_micro: int


@dataclass(frozen=True, slots=True)
class ExpiringLine:
    """A batch that ends soon. ``wasted`` is what will probably expire unused, in credits."""

    batch_id: int
    credit_type: CreditType
    campaign: str
    left_micro: int
    expires_on: date
    days_left: int
    only_for: str
    wasted: float


@dataclass(frozen=True, slots=True)
class TransactionLine:
    """One of the newest transactions, as the history shows it."""

    transaction_id: int
    recorded_at: datetime
    kind: str
    words: str
    amount_micro: int
    available_after_micro: int


@dataclass(frozen=True, slots=True)
class Link:
    """A page where something can be done about it."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Report:
    """The report of one customer at an instant; days are cut in ``zone``, the company's."""

    customer: Customer
    company: str
    at: datetime
    zone: ZoneInfo
    last_transaction: int
    summary: Summary
    by_type: tuple[TypeLine, ...]
    ahead: Ahead
    usage: Usage
    by_feature: tuple[FeatureLine, ...]
    days: tuple[DayLine, ...]
    expiring: tuple[ExpiringLine, ...]
    advice: Advice | Absent
    recent: tuple[TransactionLine, ...]
    links: tuple[Link, ...]

    @property
    def today(self) -> date:
        """The company-zone day of the report."""
        return frames.today(self.at, self.zone)


def load_report(
    connection: sa.Connection, *, account: str, at: datetime, zone: ZoneInfo, outlook: Outlook, public_url: str
) -> Report:
    """The report of one customer. The usage part covers the last 30 days against the 30 before.

    Args: the company zone; the customer's outlook at the same instant (`analytics.outlook`); the address of the
    product, with which links begin.
    Raises: NotFound.
    """
    customer = frames.load_customer(connection, account)
    today = frames.today(at, zone)
    chosen = period(PeriodChoice.LAST_30_DAYS, today=today)
    before = compared(chosen, PeriodChoice.LAST_30_DAYS, Comparison.PREVIOUS)
    assert before is not None
    usage = frames.load_daily_usage(connection, since=before.since, until=chosen.until, account=account)
    held = frames.load_holdings(connection, account=account, at=at, zone=zone)
    return Report(
        customer=customer,
        company=frames.load_company(connection).name,
        at=at,
        zone=zone,
        last_transaction=frames.load_head(connection)[2],
        summary=_summary(connection, held, account=account, at=at, zone=zone),
        by_type=_by_type(held, zone),
        ahead=_ahead(outlook),
        usage=_usage(usage, held.batches, chosen, before),
        by_feature=_by_feature(usage, chosen, before, frames.load_feature_labels(connection, at=at)),
        days=tuple(
            DayLine(row["day"].date(), int(row["used_micro"])) for row in burn.daily(usage, chosen).to_dict("records")
        ),
        expiring=_expiring(connection, held, outlook, account=account, at=at, zone=zone),
        advice=_advice(connection, outlook, account=account, at=at),
        recent=tuple(
            TransactionLine(
                int(row["transaction_id"]),
                row["recorded_at"].to_pydatetime(),
                str(row["kind"]),
                str(row["words"]),
                int(row["amount_micro"]),
                int(row["available_after_micro"]),
            )
            for row in frames.load_history(connection, account=account, limit=RECENT).to_dict("records")
        ),
        links=_links(public_url.rstrip("/"), account),
    )


def _summary(connection: sa.Connection, held: Holdings, *, account: str, at: datetime, zone: ZoneInfo) -> Summary:
    owed = frames.load_overdraft(connection, account=account).owed_micro
    balance = tuple(Money(cents, currency) for currency, cents in held.value_cents.items())
    soon = frames.load_expiring(connection, at=at, zone=zone, within_days=SOON_DAYS, account=account)
    paid = soon.dropna(subset=["value_cents"]).groupby("currency")["value_cents"].sum()
    # What is held and what is free of a batch add up to what is left of it, so the free part is the difference.
    holds: dict[str, int] = {}
    free: dict[str, int] = {}
    for row in held.batches[held.batches["cost_cents"].notna()].to_dict("records"):
        value_held = share_of_cost_cents(
            row["cost_cents"], part_micro=row["held_micro"], whole_micro=row["granted_micro"]
        )
        if row["held_micro"]:
            holds[row["currency"]] = holds.get(row["currency"], 0) + value_held
        if row["state"] == frames.BatchState.OPEN and row["left_micro"] > row["held_micro"]:
            free[row["currency"]] = free.get(row["currency"], 0) + row["value_cents"] - value_held
    return Summary(
        balance=Worth(held.balance_micro - owed, balance),
        held=Worth(held.held_micro, _money(holds)),
        available=Worth(held.available_micro, _money(free)),
        expiring=Worth(held.expiring_30d_micro, _money({str(name): int(cents) for name, cents in paid.items()})),
        owed_micro=owed,
    )


def _money(cents: Mapping[str, int]) -> tuple[Money, ...]:
    return tuple(Money(amount, currency) for currency, amount in sorted(cents.items()))


def _by_type(held: Holdings, zone: ZoneInfo) -> tuple[TypeLine, ...]:
    total = int(held.by_type["available_micro"].sum())
    return tuple(
        TypeLine(
            CreditType(row["credit_type"]),
            int(row["available_micro"]),
            row["available_micro"] / total if total else Absent("no credits are available"),
            None if pd.isna(row["next_expiry_at"]) else last_day(row["next_expiry_at"].to_pydatetime(), zone),
            int(row["batches"]),
        )
        for row in held.by_type.to_dict("records")
    )


def _ahead(found: Outlook) -> Ahead:
    forecast, projection = found.forecast, found.projection
    wasted = projection.wasted
    return Ahead(
        points=tuple(
            Point(label, status, float(wasted.loc[wasted["expires_on"] <= status.day, "wasted_likely"].sum()))
            for label, status in values_ahead(projection)
        ),
        likely=projection.likely,
        low=projection.range_80.low,
        high=projection.range_80.high,
        runway_days=projection.runway_days,
        cause=projection.cause.value,
        cannot_say=projection.cannot_say_reason,
        covered_until=projection.last_day,
        sentence=run_out_sentence(projection),
        burn_a_day=forecast.mean_per_day,
        method=forecast.method.value,
        method_reason=forecast.reason,
        known_until=forecast.as_of,
    )


def _usage(usage: pd.DataFrame, batches: pd.DataFrame, chosen: Period, before: Period) -> Usage:
    used, rate = burn.used_micro(usage, chosen), burn.rate(usage, chosen)
    moved = burn.rate_change(usage, chosen, before)
    return Usage(
        period=chosen,
        before=before,
        used=used,
        # Both periods have as many days, so what was used moved as the rate did.
        used_change=moved,
        rate=rate,
        rate_change=moved,
        events=int(burn.daily(usage, chosen)["events"].sum()),
        paid_per_credit=_paid_per_credit(batches),
    )


def _paid_per_credit(batches: pd.DataFrame) -> tuple[tuple[Fraction, str], ...] | Absent:
    bought = batches[batches["cost_cents"].notna()].groupby("currency")[["cost_cents", "granted_micro"]].sum()
    if bought.empty:
        return Absent("no credits were bought")
    return tuple(
        (Fraction(int(row["cost_cents"]) * MICRO, int(row["granted_micro"])), str(currency))
        for currency, row in bought.iterrows()
    )


def _by_feature(
    usage: pd.DataFrame, chosen: Period, before: Period, labels: Mapping[str, str]
) -> tuple[FeatureLine, ...]:
    table = burn.by_feature(usage, chosen, before)
    return tuple(
        FeatureLine(
            row["feature"],
            labels.get(row["feature"], row["feature"]),
            int(row["used_micro"]),
            float(row["share"]),
            Change(None, is_new=True) if pd.isna(row["change"]) else Change(float(row["change"])),
            row["trend"],
        )
        for row in table[table["used_micro"] > 0].to_dict("records")
    )


def _expiring(
    connection: sa.Connection, held: Holdings, found: Outlook, *, account: str, at: datetime, zone: ZoneInfo
) -> tuple[ExpiringLine, ...]:
    ending = frames.load_expiring(connection, at=at, zone=zone, within_days=SOON_DAYS, account=account)
    wasted = dict(zip(found.projection.wasted["batch_id"], found.projection.wasted["wasted_likely"], strict=True))
    scope = dict(zip(held.batches["batch_id"], held.batches["only_for"], strict=True))

    def line(row: Mapping[Any, Any]) -> ExpiringLine:
        number = int(row["batch_id"])
        return ExpiringLine(
            number,
            CreditType(row["credit_type"]),
            row["campaign"],
            int(row["left_micro"]),
            last_day(row["expires_at"].to_pydatetime(), zone),
            int(row["days_left"]),
            scope[number] if isinstance(scope[number], str) else "",
            float(wasted.get(number, 0.0)),
        )

    return tuple(line(row) for row in ending.to_dict("records"))


def _advice(connection: sa.Connection, found: Outlook, *, account: str, at: datetime) -> Advice | Absent:
    packages = frames.load_packages(connection)
    if not in_force(packages, at):
        return Absent("no package is for sale")
    bought = frames.load_bought(connection, account=account).get(account)
    return advice_for(found, packages, at=at, bought=bought)


def _links(public_url: str, account: str) -> tuple[Link, ...]:
    def address(page: str, **wanted: str) -> str:
        return f"{public_url}/{page}?{urlencode({'customer': account, **wanted})}"

    return (
        Link("Top up credits", address("top_ups")),
        Link("View usage details", address("customer", tab="Usage")),
        Link("Set low balance alert", address("customer", tab="Alerts")),
    )

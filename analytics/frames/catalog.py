"""What is for sale, as the core's own values, and what a new price would have meant for uses of the past."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from analytics.frames.asking import ask
from ledger import queries
from ledger.core.amounts import MICRO, Money
from ledger.core.packages import Package
from ledger.core.pricing import usage_cost_micro


@dataclass(frozen=True, slots=True)
class Bundle:
    """Features at a discount in [effective_at, ends_at)."""

    code: str
    label: str
    features: tuple[str, ...]
    discount_ppm: int
    effective_at: datetime
    ends_at: datetime

    def is_on(self, at: datetime) -> bool:
        """Whether it makes uses of that instant cheaper."""
        return self.effective_at <= at < self.ends_at


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a subscription plan; see ledger.models.plan."""

    code: str
    label: str
    credits_micro: int
    price: Money
    months: int
    rollover_cap_micro: int
    rollover_share_ppm: int
    rollover_periods: int
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Bought:
    """How often one account bought each package, by code, and which it bought last."""

    times: Mapping[str, int]
    last_code: str


@dataclass(frozen=True, slots=True)
class PriceEffect:
    """What uses of a feature cost, and what they would have cost at another price.

    ``unknown`` are complexities used that the other price does not know: their uses would have been refused, and are
    counted at no factor.
    """

    events: int
    cost_micro: int
    would_micro: int
    unknown: tuple[str, ...]


def load_packages(connection: sa.Connection) -> list[Package]:
    """Every version of every package, by code and start."""
    return [
        Package(id_, code, label, price_list, credits, Money(cents, currency), limit, starts, ends)
        for id_, code, label, price_list, credits, cents, currency, limit, starts, ends in ask(
            connection, queries.packages
        )
    ]


def load_bundles(connection: sa.Connection) -> list[Bundle]:
    """Every bundle, newest first."""
    found: dict[str, Bundle] = {}
    for code, label, discount, starts, ends, feature in ask(connection, queries.bundles):
        earlier = found[code].features if code in found else ()
        found[code] = Bundle(code, label, (*earlier, feature), discount, starts, ends)
    return list(found.values())


def load_plans(connection: sa.Connection, *, at: datetime) -> list[PlanVersion]:
    """The version of every plan that is in force at an instant, smallest allowance first."""
    newest: dict[str, PlanVersion] = {}
    for code, label, credits, cents, currency, *terms in ask(connection, queries.plan_versions):
        version = PlanVersion(code, label, credits, Money(cents, currency), *terms)
        if version.effective_at <= at:
            newest[code] = version
    return sorted(newest.values(), key=lambda one: one.credits_micro)


def load_bought(connection: sa.Connection, *, account: str | None = None) -> dict[str, Bought]:
    """Who bought which packages, by account; accounts that bought none are not in it."""
    times: dict[str, dict[str, int]] = {}
    last: dict[str, tuple[datetime, str]] = {}
    for name, code, purchases, last_at in ask(connection, queries.package_purchases, account_name=account):
        times.setdefault(name, {})[code] = purchases
        last[name] = max(last.get(name, (last_at, code)), (last_at, code))
    return {name: Bought(found, last[name][1]) for name, found in times.items()}


def load_price_effect(
    connection: sa.Connection,
    *,
    feature: str,
    since: datetime,
    until: datetime,
    price_micro: int,
    factors: tuple[tuple[str, int], ...],
) -> PriceEffect:
    """What the uses of a feature in [since, until) would have cost at another price, bundles as they were.

    Rounded once per complexity and bundle, so within one micro-credit per use of the exact sum.
    """
    known = dict(factors)
    events = cost = would = 0
    unknown = []
    for row in ask(connection, queries.quantities, feature=feature, since=since, until=until):
        events += row.events
        cost += row.cost_micro
        if row.complexity and row.complexity not in known:
            unknown.append(row.complexity)
        factor = known.get(row.complexity, MICRO)
        would += usage_cost_micro(price_micro, row.quantity_micro, factor_micro=factor, discount_ppm=row.discount_ppm)
    return PriceEffect(events, cost, would, tuple(dict.fromkeys(unknown)))

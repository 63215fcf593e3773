"""What every way of consuming credits shares: what a use costs, and the rows, entries and rollup that it leaves."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.context import Context
from ledger.core.amounts import MICRO
from ledger.core.pricing import usage_cost_micro
from ledger.core.records import Bucket, Take
from ledger.errors import Fault, InvalidCommand, NotFound
from ledger.journal import AccountState, Line, post
from ledger.models import OWED, bundle, bundle_feature, feature_price
from ledger.statements import Prepared

# Clocks of callers may run a little ahead of ours.
FUTURE_TOLERANCE = timedelta(minutes=5)
EVENT_ID_MAX_CHARS = 200

PRICE_IN_FORCE = Prepared(
    sa.select(feature_price.c.id, feature_price.c.price_micro, feature_price.c.factors, feature_price.c.ends_at)
    .where(feature_price.c.feature == sa.bindparam("feature"), feature_price.c.effective_at <= sa.bindparam("at"))
    .order_by(feature_price.c.effective_at.desc())
    .limit(1)
)
BUNDLE_IN_FORCE = Prepared(
    sa.select(bundle.c.id, bundle.c.discount_ppm)
    .join(bundle_feature, bundle_feature.c.bundle_id == bundle.c.id)
    .where(
        bundle_feature.c.feature == sa.bindparam("feature"),
        bundle.c.effective_at <= sa.bindparam("at"),
        bundle.c.ends_at > sa.bindparam("at"),
    )
    .order_by(bundle.c.discount_ppm.desc(), bundle.c.id)
    .limit(1)
)
ALL_PRICES = Prepared(
    sa.select(
        feature_price.c.feature,
        feature_price.c.effective_at,
        feature_price.c.id,
        feature_price.c.price_micro,
        feature_price.c.factors,
        feature_price.c.ends_at,
    ).order_by(feature_price.c.feature, feature_price.c.effective_at)
)
ALL_BUNDLES = Prepared(
    sa.select(bundle_feature.c.feature, bundle.c.id, bundle.c.discount_ppm, bundle.c.effective_at, bundle.c.ends_at)
    .join(bundle, bundle_feature.c.bundle_id == bundle.c.id)
    .order_by(bundle.c.discount_ppm.desc(), bundle.c.id)
)


def occurrence_faults(occurred_at: datetime | None, *, now: datetime) -> list[Fault]:
    """Faults of when a use happened: not after now, save what clocks differ by."""
    if occurred_at is None or occurred_at <= now + FUTURE_TOLERANCE:
        return []
    return [Fault("occurred_at", f"is in the future; it is now {now:%Y-%m-%d %H:%M} UTC")]


@dataclass(frozen=True, slots=True)
class Price:
    """What a use costs at an instant: the price version, its complexity factors, the bundle that makes it cheaper."""

    id: int
    price_micro: int
    factors: dict[str, int]
    bundle_id: int | None = None
    discount_ppm: int = 0

    def cost_micro(self, feature: str, quantity_micro: int, complexity: str) -> int:
        """Cost of a quantity. Raises InvalidCommand naming the complexities that the price knows."""
        factor = MICRO
        if complexity:
            known = self.factors.get(complexity)
            if known is None:
                allowed = ", ".join(sorted(self.factors)) or "none"
                raise InvalidCommand([Fault("complexity", f"{feature} knows {allowed}, not {complexity!r}")])
            factor = known
        return usage_cost_micro(self.price_micro, quantity_micro, factor_micro=factor, discount_ppm=self.discount_ppm)


def price_of(price: tuple[Any, ...] | None, bundle_row: tuple[Any, ...] | None, feature: str) -> Price:
    """The price in force from its row (id, price, factors) and its bundle's (id, discount). Raises NotFound."""
    if price is None:
        raise NotFound(what="price in force for feature", id=feature)
    bundle_id, discount = bundle_row or (None, 0)
    return Price(price[0], price[1], price[2], bundle_id, discount)


class Prices:
    """Price versions and bundles of every feature, to find what is in force at an instant."""

    def __init__(self, price_rows: Iterable[tuple[Any, ...]], bundle_rows: Iterable[tuple[Any, ...]]) -> None:
        self._from: dict[str, list[datetime]] = defaultdict(list)
        self._versions: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._bundles: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        # Features of which everything was added, whether they have a price or not.
        self.features: set[str] = set()
        self.add((), price_rows, bundle_rows)

    def add(
        self,
        features: Iterable[str],
        price_rows: Iterable[tuple[Any, ...]],
        bundle_rows: Iterable[tuple[Any, ...]],
    ) -> None:
        """Add everything that there is of further features; those that are known stay as they are."""
        new = set(features) - self.features
        known = set(self.features)
        self.features |= new
        for feature, effective_at, *version in price_rows:
            if feature not in known:
                self._from[feature].append(effective_at)
                self._versions[feature].append(tuple(version))
        for feature, *one in bundle_rows:
            if feature not in known:
                self._bundles[feature].append(tuple(one))

    def in_force(self, feature: str, at: datetime) -> Price:
        """The newest version whose time had come, with the best bundle. Raises NotFound."""
        index = bisect_right(self._from[feature], at) if feature in self._from else 0
        if not index:
            raise NotFound(what="price in force for feature", id=feature)
        id_, price_micro, factors, ends_at = self._versions[feature][index - 1]
        if ends_at is not None and ends_at <= at:
            raise NotFound(what="price in force for feature", id=feature)
        for bundle_id, discount, starts, ends in self._bundles.get(feature, ()):
            if starts <= at < ends:
                return Price(id_, price_micro, factors, bundle_id, discount)
        return Price(id_, price_micro, factors)


@dataclass(frozen=True, slots=True)
class Use:
    """One use as it is booked: a row of usage_event. ``price_id`` None: the caller named the cost."""

    row_id: int
    event_id: str
    feature: str
    quantity_micro: int
    occurred_at: datetime
    cost_micro: int
    price_id: int | None
    member: str = ""
    complexity: str = ""
    bundle_id: int | None = None


class Charges:
    """Collects charged uses of one account and queues their rows, entries and rollup together."""

    def __init__(self, context: Context, state: AccountState) -> None:
        self._context, self._state = context, state
        self.rows: list[tuple[Any, ...]] = []
        self._lines: list[Line] = []
        self._days: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])

    def add(
        self,
        use: Use,
        takes: tuple[Take, ...],
        *,
        owed_micro: int = 0,
        origin: Bucket = Bucket.AVAILABLE,
        hold_id: int | None = None,
    ) -> None:
        """One use with the batches that pay for it, and what is left to be owed; cost = takes + owed."""
        context = self._context
        self.rows.append(
            (
                use.row_id,
                self._state.id,
                use.event_id,
                use.feature,
                use.quantity_micro,
                use.occurred_at,
                use.cost_micro,
                use.price_id,
                context.transaction_id,
                use.member,
                use.complexity,
                use.bundle_id,
            )
        )
        day = use.occurred_at.astimezone(context.company_zone).date()
        parts = [(take.batch_id, origin, take.credit_type.value, take.amount_micro) for take in takes]
        if owed_micro:
            parts.append((None, Bucket.OWED, OWED, owed_micro))  # type: ignore[arg-type]
        for position, (batch_id, source, credit_type, amount_micro) in enumerate(parts):
            self._lines.append(
                Line(batch_id, source, Bucket.CONSUMED, amount_micro, context.at, use.feature, use.row_id, hold_id)
            )
            cell = self._days[day, use.feature, credit_type]
            cell[0] += amount_micro
            cell[1] += position == 0

    def queue(self) -> None:
        """Hand everything over to the posting of the context."""
        if not self.rows:
            return
        posting, state = self._context.posting, self._state
        posting.events += self.rows
        post(posting, state, transaction_id=self._context.transaction_id, lines=self._lines)
        posting.days += [
            (state.id, day, feature, credit_type, used, events)
            for (day, feature, credit_type), (used, events) in self._days.items()
        ]

    def totals(self) -> tuple[Take, ...]:
        """What each batch gave in all."""
        given: dict[int, int] = defaultdict(int)
        for line in self._lines:
            if line.batch_id is not None:
                given[line.batch_id] += line.amount_micro
        return tuple(Take(id_, self._state.batches[id_].credit_type, amount) for id_, amount in given.items())

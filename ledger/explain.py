"""Why an amount is what it is: what a balance is made of, and what stands behind a debit. A read over the entries.

Source: docs/accounting.md, rules 2, 26 and 28.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from ledger.as_of import balance_as_of, ends_as_of, entries_as_of, lapsed_as_of
from ledger.core.amounts import MICRO, Money, share_of_cost_cents
from ledger.core.pricing import usage_cost_micro
from ledger.core.records import Bucket, CreditType
from ledger.errors import NotFound
from ledger.models import account as account_table
from ledger.models import approval, batch, bundle, entry, feature_price, transaction, usage_event
from ledger.reconcile.parts import account_id, total

# The buckets that together are a balance: what is free, what is held, less what is owed.
_OWN = frozenset({Bucket.AVAILABLE, Bucket.HELD, Bucket.OWED})
# Acts that put right what was booked: what they issue is no gift.
_CORRECTING = frozenset({"adjust", "reverse", "void"})
_MAX_ID = 2**63 - 1
_OWNERS = (
    sa.select(account_table.c.external_id)
    .where(
        account_table.c.id.in_(
            sa.select(entry.c.account_id).where(entry.c.transaction_id == sa.bindparam("id", type_=sa.BigInteger))
        )
    )
    .order_by(account_table.c.id)
)


class Because(StrEnum):
    """What changes a balance, in the order in which it is told."""

    PURCHASES = "purchases"
    GRANTS = "grants"
    TRANSFERS = "transfers"
    USE = "use"
    GIVEN_BACK = "given back"
    EXPIRY = "expiry"
    EXPIRY_NOT_BOOKED = "expiry not booked yet"
    CORRECTIONS = "corrections"
    REFUNDS = "refunds"


_BY_BUCKET = {
    Bucket.EXPIRED: Because.EXPIRY,
    Bucket.REMOVED: Because.CORRECTIONS,
    Bucket.REFUNDED: Because.REFUNDS,
    Bucket.TRANSFERRED: Because.TRANSFERS,
}


@dataclass(frozen=True, slots=True)
class BalancePart:
    """One reason with what it brought (+) or took (−), and how many entries it sums."""

    because: Because
    amount_micro: int
    entries: int


@dataclass(frozen=True, slots=True)
class BalanceExplained:
    """A balance and what it is made of; the parts sum to ``balance_micro`` exactly. Amounts in micro-credits.

    The balance is what is available, held and scheduled, less what is owed.
    """

    account: str
    at: datetime
    known_at: datetime
    available_micro: int
    held_micro: int
    scheduled_micro: int
    owed_micro: int
    parts: tuple[BalancePart, ...]

    @property
    def balance_micro(self) -> int:
        """The balance as it is shown; negative in debt."""
        return self.available_micro + self.held_micro + self.scheduled_micro - self.owed_micro


@dataclass(frozen=True, slots=True)
class Payment:
    """Credits of one batch that paid, with what was paid for them; no batch when it went on debt."""

    batch_id: int | None
    credit_type: CreditType | None
    amount_micro: int
    source: str
    campaign: str
    reference: str
    # None: nobody bought these credits.
    cost: Money | None


@dataclass(frozen=True, slots=True)
class UseExplained:
    """One use: what was charged, by which price, and the batches that paid in order."""

    event_id: str
    feature: str
    label: str
    unit: str
    quantity_micro: int
    occurred_at: datetime
    member: str
    cost_micro: int
    # The version of the price, and from when it holds; None: the caller named the cost, by capturing a hold.
    price_micro: int | None
    price_from: datetime | None
    complexity: str
    factor_micro: int
    bundle: str
    discount_ppm: int
    payments: tuple[Payment, ...]

    @property
    def computed_micro(self) -> int | None:
        """Price × quantity × factor less discount, computed again; None when the caller named the cost."""
        if self.price_micro is None:
            return None
        return usage_cost_micro(
            self.price_micro, self.quantity_micro, factor_micro=self.factor_micro, discount_ppm=self.discount_ppm
        )


@dataclass(frozen=True, slots=True)
class DebitExplained:
    """Who or what booked a transaction, by whose leave, and where its credits came from.

    ``payments`` are all credits that left a balance in it; ``uses`` the uses in it, each with its own part of them.
    """

    transaction_id: int
    kind: str
    actor: str
    role: str
    key: str
    recorded_at: datetime
    approval_id: int | None
    asked_by: str | None
    approved_by: str | None
    # Whose credits moved in it.
    accounts: tuple[str, ...]
    payments: tuple[Payment, ...]
    uses: tuple[UseExplained, ...]


def explain_balance(connection: sa.Connection, account: str, *, at: datetime, known_at: datetime) -> BalanceExplained:
    """What the balance of an account at an instant is made of, as the books knew it at another. Raises NotFound."""
    shown = balance_as_of(connection, account, at=at, known_at=known_at)
    one = account_id(account)
    key = (entry.c.batch_id, batch.c.expires_at, batch.c.credit_type, entry.c.from_bucket, entry.c.to_bucket)
    wanted = (*key, transaction.c.kind, total(entry.c.amount_micro).label("amount"), sa.func.count().label("entries"))
    rows = connection.execute(
        entries_as_of(wanted, one, at=at, known_at=known_at).group_by(*key, transaction.c.kind)
    ).all()
    amounts: Counter[Because] = Counter()
    entries: Counter[Because] = Counter()
    free: Counter[int] = Counter()
    ends: dict[int, datetime | None] = {}
    for row in rows:
        came, went = Bucket(row.to_bucket), Bucket(row.from_bucket)
        if row.batch_id is not None:
            ends[row.batch_id] = row.expires_at
            free[row.batch_id] += row.amount * ((came is Bucket.AVAILABLE) - (went is Bucket.AVAILABLE))
        if (because := _because(went, came, row.kind, row.credit_type)) is not None:
            amounts[because] += row.amount if came in _OWN else -row.amount
            entries[because] += row.entries
    ends |= ends_as_of(connection, one, known_at)
    free.update(lapsed_as_of(connection, one, at=at, known_at=known_at))
    for batch_id, left in free.items():
        end = ends[batch_id]
        if left and end is not None and end <= at:
            amounts[Because.EXPIRY_NOT_BOOKED] -= left
    parts = tuple(BalancePart(one_, amounts[one_], entries[one_]) for one_ in Because if amounts[one_] or entries[one_])
    return BalanceExplained(
        account,
        at,
        known_at,
        available_micro=shown.available_micro,
        held_micro=shown.held_micro,
        scheduled_micro=shown.scheduled_micro,
        owed_micro=shown.owed_micro,
        parts=parts,
    )


def _because(went: Bucket, came: Bucket, kind: str, credit_type: str | None) -> Because | None:
    """Why an entry changes a balance; None when it does not: a hold, a debt repaid."""
    if went in _OWN and came in _OWN:
        return None
    outside = went if came in _OWN else came
    if outside is Bucket.CONSUMED:
        return Because.GIVEN_BACK if came in _OWN else Because.USE
    if outside is not Bucket.ISSUED:
        return _BY_BUCKET[outside]
    if kind in _CORRECTING:
        return Because.CORRECTIONS
    return Because.PURCHASES if credit_type == CreditType.PURCHASED.value else Because.GRANTS


def explain_transaction(connection: sa.Connection, transaction_id: int, *, uses: int = 50) -> DebitExplained:
    """What stands behind a transaction that took credits, with the first ``uses`` uses of it. Raises NotFound."""
    number = min(max(transaction_id, 0), _MAX_ID)
    head = connection.execute(
        sa.select(transaction, approval.c.requester, approval.c.decided_by)
        .outerjoin(approval, approval.c.id == transaction.c.approval_id)
        .where(transaction.c.id == sa.bindparam("id", number, sa.BigInteger))
    ).one_or_none()
    if head is None:
        raise NotFound(what="transaction", id=str(transaction_id))
    payments = _payments(connection, number, None)
    return DebitExplained(
        number,
        head.kind,
        head.actor,
        head.role,
        head.key,
        head.recorded_at,
        head.approval_id,
        head.requester,
        head.decided_by,
        tuple(connection.execute(_OWNERS, {"id": number}).scalars()),
        tuple(payment for found in payments.values() for payment in found),
        _uses(connection, number, uses),
    )


def _uses(connection: sa.Connection, transaction_id: int, limit: int) -> tuple[UseExplained, ...]:
    events = connection.execute(
        sa.select(
            usage_event,
            feature_price.c.label.label("price_label"),
            feature_price.c.unit,
            feature_price.c.price_micro,
            feature_price.c.effective_at.label("price_from"),
            feature_price.c.factors,
            bundle.c.label.label("bundle_label"),
            bundle.c.discount_ppm,
        )
        .outerjoin(feature_price, feature_price.c.id == usage_event.c.price_id)
        .outerjoin(bundle, bundle.c.id == usage_event.c.bundle_id)
        # By way of the entries, which have an index by transaction.
        .where(
            usage_event.c.id.in_(
                sa.select(entry.c.usage_event_id).where(
                    entry.c.transaction_id == sa.bindparam("id", transaction_id, sa.BigInteger)
                )
            ),
            usage_event.c.transaction_id == transaction_id,
        )
        .order_by(usage_event.c.id)
        .limit(limit)
    ).all()
    paid = _payments(connection, transaction_id, [event.id for event in events])
    return tuple(
        UseExplained(
            event_id=event.event_id,
            feature=event.feature,
            label=event.price_label or event.feature,
            unit=event.unit or "",
            quantity_micro=event.quantity_micro,
            occurred_at=event.occurred_at,
            member=event.member,
            cost_micro=event.cost_micro,
            price_micro=event.price_micro,
            price_from=event.price_from,
            complexity=event.complexity,
            factor_micro=event.factors[event.complexity] if event.complexity and event.factors else MICRO,
            bundle=event.bundle_label or "",
            discount_ppm=event.discount_ppm or 0,
            payments=tuple(paid.get(event.id, ())),
        )
        for event in events
    )


def _payments(
    connection: sa.Connection, transaction_id: int, event_ids: list[int] | None
) -> dict[int | None, list[Payment]]:
    """What left a balance in a transaction, by batch in booking order: by event, or in all under None."""
    by_event = event_ids is not None
    left = entry.c.from_bucket.in_([bucket.value for bucket in _OWN])
    stayed = entry.c.to_bucket.in_([bucket.value for bucket in _OWN])
    event_id = entry.c.usage_event_id if by_event else sa.null()
    # Without a batch: used on debt.
    sums = (
        sa.select(
            event_id.label("event_id"),
            entry.c.batch_id,
            total(entry.c.amount_micro).label("amount"),
            sa.func.min(entry.c.id).label("first"),
        )
        .where(entry.c.transaction_id == transaction_id, left, ~stayed)
        .group_by(entry.c.batch_id, *([entry.c.usage_event_id] if by_event else []))
    )
    if by_event:
        sums = sums.where(entry.c.usage_event_id.in_(event_ids or []))
    paid = sums.subquery()
    rows = connection.execute(
        sa.select(paid, batch.c.credit_type, batch.c.granted_micro, batch.c.cost_cents, batch.c.currency)
        .add_columns(batch.c.source, batch.c.campaign, batch.c.reference)
        .outerjoin(batch, batch.c.id == paid.c.batch_id)
        .order_by(paid.c.first)
    )
    found: dict[int | None, list[Payment]] = {}
    for row in rows:
        cost = None
        if row.cost_cents is not None:
            cost = Money(
                share_of_cost_cents(row.cost_cents, part_micro=row.amount, whole_micro=row.granted_micro), row.currency
            )
        kind = None if row.credit_type is None else CreditType(row.credit_type)
        payment = Payment(
            row.batch_id, kind, row.amount, row.source or "", row.campaign or "", row.reference or "", cost
        )
        found.setdefault(row.event_id, []).append(payment)
    return found

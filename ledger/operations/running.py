"""The plan of a locked customer while a command works on it: what was read, and what is to be written.

Every command about a customer's plan works on a `Running` and first brings it up to date, so that whether a renewal was
booked in time or late changes nothing but when it was written down (docs/accounting.md, rule 24).
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.commands import Before, Outcome, Reason, effect
from ledger.context import Context
from ledger.core.billed import PaidPeriod
from ledger.core.lifecycle import end_of_day
from ledger.core.plans import AllocationKind, Period, PlanTerms
from ledger.core.policy import Role
from ledger.core.records import Bucket, CreditType
from ledger.errors import NotAllowedNow
from ledger.journal import AccountState, BatchTerms
from ledger.models import account, allocation, batch, billed_invoice, customer, entry, plan, subscription
from ledger.operations.periods import closed_until
from ledger.receipt import NewBatch
from ledger.statements import Prepared

_PLANS = Prepared(
    sa.select(
        plan.c.id,
        plan.c.code,
        plan.c.credits_micro,
        plan.c.months,
        plan.c.rollover_cap_micro,
        plan.c.rollover_share_ppm,
        plan.c.rollover_periods,
        plan.c.effective_at,
    )
)
_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
_SUBSCRIPTION = Prepared(
    sa.select(
        subscription.c.plan_id,
        subscription.c.next_plan_code,
        subscription.c.state,
        subscription.c.anchor_day,
        subscription.c.period_start,
        subscription.c.period_end,
        subscription.c.started_at,
        subscription.c.ended_at,
        subscription.c.provider,
        subscription.c.provider_ref,
        subscription.c.paid_through,
        subscription.c.customer_ref,
        subscription.c.followed_at,
    ).where(subscription.c.account_id == _ACCOUNT_ID)
)
# Invoices whose period may still be to come are among the newest.
_INVOICES_READ = 12
_PAID = Prepared(
    sa.select(
        billed_invoice.c.ref,
        billed_invoice.c.plan_code,
        billed_invoice.c.period_start,
        billed_invoice.c.period_end,
        billed_invoice.c.paid_at,
    )
    .join(
        subscription,
        sa.and_(
            subscription.c.account_id == billed_invoice.c.account_id,
            subscription.c.provider_ref == billed_invoice.c.subscription_ref,
        ),
    )
    .where(billed_invoice.c.account_id == _ACCOUNT_ID, billed_invoice.c.period_end.is_not(None))
    .order_by(billed_invoice.c.period_end.desc())
    .limit(_INVOICES_READ)
)
_IS_CUSTOMER = Prepared(sa.select(customer.c.account_id).where(customer.c.account_id == _ACCOUNT_ID))
# What the batches of the running period lost at their very end, as far as that is booked. What a hold released later
# expires later, and does not roll over.
_EXPIRED = (
    sa.select(
        sa.cast(
            sa.func.coalesce(
                sa.func.sum(
                    sa.case(
                        (
                            sa.and_(
                                entry.c.to_bucket == Bucket.EXPIRED.value, entry.c.effective_at == batch.c.expires_at
                            ),
                            entry.c.amount_micro,
                        ),
                        (entry.c.from_bucket == Bucket.EXPIRED.value, -entry.c.amount_micro),
                        else_=0,
                    )
                ),
                0,
            ),
            sa.BigInteger,
        )
    )
    .where(entry.c.batch_id == batch.c.id)
    .scalar_subquery()
)
_GIVEN = Prepared(
    sa.select(allocation.c.amount_micro, batch.c.id, batch.c.expires_at, _EXPIRED)
    .select_from(
        subscription.join(
            allocation,
            sa.and_(
                allocation.c.account_id == subscription.c.account_id,
                allocation.c.period_start == subscription.c.period_start,
            ),
        ).join(batch, batch.c.id == allocation.c.batch_id)
    )
    .where(
        subscription.c.account_id == _ACCOUNT_ID,
        allocation.c.kind != AllocationKind.ROLLOVER.value,
    )
)
_INSERT_ALLOCATION = Prepared(sa.insert(allocation).inline())
_INSERT_SUBSCRIPTION = Prepared(sa.insert(subscription).inline())
_CHANGE_SUBSCRIPTION = Prepared(
    sa.update(subscription)
    .where(subscription.c.account_id == sa.bindparam("id", type_=sa.BigInteger))
    .values({c.name: sa.bindparam(f"new_{c.name}", type_=c.type) for c in subscription.c if c.name != "account_id"})
)
_SET_TIER = Prepared(
    sa.update(customer)
    .where(customer.c.account_id == sa.bindparam("id", type_=sa.BigInteger))
    .values(tier=sa.bindparam("new_tier"))
)
_TOUCH_ACCOUNT = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("id", type_=sa.BigInteger))
    .values(version=account.c.version + 1)
)
_DAYS_OF_SHORTEST_PERIOD = 28


@dataclass(frozen=True, slots=True)
class Given:
    """One batch of the running period: what the plan gave, and how much of it has expired and is booked so."""

    amount_micro: int
    batch_id: int
    expires_at: datetime
    expired_micro: int = 0


@dataclass(slots=True)
class Running:
    """The plan of a locked customer while a command works on it; `outcome` queues what has changed."""

    state: AccountState
    versions: list[PlanTerms]
    is_known: bool
    status: str = "ended"
    terms: PlanTerms | None = None
    next_code: str = ""
    anchor_day: int = 1
    period: Period = field(default_factory=lambda: Period(date.min, date.min))
    started_at: datetime | None = None
    ended_at: datetime | None = None
    # Who bills it, by which name, and the first day that is not paid for; None: periods begin by the calendar alone.
    provider: str | None = None
    provider_ref: str | None = None
    paid_through: date | None = None
    customer_ref: str | None = None
    followed_at: datetime | None = None
    # Of a billed plan: what is paid for and has not begun; and since when the books are open.
    ahead: list[PaidPeriod] = field(default_factory=list)
    open_from: datetime | None = None
    given: list[Given] = field(default_factory=list)
    new_batches: list[NewBatch] = field(default_factory=list)
    allocations: list[dict[str, Any]] = field(default_factory=list)
    is_changed: bool = False
    # Reserved ids of batches; taken from the front.
    ids: list[int] = field(default_factory=list)
    allocation_ids: list[int] = field(default_factory=list)

    def is_over(self, today: date) -> bool:
        """Whether the customer has no plan that day: none was started, or it was cancelled and its period is over."""
        return self.status == "ended" or (self.status == "cancelled" and self.period.end <= today)

    def today(self, context: Context) -> date:
        """The customer's day."""
        return context.at.astimezone(self.state.zone).date()

    def is_ahead(self, paid: PaidPeriod) -> bool:
        """Whether what was paid for begins after the running period did, and ends later."""
        zone = self.state.zone
        return paid.end(zone) > self.period.end and paid.first_day(zone) >= self.period.start

    def first_instant(self, day: date) -> datetime:
        """When a day begins in the customer's zone."""
        return end_of_day(day - timedelta(days=1), self.state.zone)

    def outcome(self, context: Context, kind: str, before: Before, reason: Reason) -> Outcome:
        """Queue the changed plan with its allocations and answer the effect."""
        for values in self.allocations:
            context.queue(_INSERT_ALLOCATION, values)
        if self.is_changed:
            self._queue_subscription(context)
        if self.is_changed and not self.new_batches:
            context.queue(_TOUCH_ACCOUNT, {"id": self.state.id})
        subject = self.terms.id if self.terms else None
        receipt = effect(kind, self.state, context.at, before, new_batches=tuple(self.new_batches), subject_id=subject)
        given = sum(new.amount_micro for new in self.new_batches)
        return Outcome(
            receipt,
            self.state.id,
            context.at,
            reason,
            nothing_to_do=not self.is_changed,
            weight_micro=0 if context.actor.role is Role.SYSTEM else given,
        )

    def _queue_subscription(self, context: Context) -> None:
        assert self.terms is not None
        values = {
            "plan_id": self.terms.id,
            "next_plan_code": self.next_code,
            "state": self.status,
            "anchor_day": self.anchor_day,
            "period_start": self.period.start,
            "period_end": self.period.end,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "provider": self.provider,
            "provider_ref": self.provider_ref,
            "paid_through": self.paid_through,
            "customer_ref": self.customer_ref,
            "followed_at": self.followed_at,
        }
        if self.is_known:
            context.queue(_CHANGE_SUBSCRIPTION, {"id": self.state.id, **{f"new_{k}": v for k, v in values.items()}})
        else:
            context.queue(_INSERT_SUBSCRIPTION, {"account_id": self.state.id, **values})
        tier = "" if self.status == "ended" else self.terms.code
        context.queue(_SET_TIER, {"id": self.state.id, "new_tier": tier})


def load_running(context: Context, name: str, *, more: int = 0) -> Running:
    """Lock a customer and read its plan, with ids for all that may be due and for ``more`` batches and allocations.

    Raises NotAllowedNow for a pool.
    """
    named = {"account": name}
    state, (plans, customers, subscriptions, given, paid) = context.load(
        name, (_PLANS, {}), (_IS_CUSTOMER, named), (_SUBSCRIPTION, named), (_GIVEN, named), (_PAID, named)
    )
    if not customers:
        raise NotAllowedNow(f"{name} is a pool; only customers have plans. Move credits into the pool instead.")
    running = Running(state, [PlanTerms(*row) for row in plans], is_known=bool(subscriptions))
    if subscriptions:
        plan_id, next_code, status, anchor_day, start, end, started_at, ended_at, *billed = subscriptions[0]
        running.terms = next(one for one in running.versions if one.id == plan_id)
        running.next_code, running.status, running.anchor_day = next_code, status, anchor_day
        running.period, running.started_at, running.ended_at = Period(start, end), started_at, ended_at
        running.provider, running.provider_ref, running.paid_through = billed[:3]
        running.customer_ref, running.followed_at = billed[3:]
        running.given = [Given(*row) for row in given]
    due = 0
    if running.provider is not None:
        running.ahead = [one for one in (PaidPeriod(*row) for row in paid) if running.is_ahead(one)]
        running.open_from = closed_until(context)
        due = len(running.ahead)
    elif running.status == "active":
        due = max(0, (running.today(context) - running.period.end).days // _DAYS_OF_SHORTEST_PERIOD + 1)
    count = 2 * due + 1 + more
    batches, allocations = context.work.fetch(
        context.work.next_ids(batch, count), context.work.next_ids(allocation, count)
    )
    running.ids = context.work.ids_of(batches, count)
    running.allocation_ids = context.work.ids_of(allocations, count)
    return running


def give(
    context: Context,
    running: Running,
    kind: AllocationKind,
    amount_micro: int,
    *,
    effective_at: datetime,
    expires_at: datetime,
    past: tuple[PlanTerms, Period] | None = None,
) -> None:
    """Book what a plan gives for the running period as a batch of its own; an amount of 0 is noted without a batch.

    ``past`` names plan and period when it is not for the running one.
    """
    assert running.terms is not None
    plan_terms, period = past or (running.terms, running.period)
    batch_id = running.ids.pop(0) if amount_micro else None
    if batch_id is not None:
        is_rollover = kind is AllocationKind.ROLLOVER
        terms = BatchTerms(
            CreditType.ROLLOVER if is_rollover else CreditType.PROMOTIONAL,
            context.at,
            effective_at,
            expires_at,
            source=f"plan:{plan_terms.code}",
        )
        running.new_batches.append(context.open_batch(running.state, batch_id, amount_micro, terms))
        if not is_rollover and past is None:
            running.given.append(Given(amount_micro, batch_id, expires_at))
    running.allocations.append(
        {
            "id": running.allocation_ids.pop(0),
            "account_id": running.state.id,
            "plan_id": plan_terms.id,
            "kind": kind.value,
            "period_start": period.start,
            "period_end": period.end,
            "amount_micro": amount_micro,
            "batch_id": batch_id,
            "transaction_id": context.transaction_id,
        }
    )
    running.is_changed = True

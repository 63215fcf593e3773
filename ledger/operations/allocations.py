"""What plans give: the allowance of each billing period, and what rolls over from the one before.

Every command about a customer's plan works on a `Running` and first brings it up to date, so that whether a renewal was
booked in time or late changes nothing but when it was written down (docs/accounting.md, rule 24).
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.lifecycle import end_of_day
from ledger.core.plans import AllocationKind, Period, PlanTerms, period_from, rollover_micro, terms_in_force
from ledger.core.policy import Permission, Role
from ledger.core.records import Bucket, CreditType
from ledger.database import Prepared
from ledger.errors import Fault, NotAllowedNow
from ledger.journal import AccountState, BatchTerms, Line, open_batch, post
from ledger.models import account, allocation, batch, customer, entry, plan, subscription
from ledger.receipt import NewBatch

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
    ).where(subscription.c.account_id == _ACCOUNT_ID)
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
class AllocatePlanCredits(Command):
    """Renew a customer's plan: book what it gives for every billing period that has begun, each with its own dates.

    Does nothing when no period has begun since the last time.
    """

    kind: ClassVar[str] = "allocate"
    permission: ClassVar[Permission] = Permission.MANAGE_PLANS

    account: str

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account)


def allocate_plan_credits(context: Context, command: AllocatePlanCredits) -> Outcome:
    running = load_running(context, command.account)
    before = Before.of(running.state, context.at)
    catch_up(context, running)
    return running.outcome(context, command.kind, before, Reason("", ""))


@dataclass(frozen=True, slots=True)
class _Given:
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
    given: list[_Given] = field(default_factory=list)
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
        }
        if self.is_known:
            context.queue(_CHANGE_SUBSCRIPTION, {"id": self.state.id, **{f"new_{k}": v for k, v in values.items()}})
        else:
            context.queue(_INSERT_SUBSCRIPTION, {"account_id": self.state.id, **values})
        tier = "" if self.status == "ended" else self.terms.code
        context.queue(_SET_TIER, {"id": self.state.id, "new_tier": tier})


def load_running(context: Context, name: str) -> Running:
    """Lock a customer and read its plan, with ids for all that may be due. Raises NotAllowedNow for a pool."""
    named = {"account": name}
    state, (plans, customers, subscriptions, given) = context.load(
        name, (_PLANS, {}), (_IS_CUSTOMER, named), (_SUBSCRIPTION, named), (_GIVEN, named)
    )
    if not customers:
        raise NotAllowedNow(f"{name} is a pool; only customers have plans. Move credits into the pool instead.")
    running = Running(state, [PlanTerms(*row) for row in plans], is_known=bool(subscriptions))
    if subscriptions:
        plan_id, next_code, status, anchor_day, start, end, started_at, ended_at, *billed = subscriptions[0]
        running.terms = next(one for one in running.versions if one.id == plan_id)
        running.next_code, running.status, running.anchor_day = next_code, status, anchor_day
        running.period, running.started_at, running.ended_at = Period(start, end), started_at, ended_at
        running.provider, running.provider_ref, running.paid_through = billed
        running.given = [_Given(*row) for row in given]
    due = 0
    if running.status == "active":
        due = max(0, (running.today(context) - running.period.end).days // _DAYS_OF_SHORTEST_PERIOD + 1)
    count = 2 * due + 1
    batches, allocations = context.work.fetch(
        context.work.next_ids(batch, count), context.work.next_ids(allocation, count)
    )
    running.ids = context.work.ids_of(batches, count)
    running.allocation_ids = context.work.ids_of(allocations, count)
    return running


def catch_up(context: Context, running: Running) -> None:
    """Bring a plan to the present: begin every period whose first day has come, in order; end a cancelled plan."""
    today = running.today(context)
    while running.status == "active" and running.period.end <= today:
        _begin_next_period(context, running)
    if running.status == "cancelled" and running.period.end <= today:
        running.status, running.ended_at = "ended", running.first_instant(running.period.end)
        running.is_changed = True


def give(
    context: Context,
    running: Running,
    kind: AllocationKind,
    amount_micro: int,
    *,
    effective_at: datetime,
    expires_at: datetime,
) -> None:
    """Book what a plan gives for the running period as a batch of its own; an amount of 0 is noted without a batch."""
    assert running.terms is not None
    batch_id = running.ids.pop(0) if amount_micro else None
    if batch_id is not None:
        is_rollover = kind is AllocationKind.ROLLOVER
        terms = BatchTerms(
            CreditType.ROLLOVER if is_rollover else CreditType.PROMOTIONAL,
            context.at,
            effective_at,
            expires_at,
            source=f"plan:{running.terms.code}",
        )
        open_batch(
            context.posting,
            running.state,
            batch_id=batch_id,
            transaction_id=context.transaction_id,
            amount_micro=amount_micro,
            terms=terms,
            at=context.at,
        )
        running.new_batches.append(NewBatch(batch_id, terms.credit_type, amount_micro, effective_at, expires_at))
        if not is_rollover:
            running.given.append(_Given(amount_micro, batch_id, expires_at))
    running.allocations.append(
        {
            "id": running.allocation_ids.pop(0),
            "account_id": running.state.id,
            "plan_id": running.terms.id,
            "kind": kind.value,
            "period_start": running.period.start,
            "period_end": running.period.end,
            "amount_micro": amount_micro,
            "batch_id": batch_id,
            "transaction_id": context.transaction_id,
        }
    )
    running.is_changed = True


def _begin_next_period(context: Context, running: Running) -> None:
    """End the running period and begin the next one, whose plan is the version in force on its first instant."""
    old = running.terms
    start = running.period.end
    at = running.first_instant(start)
    new = terms_in_force(running.versions, running.next_code, at=at)
    assert old is not None
    assert new is not None, "a plan was in force when it was chosen, and versions never end"
    unused, given = _expire_rest(context, running, at), sum(one.amount_micro for one in running.given)
    running.given = []
    running.period = period_from(start, anchor_day=running.anchor_day, months=new.months)
    if old.rollover_cap_micro and old.rollover_share_ppm:
        rolled = rollover_micro(unused, given_micro=given, terms=old)
        lasts = period_from(start, anchor_day=running.anchor_day, months=old.months, count=old.rollover_periods)
        ends = running.first_instant(lasts.end)
        give(context, running, AllocationKind.ROLLOVER, rolled, effective_at=at, expires_at=ends)
    running.terms = new
    ends = running.first_instant(running.period.end)
    give(context, running, AllocationKind.ALLOWANCE, new.credits_micro, effective_at=at, expires_at=ends)


def _expire_rest(context: Context, running: Running, at: datetime) -> int:
    """Book what the ended period's batches lose at their end, unless the sweep did; answers all that they lost."""
    lines, unused = [], 0
    for one in running.given:
        # A batch that was given a longer life has lost nothing.
        kept = running.state.batches.get(one.batch_id)
        if (kept.expires_at if kept else one.expires_at) != at:
            continue
        unused += max(0, one.expired_micro)
        if kept and kept.free_micro:
            unused += kept.free_micro
            lines.append(Line(kept.id, Bucket.AVAILABLE, Bucket.EXPIRED, kept.free_micro, at))
    if lines:
        post(context.posting, running.state, transaction_id=context.transaction_id, lines=lines)
    return unused

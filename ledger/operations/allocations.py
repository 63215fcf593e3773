"""What plans give: the allowance of each billing period, and what rolls over from the one before."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, text_faults
from ledger.context import Context
from ledger.core.billed import PaidPeriod, whole_days
from ledger.core.lifecycle import add_months
from ledger.core.plans import (
    AllocationKind,
    Period,
    PlanTerms,
    is_upgrade,
    period_from,
    prorated_micro,
    rollover_micro,
    terms_in_force,
)
from ledger.core.policy import Permission
from ledger.core.records import Bucket
from ledger.errors import Fault
from ledger.journal import Line, post
from ledger.models import allocation
from ledger.operations.running import Running, give, load_running
from ledger.statements import Prepared

_ALLOWANCE_OF = Prepared(
    sa.select(allocation.c.id).where(
        allocation.c.account_id == sa.bindparam("account_id", type_=sa.BigInteger),
        allocation.c.period_start == sa.bindparam("start", type_=allocation.c.period_start.type),
        allocation.c.plan_id == sa.bindparam("plan_id", type_=sa.BigInteger),
        allocation.c.kind == AllocationKind.ALLOWANCE.value,
    )
)


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


def catch_up(context: Context, running: Running, *, at: datetime | None = None) -> None:
    """Bring a plan to an instant, the present unless given: begin, in order, every period whose first day has come by
    then, of a plan that a provider bills only paid ones; end a cancelled plan."""
    today = (at or context.at).astimezone(running.state.zone).date()
    if running.provider is not None:
        _begin_paid(context, running, today)
    else:
        while running.status == "active" and running.period.end <= today:
            _begin_next_period(context, running)
    if running.status == "cancelled" and running.period.end <= today:
        running.status, running.ended_at = "ended", running.first_instant(running.period.end)
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


def _begin_paid(context: Context, running: Running, today: date) -> None:
    zone = running.state.zone
    while True:
        # What was paid first for a period begins it; what was paid later with the same end is an upgrade of it.
        firsts: dict[date, PaidPeriod] = {}
        for one in sorted(running.ahead, key=lambda one: (one.starts_at, one.paid_at)):
            firsts.setdefault(one.end(zone), one)
        due = [one for one in firsts.values() if _begins_on(running, one) <= today]
        if not due:
            return
        begin_period(context, running, due[0])


def _begins_on(running: Running, paid: PaidPeriod) -> date:
    zone = running.state.zone
    return running.period.end if paid.follows(running.period, zone) else paid.first_day(zone)


def begin_period(context: Context, running: Running, paid: PaidPeriod) -> None:
    """Begin a period that a provider was paid for, with all that was paid for it.

    Source: docs/accounting.md, rule 36.
    """
    zone, old = running.state.zone, running.terms
    follows = old is not None and paid.follows(running.period, zone)
    unused = given = 0
    if follows:
        given = sum(one.amount_micro for one in running.given)
        unused = _expire_rest(context, running, running.first_instant(running.period.end))
    period = Period(running.period.end, paid.end(zone)) if follows else paid.days(zone)
    starts_at = running.first_instant(period.start) if follows else paid.starts_at
    running.given, running.period = [], period
    if running.status == "ended":
        running.status, running.ended_at = "active", None
    running.is_changed = True
    if old is not None and follows and old.rollover_cap_micro and old.rollover_share_ppm:
        rolled = rollover_micro(unused, given_micro=given, terms=old)
        lasts = add_months(period.end, old.months * (old.rollover_periods - 1))
        _give_paid(context, running, AllocationKind.ROLLOVER, rolled, paid, starts_at, ends_on=lasts)
    running.terms = terms_paid_for(running, paid.plan_code, at=starts_at)
    amount = running.terms.credits_micro
    amount = prorated_micro(amount, days=period.days, of_days=whole_days(period, months=running.terms.months))
    if not _was_given(context, running):
        _give_paid(context, running, AllocationKind.ALLOWANCE, amount, paid, starts_at, ends_on=period.end)
    more = [one for one in running.ahead if one.end(zone) == period.end and one != paid]
    running.ahead = [one for one in running.ahead if running.is_ahead(one)]
    for one in sorted(more, key=lambda one: (one.paid_at, one.starts_at)):
        upgrade_period(context, running, one)


def upgrade_period(context: Context, running: Running, paid: PaidPeriod) -> None:
    """Give what was paid for on top of the running period: the difference to a larger plan, for the days left of it.

    Does nothing when the plan is not larger.
    """
    assert running.terms is not None
    period, zone = running.period, running.state.zone
    new = terms_paid_for(running, paid.plan_code, at=paid.starts_at)
    if not is_upgrade(running.terms, new):
        return
    days = (period.end - max(period.start, paid.first_day(zone))).days
    more = new.credits_micro - running.terms.credits_micro
    amount = prorated_micro(more, days=days, of_days=whole_days(period, months=new.months))
    running.terms = new
    starts_at = max(paid.starts_at, running.first_instant(period.start))
    _give_paid(context, running, AllocationKind.UPGRADE, amount, paid, starts_at, ends_on=period.end)


def give_late(context: Context, running: Running, paid: PaidPeriod) -> None:
    """Give what was paid for a period after a later one had begun, as far as it is not over, beside that one."""
    zone = running.state.zone
    period, terms = paid.days_between(zone), terms_paid_for(running, paid.plan_code, at=paid.starts_at)
    amount = prorated_micro(terms.credits_micro, days=period.days, of_days=whole_days(period, months=terms.months))
    past = (terms, period)
    if not _was_given(context, running, past):
        _give_paid(
            context, running, AllocationKind.ALLOWANCE, amount, paid, paid.starts_at, ends_on=period.end, past=past
        )


def terms_paid_for(running: Running, code: str, *, at: datetime) -> PlanTerms:
    """The version of a plan in force at an instant; of a plan that was defined after its subscription the first."""
    first = min((one for one in running.versions if one.code == code), key=lambda one: one.effective_at)
    return terms_in_force(running.versions, code, at=at) or first


def _give_paid(
    context: Context,
    running: Running,
    kind: AllocationKind,
    amount_micro: int,
    paid: PaidPeriod,
    starts_at: datetime,
    *,
    ends_on: date,
    past: tuple[PlanTerms, Period] | None = None,
) -> None:
    """As `give`: not before it was paid, and not in closed books; what would be over by then is noted as 0."""
    at = max(starts_at, paid.paid_at, running.open_from or starts_at)
    ends = running.first_instant(ends_on)
    amount_micro = amount_micro if at < ends else 0
    give(context, running, kind, amount_micro, effective_at=at, expires_at=ends, past=past)


def _was_given(context: Context, running: Running, past: tuple[PlanTerms, Period] | None = None) -> bool:
    """Whether that plan gave its allowance for a period that began that day: two subscriptions may begin on one."""
    assert running.terms is not None
    terms, period = past or (running.terms, running.period)
    named = {"account_id": running.state.id, "start": period.start, "plan_id": terms.id}
    queued = (terms.id, period.start, AllocationKind.ALLOWANCE.value)
    if any((one["plan_id"], one["period_start"], one["kind"]) == queued for one in running.allocations):
        return True
    (found,) = context.work.fetch((_ALLOWANCE_OF, named))
    return bool(found)


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

"""Subscription plans: what they are, and which one a customer is on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO, Money
from ledger.core.plans import (
    AllocationKind,
    Period,
    PlanTerms,
    is_upgrade,
    period_around,
    prorated_micro,
    terms_in_force,
    upgrade_micro,
)
from ledger.core.policy import Permission
from ledger.core.pricing import PPM
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.models import plan
from ledger.operations.allocations import catch_up
from ledger.operations.running import Running, give, load_running
from ledger.receipt import Receipt
from ledger.statements import Prepared

MONTHS_MAX = 12
ROLLOVER_PERIODS_MAX = 24

_PLAN_AT = Prepared(
    sa.select(plan.c.id).where(plan.c.code == sa.bindparam("code"), plan.c.effective_at == sa.bindparam("at"))
)
_INSERT_PLAN = Prepared(sa.insert(plan).inline())


@dataclass(frozen=True, slots=True)
class DefinePlan(Command):
    """A new version of a plan: so many credits per billing period for a price, in force from ``effective_at``.

    None means from now on. Unused allowance rolls over up to ``rollover_cap_micro`` and up to ``rollover_share_ppm``
    millionths of what was given, for ``rollover_periods`` billing periods; a cap of 0 lets nothing roll over.
    """

    kind: ClassVar[str] = "define_plan"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    code: str
    label: str
    credits_micro: int
    price: Money
    months: int = 1
    rollover_cap_micro: int = 0
    rollover_share_ppm: int = PPM
    rollover_periods: int = 1
    effective_at: datetime | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("code", self.code, longest=40) + text_faults("label", self.label, longest=120)
        if self.code != self.code.strip():
            found.append(Fault("code", "must not begin or end with a space"))
        found += amount_faults("credits", self.credits_micro) + instant_faults("effective_at", self.effective_at)
        if not 0 <= self.price.cents <= MAX_MICRO:
            found.append(Fault("price", "must be 0 or more"))
        if not 1 <= self.months <= MONTHS_MAX:
            found.append(Fault("months", f"a billing period has 1 to {MONTHS_MAX} months"))
        if not 0 <= self.rollover_cap_micro <= MAX_MICRO:
            found.append(Fault("rollover_cap", "must be 0 or more, and at most 1,000,000,000 credits"))
        if not 0 <= self.rollover_share_ppm <= PPM:
            found.append(Fault("rollover_share", "must be between 0 and 100 %"))
        if not 1 <= self.rollover_periods <= ROLLOVER_PERIODS_MAX:
            found.append(Fault("rollover_periods", f"credits roll over for 1 to {ROLLOVER_PERIODS_MAX} periods"))
        return found


@dataclass(frozen=True, slots=True)
class StartPlan(Command):
    """Put a customer on a plan from today on, with the allowance for what is left of the billing period.

    Billing periods begin on ``anchor_day`` of the month, which is today's unless given; in a shorter month on its last
    day.
    """

    kind: ClassVar[str] = "start_plan"
    permission: ClassVar[Permission] = Permission.MANAGE_PLANS

    account: str
    plan: str
    reason: Reason
    anchor_day: int | None = None

    def faults(self) -> list[Fault]:
        found = _plan_faults(self.account, self.plan, self.reason)
        if self.anchor_day is not None and not 1 <= self.anchor_day <= 31:
            found.append(Fault("anchor_day", "is a day of the month, from 1 to 31"))
        return found


@dataclass(frozen=True, slots=True)
class ChangePlan(Command):
    """Move a customer to another plan: up at once, with the prorated difference; else from the next period on.

    Naming the plan that the customer is on takes back a change or a cancellation that was to come.
    """

    kind: ClassVar[str] = "change_plan"
    permission: ClassVar[Permission] = Permission.MANAGE_PLANS

    account: str
    plan: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return _plan_faults(self.account, self.plan, self.reason)


@dataclass(frozen=True, slots=True)
class CancelPlan(Command):
    """End a customer's plan with the running period: no more allowances; credits given stay until they expire."""

    kind: ClassVar[str] = "cancel_plan"
    permission: ClassVar[Permission] = Permission.MANAGE_PLANS

    account: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + self.reason.faults()


def define_plan(context: Context, command: DefinePlan) -> Outcome:
    effective_at = command.effective_at or context.at
    if effective_at < context.at:
        # A renewal takes the version that was in force on the first instant of its period, however late it is booked.
        raise InvalidCommand([Fault("effective_at", "is in the past; a version comes into force now or later")])
    same, ids = context.begin((_PLAN_AT, {"code": command.code, "at": effective_at}), context.work.next_ids(plan))
    if same:
        raise InvalidCommand(
            [Fault("effective_at", f"{command.code} has a version from that very instant already; choose another")]
        )
    id_ = context.work.ids_of(ids)[0]
    values: dict[str, Any] = {
        "id": id_,
        "code": command.code,
        "label": command.label.strip(),
        "credits_micro": command.credits_micro,
        "price_cents": command.price.cents,
        "currency": command.price.currency,
        "months": command.months,
        "rollover_cap_micro": command.rollover_cap_micro,
        "rollover_share_ppm": command.rollover_share_ppm,
        "rollover_periods": command.rollover_periods,
        "effective_at": effective_at,
        "transaction_id": context.transaction_id,
    }
    context.queue(_INSERT_PLAN, values)
    return Outcome(Receipt(command.kind, None, context.at, subject_id=id_), None, effective_at)


def start_plan(context: Context, command: StartPlan) -> Outcome:
    running = load_running(context, command.account)
    before = Before.of(running.state, context.at)
    today = running.today(context)
    if not running.is_over(today):
        assert running.terms is not None
        raise NotAllowedNow(f"{command.account} is on the plan {running.terms.code} already; change that plan instead.")
    running.terms = _in_force(context, running, command.plan)
    running.status, running.next_code = "active", command.plan
    running.provider = running.provider_ref = running.paid_through = running.customer_ref = running.followed_at = None
    running.started_at, running.ended_at = context.at, None
    running.anchor_day = command.anchor_day or today.day
    whole = period_around(today, anchor_day=running.anchor_day, months=running.terms.months)
    running.period = Period(today, whole.end)
    running.given = []
    amount = prorated_micro(running.terms.credits_micro, days=running.period.days, of_days=whole.days)
    ends = running.first_instant(whole.end)
    give(context, running, AllocationKind.ALLOWANCE, amount, effective_at=context.at, expires_at=ends)
    return running.outcome(context, command.kind, before, command.reason)


def change_plan(context: Context, command: ChangePlan) -> Outcome:
    running = load_running(context, command.account)
    before = Before.of(running.state, context.at)
    old = _running_terms(context, running)
    new = old if command.plan == old.code else _in_force(context, running, command.plan)
    is_coming = running.status == "active" and running.next_code == command.plan
    if is_coming:
        when = "already" if new is old else f"from {running.period.end} on already"
        raise NotAllowedNow(f"{command.account} is on the plan {command.plan} {when}; choose another one.")
    running.status, running.next_code, running.is_changed = "active", command.plan, True
    if is_upgrade(old, new):
        today = running.today(context)
        amount = upgrade_micro(old, new, period=running.period, today=today, anchor_day=running.anchor_day)
        running.terms = new
        ends = running.first_instant(running.period.end)
        give(context, running, AllocationKind.UPGRADE, amount, effective_at=context.at, expires_at=ends)
    return running.outcome(context, command.kind, before, command.reason)


def cancel_plan(context: Context, command: CancelPlan) -> Outcome:
    running = load_running(context, command.account)
    before = Before.of(running.state, context.at)
    _running_terms(context, running)
    if running.status == "cancelled":
        raise NotAllowedNow(f"The plan of {command.account} was cancelled before; it ends on {running.period.end}.")
    running.status, running.next_code, running.is_changed = "cancelled", "", True
    return running.outcome(context, command.kind, before, command.reason)


def _running_terms(context: Context, running: Running) -> PlanTerms:
    """The plan that the customer is on today, renewals that were due being booked. Raises NotAllowedNow without one.

    Also for one that a provider bills: what was changed here would be billed as before.
    """
    if running.is_over(running.today(context)):
        raise NotAllowedNow(f"{running.state.external_id} has no plan; start one first.")
    if running.provider is not None:
        raise NotAllowedNow(
            f"The plan of {running.state.external_id} is billed by {running.provider} as {running.provider_ref}; "
            "change or cancel the subscription there, and it is followed here."
        )
    catch_up(context, running)
    assert running.terms is not None
    return running.terms


def _in_force(context: Context, running: Running, code: str) -> PlanTerms:
    found = terms_in_force(running.versions, code, at=context.at)
    if found is None:
        raise NotFound(what="plan in force", id=code)
    return found


def _plan_faults(account: str, code: str, reason: Reason) -> list[Fault]:
    return text_faults("account", account) + text_faults("plan", code, longest=40) + reason.faults()

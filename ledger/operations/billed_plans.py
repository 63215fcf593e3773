"""Plans that a provider bills: its subscriptions are followed, and what their paid invoices pay for is given."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, text_faults
from ledger.context import Context
from ledger.core.billed import PaidPeriod
from ledger.core.payments import Provider
from ledger.core.plans import Period
from ledger.core.policy import Permission
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.gateways.billing import InvoiceFacts, SubscriptionFacts
from ledger.models import account, billed_invoice, plan, provider_plan
from ledger.operations.allocations import begin_period, catch_up, give_late, upgrade_period
from ledger.operations.metered import bill_metered, has_metered
from ledger.operations.running import Running, load_running
from ledger.receipt import Receipt
from ledger.statements import Prepared

# What providers say of a subscription that is over.
OVER = ("canceled", "incomplete_expired")

_LINKS = Prepared(
    sa.select(provider_plan.c.price_ref, provider_plan.c.plan_code).where(
        provider_plan.c.provider == sa.bindparam("provider")
    )
)
_KNOWN = Prepared(
    sa.select(billed_invoice.c.ref).where(
        billed_invoice.c.provider == sa.bindparam("provider"),
        billed_invoice.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
    )
)
_INSERT_INVOICE = Prepared(sa.insert(billed_invoice).inline())
_PLAN = Prepared(sa.select(plan.c.id).where(plan.c.code == sa.bindparam("code")).limit(1))
_LINK = (
    provider_plan.c.provider == sa.bindparam("of_provider"),
    provider_plan.c.price_ref == sa.bindparam("of_price"),
)
_LINKED = Prepared(sa.select(provider_plan.c.plan_code).where(*_LINK))
_INSERT_LINK = Prepared(sa.insert(provider_plan).inline())
_CHANGE_LINK = Prepared(
    sa.update(provider_plan)
    .where(*_LINK)
    .values(
        plan_code=sa.bindparam("new_code"),
        linked_at=sa.bindparam("new_at", type_=provider_plan.c.linked_at.type),
    )
)
_DROP_LINK = Prepared(sa.delete(provider_plan).where(*_LINK))


@dataclass(frozen=True, slots=True)
class LinkPlanPrice(Command):
    """Say which plan a subscription price at a provider stands for; None takes the link away.

    It counts for what is followed from now on.
    """

    kind: ClassVar[str] = "link_plan_price"
    permission: ClassVar[Permission] = Permission.MANAGE_CATALOG

    provider: Provider
    price_ref: str
    plan: str | None

    def faults(self) -> list[Fault]:
        found = text_faults("price_ref", self.price_ref, longest=200)
        return found if self.plan is None else found + text_faults("plan", self.plan, longest=40)


@dataclass(frozen=True, slots=True)
class FollowSubscription(Command):
    """Make a customer's plan what a provider's subscription says, and give what its paid invoices pay for.

    ``invoices`` are all of that subscription, asked for together with ``facts``; those that are not paid do nothing.
    Each is booked once, in the order in which they were paid, so that whenever and however often a subscription is
    followed, the books are the same.
    """

    kind: ClassVar[str] = "follow_subscription"
    permission: ClassVar[Permission] = Permission.FOLLOW_PROVIDER

    account: str
    provider: Provider
    facts: SubscriptionFacts
    invoices: tuple[InvoiceFacts, ...] = ()

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + text_faults("ref", self.facts.ref, longest=200)


def link_plan_price(context: Context, command: LinkPlanPrice) -> Outcome:
    price_ref = command.price_ref.strip()
    named = {"of_provider": command.provider.value, "of_price": price_ref}
    known, linked = context.begin((_PLAN, {"code": command.plan or ""}), (_LINKED, named))
    if command.plan is not None and not known:
        raise NotFound(what="plan", id=command.plan)
    before = linked[0][0] if linked else None
    says = f"{price_ref} at {command.provider} stands for {command.plan or 'no plan'}"
    receipt = Receipt(command.kind, None, context.at, notes=(says,))
    if before == command.plan:
        return Outcome(receipt, None, context.at, nothing_to_do=True)
    if command.plan is None:
        context.queue(_DROP_LINK, named)
    elif before is not None:
        context.queue(_CHANGE_LINK, named | {"new_code": command.plan, "new_at": context.at})
    else:
        context.queue(
            _INSERT_LINK,
            {
                "provider": command.provider.value,
                "price_ref": price_ref,
                "plan_code": command.plan,
                "linked_at": context.at,
            },
        )
    return Outcome(receipt, None, context.at)


def follow_subscription(context: Context, command: FollowSubscription) -> Outcome:
    facts, provider = command.facts, command.provider.value
    # Of each invoice: what is metered, a rollover, an allowance.
    running = load_running(context, command.account, more=3 * len(command.invoices))
    before = Before.of(running.state, context.at)
    links, known = context.work.fetch(
        (_LINKS, {"provider": provider}), (_KNOWN, {"provider": provider, "account": command.account})
    )
    plans = dict(links)
    is_first = running.provider_ref != facts.ref
    if not is_first and running.followed_at is not None and facts.asked_at < running.followed_at:
        return _unchanged(context, command, running, before)
    if is_first:
        _refuse_second(running, command)
    seen = {row[0] for row in known}
    paid = sorted(
        _fresh(command.invoices, seen), key=lambda one: (one.paid_at, one.period_start or one.paid_at, one.ref)
    )
    current = [one for one in paid if not is_first or _ends_after(one, running, running.today(context))]
    if is_first and not current:
        return _unchanged(context, command, running, before)
    was = _said(running)
    if is_first:
        _take_over(context, running, command)
    running.customer_ref, running.followed_at = facts.customer_ref, facts.asked_at
    batches = bill_metered(context, running, command.provider, current)
    running.new_batches += batches.values()
    for one in paid:
        price_ref = one.price_ref or facts.price_ref
        code = plans.get(price_ref, "") if one.period_end else ""
        if one in current and one.period_end:
            code = _plan_of(plans, price_ref, command.provider)
            _give(context, running, _period(one, code))
        made = batches.get(one.ref)
        _note(context, running, command, one, code, batch_id=made.id if made else None)
    _agree(context, running, facts, plans, command.provider)
    running.is_changed = running.is_changed or bool(paid) or _said(running) != was
    return running.outcome(context, command.kind, before, Reason("", ""))


def _fresh(invoices: Iterable[InvoiceFacts], seen: set[str]) -> Iterable[Any]:
    """Paid invoices that were not followed before; the last of a subscription may bill nothing but what was used."""
    for one in invoices:
        if one.is_paid and one.paid_at and one.ref not in seen and (one.period_end or has_metered(one)):
            yield one


def _ends_after(one: InvoiceFacts, running: Running, today: date) -> bool:
    # What was paid for before the subscription came here is not given again.
    return one.period_end is not None and one.period_end.astimezone(running.state.zone).date() >= today


def _period(one: InvoiceFacts, code: str) -> PaidPeriod:
    assert one.period_start is not None and one.period_end is not None and one.paid_at is not None
    return PaidPeriod(one.ref, code, one.period_start, one.period_end, one.paid_at)


def _refuse_second(running: Running, command: FollowSubscription) -> None:
    if running.provider is not None and running.status == "active":
        raise NotAllowedNow(
            f"The plan of {command.account} is billed by {running.provider} as {running.provider_ref}; a customer has "
            f"one subscription at a time, so {command.facts.ref} is followed when that one has ended."
        )


def _take_over(context: Context, running: Running, command: FollowSubscription) -> None:
    """From here on the provider bills the plan, whatever there was before; credits given stay until they expire."""
    running.provider, running.provider_ref = command.provider.value, command.facts.ref
    running.terms, running.period, running.given, running.ahead = None, Period(date.min, date.min), [], []
    running.status, running.started_at, running.ended_at, running.paid_through = "active", context.at, None, None


def _give(context: Context, running: Running, paid: PaidPeriod) -> None:
    """Give what was paid for, in the order of payment: first what had begun by then, then this."""
    at, zone = min(paid.paid_at, context.at), running.state.zone
    running.paid_through = max(running.paid_through or date.min, paid.end(zone))
    if running.terms is None:
        begin_period(context, running, paid)
        return
    catch_up(context, running, at=at)
    if paid.first_day(zone) < running.period.start:
        give_late(context, running, paid)
    elif paid.end(zone) == running.period.end:
        upgrade_period(context, running, paid)
    elif running.is_ahead(paid):
        running.ahead.append(paid)
        catch_up(context, running, at=at)
    else:
        # The provider bills shorter periods from here on.
        begin_period(context, running, paid)


def _agree(
    context: Context, running: Running, facts: SubscriptionFacts, plans: dict[str, str], provider: Provider
) -> None:
    """Make state and coming plan what the subscription says."""
    catch_up(context, running)
    if facts.status in OVER or facts.ended_at is not None or facts.ends_at_period_end:
        if running.status == "active":
            running.status, running.next_code = "cancelled", ""
        catch_up(context, running)
        return
    running.status, running.ended_at = "active", None
    running.next_code = _plan_of(plans, facts.price_ref, provider)
    running.anchor_day = min(31, max(1, facts.period_end.astimezone(running.state.zone).day))


def _plan_of(plans: dict[str, str], price_ref: str, provider: Provider) -> str:
    if price_ref not in plans:
        raise NotAllowedNow(
            f"The price {price_ref} at {provider} stands for no plan here; link it to a plan in the catalogue, and "
            "replay the message."
        )
    return plans[price_ref]


def _said(running: Running) -> tuple[object, ...]:
    return (running.status, running.next_code, running.provider_ref, running.customer_ref, running.paid_through)


def _unchanged(context: Context, command: FollowSubscription, running: Running, before: Before) -> Outcome:
    return running.outcome(context, command.kind, before, Reason("", ""))


def _note(
    context: Context,
    running: Running,
    command: FollowSubscription,
    one: InvoiceFacts,
    code: str,
    *,
    batch_id: int | None,
) -> None:
    context.queue(
        _INSERT_INVOICE,
        {
            "provider": command.provider.value,
            "ref": one.ref,
            "account_id": running.state.id,
            "subscription_ref": command.facts.ref,
            "plan_code": code,
            "period_start": one.period_start,
            "period_end": one.period_end,
            "paid_at": one.paid_at,
            "total_cents": one.total.cents,
            "currency": one.total.currency,
            "payment_ref": one.payment_ref,
            "metered_micro": one.metered_micro,
            "metered_cents": one.metered_cents,
            "batch_id": batch_id,
            "transaction_id": context.transaction_id,
        },
    )

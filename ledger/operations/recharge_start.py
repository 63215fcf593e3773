"""Auto-recharge begins a payment: decided under the lock of the account, so that there is never a second one."""

from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, effect, text_faults
from ledger.context import Context, Rows
from ledger.core.packages import Package, in_force
from ledger.core.payments import IN_FLIGHT, PaymentState, Purpose
from ledger.core.policy import Permission
from ledger.core.recharge import Standing, cap_windows, pace_micro, plan_recharge
from ledger.errors import Fault
from ledger.journal import AccountState
from ledger.models import account, forecast_run, package, payment, recharge_rule, saved_card
from ledger.operations.recharge import RULE_OF, Rule, rule_of, stop, why_not_sellable
from ledger.operations.sales import PACKAGE_COLUMNS, Sale, begin_payment, package_of
from ledger.statements import Prepared

_NAMED = sa.bindparam("account", type_=sa.Text)
_ACCOUNT = sa.select(account.c.id).where(account.c.external_id == _NAMED).scalar_subquery()
_CODE = sa.select(recharge_rule.c.package_code).where(recharge_rule.c.account_id == _ACCOUNT).scalar_subquery()
_VERSIONS = Prepared(sa.select(*PACKAGE_COLUMNS).where(package.c.code == _CODE))
_CARDS = Prepared(sa.select(saved_card.c.provider).where(saved_card.c.account_id == _ACCOUNT))
_FORECAST = Prepared(
    sa.select(forecast_run.c.body)
    .where(forecast_run.c.account_id == _ACCOUNT)
    .order_by(forecast_run.c.as_of.desc())
    .limit(1)
)
_OF_ACCOUNT = sa.and_(
    payment.c.account_id == sa.bindparam("of", type_=sa.BigInteger), payment.c.purpose == Purpose.RECHARGE.value
)
_IN_FLIGHT = Prepared(
    sa.select(payment.c.name).where(_OF_ACCOUNT, sa.or_(*(payment.c.state == s.value for s in IN_FLIGHT)))
)
_REST = Prepared(
    sa.update(recharge_rule)
    .where(recharge_rule.c.account_id == sa.bindparam("of", type_=sa.BigInteger))
    .values(rests_until=sa.bindparam("until", type_=recharge_rule.c.rests_until.type))
)
_SPENT = Prepared(
    sa.select(
        sa.cast(sa.func.coalesce(sa.func.sum(payment.c.price_cents), 0), sa.BigInteger),
    ).where(
        _OF_ACCOUNT,
        payment.c.state != PaymentState.FAILED.value,
        payment.c.state != PaymentState.EXPIRED.value,
        payment.c.currency == sa.bindparam("currency", type_=sa.Text),
        payment.c.created_at >= sa.bindparam("since", type_=payment.c.created_at.type),
    )
)


@dataclass(frozen=True, slots=True)
class StartRecharge(Command):
    """Begin a charge of the saved card if the customer's rule says so now; the payment's id is ``subject_id``.

    Nothing is booked when the rule is not due. A rule that cannot charge any more (no card, package not for sale) is
    stopped instead, with the reason in ``notes`` and no ``subject_id``.
    """

    kind: ClassVar[str] = "start_recharge"
    permission: ClassVar[Permission] = Permission.FOLLOW_PROVIDER

    account: str

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account)


def start_recharge(context: Context, command: StartRecharge) -> Outcome:
    named = {"account": command.account}
    state, (known, versions, cards, forecasts, ids) = context.load(
        command.account,
        (RULE_OF, named),
        (_VERSIONS, named),
        (_CARDS, named),
        (_FORECAST, named),
        context.work.next_ids(payment),
    )
    rule = rule_of(known)
    if rule is None or not rule.is_on or rule.stopped_at is not None:
        return _nothing(context, state, "auto-recharge does not run")
    sold = next(iter(in_force(map(package_of, versions), context.at)), None)
    standing = _standing(context, state, rule, forecasts)
    # Whether it is due at all does not depend on what is sold.
    size = (sold.credits_micro, sold.price.cents) if sold else (1, 1)
    plan = plan_recharge(rule.terms, standing, credits_micro=size[0], price_cents=size[1], at=context.at)
    if not plan.quantity:
        return _nothing(context, state, plan.why)
    broken = _why_broken(rule, sold, cards)
    before = Before.of(state, context.at)
    if broken or sold is None:
        stop(context, account_id=state.id, because=broken)
        receipt = effect(command.kind, state, context.at, before, notes=(f"Auto-recharge stopped: {broken}.",))
        return Outcome(receipt, state.id, context.at)
    payment_id = context.work.ids_of(ids)[0]
    sale = Sale.of(sold, plan.quantity, provider=rule.provider, purpose=Purpose.RECHARGE)
    begin_payment(context, state, sale, payment_id=payment_id)
    # At once and for whatever becomes of it: a rule that is declined, or whose answer is lost, rests as well.
    context.queue(_REST, {"of": state.id, "until": context.at + rule.terms.cool_down})
    notes = (f"{plan.why[:1].upper()}{plan.why[1:]}.",) if plan.why else ()
    receipt = effect(command.kind, state, context.at, before, money=sale.price, subject_id=payment_id, notes=notes)
    return Outcome(receipt, state.id, context.at)


def _standing(context: Context, state: AccountState, rule: Rule, forecasts: Rows) -> Standing:
    day, month = cap_windows(context.at, state.zone)
    of = {"of": state.id, "currency": rule.currency}
    flying, of_day, of_month = context.work.fetch(
        (_IN_FLIGHT, {"of": state.id}), (_SPENT, of | {"since": day}), (_SPENT, of | {"since": month})
    )
    # Forecasts count days of the company, whatever the customer's zone.
    today = context.at.astimezone(context.company_zone).date()
    return Standing(
        state.usable_micro(context.at) - state.owed_micro,
        pace_of(forecasts[0][0], rule.terms.runway_days, today) if forecasts else None,
        of_day[0][0],
        of_month[0][0],
        has_one_in_flight=bool(flying),
        rests_until=rule.rests_until,
    )


def pace_of(body: dict[str, Any], runway_days: int | None, today: date) -> int | None:
    """What the days of a rule's runway will take, by a stored forecast; None without a usable one, or such a rule."""
    if runway_days is None:
        return None
    as_of = date.fromisoformat(body["as_of"])
    return pace_micro(body["mean_daily_credits"], as_of=as_of, today=today, days=runway_days)


def _why_broken(rule: Rule, sold: Package | None, cards: Rows) -> str:
    """Why the rule cannot charge, whatever the balance; or nothing."""
    if why := why_not_sellable(rule.terms.package, sold):
        return why
    if sold is not None and sold.price.currency != rule.currency:
        return f"the package {sold.code} is sold in {sold.price.currency}, and the caps are in {rule.currency}"
    if (rule.provider.value,) not in [tuple(row) for row in cards]:
        return f"no card is saved at {rule.provider.value.capitalize()} any more"
    return ""


def _nothing(context: Context, state: AccountState, why: str) -> Outcome:
    before = Before.of(state, context.at)
    receipt = effect(StartRecharge.kind, state, context.at, before, notes=(f"{why[:1].upper()}{why[1:]}.",))
    return Outcome(receipt, state.id, context.at, nothing_to_do=True)

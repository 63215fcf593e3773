"""Auto-recharge: the rule of a customer, the charges that it begins, and what became of them.

Source: docs/accounting.md, rule 34.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, text_faults
from ledger.context import Context, Rows
from ledger.core.alerts import RUNWAY_DAYS_ALLOWED
from ledger.core.amounts import MAX_MICRO
from ledger.core.packages import Package, in_force
from ledger.core.payments import Provider, RechargeTerms
from ledger.core.policy import Permission
from ledger.core.recharge import COOL_DOWN_MAX, COOL_DOWN_MIN, STOP_AFTER_ALLOWED
from ledger.core.records import AccountKind
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.models import account, alert_look, recharge_rule, saved_card
from ledger.operations.sales import PACKAGE_VERSIONS, package_of
from ledger.statements import Prepared

_NAMED = account.c.external_id == sa.bindparam("account", type_=sa.Text)
_ACCOUNT_ID = sa.bindparam("of", type_=sa.BigInteger)
_AT = sa.bindparam("at", type_=recharge_rule.c.stopped_at.type)
_BECAUSE = sa.bindparam("because", type_=sa.Text)
_ITS_RULE = recharge_rule.c.account_id == _ACCOUNT_ID
RULE_COLUMNS = tuple(column for column in recharge_rule.c if column.name not in ("account_id", "made_by_id"))
RULE_OF = Prepared(sa.select(*RULE_COLUMNS).join(account, account.c.id == recharge_rule.c.account_id).where(_NAMED))
_CARD = Prepared(
    sa.select(saved_card.c.words)
    .join(account, account.c.id == saved_card.c.account_id)
    .where(_NAMED, saved_card.c.provider == sa.bindparam("provider", type_=sa.Text))
)
_NEW = {c.name: sa.bindparam(f"new_{c.name}", type_=c.type) for c in recharge_rule.c if c.name != "account_id"}
_INSERT_RULE = Prepared(sa.insert(recharge_rule).inline().values(_NEW | {"account_id": _ACCOUNT_ID}))
_CHANGE_RULE = Prepared(sa.update(recharge_rule).where(_ITS_RULE).values(_NEW))
_SWITCH_OFF = Prepared(
    sa.update(recharge_rule)
    .where(_ITS_RULE)
    .values(is_on=False, made_by_id=sa.bindparam("made_by", type_=sa.BigInteger))
)
_RESUME = Prepared(sa.update(recharge_rule).where(_ITS_RULE).values(declines=0, stopped_at=None, stopped_because=""))
_STOP = Prepared(sa.update(recharge_rule).where(_ITS_RULE).values(stopped_at=_AT, stopped_because=_BECAUSE))
_WENT_WELL = Prepared(sa.update(recharge_rule).where(_ITS_RULE).values(declines=0))
# Whatever stopped it first is what somebody has to mend.
_IS_LAST = sa.and_(recharge_rule.c.stopped_at.is_(None), recharge_rule.c.declines + 1 >= recharge_rule.c.stop_after)
_WAS_DECLINED = Prepared(
    sa.update(recharge_rule)
    .where(_ITS_RULE)
    .values(
        declines=recharge_rule.c.declines + 1,
        stopped_at=sa.case((_IS_LAST, _AT), else_=recharge_rule.c.stopped_at),
        stopped_because=sa.case((_IS_LAST, _BECAUSE), else_=recharge_rule.c.stopped_because),
    )
)
# A charge that failed moves no credits, so the job of alerts would not look at the account by itself.
_LOOK_ANEW = Prepared(sa.delete(alert_look).where(alert_look.c.account_id == _ACCOUNT_ID))


@dataclass(frozen=True, slots=True)
class SetRechargeRule(Command):
    """Say when a customer's saved card is charged by itself, and how much at most; ``terms`` None switches it off.

    A new rule counts declines from 0 and runs at once, but the rest after the last try stays.
    """

    kind: ClassVar[str] = "set_recharge_rule"
    permission: ClassVar[Permission] = Permission.MANAGE_RECHARGE

    account: str
    terms: RechargeTerms | None
    provider: Provider
    reason: Reason

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + self.reason.faults()
        return found if self.terms is None else found + _terms_faults(self.terms)


@dataclass(frozen=True, slots=True)
class ResumeRecharge(Command):
    """Let a stopped rule charge again: whatever stopped it was mended. Declines are counted from 0."""

    kind: ClassVar[str] = "resume_recharge"
    permission: ClassVar[Permission] = Permission.MANAGE_RECHARGE

    account: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account) + self.reason.faults()


@dataclass(frozen=True, slots=True)
class Rule:
    """A customer's rule as its row says; see the table's comments."""

    terms: RechargeTerms
    provider: Provider
    currency: str
    is_on: bool
    declines: int
    stopped_at: datetime | None
    stopped_because: str
    rests_until: datetime | None


def set_recharge_rule(context: Context, command: SetRechargeRule) -> Outcome:
    named = {"account": command.account, "provider": command.provider.value}
    terms = command.terms
    wanted = {"package": "" if terms is None else terms.package}
    state, (known, versions, cards) = context.load(
        command.account, (RULE_OF, named), (PACKAGE_VERSIONS, wanted), (_CARD, named)
    )
    before = Before.of(state, context.at)
    old = rule_of(known)
    if terms is None:
        if old is None:
            raise NotFound(what="rule of auto-recharge of", id=command.account)
        context.queue(_SWITCH_OFF, {"of": state.id, "made_by": context.transaction_id})
        notes, is_same = ("Auto-recharge is off.",), not old.is_on
    else:
        if state.kind is not AccountKind.CUSTOMER:
            raise NotAllowedNow(f"{command.account} is a pool and has no card; recharge one of its members.")
        sold = _sellable(command.account, terms, versions, context.at)
        if not cards:
            raise NotAllowedNow(
                f"{command.account} has no saved card at {command.provider.value.capitalize()}; sell it something "
                "first and let the card be saved at the checkout."
            )
        values = _values(terms, command.provider, sold.price.currency)
        rests = None if old is None else old.rests_until
        values |= {"rests_until": rests, "made_by_id": context.transaction_id}
        statement = _INSERT_RULE if old is None else _CHANGE_RULE
        context.queue(statement, {"of": state.id} | {f"new_{name}": value for name, value in values.items()})
        notes, is_same = (f"Auto-recharge charges {cards[0][0]}.",), False
    context.queue(_LOOK_ANEW, {"of": state.id})
    receipt = effect(command.kind, state, context.at, before, notes=notes)
    return Outcome(receipt, state.id, context.at, command.reason, nothing_to_do=is_same)


def resume_recharge(context: Context, command: ResumeRecharge) -> Outcome:
    state, (known,) = context.load(command.account, (RULE_OF, {"account": command.account}))
    found = rule_of(known)
    if found is None:
        raise NotFound(what="rule of auto-recharge of", id=command.account)
    if not found.is_on:
        raise NotAllowedNow(f"Auto-recharge of {command.account} is off; set a rule to switch it on.")
    before = Before.of(state, context.at)
    context.queue(_RESUME, {"of": state.id})
    context.queue(_LOOK_ANEW, {"of": state.id})
    receipt = effect(command.kind, state, context.at, before, notes=("Auto-recharge runs again.",))
    return Outcome(
        receipt, state.id, context.at, command.reason, nothing_to_do=found.stopped_at is None and not found.declines
    )


def note_outcome(context: Context, *, account_id: int, is_good: bool, failure: str, at: datetime) -> None:
    """Count how a recharge ended: one that went well forgives earlier declines, the last one allowed stops the rule.

    For the handler that follows the payment, which has the account locked; ``failure`` is why the card was declined.
    Does nothing when the customer has no rule any more.
    """
    if is_good:
        context.queue(_WENT_WELL, {"of": account_id})
        return
    because = f"the card was declined ({failure or 'the provider does not say why'})"
    context.queue(_WAS_DECLINED, {"of": account_id, "at": at, "because": because})
    context.queue(_LOOK_ANEW, {"of": account_id})


def stop(context: Context, *, account_id: int, because: str) -> None:
    """Stop a rule that cannot charge any more, until somebody has mended what is wrong and resumes it."""
    context.queue(_STOP, {"of": account_id, "at": context.at, "because": because})
    context.queue(_LOOK_ANEW, {"of": account_id})


def rule_of(rows: Rows) -> Rule | None:
    """The rule that `RULE_OF` found."""
    if not rows:
        return None
    row: dict[str, Any] = {column.name: value for column, value in zip(RULE_COLUMNS, rows[0], strict=True)}
    terms = RechargeTerms(
        row["package_code"],
        row["threshold_micro"],
        row["runway_days"],
        row["day_cap_cents"],
        row["month_cap_cents"],
        timedelta(minutes=row["cool_down_minutes"]),
        row["stop_after"],
    )
    return Rule(
        terms,
        Provider(row["provider"]),
        row["currency"],
        row["is_on"],
        row["declines"],
        row["stopped_at"],
        row["stopped_because"],
        row["rests_until"],
    )


def why_not_sellable(code: str, sold: Package | None) -> str:
    """Why a package cannot be bought by a rule, or nothing: it is not for sale, or not as often as one likes."""
    if sold is None:
        return f"the package {code} is not for sale"
    if sold.per_customer_limit is not None:
        return f"the package {sold.code} can be bought a limited number of times only"
    return ""


def _sellable(name: str, terms: RechargeTerms, versions: Rows, at: datetime) -> Package:
    """The package in force. Raises why a rule cannot buy it."""
    if not versions:
        raise NotFound(what="package", id=terms.package)
    sold = next(iter(in_force(map(package_of, versions), at)), None)
    why = why_not_sellable(terms.package, sold)
    if sold is None or why:
        raise NotAllowedNow(f"{why[:1].upper()}{why[1:]}; choose another package for the auto-recharge of {name}.")
    if sold.price.cents > terms.day_cap_cents:
        raise InvalidCommand([Fault("day_cap", "is less than one package costs, so nothing could ever be charged")])
    return sold


def _values(terms: RechargeTerms, provider: Provider, currency: str) -> dict[str, Any]:
    return {
        "is_on": True,
        "provider": provider.value,
        "package_code": terms.package,
        "threshold_micro": terms.threshold_micro,
        "runway_days": terms.runway_days,
        "day_cap_cents": terms.day_cap_cents,
        "month_cap_cents": terms.month_cap_cents,
        "currency": currency,
        "cool_down_minutes": terms.cool_down // timedelta(minutes=1),
        "stop_after": terms.stop_after,
        "declines": 0,
        "stopped_at": None,
        "stopped_because": "",
    }


def _terms_faults(terms: RechargeTerms) -> list[Fault]:
    found = text_faults("package", terms.package, longest=120)
    if terms.threshold_micro is None and terms.runway_days is None:
        found.append(Fault("threshold", "give credits, or days of runway, or both"))
    if terms.threshold_micro is not None:
        found += amount_faults("threshold", terms.threshold_micro)
    if terms.runway_days is not None and terms.runway_days not in RUNWAY_DAYS_ALLOWED:
        least, most = RUNWAY_DAYS_ALLOWED[0], RUNWAY_DAYS_ALLOWED[-1]
        found.append(Fault("runway_days", f"must be {least} to {most}, as far as forecasts reach"))
    if not 0 < terms.day_cap_cents <= MAX_MICRO:
        found.append(Fault("day_cap", "must be more than 0"))
    if not terms.day_cap_cents <= terms.month_cap_cents <= MAX_MICRO:
        found.append(Fault("month_cap", "must be at least the cap of a day"))
    if terms.cool_down % timedelta(minutes=1) or not COOL_DOWN_MIN <= terms.cool_down <= COOL_DOWN_MAX:
        found.append(Fault("cool_down", "must be whole minutes, from 1 minute to 30 days"))
    if terms.stop_after not in STOP_AFTER_ALLOWED:
        least, most = STOP_AFTER_ALLOWED[0], STOP_AFTER_ALLOWED[-1]
        found.append(Fault("stop_after", f"must be {least} to {most} declines in a row"))
    return found

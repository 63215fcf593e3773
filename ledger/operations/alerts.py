"""What people decide about alerts: which lines are watched and who is told; that one was seen, snoozed, done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, amount_faults, instant_faults, text_faults
from ledger.context import Context
from ledger.core.alerts import LEVELS_ALLOWED, RUNWAY_DAYS_ALLOWED, Addressee, AlertKind
from ledger.core.policy import Permission
from ledger.errors import Fault, InvalidCommand, NotFound
from ledger.models import account, alert, alert_look, alert_rule
from ledger.receipt import Receipt
from ledger.statements import Prepared

# As many as a page of the inbox shows, and more than anybody reads.
ALERTS_MAX = 200
_ID = sa.bindparam("id", type_=sa.BigInteger)


@dataclass(frozen=True, slots=True)
class SetAlertRule(Command):
    """Say which lines of a kind are watched and who is told: for everybody (``account`` None), or for one customer.

    ``levels`` are days or per cent, by kind; kinds without levels have none. ``threshold_micro`` and ``runway_days``
    are the customer's own lines and belong to the kind own_line.
    """

    kind: ClassVar[str] = "set_alert_rule"
    permission: ClassVar[Permission] = Permission.MANAGE_ALERTS

    alert: AlertKind
    is_on: bool = True
    levels: tuple[int, ...] = ()
    tells: tuple[Addressee, ...] = (Addressee.OWNER,)
    threshold_micro: int | None = None
    runway_days: int | None = None
    account: str | None = None

    def faults(self) -> list[Fault]:
        found = [] if self.account is None else text_faults("account", self.account)
        if len(set(self.tells)) != len(self.tells):
            found.append(Fault("tells", "names somebody twice"))
        return found + self._level_faults() + self._own_line_faults()

    def _level_faults(self) -> list[Fault]:
        allowed = LEVELS_ALLOWED.get(self.alert, ())
        if not allowed:
            return [Fault("levels", f"alerts of the kind {self.alert.value} have no levels")] if self.levels else []
        if not 1 <= len(self.levels) <= 5 or len(set(self.levels)) != len(self.levels):
            return [Fault("levels", f"give 1 to 5 levels, all different, not {len(self.levels)}")]
        if not set(self.levels) <= set(allowed):
            words = ", ".join(map(str, allowed)) if len(allowed) < 10 else f"{allowed[0]} to {allowed[-1]}"
            return [Fault("levels", f"must be out of {words}")]
        return []

    def _own_line_faults(self) -> list[Fault]:
        found = []
        if self.alert is not AlertKind.OWN_LINE:
            if self.threshold_micro is not None or self.runway_days is not None:
                found.append(Fault("threshold", "credits and days of runway belong to the kind own_line"))
            return found
        if self.threshold_micro is not None:
            found += amount_faults("threshold", self.threshold_micro)
        if self.runway_days is not None and self.runway_days not in RUNWAY_DAYS_ALLOWED:
            least, most = RUNWAY_DAYS_ALLOWED[0], RUNWAY_DAYS_ALLOWED[-1]
            found.append(Fault("runway_days", f"must be {least} to {most}, as far as forecasts reach"))
        return found


@dataclass(frozen=True, slots=True)
class DropAlertRule(Command):
    """Take back a rule of one customer: the rule of everybody is in force for it again."""

    kind: ClassVar[str] = "drop_alert_rule"
    permission: ClassVar[Permission] = Permission.MANAGE_ALERTS

    alert: AlertKind
    account: str

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account)


@dataclass(frozen=True, slots=True)
class MarkAlerts(Command):
    """Say that alerts were seen, or are done. What is done is not mailed any more to who was not told yet."""

    kind: ClassVar[str] = "mark_alerts"
    permission: ClassVar[Permission] = Permission.HANDLE_ALERTS

    alerts: tuple[int, ...]
    is_done: bool

    def faults(self) -> list[Fault]:
        return _faults_of(self.alerts)


@dataclass(frozen=True, slots=True)
class SnoozeAlerts(Command):
    """Put alerts out of sight until an instant; then they are new again. Nothing of them is mailed meanwhile."""

    kind: ClassVar[str] = "snooze_alerts"
    permission: ClassVar[Permission] = Permission.HANDLE_ALERTS

    alerts: tuple[int, ...]
    until: datetime

    def faults(self) -> list[Fault]:
        return _faults_of(self.alerts) + instant_faults("until", self.until)


def _faults_of(alerts: tuple[int, ...]) -> list[Fault]:
    if not 1 <= len(alerts) <= ALERTS_MAX or len(set(alerts)) != len(alerts):
        return [Fault("alerts", f"name 1 to {ALERTS_MAX} alerts, all different, not {len(alerts)}")]
    return []


_ACCOUNT = Prepared(sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account", type_=sa.Text)))
_COLUMNS = ("account_id", "kind", "is_on", "levels", "threshold_micro", "runway_days", "tells", "changed_at")
_RULE = {name: sa.bindparam(f"new_{name}", type_=alert_rule.c[name].type) for name in (*_COLUMNS, "made_by_id")}
_SAME_RULE = sa.and_(
    # No row of a null is found by "=", and an account has no number 0.
    sa.func.coalesce(alert_rule.c.account_id, 0) == sa.bindparam("of", type_=sa.BigInteger),
    alert_rule.c.kind == sa.bindparam("of_kind", type_=sa.Text),
)
_KNOWN_RULE = Prepared(
    sa.select(alert_rule.c.id)
    .outerjoin(account, account.c.id == alert_rule.c.account_id)
    .where(
        sa.func.coalesce(account.c.external_id, "") == sa.bindparam("account", type_=sa.Text),
        alert_rule.c.kind == sa.bindparam("of_kind", type_=sa.Text),
    )
)
_DROP_RULE = Prepared(sa.delete(alert_rule).where(_SAME_RULE))
_INSERT_RULE = Prepared(sa.insert(alert_rule).inline().values(_RULE))
# Whoever is under a changed rule is looked at anew.
_LOOK_ANEW = Prepared(
    sa.delete(alert_look).where(
        sa.or_(
            sa.bindparam("of", type_=sa.BigInteger) == 0,
            alert_look.c.account_id == sa.bindparam("of", type_=sa.BigInteger),
        )
    )
)
_ALERT = Prepared(
    sa.select(alert.c.id, alert.c.state, alert.c.snoozed_until).where(alert.c.id == _ID).with_for_update()
)
_MARK = Prepared(
    sa.update(alert)
    .where(alert.c.id == _ID)
    .values(
        state=sa.bindparam("new_state", type_=sa.Text),
        snoozed_until=sa.bindparam("until", type_=alert.c.snoozed_until.type),
        handled_by=sa.bindparam("by", type_=sa.Text),
        handled_at=sa.bindparam("at", type_=alert.c.handled_at.type),
        untold=sa.case((sa.bindparam("new_state", type_=sa.Text) == "done", sa.null()), else_=alert.c.untold),
    )
)


def set_alert_rule(context: Context, command: SetAlertRule) -> Outcome:
    account_id = _account_id(context, command.account)
    of = {"of": account_id or 0, "of_kind": command.alert.value}
    context.queue(_DROP_RULE, of)
    values = {
        "account_id": account_id,
        "kind": command.alert.value,
        "is_on": command.is_on,
        "levels": list(command.levels),
        "threshold_micro": command.threshold_micro,
        "runway_days": command.runway_days,
        "tells": [one.value for one in command.tells],
        "changed_at": context.at,
        "made_by_id": context.transaction_id,
    }
    context.queue(_INSERT_RULE, {f"new_{name}": value for name, value in values.items()})
    context.queue(_LOOK_ANEW, of)
    return Outcome(Receipt(command.kind, command.account, context.at), None, context.at)


def drop_alert_rule(context: Context, command: DropAlertRule) -> Outcome:
    named = {"account": command.account, "of_kind": command.alert.value}
    accounts, known = context.begin((_ACCOUNT, named), (_KNOWN_RULE, named))
    if not accounts:
        raise NotFound(what="account", id=command.account)
    of = {"of": accounts[0][0], "of_kind": command.alert.value}
    context.queue(_DROP_RULE, of)
    context.queue(_LOOK_ANEW, of)
    receipt = Receipt(command.kind, command.account, context.at)
    return Outcome(receipt, None, context.at, nothing_to_do=not known)


def mark_alerts(context: Context, command: MarkAlerts) -> Outcome:
    state = "done" if command.is_done else "seen"
    return _handle(context, command.kind, command.alerts, state, None)


def snooze_alerts(context: Context, command: SnoozeAlerts) -> Outcome:
    if command.until <= context.at:
        raise InvalidCommand([Fault("until", "has passed; snooze until a later time")])
    return _handle(context, command.kind, command.alerts, "snoozed", command.until)


def _handle(context: Context, kind: str, ids: Sequence[int], state: str, until: datetime | None) -> Outcome:
    """Move alerts to a state. One that is done stays done: its line may have been crossed again since."""
    found = context.begin(*((_ALERT, {"id": id_}) for id_ in sorted(ids)))
    for id_, rows in zip(sorted(ids), found, strict=True):
        if not rows:
            raise NotFound(what="alert", id=str(id_))
    moving = [rows[0] for rows in found if rows[0][1] != "done" and rows[0][1:] != (state, until)]
    for id_, _, _ in moving:
        values: dict[str, Any] = {"id": id_, "new_state": state, "until": until}
        context.queue(_MARK, values | {"by": context.actor.id, "at": context.at})
    moved = len(moving)
    word = {"seen": "marked as seen", "done": "marked as done", "snoozed": "snoozed"}[state]
    notes = (f"{moved} alert{'s' * (moved != 1)} {word}.",)
    return Outcome(Receipt(kind, None, context.at, notes=notes), None, context.at, nothing_to_do=not moving)


def _account_id(context: Context, name: str | None) -> int | None:
    if name is None:
        context.begin()
        return None
    (rows,) = context.begin((_ACCOUNT, {"account": name}))
    if not rows:
        raise NotFound(what="account", id=name)
    found: int = rows[0][0]
    return found

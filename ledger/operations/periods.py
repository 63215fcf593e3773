"""Closing the books through a day: from then on nothing becomes effective on or before it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason
from ledger.context import Context
from ledger.core.lifecycle import end_of_day
from ledger.core.policy import Permission
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, PeriodClosed
from ledger.models import account, batch, hold, period_close, subscription
from ledger.receipt import Receipt
from ledger.statements import Prepared

_CLOSED_THROUGH = Prepared(sa.select(period_close.c.closed_through).order_by(period_close.c.id.desc()).limit(1))
_INSERT_CLOSE = Prepared(sa.insert(period_close).inline())
_AT = sa.bindparam("at", type_=batch.c.expires_at.type)
_UNSWEPT = Prepared(
    sa.select(batch.c.id)
    .where(~batch.c.is_spent, batch.c.remaining_micro > batch.c.held_micro, batch.c.expires_at <= _AT)
    .limit(1)
)
_LAPSED = Prepared(sa.select(hold.c.id).where(sa.text("state = 'open'"), hold.c.expires_at <= _AT).limit(1))
# Plans whose next billing period began by then where the customer is; a day early, because SQL knows no zones. A plan
# that a provider bills begins no period that is not paid for.
_UNRENEWED = Prepared(
    sa.select(subscription.c.period_end, account.c.zone)
    .join(account, account.c.id == subscription.c.account_id)
    .where(
        subscription.c.state != "ended",
        subscription.c.period_end <= sa.bindparam("day", type_=subscription.c.period_end.type),
        sa.or_(subscription.c.provider.is_(None), subscription.c.paid_through > subscription.c.period_end),
    )
)


@dataclass(frozen=True, slots=True)
class ClosePeriod(Command):
    """Close the books through a company day, usually the last of a month. Everything that fell due must be booked."""

    kind: ClassVar[str] = "close_period"
    permission: ClassVar[Permission] = Permission.CLOSE_PERIOD

    through: date
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


@dataclass(frozen=True, slots=True)
class ReopenPeriod(Command):
    """Open closed days again: the books stay closed through ``through`` only, None opens all. Needs two people."""

    kind: ClassVar[str] = "reopen_period"
    permission: ClassVar[Permission] = Permission.REOPEN_PERIOD
    needs_two: ClassVar[bool] = True

    through: date | None
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


def close_period(context: Context, command: ClosePeriod) -> Outcome:
    ends_at = end_of_day(command.through, context.company_zone)
    closed, next_id, unswept, lapsed, unrenewed = context.begin(
        (_CLOSED_THROUGH, {}),
        context.work.next_ids(period_close),
        (_UNSWEPT, {"at": ends_at}),
        (_LAPSED, {"at": ends_at}),
        (_UNRENEWED, {"day": command.through + timedelta(days=1)}),
    )
    if ends_at > context.at:
        raise InvalidCommand([Fault("through", f"{command.through} is not over yet; only past days can be closed")])
    before = closed[0][0] if closed else None
    if before is not None and command.through <= before:
        raise InvalidCommand([Fault("through", f"the books are closed through {before} already")])
    if unswept or lapsed:
        what = "expiries" if unswept else "holds that timed out"
        raise NotAllowedNow(f"There are {what} in that period that are not booked yet; run the sweep first.")
    if any(end_of_day(day - timedelta(days=1), ZoneInfo(zone)) < ends_at for day, zone in unrenewed):
        raise NotAllowedNow("There are plans in that period that are not renewed yet; run the renewals first.")
    return _book(context, command.kind, command.through, context.work.ids_of(next_id)[0], command.reason)


def reopen_period(context: Context, command: ReopenPeriod) -> Outcome:
    closed, next_id = context.begin((_CLOSED_THROUGH, {}), context.work.next_ids(period_close))
    before = closed[0][0] if closed else None
    if before is None or (command.through is not None and command.through >= before):
        said = f"closed through {before}" if before else "not closed"
        raise InvalidCommand([Fault("through", f"the books are {said}; name an earlier day, or none")])
    return _book(context, command.kind, command.through, context.work.ids_of(next_id)[0], command.reason)


def require_open_period(context: Context, effective_at: datetime) -> None:
    """Refuse an instant in a closed period. Raises PeriodClosed. Source: docs/accounting.md, rule 29."""
    ((*found,),) = context.work.fetch((_CLOSED_THROUGH, {}))
    closed_through: date | None = found[0][0] if found else None
    day = effective_at.astimezone(context.company_zone).date()
    if closed_through is not None and day <= closed_through:
        raise PeriodClosed(day=day, closed_through=closed_through)


def closed_until(context: Context) -> datetime | None:
    """The first instant after the closed days; None when no day is closed."""
    ((*found,),) = context.work.fetch((_CLOSED_THROUGH, {}))
    closed_through: date | None = found[0][0] if found else None
    return None if closed_through is None else end_of_day(closed_through, context.company_zone)


def _book(context: Context, kind: str, through: date | None, id_: int, reason: Reason) -> Outcome:
    values: dict[str, Any] = {"id": id_, "closed_through": through, "transaction_id": context.transaction_id}
    context.queue(_INSERT_CLOSE, values)
    said = f"closed through {through}" if through else "nothing is closed"
    return Outcome(Receipt(kind, None, context.at, subject_id=id_, notes=(said,)), None, context.at, reason)

"""Giving back the credits of a failed or poor operation to the batches that paid for it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, text_faults
from ledger.context import Context
from ledger.core.amounts import micro_to_text
from ledger.core.give_back import GiveBackPlan, plan_give_back
from ledger.core.policy import Permission
from ledger.core.records import Bucket, CreditType, Take
from ledger.errors import Fault, InvalidCommand, LedgerCorrupt, NotAllowedNow, NotFound
from ledger.journal import AccountState, Line, post, repay_debt
from ledger.models import OWED, account, batch, entry, transaction, usage_daily, usage_event
from ledger.operations import pools
from ledger.operations.charging import EVENT_ID_MAX_CHARS
from ledger.statements import Prepared


@dataclass(frozen=True, slots=True)
class GiveBack(Command):
    """Return the credits of a usage event, all that is left of it or a part, to the batches that paid.

    Last taken goes back first. Batches past their date expire again at once; a compensation grant is the kinder way
    then. What went on debt makes the account owe less, as far as that debt was not repaid since.
    """

    kind: ClassVar[str] = "give_back"
    permission: ClassVar[Permission] = Permission.ADJUST_BALANCE

    account: str
    event_id: str
    reason: Reason
    amount_micro: int | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account)
        found += text_faults("event_id", self.event_id, longest=EVENT_ID_MAX_CHARS)
        if self.amount_micro is not None:
            found += amount_faults("amount", self.amount_micro)
        return found + self.reason.faults()


_EVENT = Prepared(
    sa.select(
        usage_event.c.id,
        usage_event.c.feature,
        usage_event.c.occurred_at,
        usage_event.c.transaction_id,
        usage_event.c.member,
        transaction.c.recorded_at,
    )
    .join(transaction, transaction.c.id == usage_event.c.transaction_id)
    .where(
        usage_event.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        usage_event.c.event_id == sa.bindparam("event_id"),
    )
)
_EVENT_ROW_ID = sa.bindparam("event_row_id", type_=sa.BigInteger)
_PARTS = (entry.c.id.label("entry_id"), entry.c.batch_id, batch.c.credit_type, entry.c.to_bucket, entry.c.amount_micro)
_WITH_BATCH = entry.outerjoin(batch, batch.c.id == entry.c.batch_id)
# Taken in the transaction of the event, given back in any later one: each half has an index of its own.
_MOVES = Prepared(
    sa.union_all(
        sa.select(*_PARTS)
        .select_from(_WITH_BATCH)
        .where(
            entry.c.transaction_id == sa.bindparam("transaction_id", type_=sa.BigInteger),
            entry.c.usage_event_id == _EVENT_ROW_ID,
            entry.c.to_bucket == Bucket.CONSUMED.value,
        ),
        sa.select(*_PARTS)
        .select_from(_WITH_BATCH)
        # Written out, because SQLite takes a partial index only for the very words it was made with.
        .where(entry.c.usage_event_id == _EVENT_ROW_ID, sa.text("from_bucket = 'consumed'")),
    ).order_by("entry_id")
)
# No upsert: PostgreSQL checks the row that would be inserted, and a negative one can never be.
LOWER_DAY = Prepared(
    sa.update(usage_daily)
    .where(
        usage_daily.c.account_id == sa.bindparam("of_account", type_=sa.BigInteger),
        usage_daily.c.day == sa.bindparam("on_day", type_=sa.Date()),
        usage_daily.c.feature == sa.bindparam("of_feature"),
        usage_daily.c.credit_type == sa.bindparam("of_type"),
    )
    .values(used_micro=usage_daily.c.used_micro - sa.bindparam("less", type_=sa.BigInteger))
)


@dataclass(frozen=True, slots=True)
class _Event:
    """A usage event as booked."""

    id: int
    feature: str
    occurred_at: datetime
    transaction_id: int
    member: str
    booked_at: datetime


def give_back(context: Context, command: GiveBack) -> Outcome:
    named = {"account": command.account, "event_id": command.event_id}
    state, (rows,) = context.load(command.account, (_EVENT, named))
    if not rows:
        raise NotFound(what=f"usage event of {command.account},", id=command.event_id)
    event = _Event(*rows[0])
    before = Before.of(state, context.at)
    paid, on_debt = _paid_for(context, event)
    plan = plan_give_back(paid, command.amount_micro, on_debt_micro=on_debt, owed_micro=state.owed_micro)
    _refuse_too_much(command, plan)
    lines, expired = _lines(context, state, event, plan)
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    repay_debt(context.posting, state, transaction_id=context.transaction_id, at=context.at)
    lower_days(context, state, event.occurred_at, event.feature, plan.returned, plan.forgiven_micro)
    more = {"returned": plan.returned, "expired": expired, "subject_id": event.id}
    receipt = effect(command.kind, state, context.at, before, **more)
    weight = plan.forgiven_micro + sum(take.amount_micro for take in plan.returned)
    pools.return_usage(context, state, event.member, weight, booked_at=event.booked_at)
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=weight)


def lower_days(
    context: Context,
    state: AccountState,
    occurred_at: datetime,
    feature: str,
    returned: tuple[Take, ...],
    forgiven_micro: int = 0,
) -> None:
    """Take what is no longer used off the daily rollup; the number of events stays."""
    less: dict[str, int] = defaultdict(int)
    for take in returned:
        less[take.credit_type.value] += take.amount_micro
    if forgiven_micro:
        less[OWED] = forgiven_micro
    day = occurred_at.astimezone(context.company_zone).date()
    for credit_type, amount in less.items():
        key = {"of_account": state.id, "on_day": day, "of_feature": feature, "of_type": credit_type}
        context.queue(LOWER_DAY, key | {"less": amount})


def _paid_for(context: Context, event: _Event) -> tuple[list[Take], int]:
    """What each batch paid for an event and did not get back, in the order of taking; and what went on debt."""
    asked = {"transaction_id": event.transaction_id, "event_row_id": event.id}
    (rows,) = context.work.fetch((_MOVES, asked))
    left: dict[int | None, int] = defaultdict(int)
    types: dict[int | None, str] = {}
    for _, batch_id, credit_type, to_bucket, amount in rows:
        left[batch_id] += amount if to_bucket == Bucket.CONSUMED.value else -amount
        types[batch_id] = credit_type
    on_debt = left.pop(None, 0)
    return [Take(id_, CreditType(types[id_]), amount) for id_, amount in left.items() if id_ is not None], on_debt


def _refuse_too_much(command: GiveBack, plan: GiveBackPlan) -> None:
    name = f"event {command.event_id!r}"
    if not plan.left_micro:
        raise InvalidCommand([Fault("event_id", f"the credits of {name} were given back before; nothing is left")])
    if command.amount_micro is not None and command.amount_micro > plan.left_micro:
        left = micro_to_text(plan.left_micro)
        raise InvalidCommand([Fault("amount", f"is more than is left of {name}; at most {left} credits can go back")])
    if plan.shortfall_micro:
        possible = plan.possible_micro
        instead = f"give back at most {micro_to_text(possible)} credits and issue" if possible else "issue"
        rest = "for the rest" if possible else "instead"
        raise NotAllowedNow(
            f"{micro_to_text(plan.repaid_micro)} credits of {name} went on debt that has been repaid since, and cannot "
            f"be given back: {instead} a compensation grant {rest}."
        )


def _lines(
    context: Context, state: AccountState, event: _Event, plan: GiveBackPlan
) -> tuple[list[Line], tuple[Take, ...]]:
    """The entries of a give-back, and what of it expires again at once."""
    at, feature = context.at, event.feature
    lines = []
    if plan.forgiven_micro:
        lines.append(Line(None, Bucket.CONSUMED, Bucket.OWED, plan.forgiven_micro, at, feature, event.id))
    expired = []
    for take in plan.returned:
        batch_id, amount = take.batch_id, take.amount_micro
        found = context.load_batch(state, batch_id)
        if found is None:
            raise LedgerCorrupt(place=f"event {event.id}", detail=f"batch {batch_id} that paid is of another account")
        lines.append(Line(batch_id, Bucket.CONSUMED, Bucket.AVAILABLE, amount, at, feature, event.id))
        if found.expires_at is not None and found.expires_at <= at:
            expired.append(take)
    lines += [Line(take.batch_id, Bucket.AVAILABLE, Bucket.EXPIRED, take.amount_micro, at) for take in expired]
    return lines, tuple(expired)

"""Reversals: a transaction that mirrors another one, entry by entry, and names it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect
from ledger.context import Context
from ledger.core.amounts import micro_to_text
from ledger.core.policy import Permission
from ledger.core.records import Batch, Bucket, CreditType, Take
from ledger.core.reversals import Booked, moved_micro, net_available, net_owed, plan_mirror, why_final
from ledger.errors import AlreadyReversed, Fault, LedgerCorrupt, NotAllowedNow, NotFound
from ledger.journal import AccountState, Line, post, repay_debt
from ledger.models import OWED, account, batch, entry, transaction, usage_event
from ledger.operations import pools
from ledger.operations.give_back import LOWER_DAY
from ledger.statements import Prepared

_MAX_ID = 2**63 - 1
_ID = sa.bindparam("transaction_id", type_=sa.BigInteger)
_ORIGINAL = Prepared(
    sa.select(transaction.c.kind, account.c.external_id, transaction.c.recorded_at)
    .select_from(transaction.outerjoin(account, account.c.id == transaction.c.account_id))
    .where(transaction.c.id == _ID)
)
_ENTRIES = Prepared(
    sa.select(
        account.c.external_id,
        batch.c.credit_type,
        usage_event.c.occurred_at,
        usage_event.c.member,
        entry.c.effective_at,
        entry.c.account_id,
        entry.c.batch_id,
        entry.c.from_bucket,
        entry.c.to_bucket,
        entry.c.amount_micro,
        entry.c.feature,
        entry.c.usage_event_id,
    )
    .select_from(
        entry.join(account, account.c.id == entry.c.account_id)
        .outerjoin(batch, batch.c.id == entry.c.batch_id)
        .outerjoin(usage_event, usage_event.c.id == entry.c.usage_event_id)
    )
    .where(entry.c.transaction_id == _ID)
    .order_by(entry.c.id)
)
_REVERSED_BY = Prepared(sa.select(transaction.c.id).where(transaction.c.reverses_id == _ID))
_given_back = entry.alias("given_back")
_GIVEN_BACK = Prepared(
    sa.select(usage_event.c.event_id)
    .select_from(
        entry.join(_given_back, _given_back.c.usage_event_id == entry.c.usage_event_id).join(
            usage_event, usage_event.c.id == entry.c.usage_event_id
        )
    )
    # Written out, because SQLite takes a partial index only for the very words it was made with.
    .where(entry.c.transaction_id == _ID, sa.text("given_back.from_bucket = 'consumed'"))
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class ReverseTransaction(Command):
    """Take back everything that a transaction did, by entries that mirror its own; at most once.

    Refused when credits that it brought were used, held or moved since, and for acts that have another way back; the
    refusal says which. Usage that is reversed returns to the batches that paid, and what is past its date expires again
    at once. The usage event stays known, so that its id charges nothing a second time.
    """

    kind: ClassVar[str] = "reverse"
    permission: ClassVar[Permission] = Permission.ADJUST_BALANCE

    transaction_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        found = self.reason.faults()
        if not 0 < self.transaction_id <= _MAX_ID:
            found.append(Fault("transaction_id", "must be the number of a transaction"))
        return found


@dataclass(frozen=True, slots=True)
class _Original:
    """The transaction to be reversed. ``days`` are the days of its usage, by the event's row."""

    id: int
    account: str | None
    entries: tuple[Booked, ...]
    names: dict[int, str]
    types: dict[int, CreditType]
    occurred: dict[int, datetime]
    # Who of a pool it was, by the event's row, and when it was booked.
    members: dict[int, str]
    booked_at: datetime
    # When the mirror is true: now, but not before the original is, or the balance in between would be below zero.
    effective_at: datetime


def reverse_transaction(context: Context, command: ReverseTransaction) -> Outcome:
    original = _read(context, command.transaction_id)
    wanted = {"transaction_id": original.id}
    states, (reversed_by, given_back) = context.load_all(
        original.names.values(), (_REVERSED_BY, wanted), (_GIVEN_BACK, wanted)
    )
    if reversed_by:
        raise AlreadyReversed(transaction_id=original.id, by_id=reversed_by[0][0])
    if given_back:
        raise NotAllowedNow(
            f"Credits of event {given_back[0][0]!r} were given back before, so the whole cannot be reversed; give back "
            "what is left of it instead."
        )
    mirror = plan_mirror(original.entries)
    before = {name: Before.of(state, context.at) for name, state in states.items()}
    net = net_available(mirror)
    expired: list[Take] = []
    for id_, name in original.names.items():
        own = [one for one in mirror if one.account_id == id_]
        _check(context, states[name], own)
        expired += _post(context, states[name], original, own)
    _lower_days(context, original, mirror)
    _return_usage(context, states, original, mirror)
    state, others = _sides(original, states)
    more: dict[str, Any] = {
        "takes": tuple(Take(id_, original.types[id_], -amount) for id_, amount in net.items() if amount < 0),
        "returned": tuple(Take(id_, original.types[id_], amount) for id_, amount in net.items() if amount > 0),
        "expired": tuple(expired),
        "subject_id": original.id,
    }
    for other in others:
        more["counterpart"] = other.external_id
        more["counterpart_before_micro"] = before[other.external_id].available_micro
        more["counterpart_available_micro"] = other.usable_micro(context.at)
        more["counterpart_balance_micro"] = other.balance_micro(context.at)
    receipt = effect(command.kind, state, context.at, before[state.external_id], **more)
    return Outcome(
        receipt,
        state.id,
        original.effective_at,
        command.reason,
        weight_micro=moved_micro(original.entries),
        reverses_id=original.id,
    )


def _read(context: Context, transaction_id: int) -> _Original:
    """The transaction with its entries, which never change: no lock is needed. Raises when it can never be reversed."""
    wanted = {"transaction_id": transaction_id}
    heads, rows = context.work.fetch((_ORIGINAL, wanted), (_ENTRIES, wanted))
    if not heads:
        raise NotFound(what="transaction", id=str(transaction_id))
    kind, owner, booked_at = heads[0]
    entries, names, types, occurred, members, starts = [], {}, {}, {}, {}, context.at
    for name, credit_type, occurred_at, member, effective_at, account_id, batch_id, origin, target, *rest in rows:
        one = Booked(account_id, batch_id, Bucket(origin), Bucket(target), *rest)
        entries.append(one)
        names[account_id] = name
        starts = max(starts, effective_at)
        if batch_id is not None:
            types[batch_id] = CreditType(credit_type)
        if one.usage_event_id is not None:
            occurred[one.usage_event_id], members[one.usage_event_id] = occurred_at, member
    if why := why_final(kind, entries):
        raise NotAllowedNow(f"Transaction {transaction_id} ({kind.replace('_', ' ')}) cannot be reversed. {why}")
    return _Original(transaction_id, owner, tuple(entries), names, types, occurred, members, booked_at, starts)


def _sides(original: _Original, states: dict[str, AccountState]) -> tuple[AccountState, list[AccountState]]:
    """The account that the original was booked on, and the other ones that it touched."""
    name = original.account if original.account in states else next(iter(states))
    assert name is not None
    return states[name], [state for other, state in states.items() if other != name]


def _check(context: Context, state: AccountState, mirror: list[Booked]) -> None:
    """Refuse what the account no longer has, or may not owe, saying what to do instead."""
    for batch_id, amount in net_available(mirror).items():
        found = _load(context, state, batch_id)
        if amount >= 0:
            continue
        if found.expires_at is not None and found.expires_at <= context.at:
            raise NotAllowedNow(f"The credits of batch {batch_id} have expired, so there is nothing to take back.")
        if found.free_micro < -amount:
            raise NotAllowedNow(_too_few(found, -amount))
    more = net_owed(mirror)
    if more < 0 and state.owed_micro < -more:
        raise NotAllowedNow(
            f"{micro_to_text(-more)} credits of it went on debt, of which only {micro_to_text(state.owed_micro)} are "
            "still owed; give back what was paid from batches, and issue a compensation grant for the rest."
        )
    if more > 0 and more > state.credit_line_micro(context.at):
        raise NotAllowedNow(
            f"It would make {state.external_id} owe {micro_to_text(state.owed_micro + more)} credits, more than its "
            "approved overdraft allows; void what is left of the batch instead."
        )


def _too_few(found: Batch, needed_micro: int) -> str:
    left = f"{micro_to_text(found.remaining_micro)} are left"
    if found.held_micro:
        left += f", {micro_to_text(found.held_micro)} of them held"
    instead = "void or transfer what is left of it instead"
    if found.remaining_micro >= needed_micro:
        instead = "release the holds first"
    return f"Batch {found.id} would have to give {micro_to_text(needed_micro)} credits back, and {left}; {instead}."


def _post(context: Context, state: AccountState, original: _Original, mirror: list[Booked]) -> list[Take]:
    """Book the mirror of one account; what came back to batches past their date expires again, and is answered."""
    at = original.effective_at
    lines = [
        Line(one.batch_id, one.from_bucket, one.to_bucket, one.amount_micro, at, one.feature, one.usage_event_id)
        for one in mirror
    ]
    expired = []
    for batch_id, amount in net_available(mirror).items():
        ends = state.batches[batch_id].expires_at
        if amount > 0 and ends is not None and ends <= context.at:
            expired.append(Take(batch_id, original.types[batch_id], amount))
    lines += [Line(take.batch_id, Bucket.AVAILABLE, Bucket.EXPIRED, take.amount_micro, context.at) for take in expired]
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    repay_debt(context.posting, state, transaction_id=context.transaction_id, at=context.at)
    return expired


def _lower_days(context: Context, original: _Original, mirror: list[Booked]) -> None:
    """Take what is no longer used off the daily rollup; the number of events stays, for they stay known."""
    less: dict[tuple[int, date, str, str], int] = defaultdict(int)
    for one in mirror:
        if one.usage_event_id is None or one.feature is None:
            continue
        day = original.occurred[one.usage_event_id].astimezone(context.company_zone).date()
        credit_type = OWED if one.batch_id is None else original.types[one.batch_id].value
        less[one.account_id, day, one.feature, credit_type] += one.amount_micro
    for (account_id, day, feature, credit_type), amount in less.items():
        key = {"of_account": account_id, "on_day": day, "of_feature": feature, "of_type": credit_type}
        context.queue(LOWER_DAY, key | {"less": amount})


def _return_usage(context: Context, states: dict[str, AccountState], original: _Original, mirror: list[Booked]) -> None:
    """Take what is no longer used off the limits of the members of a pool."""
    less: dict[tuple[int, str], int] = defaultdict(int)
    for one in mirror:
        if one.usage_event_id is not None:
            less[one.account_id, original.members[one.usage_event_id]] += one.amount_micro
    for (account_id, member), amount in less.items():
        state = states[original.names[account_id]]
        pools.return_usage(context, state, member, amount, booked_at=original.booked_at)


def _load(context: Context, state: AccountState, batch_id: int) -> Batch:
    found = context.load_batch(state, batch_id)
    if found is None:
        raise LedgerCorrupt(place=f"account {state.external_id}", detail=f"batch {batch_id} is of another account")
    return found

"""Holds: credits set aside for work whose cost is not known yet, then captured or released."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MICRO, micro_to_text
from ledger.core.burn import plan_consumption
from ledger.core.holds import DISPUTE_PREFIX, is_frozen, plan_capture
from ledger.core.policy import Permission, Role
from ledger.core.records import Bucket, Hold, Take
from ledger.errors import (
    EventReused,
    Fault,
    HoldAlreadyResolved,
    HoldReused,
    InsufficientCredits,
    InvalidCommand,
    NotAllowedNow,
    NotFound,
)
from ledger.housekeeping import holds_of, release_lines
from ledger.journal import AccountState, Line, post, repay_debt
from ledger.models import account, batch, hold, hold_part, usage_event
from ledger.operations import pools
from ledger.operations.charging import EVENT_ID_MAX_CHARS, Charges, Use, occurrence_faults
from ledger.statements import Prepared

REFERENCE_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class PlaceHold(Command):
    """Set credits aside for a feature, in burn order; never on an overdraft.

    ``reference`` is the caller's name of the hold, once per account. It lapses at ``expires_at``; None: never. The same
    reference with the same content again answers as replayed while the hold is open, whatever the key.
    """

    kind: ClassVar[str] = "place_hold"
    permission: ClassVar[Permission] = Permission.RECORD_USAGE

    account: str
    reference: str
    feature: str
    amount_micro: int
    expires_at: datetime | None = None
    # Who of a pool it is for; empty: the account itself.
    member: str = ""

    def faults(self) -> list[Fault]:
        return [
            *_name_faults(self.account, self.reference),
            *_reserved_faults(self.reference),
            *text_faults("feature", self.feature, longest=120),
            *amount_faults("amount", self.amount_micro),
            *instant_faults("expires_at", self.expires_at),
            *text_faults("member", self.member, required=False, longest=200),
        ]


@dataclass(frozen=True, slots=True)
class CaptureHold(Command):
    """Use held credits: all of them, or ``amount_micro`` and the rest is released. A hold is captured once.

    It leaves a usage event under ``event_id`` that costs what was captured. The same event id with the same content
    again books nothing and answers as replayed, whatever the key.
    """

    kind: ClassVar[str] = "capture_hold"
    permission: ClassVar[Permission] = Permission.RECORD_USAGE

    account: str
    reference: str
    event_id: str
    amount_micro: int | None = None
    # When the work happened; None: now.
    occurred_at: datetime | None = None
    quantity_micro: int = MICRO

    def faults(self) -> list[Fault]:
        found = _name_faults(self.account, self.reference)
        found += text_faults("event_id", self.event_id, longest=EVENT_ID_MAX_CHARS)
        if self.amount_micro == 0:
            found.append(Fault("amount", "must be more than 0 credits; release the hold when nothing was used"))
        elif self.amount_micro is not None:
            found += amount_faults("amount", self.amount_micro)
        found += instant_faults("occurred_at", self.occurred_at)
        return found + amount_faults("quantity", self.quantity_micro)


@dataclass(frozen=True, slots=True)
class ReleaseHold(Command):
    """Give all held credits back; those whose batch has expired meanwhile expire at once. People say why."""

    kind: ClassVar[str] = "release_hold"
    permission: ClassVar[Permission] = Permission.MANAGE_HOLDS

    account: str
    reference: str
    reason: Reason | None = None

    def faults(self) -> list[Fault]:
        return _name_faults(self.account, self.reference) + (self.reason.faults() if self.reason else [])


@dataclass(frozen=True, slots=True)
class ExtendHold(Command):
    """Let a hold lapse later than it would: at ``expires_at``. People say why."""

    kind: ClassVar[str] = "extend_hold"
    permission: ClassVar[Permission] = Permission.MANAGE_HOLDS

    account: str
    reference: str
    expires_at: datetime
    reason: Reason | None = None

    def faults(self) -> list[Fault]:
        found = _name_faults(self.account, self.reference) + instant_faults("expires_at", self.expires_at)
        return found + (self.reason.faults() if self.reason else [])


_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
# The first eight columns are those of `holds_of`.
_HOLD = Prepared(
    sa.select(
        hold.c.id,
        hold.c.reference,
        hold.c.feature,
        hold.c.placed_at,
        hold.c.expires_at,
        hold_part.c.batch_id,
        batch.c.credit_type,
        hold_part.c.amount_micro,
        hold.c.state,
        hold.c.member,
        hold.c.made_by_id,
        hold.c.resolved_by_id,
    )
    .select_from(hold.join(hold_part, hold_part.c.hold_id == hold.c.id).join(batch, batch.c.id == hold_part.c.batch_id))
    .where(hold.c.account_id == _ACCOUNT_ID, hold.c.reference == sa.bindparam("reference"))
    .order_by(hold_part.c.position)
)
_EVENT = Prepared(
    sa.select(
        usage_event.c.transaction_id,
        usage_event.c.cost_micro,
        usage_event.c.quantity_micro,
        usage_event.c.occurred_at,
    ).where(usage_event.c.account_id == _ACCOUNT_ID, usage_event.c.event_id == sa.bindparam("event_id"))
)
_EXTEND = Prepared(
    sa.update(hold)
    .where(hold.c.id == sa.bindparam("hold_id", type_=sa.BigInteger))
    .values(expires_at=sa.bindparam("until", type_=hold.c.expires_at.type))
)


@dataclass(frozen=True, slots=True)
class FoundHold:
    """A hold with what decides about it: the state as booked, who of a pool, and what made and ended it."""

    hold: Hold
    state: str
    member: str
    made_by_id: int
    resolved_by_id: int | None

    def state_at(self, at: datetime) -> str:
        """The state as it is, whether booked or not."""
        return "lapsed" if self.state == "open" and self.hold.has_lapsed(at) else self.state


def place_hold(context: Context, command: PlaceHold) -> Outcome:
    state, (rows, ids) = context.load(command.account, _named(command), context.work.next_ids(hold))
    return place(context, state, command, _found(rows) if rows else None, context.work.ids_of(ids)[0])


def place(context: Context, state: AccountState, command: PlaceHold, found: FoundHold | None, hold_id: int) -> Outcome:
    """Place a hold on a locked account; ``found`` is the hold of that reference, if there is one."""
    before = Before.of(state, context.at)
    if found is not None:
        return _placed_before(context, state, command, found)
    if command.expires_at is not None and command.expires_at <= context.at:
        raise InvalidCommand([Fault("expires_at", f"has passed; it is now {context.at:%Y-%m-%d %H:%M} UTC")])
    pools.admit(context, state, (command.member,))
    member = pools.require_member(state, command.member)
    available = state.usable_micro(context.at, command.feature)
    pools.refuse_beyond_limit(member, command.amount_micro, available_micro=available)
    plan = plan_consumption(state.batches.values(), command.amount_micro, at=context.at, feature=command.feature)
    if plan.shortfall_micro:
        raise InsufficientCredits(
            account=state.external_id,
            required_micro=command.amount_micro,
            available_micro=command.amount_micro - plan.shortfall_micro,
        )
    lines = [
        Line(take.batch_id, Bucket.AVAILABLE, Bucket.HELD, take.amount_micro, context.at, hold_id=hold_id)
        for take in plan.takes
    ]
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    context.posting.holds.append(_row(context, state, command, hold_id))
    context.posting.hold_parts += [
        (hold_id, position, take.batch_id, take.amount_micro) for position, take in enumerate(plan.takes)
    ]
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        takes=plan.takes,
        transaction_id=context.transaction_id,
        hold_id=hold_id,
        held_until_at=command.expires_at,
    )
    return Outcome(receipt, state.id, context.at)


def capture_hold(context: Context, command: CaptureHold) -> Outcome:
    if faults := occurrence_faults(command.occurred_at, now=context.at):
        raise InvalidCommand(faults)
    event = (_EVENT, {"account": command.account, "event_id": command.event_id})
    state, (rows, events, ids) = context.load(
        command.account, _named(command), event, context.work.next_ids(usage_event)
    )
    known = events[0] if events else None
    return capture(context, state, command, _existing(command, rows), known, context.work.ids_of(ids)[0])


def capture(
    context: Context,
    state: AccountState,
    command: CaptureHold,
    found: FoundHold,
    known: Sequence[Any] | None,
    row_id: int,
) -> Outcome:
    """Capture a hold of a locked account; ``known`` of the event are its transaction, cost, quantity and instant."""
    before = Before.of(state, context.at)
    if known:
        return _captured_before(context, state, command, found, known)
    one = _open(found, context.at)
    amount = one.amount_micro if command.amount_micro is None else command.amount_micro
    if amount > one.amount_micro:
        held = f"the hold keeps {micro_to_text(one.amount_micro)} credits; capture at most those"
        raise InvalidCommand([Fault("amount", held)])
    planned = plan_capture(one, amount)
    use = Use(
        row_id,
        command.event_id,
        one.feature,
        command.quantity_micro,
        command.occurred_at or context.at,
        amount,
        None,
        found.member,
    )
    charges = Charges(context, state)
    charges.add(use, planned.taken, origin=Bucket.HELD, hold_id=one.id)
    charges.queue()
    # The hold was within the member's limits when it was placed; what is captured counts now.
    pools.admit(context, state, (found.member,))
    if found.member in state.members:
        pools.count(context, state, {found.member: amount})
    expired = _release(context, state, one, planned.released)
    _resolve(context, one, "captured", captured_micro=amount)
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        takes=planned.taken,
        returned=planned.released,
        expired=expired,
        transaction_id=context.transaction_id,
        hold_id=one.id,
    )
    return Outcome(receipt, state.id, context.at)


def release_hold(context: Context, command: ReleaseHold) -> Outcome:
    _demand_reason(context, command.reason)
    state, (rows,) = context.load(command.account, _named(command))
    before = Before.of(state, context.at)
    one = _open(_existing(command, rows), context.at)
    expired = _release(context, state, one, one.parts)
    _resolve(context, one, "released")
    more = {"returned": one.parts, "expired": expired, "hold_id": one.id}
    receipt = effect(command.kind, state, context.at, before, **more)
    return Outcome(receipt, state.id, context.at, command.reason or Reason("", ""))


def extend_hold(context: Context, command: ExtendHold) -> Outcome:
    _demand_reason(context, command.reason)
    state, (rows,) = context.load(command.account, _named(command))
    before = Before.of(state, context.at)
    one = _open(_existing(command, rows), context.at)
    if one.expires_at is None:
        raise InvalidCommand([Fault("expires_at", "the hold never times out; there is nothing to extend")])
    if command.expires_at <= one.expires_at:
        until = f"{one.expires_at:%Y-%m-%d %H:%M} UTC"
        raise InvalidCommand([Fault("expires_at", f"must be later than {until}, when the hold times out now")])
    context.queue(_EXTEND, {"hold_id": one.id, "until": command.expires_at})
    # No entry moves, but what caches know of the account does.
    post(context.posting, state, transaction_id=context.transaction_id, lines=[])
    more = {"hold_id": one.id, "held_until_at": command.expires_at}
    receipt = effect(command.kind, state, context.at, before, **more)
    return Outcome(receipt, state.id, context.at, command.reason or Reason("", ""))


def _name_faults(account_name: str, reference: str) -> list[Fault]:
    return text_faults("account", account_name) + text_faults("reference", reference, longest=REFERENCE_MAX_CHARS)


def _reserved_faults(reference: str) -> list[Fault]:
    if not reference.startswith(DISPUTE_PREFIX):
        return []
    return [Fault("reference", f"must not begin with {DISPUTE_PREFIX!r}: that names what a dispute has frozen")]


def _demand_reason(context: Context, reason: Reason | None) -> None:
    if reason is None and context.actor.role not in (Role.SYSTEM, Role.SERVICE):
        raise InvalidCommand([Fault("reason", "people say why: give a reason code and a note")])


def _named(command: PlaceHold | CaptureHold | ReleaseHold | ExtendHold) -> tuple[Prepared, dict[str, str]]:
    return (_HOLD, {"account": command.account, "reference": command.reference})


def _found(rows: list[tuple[Any, ...]]) -> FoundHold:
    (one,) = holds_of([row[:8] for row in rows])
    return FoundHold(one, *rows[0][8:])


def _existing(command: CaptureHold | ReleaseHold | ExtendHold, rows: list[tuple[Any, ...]]) -> FoundHold:
    if not rows:
        raise NotFound(what=f"hold of {command.account},", id=command.reference)
    return _found(rows)


def _open(found: FoundHold, at: datetime) -> Hold:
    if is_frozen(found.hold.reference, found.hold.feature):
        raise NotAllowedNow(
            f"The hold {found.hold.reference!r} freezes credits whose payment is disputed; it ends when the provider "
            "says how the dispute ended. Nothing was booked."
        )
    if (state := found.state_at(at)) != "open":
        raise HoldAlreadyResolved(reference=found.hold.reference, state=state)
    return found.hold


def _placed_before(context: Context, state: AccountState, command: PlaceHold, found: FoundHold) -> Outcome:
    """The answer to a reference that is known: the same hold, as long as it holds."""
    one = found.hold
    content = (command.feature, command.amount_micro, command.expires_at, command.member)
    if content != (one.feature, one.amount_micro, one.expires_at, found.member):
        raise HoldReused(reference=one.reference)
    _open(found, context.at)
    more = {"hold_id": one.id, "held_until_at": one.expires_at}
    receipt = effect(
        command.kind,
        state,
        context.at,
        Before.of(state, context.at),
        takes=one.parts,
        transaction_id=found.made_by_id,
        replayed=True,
        **more,
    )
    return Outcome(receipt, state.id, context.at, nothing_to_do=True)


def _captured_before(
    context: Context, state: AccountState, command: CaptureHold, found: FoundHold, event: Sequence[Any]
) -> Outcome:
    """The answer to an event id that is known: replayed when it is this very capture."""
    transaction_id, cost, quantity, occurred_at = event
    one = found.hold
    wanted = one.amount_micro if command.amount_micro is None else command.amount_micro
    is_same = (
        found.resolved_by_id == transaction_id
        and (wanted, command.quantity_micro) == (cost, quantity)
        and command.occurred_at in (None, occurred_at)
    )
    if not is_same:
        raise EventReused(event_id=command.event_id)
    before = Before.of(state, context.at)
    receipt = effect(
        command.kind, state, context.at, before, transaction_id=transaction_id, replayed=True, hold_id=one.id
    )
    return Outcome(receipt, state.id, context.at, nothing_to_do=True)


def _release(context: Context, state: AccountState, one: Hold, takes: tuple[Take, ...]) -> tuple[Take, ...]:
    """Release parts of a hold; answers those that expired at once. Debt is repaid from the others first."""
    if not takes:
        return ()
    lines = release_lines(state, one, takes, context.at)
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    repay_debt(context.posting, state, transaction_id=context.transaction_id, at=context.at)
    gone = {line.batch_id for line in lines if line.to_bucket is Bucket.EXPIRED}
    return tuple(take for take in takes if take.batch_id in gone)


def _resolve(context: Context, one: Hold, new_state: str, *, captured_micro: int = 0) -> None:
    context.posting.hold_ends.append((one.id, new_state, captured_micro, context.at, context.transaction_id))


def _row(context: Context, state: AccountState, command: PlaceHold, hold_id: int) -> tuple[Any, ...]:
    return (
        hold_id,
        state.id,
        command.reference,
        command.feature,
        command.member,
        command.amount_micro,
        context.at,
        command.expires_at,
        context.transaction_id,
    )

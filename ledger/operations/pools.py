"""Pools: one account that the members of an organisation share, each within limits.

Uses of a pool name a member; `admit` is what every way of using credits asks first, `count` what it says afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO, micro_to_text
from ledger.core.limits import Allowance, Member, Period, limit_reached, window, windows
from ledger.core.policy import Permission
from ledger.core.records import AccountKind
from ledger.errors import Fault, InvalidCommand, LimitReached, NotAllowedNow, NotFound
from ledger.journal import AccountState, post
from ledger.models import hold, pool_member, pool_usage
from ledger.operations.setup import OpenAccount, add_account
from ledger.queries.parts import is_live
from ledger.receipt import Receipt
from ledger.statements import Prepared

MEMBERS_MAX = 1_000
MEMBER_MAX_CHARS = 200


@dataclass(frozen=True, slots=True)
class OpenPool(Command):
    """Open an account that members share. Its credits come by grants, top-ups and transfers like any other's."""

    kind: ClassVar[str] = "open_pool"
    permission: ClassVar[Permission] = Permission.MANAGE_POOLS

    account: str
    name: str
    organisation: str = ""
    # Hours, days and months of the limits are cut in it.
    zone: str = "UTC"
    owner: str = ""

    def faults(self) -> list[Fault]:
        return self.as_account().faults()

    def as_account(self) -> OpenAccount:
        """What is opened, as any account is."""
        return OpenAccount(self.account, self.name, zone=self.zone, owner=self.owner, organisation=self.organisation)


@dataclass(frozen=True, slots=True)
class PoolMember:
    """One member as it is to be: ``member`` as usage names it; a limit of None is no limit, 0 means nothing at all."""

    member: str
    label: str = ""
    hour_limit_micro: int | None = None
    day_limit_micro: int | None = None
    month_limit_micro: int | None = None
    is_active: bool = True

    @property
    def limits(self) -> dict[Period, int | None]:
        return {
            Period.HOUR: self.hour_limit_micro,
            Period.DAY: self.day_limit_micro,
            Period.MONTH: self.month_limit_micro,
        }

    def faults(self) -> list[Fault]:
        found = text_faults("member", self.member, longest=MEMBER_MAX_CHARS)
        found += text_faults("label", self.label, required=False, longest=MEMBER_MAX_CHARS)
        if self.member != self.member.strip():
            found.append(Fault("member", "must not begin or end with a space"))
        for period, limit in self.limits.items():
            if limit is not None and not 0 <= limit <= MAX_MICRO:
                found.append(Fault(f"{period}_limit", "must be 0 to 1,000,000,000 credits, or empty for no limit"))
        return found


@dataclass(frozen=True, slots=True)
class SetPoolMembers(Command):
    """Add members to a pool or change them, each as given; others stay as they are. Usage so far keeps counting."""

    kind: ClassVar[str] = "set_pool_members"
    permission: ClassVar[Permission] = Permission.MANAGE_POOLS

    pool: str
    members: tuple[PoolMember, ...]

    def faults(self) -> list[Fault]:
        found = text_faults("pool", self.pool)
        if not 1 <= len(self.members) <= MEMBERS_MAX:
            found.append(Fault("members", f"give 1 to {MEMBERS_MAX:,} members at a time, not {len(self.members):,}"))
        names = [one.member for one in self.members]
        if len(set(names)) != len(names):
            found.append(Fault("members", "each member can be given once"))
        return found + [fault for one in self.members for fault in one.faults()]


_POOL_ID = sa.bindparam("pool_id", type_=sa.BigInteger)
_LIMITS = tuple(pool_member.c[f"{period}_limit_micro"] for period in Period)
_MEMBERS = Prepared(
    sa.select(pool_member.c.member, pool_member.c.label, pool_member.c.is_active, *_LIMITS).where(
        pool_member.c.pool_id == _POOL_ID
    )
)
_ONE_MEMBER = Prepared(_MEMBERS.statement.where(pool_member.c.member == sa.bindparam("member")))  # type: ignore[attr-defined]
_IN_WINDOW = sa.or_(
    *(
        (pool_usage.c.period == period.value)
        & (pool_usage.c.starts_at == sa.bindparam(period.value, type_=pool_usage.c.starts_at.type))
        for period in Period
    )
)
_USED = Prepared(
    sa.select(pool_usage.c.member, pool_usage.c.period, pool_usage.c.used_micro).where(
        pool_usage.c.pool_id == _POOL_ID, _IN_WINDOW
    )
)
_USED_BY_ONE = Prepared(_USED.statement.where(pool_usage.c.member == sa.bindparam("member")))  # type: ignore[attr-defined]
# Holds that timed out are booked before anybody asks, so every open one counts.
_HELD = Prepared(
    sa.select(hold.c.member, sa.cast(sa.func.sum(hold.c.amount_micro), sa.BigInteger))
    .where(hold.c.account_id == _POOL_ID, sa.text("state = 'open'"))
    .group_by(hold.c.member)
)
_MEMBER_COLUMNS = (
    "pool_id",
    "member",
    "label",
    *(f"{period}_limit_micro" for period in Period),
    "is_active",
    "joined_at",
)
_CHANGE_MEMBER = "ON CONFLICT (pool_id, member) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _MEMBER_COLUMNS[2:-1]
)
_USAGE_COLUMNS = ("pool_id", "member", "period", "starts_at", "used_micro")
_ADD_USAGE = (
    "ON CONFLICT (pool_id, member, period, starts_at) DO UPDATE SET"
    " used_micro = pool_usage.used_micro + excluded.used_micro"
)
# No upsert: PostgreSQL checks the row that would be inserted, and a negative one can never be.
_LOWER_USAGE = Prepared(
    sa.update(pool_usage)
    .where(
        pool_usage.c.pool_id == sa.bindparam("of_pool", type_=sa.BigInteger),
        pool_usage.c.member == sa.bindparam("of_member"),
        pool_usage.c.period == sa.bindparam("of_period"),
        pool_usage.c.starts_at == sa.bindparam("since", type_=pool_usage.c.starts_at.type),
    )
    .values(used_micro=pool_usage.c.used_micro - sa.bindparam("less", type_=sa.BigInteger))
)


def open_pool(context: Context, command: OpenPool) -> Outcome:
    add_account(context, command.as_account(), kind=AccountKind.POOL)
    return Outcome(Receipt(command.kind, command.account, context.at), None, context.at)


def set_pool_members(context: Context, command: SetPoolMembers) -> Outcome:
    state, _ = context.load(command.pool)
    if state.kind is not AccountKind.POOL:
        raise NotAllowedNow(f"{command.pool} is a customer, not a pool; open a pool to share credits among members.")
    (rows,) = context.work.fetch((_MEMBERS, {"pool_id": state.id}))
    known = {
        name: PoolMember(name, label, hour, day, month, bool(is_active))
        for name, label, is_active, hour, day, month in rows
    }
    changes = [text for one in command.members if (text := _change(known.get(one.member), one))]
    if len(known.keys() | {one.member for one in command.members}) > MEMBERS_MAX:
        raise NotAllowedNow(f"A pool has at most {MEMBERS_MAX:,} members; open another pool for the others.")
    values: list[tuple[Any, ...]] = [
        (state.id, one.member, _label(one), *one.limits.values(), one.is_active, context.at) for one in command.members
    ]
    context.queue_rows(pool_member, _MEMBER_COLUMNS, values, on_conflict=_CHANGE_MEMBER)
    before = Before.of(state, context.at)
    # No entry moves, but what caches know of the account does.
    post(context.posting, state, transaction_id=context.transaction_id, lines=[])
    receipt = effect(command.kind, state, context.at, before)
    return Outcome(receipt, state.id, context.at, Reason("", "; ".join(changes)), nothing_to_do=not changes)


def admit(context: Context, state: AccountState, names: Iterable[str]) -> None:
    """Read who of a pool is named and what they have used, into ``state.members``; does nothing for other accounts."""
    if state.kind is not AccountKind.POOL:
        return
    missing = {name for name in names if name and name not in state.members}
    if not missing:
        return
    cuts = windows(context.at, state.zone)
    asked: dict[str, Any] = {"pool_id": state.id} | {one.period.value: one.starts_at for one in cuts}
    if len(missing) == 1:
        asked["member"] = next(iter(missing))
    who, used = (_ONE_MEMBER, _USED_BY_ONE) if len(missing) == 1 else (_MEMBERS, _USED)
    reads = [(who, asked), (used, asked)] + ([(_HELD, asked)] if state.held_micro else [])
    members, counters, *holds = context.work.fetch(*reads)
    used_micro = {(member, period): amount for member, period, amount in counters}
    held_micro = dict(holds[0]) if holds else {}
    for name, label, is_active, *limits in members:
        allowances = tuple(
            Allowance(cut, limit, used_micro.get((name, cut.period.value), 0))
            for cut, limit in zip(cuts, limits, strict=True)
        )
        state.members.setdefault(name, Member(name, label, bool(is_active), allowances, held_micro.get(name, 0)))


def member_at(connection: sa.Connection, *, pool_id: int, zone: ZoneInfo, name: str, at: datetime) -> Member | None:
    """A member with what it has used and what live holds keep for it, read without a lock; None when unknown."""
    cuts = windows(at, zone)
    asked: dict[str, Any] = {"pool_id": pool_id, "member": name} | {one.period.value: one.starts_at for one in cuts}

    def rows(prepared: Prepared) -> Sequence[Any]:
        return connection.execute(cast(sa.Select[Any], prepared.statement), asked).all()

    found = rows(_ONE_MEMBER)
    if not found:
        return None
    used_micro = {period: amount for _, period, amount in rows(_USED_BY_ONE)}
    held = sa.select(sa.cast(sa.func.coalesce(sa.func.sum(hold.c.amount_micro), 0), sa.BigInteger)).where(
        hold.c.account_id == pool_id, hold.c.member == name, is_live(at)
    )
    member, label, is_active, *limits = found[0]
    allowances = tuple(
        Allowance(cut, limit, used_micro.get(cut.period.value, 0)) for cut, limit in zip(cuts, limits, strict=True)
    )
    return Member(member, label, bool(is_active), allowances, connection.execute(held).scalar_one())


def require_member(state: AccountState, name: str) -> Member | None:
    """The member that uses a pool, read by `admit`; None when the account is no pool.

    Raises: InvalidCommand when a use of a pool names nobody, NotFound, NotAllowedNow when the member is not active.
    """
    if state.kind is not AccountKind.POOL:
        return None
    if not name:
        raise InvalidCommand([Fault("member", f"say who of the pool {state.external_id} it is; a pool needs a member")])
    found = state.members.get(name)
    if found is None:
        raise NotFound(what=f"member of {state.external_id},", id=name)
    if not found.is_active:
        raise NotAllowedNow(f"{name} is not active in the pool {state.external_id}; make the member active first.")
    return found


def refuse_beyond_limit(member: Member | None, amount_micro: int, *, available_micro: int) -> None:
    """Raise LimitReached when a limit of the member, rather than what the pool has, forbids a use."""
    reached = limit_reached(member, amount_micro, available_micro=available_micro) if member is not None else None
    if member is not None and reached is not None:
        raise LimitReached(
            member=member.name,
            period=reached.window.period.value,
            limit_micro=reached.limit_micro,
            used_micro=reached.used_micro,
            required_micro=amount_micro,
            resets_at=reached.window.resets_at,
        )


def count(context: Context, state: AccountState, used_micro: Mapping[str, int]) -> None:
    """Add what members have used to this hour, day and month; names are of members read by `admit`."""
    rows: list[tuple[Any, ...]] = []
    for name, amount in used_micro.items():
        cuts = [one.window for one in state.members[name].allowances]
        rows += [(state.id, name, cut.period.value, cut.starts_at, amount) for cut in cuts]
        state.members[name] = state.members[name].with_used(amount)
    context.queue_rows(pool_usage, _USAGE_COLUMNS, rows, on_conflict=_ADD_USAGE)


def return_usage(context: Context, state: AccountState, name: str, amount_micro: int, *, booked_at: datetime) -> None:
    """Take returned credits off what a member has used in those windows of the booking that are still running.

    Does nothing when the account is no pool. What was used in an hour that is over stays counted there.
    """
    if state.kind is not AccountKind.POOL or not name or not amount_micro:
        return
    running = [one for one in windows(booked_at, state.zone) if one == window(one.period, context.at, state.zone)]
    for one in running:
        key = {"of_pool": state.id, "of_member": name, "of_period": one.period.value, "since": one.starts_at}
        context.queue(_LOWER_USAGE, key | {"less": amount_micro})
    if name in state.members:
        state.members[name] = state.members[name].with_used(-amount_micro, running)


def _label(one: PoolMember) -> str:
    return one.label.strip() or one.member


def _change(old: PoolMember | None, new: PoolMember) -> str:
    """What becomes different, in words for the journal; empty when nothing does."""
    if old is None:
        return f"{new.member} joins: {_terms(new)}"
    was, will = _terms(old), _terms(new)
    if was != will:
        return f"{new.member}: {was} → {will}"
    return f"{new.member} is called {_label(new)}" if _label(old) != _label(new) else ""


def _terms(one: PoolMember) -> str:
    limits = [f"{micro_to_text(limit)} per {period}" for period, limit in one.limits.items() if limit is not None] or [
        "no limit"
    ]
    return ", ".join(limits) + ("" if one.is_active else ", not active")

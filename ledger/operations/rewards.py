"""What a referral earns: both sides are rewarded when the customer who was brought buys, or a person decides."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.lifecycle import add_months, end_of_day
from ledger.core.policy import Permission, Role
from ledger.core.records import CreditType
from ledger.core.referrals import ReferralState
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.journal import AccountState, BatchTerms
from ledger.models import account, batch, referral, referral_programme
from ledger.operations.referrals import BOUGHT, TOUCH_ACCOUNT
from ledger.receipt import NewBatch
from ledger.statements import Prepared

_REFERRAL_COLUMNS = (
    referral.c.id,
    referral.c.state,
    referral.c.code,
    referral.c.held_because,
    referral.c.joined_at,
    referral.c.qualified_at,
    referral_programme.c.code,
    referral_programme.c.referrer_micro,
    referral_programme.c.referee_micro,
    referral_programme.c.cap,
    referral_programme.c.expires_months,
)
_referee = account.alias("referee")
_referrer = account.alias("referrer")
_WITH_PARTIES = (
    referral.join(referral_programme, referral_programme.c.id == referral.c.programme_id)
    .join(_referrer, _referrer.c.id == referral.c.referrer_id)
    .outerjoin(_referee, _referee.c.id == referral.c.referee_id)
)
_PARTIES_OF_ACCOUNT = Prepared(
    sa.select(referral.c.id, _referrer.c.external_id, _referee.c.external_id)
    .select_from(_WITH_PARTIES)
    .where(_referee.c.external_id == sa.bindparam("account"))
)
_PARTIES_OF_ID = Prepared(
    sa.select(referral.c.id, _referrer.c.external_id, _referee.c.external_id)
    .select_from(_WITH_PARTIES)
    .where(referral.c.id == sa.bindparam("referral_id", type_=sa.BigInteger))
)
_BY_ID = Prepared(
    sa.select(*_REFERRAL_COLUMNS)
    .select_from(_WITH_PARTIES)
    .where(referral.c.id == sa.bindparam("referral_id", type_=sa.BigInteger))
)
# How many of the referrals in the same programme by the same referrer were rewarded.
_same = referral.alias("same")
_REWARDED = Prepared(
    sa.select(sa.func.count())
    .select_from(
        referral.join(
            _same,
            sa.and_(_same.c.referrer_id == referral.c.referrer_id, _same.c.programme_id == referral.c.programme_id),
        )
    )
    .where(
        referral.c.id == sa.bindparam("referral_id", type_=sa.BigInteger),
        _same.c.state == ReferralState.REWARDED.value,
    )
)
_CHANGE_REFERRAL = Prepared(
    sa.update(referral)
    .where(referral.c.id == sa.bindparam("which", type_=sa.BigInteger))
    .values(
        state=sa.bindparam("new_state"),
        held_because=sa.bindparam("why"),
        qualified_at=sa.bindparam("qualified"),
        rewarded_at=sa.bindparam("rewarded"),
        rewarded_in_id=sa.bindparam("transaction", type_=sa.BigInteger),
    )
)


@dataclass(frozen=True, slots=True)
class QualifyReferral(Command):
    """A customer who joined has bought: both sides are rewarded at once, unless the referral is held for review."""

    kind: ClassVar[str] = "qualify_referral"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    account: str

    def faults(self) -> list[Fault]:
        return text_faults("account", self.account)


@dataclass(frozen=True, slots=True)
class ReleaseReferral(Command):
    """Let a held referral go on; both sides are rewarded when the customer has bought already."""

    kind: ClassVar[str] = "release_referral"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    referral_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


@dataclass(frozen=True, slots=True)
class RefuseReferral(Command):
    """End a referral without a reward."""

    kind: ClassVar[str] = "refuse_referral"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    referral_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


def qualify_referral(context: Context, command: QualifyReferral) -> Outcome:
    pair = _load_pair(context, (_PARTIES_OF_ACCOUNT, {"account": command.account}), command.account)
    if pair.state_word is not ReferralState.JOINED:
        raise NotAllowedNow(f"The referral of {command.account} was {pair.state_word} before.")
    (bought,) = context.work.fetch((BOUGHT, {"account": command.account}))
    if bought[0][0] is None:
        raise NotAllowedNow(f"{command.account} has not bought credits yet; it is rewarded after its first purchase.")
    if pair.held_because:
        return pair.change(context, command.kind, ReferralState.QUALIFIED, Reason("", ""))
    return pair.reward(context, command.kind, Reason("", ""))


def release_referral(context: Context, command: ReleaseReferral) -> Outcome:
    pair = _load_by_id(context, command.referral_id)
    if not pair.held_because:
        raise NotAllowedNow(f"The referral {command.referral_id} is not held; there is nothing to release.")
    pair.held_because = ""
    if pair.state_word is ReferralState.QUALIFIED:
        return pair.reward(context, command.kind, command.reason)
    return pair.change(context, command.kind, pair.state_word, command.reason)


def refuse_referral(context: Context, command: RefuseReferral) -> Outcome:
    pair = _load_by_id(context, command.referral_id)
    if pair.state_word is ReferralState.REWARDED:
        raise NotAllowedNow(f"The referral {command.referral_id} was rewarded; void the reward's batches instead.")
    if pair.state_word is ReferralState.REFUSED:
        raise NotAllowedNow(f"The referral {command.referral_id} was refused before.")
    return pair.change(context, command.kind, ReferralState.REFUSED, command.reason)


@dataclass(slots=True)
class _Pair:
    """A referral with both sides locked. ``referee`` is None while somebody is only invited."""

    referrer: AccountState
    referee: AccountState | None
    id: int
    state: str
    code: str
    held_because: str
    joined_at: datetime | None
    qualified_at: datetime | None
    programme: str
    referrer_micro: int
    referee_micro: int
    cap: int | None
    expires_months: int

    @property
    def state_word(self) -> ReferralState:
        return ReferralState(self.state)

    def change(self, context: Context, kind: str, to: ReferralState, reason: Reason) -> Outcome:
        """Move the referral without moving credits."""
        self._queue(context, to)
        whose = self.referee or self.referrer
        other = self.referrer.external_id if self.referee else None
        before = Before.of(whose, context.at)
        has = self.referrer.usable_micro(context.at) if other else 0
        receipt = effect(
            kind,
            whose,
            context.at,
            before,
            counterpart=other,
            counterpart_before_micro=has,
            counterpart_available_micro=has,
            subject_id=self.id,
        )
        return Outcome(receipt, whose.id, context.at, reason)

    def reward(self, context: Context, kind: str, reason: Reason) -> Outcome:
        """Give both sides what the programme promises, in this transaction; the referrer at most ``cap`` times."""
        assert self.referee is not None
        before, referrer_had = Before.of(self.referee, context.at), self.referrer.usable_micro(context.at)
        rewarded, ids = context.work.fetch((_REWARDED, {"referral_id": self.id}), context.work.next_ids(batch, 2))
        batch_ids = context.work.ids_of(ids, 2)
        is_capped = self.cap is not None and rewarded[0][0] >= self.cap
        sides = ((self.referrer, 0 if is_capped else self.referrer_micro), (self.referee, self.referee_micro))
        given = [
            self._give(context, state, batch_id, amount)
            for (state, amount), batch_id in zip(sides, batch_ids, strict=True)
            if amount
        ]
        self._queue(context, ReferralState.REWARDED)
        receipt = effect(
            kind,
            self.referee,
            context.at,
            before,
            new_batches=tuple(given),
            counterpart=self.referrer.external_id,
            counterpart_before_micro=referrer_had,
            counterpart_available_micro=self.referrer.usable_micro(context.at),
            subject_id=self.id,
        )
        weight = 0 if context.actor.role is Role.SYSTEM else sum(one.amount_micro for one in given)
        return Outcome(receipt, self.referee.id, context.at, reason, weight_micro=weight)

    def _give(self, context: Context, state: AccountState, batch_id: int, amount_micro: int) -> NewBatch:
        today = context.at.astimezone(state.zone).date()
        ends = end_of_day(add_months(today, self.expires_months), state.zone)
        terms = BatchTerms(
            CreditType.REFERRAL,
            context.at,
            context.at,
            ends,
            source=f"referral:{self.code}",
            campaign=self.programme,
        )
        return context.open_batch(state, batch_id, amount_micro, terms)

    def _queue(self, context: Context, to: ReferralState) -> None:
        is_rewarded = to is ReferralState.REWARDED
        has_qualified = to in (ReferralState.QUALIFIED, ReferralState.REWARDED)
        values: dict[str, Any] = {
            "which": self.id,
            "new_state": to.value,
            "why": self.held_because,
            "qualified": self.qualified_at or (context.at if has_qualified else None),
            "rewarded": context.at if is_rewarded else None,
            "transaction": context.transaction_id if is_rewarded else None,
        }
        context.queue(_CHANGE_REFERRAL, values)
        for state in (self.referrer, self.referee):
            if state is not None:
                context.queue(TOUCH_ACCOUNT, {"id": state.id})


def _load_by_id(context: Context, referral_id: int) -> _Pair:
    return _load_pair(context, (_PARTIES_OF_ID, {"referral_id": referral_id}), str(referral_id))


def _load_pair(context: Context, which: tuple[Prepared, dict[str, Any]], said: str) -> _Pair:
    """Lock both sides of a referral and read it under the locks. Raises NotFound."""
    (found,) = context.begin(which)
    if not found:
        raise NotFound(what="referral of", id=said)
    referral_id, referrer, referee = found[0]
    names = [referrer] if referee is None else [referrer, referee]
    states, (rows,) = context.load_all(names, (_BY_ID, {"referral_id": referral_id}))
    return _Pair(states[referrer], None if referee is None else states[referee], *rows[0])

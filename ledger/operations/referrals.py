"""Referrals: one customer brings another, by an invitation or by a code; what it earns is in rewards.py."""

from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, effect, text_faults
from ledger.context import Context
from ledger.core.policy import Permission
from ledger.core.records import Bucket, CreditType
from ledger.core.referrals import Party, ReferralState, normal_code, normal_email, refusal, suspicion
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.models import account, batch, customer, entry, referral, referral_code, referral_programme
from ledger.statements import Prepared

_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
# Two joins at one instant could close a cycle that neither sees: they take turns here.
_TAKE_TURNS = Prepared(
    sa.select(referral_programme.c.id).order_by(referral_programme.c.id).with_for_update(key_share=True)
)
_CODE = Prepared(
    sa.select(
        referral_code.c.programme_id,
        account.c.external_id,
        referral_code.c.disabled_at,
        referral_programme.c.effective_at,
        referral_programme.c.ends_at,
    )
    .select_from(
        referral_code.join(account, account.c.id == referral_code.c.account_id).join(
            referral_programme, referral_programme.c.id == referral_code.c.programme_id
        )
    )
    .where(referral_code.c.code == sa.bindparam("code"))
)
_PARTY = Prepared(
    sa.select(account.c.id, account.c.organisation, customer.c.email)
    .join(customer, customer.c.account_id == account.c.id)
    .where(account.c.external_id == sa.bindparam("account"))
)
_INVITED = Prepared(
    sa.select(referral.c.id).where(
        referral.c.code == sa.bindparam("code"),
        referral.c.invited == sa.bindparam("email"),
        referral.c.state != ReferralState.REFUSED.value,
    )
)
_OF_REFEREE = Prepared(sa.select(referral.c.id).where(referral.c.referee_id == _ACCOUNT_ID))
_IS_REFERRAL = sa.and_(referral.c.referee_id.is_not(None), referral.c.state != ReferralState.REFUSED.value)
_above = (
    sa.select(referral.c.referee_id, referral.c.referrer_id)
    .where(_IS_REFERRAL, referral.c.referee_id == _ACCOUNT_ID)
    .cte("above", recursive=True)
)
# Who brought an account, who brought that one, and so on.
_ABOVE = Prepared(
    sa.select(
        _above.union(
            sa.select(referral.c.referee_id, referral.c.referrer_id)
            .join(_above, referral.c.referee_id == _above.c.referrer_id)
            .where(_IS_REFERRAL)
        )
    )
)
_leaves = sa.or_(*(entry.c.to_bucket == bucket.value for bucket in (Bucket.REFUNDED, Bucket.REMOVED, Bucket.ISSUED)))
_returns = sa.or_(*(entry.c.from_bucket == bucket.value for bucket in (Bucket.REFUNDED, Bucket.REMOVED)))
_taken_back = (
    sa.select(
        sa.func.coalesce(
            sa.func.sum(sa.case((_leaves, entry.c.amount_micro), (_returns, -entry.c.amount_micro), else_=0)), 0
        )
    )
    .where(entry.c.batch_id == batch.c.id)
    .scalar_subquery()
)
# Credits that the account itself paid for and that were not all taken back.
PURCHASE = sa.and_(
    batch.c.credit_type == CreditType.PURCHASED.value,
    batch.c.parent_id.is_(None),
    batch.c.granted_micro > _taken_back,
)
BOUGHT = Prepared(sa.select(sa.func.min(batch.c.id)).where(batch.c.account_id == _ACCOUNT_ID, PURCHASE))
_INSERT_REFERRAL = Prepared(sa.insert(referral).inline())
_JOIN_INVITED = Prepared(
    sa.update(referral)
    .where(referral.c.id == sa.bindparam("which", type_=sa.BigInteger))
    .values(
        referee_id=sa.bindparam("referee", type_=sa.BigInteger),
        state=ReferralState.JOINED.value,
        held_because=sa.bindparam("why"),
        joined_at=sa.bindparam("at"),
    )
)
TOUCH_ACCOUNT = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("id", type_=sa.BigInteger))
    .values(version=account.c.version + 1)
)


@dataclass(frozen=True, slots=True)
class InviteReferral(Command):
    """Note that somebody was invited by a code; joining with that e-mail address continues this referral."""

    kind: ClassVar[str] = "invite_referral"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    code: str
    email: str

    def faults(self) -> list[Fault]:
        found = text_faults("code", self.code) + text_faults("email", self.email)
        if "@" not in self.email:
            found.append(Fault("email", f"{self.email!r} is not an e-mail address"))
        return found


@dataclass(frozen=True, slots=True)
class JoinReferral(Command):
    """A customer who has not bought yet says by whose code it came.

    Refused for oneself, within an organisation, and in circles; held for review when the two look like one.
    """

    kind: ClassVar[str] = "join_referral"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    code: str
    account: str

    def faults(self) -> list[Fault]:
        return text_faults("code", self.code) + text_faults("account", self.account)


def invite_referral(context: Context, command: InviteReferral) -> Outcome:
    code, email = normal_code(command.code), normal_email(command.email)
    programme_id, referrer = _open_code(context, code)
    named = {"code": code, "email": email}
    state, (known, ids) = context.load(referrer, (_INVITED, named), context.work.next_ids(referral))
    if known:
        raise NotAllowedNow(f"{email} was invited by {code} before.")
    id_ = context.work.ids_of(ids)[0]
    _insert(context, id_, code=code, programme_id=programme_id, referrer_id=state.id, invited=email)
    receipt = effect(command.kind, state, context.at, Before.of(state, context.at), subject_id=id_)
    return Outcome(receipt, state.id, context.at)


def join_referral(context: Context, command: JoinReferral) -> Outcome:
    code = normal_code(command.code)
    programme_id, referrer_name = _open_code(context, code)
    if referrer_name == command.account:
        raise NotAllowedNow(f"{command.account} cannot join by {code}: nobody can refer themselves.")
    states, rows = context.load_all(
        [referrer_name, command.account],
        (_PARTY, {"account": referrer_name}),
        (_PARTY, {"account": command.account}),
        (_ABOVE, {"account": referrer_name}),
        (_OF_REFEREE, {"account": command.account}),
        (BOUGHT, {"account": command.account}),
        context.work.next_ids(referral),
    )
    referrers, referees, above, known, bought, ids = rows
    if not referees:
        raise NotAllowedNow(f"{command.account} is a pool; only customers are referred.")
    referrer, referee = Party(*referrers[0]), Party(*referees[0])
    why_not = refusal(referrer, referee, dict(above))
    if known:
        why_not = "it was referred before"
    elif bought[0][0] is not None:
        why_not = why_not or "it has bought credits before, and is no new customer"
    if why_not:
        raise NotAllowedNow(f"{command.account} cannot join by {code}: {why_not}.")
    why_held = suspicion(referrer, referee)
    (invited,) = context.work.fetch((_INVITED, {"code": code, "email": normal_email(referee.email)}))
    waiting = invited[0][0] if invited and referee.email else None
    id_ = waiting if waiting is not None else context.work.ids_of(ids)[0]
    if waiting is not None:
        context.queue(_JOIN_INVITED, {"which": id_, "referee": referee.account_id, "why": why_held, "at": context.at})
    else:
        _insert(
            context,
            id_,
            code=code,
            programme_id=programme_id,
            referrer_id=referrer.account_id,
            referee_id=referee.account_id,
            held_because=why_held,
        )
    state = states[command.account]
    for one in states.values():
        context.queue(TOUCH_ACCOUNT, {"id": one.id})
    before = Before.of(state, context.at)
    has = states[referrer_name].usable_micro(context.at)
    receipt = effect(
        command.kind,
        state,
        context.at,
        before,
        counterpart=referrer_name,
        counterpart_before_micro=has,
        counterpart_available_micro=has,
        subject_id=id_,
    )
    return Outcome(receipt, state.id, context.at)


def _open_code(context: Context, code: str) -> tuple[int, str]:
    """Programme and owner of a code that can be used now. Raises NotFound, NotAllowedNow."""
    _, rows = context.begin((_TAKE_TURNS, {}), (_CODE, {"code": code}))
    if not rows:
        raise NotFound(what="referral code", id=code)
    programme_id, referrer, disabled_at, effective_at, ends_at = rows[0]
    why = ""
    if disabled_at is not None:
        why = f"it was disabled on {disabled_at:%Y-%m-%d}"
    elif context.at < effective_at:
        why = f"its programme begins on {effective_at:%Y-%m-%d}"
    elif ends_at is not None and ends_at <= context.at:
        why = f"its programme ended on {ends_at:%Y-%m-%d}"
    if why:
        raise NotAllowedNow(f"The code {code} cannot be used: {why}.")
    return programme_id, referrer


def _insert(context: Context, id_: int, **values: Any) -> None:
    """Queue a new referral: invited when nobody joined yet, else joined."""
    has_joined = "referee_id" in values
    row: dict[str, Any] = {
        "id": id_,
        "invited": "",
        "referee_id": None,
        "held_because": "",
        "state": (ReferralState.JOINED if has_joined else ReferralState.INVITED).value,
        "invited_at": None if has_joined else context.at,
        "joined_at": context.at if has_joined else None,
        "qualified_at": None,
        "rewarded_at": None,
        "made_by_id": context.transaction_id,
        "rewarded_in_id": None,
    }
    context.queue(_INSERT_REFERRAL, row | values)

"""Referral programmes and the codes by which customers invite others."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, instant_faults, text_faults
from ledger.context import Context
from ledger.core.amounts import MAX_MICRO
from ledger.core.policy import Permission
from ledger.core.referrals import default_code, normal_code
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.models import account, customer, referral_code, referral_programme
from ledger.receipt import Receipt
from ledger.statements import Prepared

MONTHS_MAX = 60
_CODE = re.compile(r"[A-Z0-9][A-Z0-9-]{3,39}")

_PROGRAMME = Prepared(
    sa.select(referral_programme.c.id, referral_programme.c.effective_at, referral_programme.c.ends_at).where(
        referral_programme.c.code == sa.bindparam("programme")
    )
)
_INSERT_PROGRAMME = Prepared(sa.insert(referral_programme).inline())
_END_PROGRAMME = Prepared(
    sa.update(referral_programme)
    .where(referral_programme.c.id == sa.bindparam("programme_id", type_=sa.BigInteger))
    .values(ends_at=sa.bindparam("at"))
)
_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
_IS_CUSTOMER = Prepared(sa.select(customer.c.account_id).where(customer.c.account_id == _ACCOUNT_ID))
_CODES_LIKE = Prepared(
    sa.select(referral_code.c.code, account.c.external_id, referral_programme.c.code)
    .select_from(
        referral_code.join(account, account.c.id == referral_code.c.account_id).join(
            referral_programme, referral_programme.c.id == referral_code.c.programme_id
        )
    )
    .where(
        sa.or_(
            referral_code.c.code == sa.bindparam("code"),
            sa.and_(
                account.c.external_id == sa.bindparam("account"),
                referral_programme.c.code == sa.bindparam("programme"),
            ),
        )
    )
)
_INSERT_CODE = Prepared(sa.insert(referral_code).inline())
_OWNER = Prepared(
    sa.select(account.c.external_id, referral_code.c.disabled_at)
    .join(referral_code, referral_code.c.account_id == account.c.id)
    .where(referral_code.c.code == sa.bindparam("code"))
)
_DISABLE_CODE = Prepared(
    sa.update(referral_code).where(referral_code.c.code == sa.bindparam("which")).values(disabled_at=sa.bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class DefineReferralProgramme(Command):
    """What both sides of a referral get: the one who invites, at most ``cap`` times (None: no cap), and who joins.

    The rewards last ``expires_months``. Codes work from ``effective_at`` (None: now) until ``ends_at`` (None: no end).
    """

    kind: ClassVar[str] = "define_referral_programme"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    code: str
    label: str
    referrer_micro: int
    referee_micro: int
    cap: int | None = None
    expires_months: int = 6
    effective_at: datetime | None = None
    ends_at: datetime | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("code", self.code, longest=40) + text_faults("label", self.label, longest=120)
        if self.code != self.code.strip():
            found.append(Fault("code", "must not begin or end with a space"))
        for name in ("referrer", "referee"):
            if not 0 <= getattr(self, f"{name}_micro") <= MAX_MICRO:
                found.append(Fault(name, "must be between 0 and 1,000,000,000 credits"))
        if self.referrer_micro == self.referee_micro == 0:
            found.append(Fault("referee", "at least one side must get something"))
        if self.cap is not None and self.cap <= 0:
            found.append(Fault("cap", "must be more than 0; leave it empty for no cap"))
        if not 1 <= self.expires_months <= MONTHS_MAX:
            found.append(Fault("expires_months", f"rewards last 1 to {MONTHS_MAX} months"))
        return found + instant_faults("effective_at", self.effective_at) + instant_faults("ends_at", self.ends_at)


@dataclass(frozen=True, slots=True)
class EndReferralProgramme(Command):
    """Let nobody join any more; who joined before is still rewarded."""

    kind: ClassVar[str] = "end_referral_programme"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    programme: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("programme", self.programme) + self.reason.faults()


@dataclass(frozen=True, slots=True)
class CreateReferralCode(Command):
    """Give a customer the code by which it invites others; ``code`` empty takes one made from its name."""

    kind: ClassVar[str] = "create_referral_code"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    account: str
    programme: str
    code: str = ""

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + text_faults("programme", self.programme)
        if self.code and not _CODE.fullmatch(normal_code(self.code)):
            found.append(Fault("code", "has 4 to 40 letters, digits or hyphens"))
        return found


@dataclass(frozen=True, slots=True)
class DisableReferralCode(Command):
    """Let nobody join by a code any more; who joined before is still rewarded."""

    kind: ClassVar[str] = "disable_referral_code"
    permission: ClassVar[Permission] = Permission.MANAGE_REFERRALS

    code: str
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("code", self.code) + self.reason.faults()


def define_referral_programme(context: Context, command: DefineReferralProgramme) -> Outcome:
    effective_at = command.effective_at or context.at
    if command.ends_at is not None and command.ends_at <= effective_at:
        raise InvalidCommand([Fault("ends_at", "must be later than the beginning")])
    same, ids = context.begin((_PROGRAMME, {"programme": command.code}), context.work.next_ids(referral_programme))
    if same:
        raise InvalidCommand([Fault("code", f"{command.code!r} exists already; choose another code")])
    id_ = context.work.ids_of(ids)[0]
    values: dict[str, Any] = {
        "id": id_,
        "code": command.code,
        "label": command.label.strip(),
        "referrer_micro": command.referrer_micro,
        "referee_micro": command.referee_micro,
        "cap": command.cap,
        "expires_months": command.expires_months,
        "effective_at": effective_at,
        "ends_at": command.ends_at,
        "made_by_id": context.transaction_id,
    }
    context.queue(_INSERT_PROGRAMME, values)
    return Outcome(Receipt(command.kind, None, context.at, subject_id=id_), None, effective_at)


def end_referral_programme(context: Context, command: EndReferralProgramme) -> Outcome:
    (rows,) = context.begin((_PROGRAMME, {"programme": command.programme}))
    id_, _, ends_at = _programme(rows, command.programme)
    if ends_at is not None and ends_at <= context.at:
        raise NotAllowedNow(f"The programme {command.programme} ended before, on {ends_at:%Y-%m-%d}.")
    context.queue(_END_PROGRAMME, {"programme_id": id_, "at": context.at})
    return Outcome(Receipt(command.kind, None, context.at, subject_id=id_), None, context.at, command.reason)


def create_referral_code(context: Context, command: CreateReferralCode) -> Outcome:
    code = normal_code(command.code) or default_code(command.account, command.programme)
    named = {"account": command.account, "programme": command.programme, "code": code}
    state, (customers, programmes, known) = context.load(
        command.account, (_IS_CUSTOMER, named), (_PROGRAMME, named), (_CODES_LIKE, named)
    )
    programme_id, _, ends_at = _programme(programmes, command.programme)
    if not customers:
        raise NotAllowedNow(f"{command.account} is a pool; only customers refer others.")
    if ends_at is not None and ends_at <= context.at:
        raise NotAllowedNow(f"The programme {command.programme} ended on {ends_at:%Y-%m-%d}; choose another one.")
    for its_code, owner, programme in known:
        if (owner, programme) == (command.account, command.programme):
            raise NotAllowedNow(f"{command.account} has the code {its_code} in {command.programme} already; use that.")
        raise InvalidCommand([Fault("code", f"{code} is taken; choose another code")])
    values: dict[str, Any] = {
        "code": code,
        "programme_id": programme_id,
        "account_id": state.id,
        "created_at": context.at,
        "disabled_at": None,
        "made_by_id": context.transaction_id,
    }
    context.queue(_INSERT_CODE, values)
    receipt = effect(command.kind, state, context.at, Before.of(state, context.at))
    return Outcome(receipt, state.id, context.at)


def disable_referral_code(context: Context, command: DisableReferralCode) -> Outcome:
    code = normal_code(command.code)
    (found,) = context.begin((_OWNER, {"code": code}))
    if not found:
        raise NotFound(what="referral code", id=command.code)
    state, (rows,) = context.load(found[0][0], (_OWNER, {"code": code}))
    if rows[0][1] is not None:
        raise NotAllowedNow(f"The code {code} was disabled before.")
    context.queue(_DISABLE_CODE, {"which": code, "at": context.at})
    receipt = effect(command.kind, state, context.at, Before.of(state, context.at))
    return Outcome(receipt, state.id, context.at, command.reason)


def _programme(rows: list[tuple[Any, ...]], code: str) -> tuple[int, datetime, datetime | None]:
    if not rows:
        raise NotFound(what="referral programme", id=code)
    id_, effective_at, ends_at = rows[0]
    return id_, effective_at, ends_at

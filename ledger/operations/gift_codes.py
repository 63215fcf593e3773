"""Gift codes: made in sets, redeemed once each, disabled when they got into wrong hands.

The codes themselves never reach the database: who makes a set hands in hashes (ledger/codes.py), and a redemption keeps
only its hash. They carry too much chance for anybody to find one that fits a hash.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.codes import HINT_CHARS, hash_of, plain
from ledger.commands import Command, Outcome, Reason, amount_faults, instant_faults, text_faults
from ledger.context import Context
from ledger.core.lifecycle import PROMOTIONAL_DAYS_MAX, PROMOTIONAL_DAYS_MIN
from ledger.core.policy import Permission
from ledger.core.records import CreditType
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.journal import BatchTerms
from ledger.models import account, batch, gift_code, gift_code_set
from ledger.operations.grants import put_on_shelf, validity
from ledger.receipt import Receipt
from ledger.statements import Prepared

SET_MAX_CODES = 10_000
LIFE_MAX_DAYS = 3_650
CODE_MAX_CHARS = 100
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class IssueGiftCodes(Command):
    """Make a set of gift codes worth ``amount_micro`` each; answers the set's id in ``subject_id``.

    ``hashes`` and ``hints`` come from `ledger.codes.make_codes`, in the same order; the caller shows the codes once.
    Codes can be redeemed before ``valid_until`` (None: no end). Redeemed credits live ``expires_days`` days (None: the
    default of their type). One customer may redeem ``per_customer_limit`` codes of the set.
    """

    kind: ClassVar[str] = "issue_gift_codes"
    permission: ClassVar[Permission] = Permission.ISSUE_CODES

    label: str
    credit_type: CreditType
    amount_micro: int
    hashes: tuple[str, ...]
    hints: tuple[str, ...]
    reason: Reason
    valid_until: datetime | None = None
    expires_days: int | None = None
    per_customer_limit: int = 1

    def faults(self) -> list[Fault]:
        found = text_faults("label", self.label, longest=120) + amount_faults("amount", self.amount_micro)
        if self.credit_type is CreditType.PURCHASED:
            found.append(Fault("credit_type", "purchased credits come from a top-up, not from a code"))
        found += self._code_faults() + self._life_faults() + instant_faults("valid_until", self.valid_until)
        if not 1 <= self.per_customer_limit <= SET_MAX_CODES:
            found.append(Fault("per_customer_limit", f"must be between 1 and {SET_MAX_CODES:,}"))
        return found + self.reason.faults()

    def _code_faults(self) -> list[Fault]:
        if not 1 <= len(self.hashes) <= SET_MAX_CODES:
            return [Fault("hashes", f"give 1 to {SET_MAX_CODES:,} codes at a time, not {len(self.hashes):,}")]
        if not all(_HASH.fullmatch(one) for one in self.hashes) or len(set(self.hashes)) != len(self.hashes):
            return [Fault("hashes", "must be SHA-256 in lower-case hex, all different; see ledger.codes.make_codes")]
        if len(self.hints) != len(self.hashes) or any(len(one) > HINT_CHARS for one in self.hints):
            return [Fault("hints", f"give one of at most {HINT_CHARS} characters for each code")]
        return [fault for hint in self.hints for fault in text_faults("hints", hint)]

    def _life_faults(self) -> list[Fault]:
        days = self.expires_days
        if days is None:
            return []
        least, most = 0, LIFE_MAX_DAYS
        if self.credit_type is CreditType.PROMOTIONAL:
            least, most = PROMOTIONAL_DAYS_MIN, PROMOTIONAL_DAYS_MAX
        if not least <= days <= most:
            return [Fault("expires_days", f"{self.credit_type} credits live {least} to {most:,} days")]
        return []


@dataclass(frozen=True, slots=True)
class RedeemGiftCode(Command):
    """Give a customer the credits of a code. A code is redeemed once, by whoever comes first."""

    kind: ClassVar[str] = "redeem_gift_code"
    permission: ClassVar[Permission] = Permission.ISSUE_GRANT
    is_secret: ClassVar[bool] = True

    account: str
    code: str

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + text_faults("code", self.code, longest=CODE_MAX_CHARS)
        return found if found or plain(self.code) else [Fault("code", "has no letters or digits")]


@dataclass(frozen=True, slots=True)
class DisableGiftCodes(Command):
    """Make what is left of a set, or one code of it, worthless. What was redeemed stays redeemed."""

    kind: ClassVar[str] = "disable_gift_codes"
    permission: ClassVar[Permission] = Permission.ISSUE_CODES

    set_id: int
    reason: Reason
    code_id: int | None = None

    def faults(self) -> list[Fault]:
        return self.reason.faults()


_INSERT_SET = Prepared(sa.insert(gift_code_set).inline())
_KNOWN_HASHES_POSTGRESQL = Prepared(
    sa.select(gift_code.c.id)
    .where(gift_code.c.code_hash == sa.func.any(sa.bindparam("hashes", type_=sa.ARRAY(sa.Text))))
    .limit(1)
)
_KNOWN_HASHES_SQLITE = Prepared(
    sa.select(gift_code.c.id)
    .where(
        gift_code.c.code_hash.in_(
            sa.select(sa.column("value")).select_from(
                sa.func.json_each(sa.bindparam("hashes", type_=sa.JSON())).table_valued("value")
            )
        )
    )
    .limit(1)
)
_CODE_COLUMNS = ("set_id", "code_hash", "hint")
_ACCOUNT_ID = sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
_CODE = Prepared(
    sa.select(
        gift_code.c.id,
        gift_code.c.set_id,
        gift_code.c.hint,
        gift_code.c.disabled_at,
        gift_code.c.redeemed_at,
        gift_code_set.c.disabled_at,
        gift_code_set.c.label,
        gift_code_set.c.credit_type,
        gift_code_set.c.amount_micro,
        gift_code_set.c.expires_days,
        gift_code_set.c.valid_until,
        gift_code_set.c.per_customer_limit,
    )
    .join(gift_code_set, gift_code_set.c.id == gift_code.c.set_id)
    .where(gift_code.c.code_hash == sa.bindparam("code_hash"))
    # After the account: everybody who redeems locks in that order.
    .with_for_update(of=gift_code)
)
_redeemed = gift_code.alias("redeemed")
# Asked under the lock of the account, so two codes of one set cannot both be its customer's last.
_REDEEMED_BEFORE = Prepared(
    sa.select(sa.func.count())
    .select_from(_redeemed.join(gift_code, gift_code.c.set_id == _redeemed.c.set_id))
    .where(gift_code.c.code_hash == sa.bindparam("code_hash"), _redeemed.c.redeemed_by_id == _ACCOUNT_ID)
)
_REDEEM = Prepared(
    sa.update(gift_code)
    .where(gift_code.c.id == sa.bindparam("code_id", type_=sa.BigInteger))
    .values(
        redeemed_at=sa.bindparam("at"),
        redeemed_by_id=sa.bindparam("account_id", type_=sa.BigInteger),
        redeemed_in_id=sa.bindparam("transaction", type_=sa.BigInteger),
    )
)
_SET = Prepared(
    sa.select(gift_code_set.c.disabled_at)
    .where(gift_code_set.c.id == sa.bindparam("set_id", type_=sa.BigInteger))
    .with_for_update()
)
_CODE_OF_SET = Prepared(
    sa.select(gift_code.c.disabled_at, gift_code.c.redeemed_at)
    .where(
        gift_code.c.id == sa.bindparam("code_id", type_=sa.BigInteger),
        gift_code.c.set_id == sa.bindparam("set_id", type_=sa.BigInteger),
    )
    .with_for_update()
)
_DISABLE_SET = Prepared(
    sa.update(gift_code_set)
    .where(gift_code_set.c.id == sa.bindparam("set_id", type_=sa.BigInteger))
    .values(disabled_at=sa.bindparam("at"))
)
_DISABLE_CODE = Prepared(
    sa.update(gift_code)
    .where(gift_code.c.id == sa.bindparam("code_id", type_=sa.BigInteger))
    .values(disabled_at=sa.bindparam("at"))
)


def issue_gift_codes(context: Context, command: IssueGiftCodes) -> Outcome:
    known = _KNOWN_HASHES_POSTGRESQL if context.work.is_postgresql else _KNOWN_HASHES_SQLITE
    same, ids = context.begin((known, {"hashes": list(command.hashes)}), context.work.next_ids(gift_code_set))
    if same:
        raise InvalidCommand([Fault("hashes", "some of these codes were issued before; make fresh ones")])
    if command.valid_until is not None and command.valid_until <= context.at:
        raise InvalidCommand([Fault("valid_until", "has passed; codes must be valid until a later time")])
    set_id = context.work.ids_of(ids)[0]
    context.queue(
        _INSERT_SET,
        {
            "id": set_id,
            "label": command.label.strip(),
            "credit_type": command.credit_type.value,
            "amount_micro": command.amount_micro,
            "expires_days": command.expires_days,
            "valid_until": command.valid_until,
            "per_customer_limit": command.per_customer_limit,
            "disabled_at": None,
            "made_by_id": context.transaction_id,
        },
    )
    rows: list[tuple[Any, ...]] = [
        (set_id, code_hash, hint) for code_hash, hint in zip(command.hashes, command.hints, strict=True)
    ]
    context.queue_rows(gift_code, _CODE_COLUMNS, rows)
    receipt = Receipt(command.kind, None, context.at, subject_id=set_id)
    return Outcome(receipt, None, context.at, command.reason, weight_micro=len(command.hashes) * command.amount_micro)


@dataclass(frozen=True, slots=True)
class _Code:
    """A code as found, with the terms of its set."""

    id: int
    set_id: int
    hint: str
    disabled_at: datetime | None
    redeemed_at: datetime | None
    set_disabled_at: datetime | None
    label: str
    credit_type: str
    amount_micro: int
    expires_days: int | None
    valid_until: datetime | None
    per_customer_limit: int


def redeem_gift_code(context: Context, command: RedeemGiftCode) -> Outcome:
    asked = {"code_hash": hash_of(command.code)}
    state, (ids, rows, before) = context.load(
        command.account,
        context.work.next_ids(batch),
        (_CODE, asked),
        (_REDEEMED_BEFORE, asked | {"account": command.account}),
    )
    code = _usable(context, rows, redeemed_before=before[0][0])
    credit_type = CreditType(code.credit_type)
    last_day = None
    if code.expires_days is not None:
        last_day = context.at.astimezone(state.zone).date() + timedelta(days=code.expires_days)
    starts, ends = validity(context, state, credit_type, effective_at=None, expires_on=last_day)
    terms = BatchTerms(
        credit_type,
        context.at,
        starts,
        ends,
        source="gift_code",
        campaign=code.label,
        details={"gift_code_set": code.set_id, "gift_code": code.id},
    )
    redeemed = {"code_id": code.id, "at": context.at, "account_id": state.id, "transaction": context.transaction_id}
    context.queue(_REDEEM, redeemed)
    reason = Reason("gift_code", f"gift code ending in {code.hint}")
    batch_id = context.work.ids_of(ids)[0]
    outcome = put_on_shelf(context, state, batch_id, command.kind, code.amount_micro, terms, reason)
    # Nothing against the limit of one person: the whole set was weighed when it was issued.
    return replace(outcome, receipt=replace(outcome.receipt, subject_id=code.set_id), weight_micro=0)


def _usable(context: Context, rows: list[tuple[Any, ...]], *, redeemed_before: int) -> _Code:
    """The code that was found. Raises NotAllowedNow when it gives nothing, and why; an unknown code says no more."""
    if not rows:
        raise NotAllowedNow("There is no such gift code; check it for a wrong or missing character.")
    code = _Code(*rows[0])
    why = ""
    if code.redeemed_at is not None:
        why = "was redeemed before; a code gives its credits once"
    elif code.disabled_at is not None or code.set_disabled_at is not None:
        why = "was disabled; issue a grant if the customer should have the credits anyway"
    elif code.valid_until is not None and code.valid_until <= context.at:
        why = f"could be redeemed until {code.valid_until:%Y-%m-%d %H:%M} UTC"
    elif redeemed_before >= code.per_customer_limit:
        codes = "code" if code.per_customer_limit == 1 else "codes"
        why = f"is one of a set of which a customer may redeem {code.per_customer_limit} {codes}, and did"
    if why:
        raise NotAllowedNow(f"The gift code {why}. Nothing was booked.")
    return code


def disable_gift_codes(context: Context, command: DisableGiftCodes) -> Outcome:
    named = {"set_id": command.set_id, "code_id": command.code_id}
    sets, codes = context.begin((_SET, {"set_id": command.set_id}), (_CODE_OF_SET, named))
    if not sets:
        raise NotFound(what="set of gift codes", id=str(command.set_id))
    is_done = sets[0][0] is not None
    if command.code_id is not None:
        if not codes:
            raise NotFound(what=f"gift code in set {command.set_id},", id=str(command.code_id))
        disabled_at, redeemed_at = codes[0]
        if redeemed_at is not None:
            raise NotAllowedNow("The gift code was redeemed before; void the batch that it gave instead.")
        is_done = is_done or disabled_at is not None
        context.queue(_DISABLE_CODE, {"code_id": command.code_id, "at": context.at})
    else:
        context.queue(_DISABLE_SET, {"set_id": command.set_id, "at": context.at})
    receipt = Receipt(command.kind, None, context.at, subject_id=command.set_id)
    return Outcome(receipt, None, context.at, command.reason, nothing_to_do=is_done)

"""A longer life for a batch: a new fact, beside which the old date stays known."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import YEARS, Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.extensions import allowed_extension
from ledger.core.lifecycle import end_of_day, last_day
from ledger.core.policy import Permission
from ledger.core.records import Batch, Bucket, Take
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.journal import AccountState, Line, post, repay_debt
from ledger.models import allocation, batch, batch_extension, entry
from ledger.statements import Prepared

_BATCH_ID = sa.bindparam("batch_id", type_=sa.BigInteger)
_EXPIRED = Prepared(
    sa.select(
        sa.cast(
            sa.func.coalesce(
                sa.func.sum(
                    sa.case(
                        (entry.c.to_bucket == Bucket.EXPIRED.value, entry.c.amount_micro),
                        (entry.c.from_bucket == Bucket.EXPIRED.value, -entry.c.amount_micro),
                        else_=0,
                    )
                ),
                0,
            ),
            sa.BigInteger,
        )
    ).where(entry.c.batch_id == _BATCH_ID)
)
# What a plan gave ends with its billing period, and what is left of it rolls over by the plan's own rule.
_ALLOWANCE = Prepared(
    sa.select(allocation.c.id).where(allocation.c.batch_id == _BATCH_ID, allocation.c.kind != "rollover").limit(1)
)
_INSERT_EXTENSION = Prepared(sa.insert(batch_extension).inline())
_SET_EXPIRY = Prepared(
    sa.update(batch)
    .where(batch.c.id == sa.bindparam("of_batch", type_=sa.BigInteger))
    .values(expires_at=sa.bindparam("until", type_=batch.c.expires_at.type))
)


@dataclass(frozen=True, slots=True)
class ExtendExpiry(Command):
    """Let a batch live longer: through ``expires_on`` in the customer's zone, or for ever with ``never_expires``.

    What of it had expired comes back, whether the expiry was booked or not.
    """

    kind: ClassVar[str] = "extend_expiry"
    permission: ClassVar[Permission] = Permission.EXTEND_EXPIRY

    account: str
    batch_id: int
    reason: Reason
    expires_on: date | None = None
    never_expires: bool = False

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + self.reason.faults()
        if self.never_expires == (self.expires_on is not None):
            found.append(Fault("expires_on", "give a last day, or ask for no end"))
        if self.expires_on is not None and self.expires_on.year not in YEARS:
            found.append(Fault("expires_on", f"must lie between the years {YEARS[0]} and {YEARS[-1]}"))
        return found


def extend_expiry(context: Context, command: ExtendExpiry) -> Outcome:
    wanted = {"batch_id": command.batch_id}
    state, (booked, allowance, ids) = context.load(
        command.account, (_EXPIRED, wanted), (_ALLOWANCE, wanted), context.work.next_ids(batch_extension)
    )
    found = context.load_batch(state, command.batch_id)
    if found is None:
        raise NotFound(what=f"batch of {state.external_id},", id=str(command.batch_id))
    expired = booked[0][0]
    _refuse_pointless(found, expired, is_allowance=bool(allowance))
    ends = _new_end(context, state, found, command)
    before = Before.of(state, context.at)
    state.batches[found.id] = replace(found, expires_at=ends)
    returned = (Take(found.id, found.credit_type, expired),) if expired else ()
    lines = [Line(found.id, Bucket.EXPIRED, Bucket.AVAILABLE, take.amount_micro, context.at) for take in returned]
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    repay_debt(context.posting, state, transaction_id=context.transaction_id, at=context.at)
    row_id = context.work.ids_of(ids)[0]
    extension = {
        "id": row_id,
        "batch_id": found.id,
        "expires_before": found.expires_at,
        "expires_after": ends,
        "transaction_id": context.transaction_id,
    }
    context.queue(_INSERT_EXTENSION, extension)
    context.queue(_SET_EXPIRY, {"of_batch": found.id, "until": ends})
    receipt = effect(command.kind, state, context.at, before, returned=returned, subject_id=found.id)
    weight = found.remaining_micro + expired
    return Outcome(receipt, state.id, context.at, command.reason, weight_micro=weight)


def _refuse_pointless(found: Batch, expired_micro: int, *, is_allowance: bool) -> None:
    if found.expires_at is None:
        raise NotAllowedNow(f"Batch {found.id} never expires, so its life cannot be made longer.")
    if is_allowance:
        raise NotAllowedNow(
            f"Batch {found.id} is the allowance of a plan and ends with its billing period; issue a grant for the "
            "credits that are to live longer."
        )
    if not found.remaining_micro and not expired_micro:
        raise NotAllowedNow(
            f"Nothing of batch {found.id} is left and nothing of it has expired; issue a grant when the customer is to "
            "have more credits."
        )


def _new_end(context: Context, state: AccountState, found: Batch, command: ExtendExpiry) -> datetime | None:
    """The new end of a batch. Raises InvalidCommand naming the days that are allowed."""
    assert found.expires_at is not None
    allowed = allowed_extension(found.credit_type, context.at.astimezone(state.zone).date())
    day = None if command.never_expires else command.expires_on
    if not allowed.allows(day):
        until = f"and {allowed.latest}" if allowed.latest else "or later"
        between = "between " if allowed.latest else ""
        message = f"{found.credit_type} credits can now be extended to {between}{allowed.earliest} {until}"
        raise InvalidCommand([Fault("expires_on", message)])
    ends = None if day is None else end_of_day(day, state.zone)
    if ends is not None and ends <= found.expires_at:
        last = last_day(found.expires_at, state.zone)
        raise InvalidCommand([Fault("expires_on", f"must be later than {last}, the last day that the batch has now")])
    return ends

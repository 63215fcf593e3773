"""What time alone has changed on an account, booked before anything else happens to it.

A hold that timed out is ignored by reads at once; credits that became usable while the account owes pay the debt first.
Whoever locks the account next writes that down, as transactions of their own, so every handler finds it in order.
Source: docs/accounting.md, rules 14 and 18.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from ledger.commands import Before, Outcome, effect
from ledger.core.policy import SYSTEM
from ledger.core.records import Bucket, CreditType, Hold, Take
from ledger.journal import AccountState, Line, post, repay_debt
from ledger.models import batch, hold, hold_part
from ledger.statements import Prepared

if TYPE_CHECKING:
    from ledger.context import Context

_LAPSED = Prepared(
    sa.select(
        hold.c.id,
        hold.c.reference,
        hold.c.feature,
        hold.c.placed_at,
        hold.c.expires_at,
        hold_part.c.batch_id,
        batch.c.credit_type,
        hold_part.c.amount_micro,
    )
    .select_from(hold.join(hold_part, hold_part.c.hold_id == hold.c.id).join(batch, batch.c.id == hold_part.c.batch_id))
    .where(
        hold.c.account_id == sa.bindparam("account_id", type_=sa.BigInteger),
        sa.text("state = 'open'"),
        hold.c.expires_at <= sa.bindparam("at", type_=hold.c.expires_at.type),
    )
    .order_by(hold.c.expires_at, hold.c.id, hold_part.c.position)
)


def tidy(context: "Context", state: AccountState) -> None:
    """Book lapsed holds and the repayment of debt of a locked account; usually there is neither."""
    if state.held_micro:
        (rows,) = context.work.fetch((_LAPSED, {"account_id": state.id, "at": context.at}))
        for one in holds_of(rows):
            _book_lapse(context, state, one)
    if state.owed_micro and state.usable_micro(context.at):
        before = Before.of(state, context.at)
        sub = _aside(context, key=f"repay:{context.transaction_id}")
        sub.transaction_id = context.transaction_id
        repay_debt(sub.posting, state, transaction_id=sub.transaction_id, at=context.at)
        if sub.posting.entries:
            sub.book(Outcome(effect("repay_debt", state, context.at, before), state.id, context.at))
            context.work.flush()
            context.renew_id()


def release_lines(state: AccountState, one: Hold, takes: tuple[Take, ...], at: datetime) -> list[Line]:
    """Entries that give held credits back to their batches; those past their date expire at the same instant."""
    lines = [
        Line(take.batch_id, Bucket.HELD, Bucket.AVAILABLE, take.amount_micro, at, hold_id=one.id) for take in takes
    ]
    for take in takes:
        ends = state.batches[take.batch_id].expires_at
        if ends is not None and ends <= at:
            lines.append(Line(take.batch_id, Bucket.AVAILABLE, Bucket.EXPIRED, take.amount_micro, at))
    return lines


def holds_of(rows: list[tuple[Any, ...]]) -> list[Hold]:
    """Holds from joined rows of holds and their parts, in the order of the rows."""
    parts: dict[int, list[Take]] = {}
    heads: dict[int, tuple[Any, ...]] = {}
    for id_, reference, feature, placed_at, expires_at, batch_id, kind, amount in rows:
        heads[id_] = (id_, reference, feature, placed_at, expires_at)
        parts.setdefault(id_, []).append(Take(batch_id, CreditType(kind), amount))
    return [
        Hold(id_, reference, feature, tuple(parts[id_]), placed_at, expires_at)
        for id_, reference, feature, placed_at, expires_at in heads.values()
    ]


def _aside(context: "Context", *, key: str) -> "Context":
    """A context for what happens by itself: nobody approved it."""
    sub = context.child(key=key, actor=SYSTEM)
    sub.approval_id = None
    return sub


def _book_lapse(context: "Context", state: AccountState, one: Hold) -> None:
    assert one.expires_at is not None
    before = Before.of(state, context.at)
    sub = _aside(context, key=f"lapse:{one.id}")
    sub.transaction_id = context.transaction_id
    lines = release_lines(state, one, one.parts, one.expires_at)
    post(sub.posting, state, transaction_id=sub.transaction_id, lines=lines)
    gone = {line.batch_id for line in lines if line.to_bucket is Bucket.EXPIRED}
    expired = tuple(take for take in one.parts if take.batch_id in gone)
    receipt = effect("lapse_hold", state, context.at, before, returned=one.parts, expired=expired, hold_id=one.id)
    sub.posting.hold_ends.append((one.id, "lapsed", 0, one.expires_at, sub.transaction_id))
    sub.book(Outcome(receipt, state.id, one.expires_at))
    context.work.flush()
    context.renew_id()

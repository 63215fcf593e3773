"""Credits follow money that left again at a provider, or came back: taken, owed, frozen, put back.

Source: docs/accounting.md, rule 33; the arithmetic is that of ledger/core/agreement.py.
"""

from dataclasses import dataclass, replace

import sqlalchemy as sa

from ledger.context import Context
from ledger.core.agreement import MoneyBack, Shelf, Taken, freeze_micro, plan_change, share_micro
from ledger.core.amounts import Money, micro_to_text, share_of_cost_cents
from ledger.core.holds import DISPUTE_FEATURE, DISPUTE_PREFIX
from ledger.core.payments import ClawBackCause
from ledger.core.records import Batch, Bucket, CreditType, Take
from ledger.errors import LedgerCorrupt
from ledger.journal import AccountState, BatchTerms, Line, post, repay_debt
from ledger.models import account, batch, claw_back, entry, hold, hold_part, provider_refund, refund
from ledger.models.books import MOVEMENT
from ledger.operations.grants import validity
from ledger.operations.payment_rows import PaymentRow
from ledger.receipt import NewBatch
from ledger.reconcile.parts import moved, total
from ledger.statements import Prepared

_BATCH_ID = sa.bindparam("batch_id", type_=sa.BigInteger)
_ACCOUNT_ID = sa.bindparam("account_id", type_=sa.BigInteger)
_PAID = Prepared(sa.select(batch.c.granted_micro, batch.c.cost_cents, batch.c.currency).where(batch.c.id == _BATCH_ID))
# Found by the index of rare entries: a batch may have paid for a million uses.
_LEFT = Prepared(
    sa.select(total(moved(Bucket.EXPIRED)), total(moved(Bucket.REMOVED)), total(moved(Bucket.REFUNDED))).where(
        entry.c.account_id == _ACCOUNT_ID, MOVEMENT, entry.c.batch_id == _BATCH_ID
    )
)
_BY_HAND = Prepared(
    sa.select(total(refund.c.amount_micro)).where(
        refund.c.batch_id == _BATCH_ID,
        ~sa.exists().where(provider_refund.c.refund_id == refund.c.id, provider_refund.c.state != "replaced"),
    )
)
_FROZEN = Prepared(
    sa.select(total(hold_part.c.amount_micro)).where(
        hold_part.c.hold_id == sa.bindparam("hold_id", type_=sa.BigInteger)
    )
)
_HOLDS_BEFORE = Prepared(
    sa.select(sa.func.count(hold.c.id)).where(
        hold.c.account_id == _ACCOUNT_ID,
        sa.or_(
            hold.c.reference == sa.bindparam("reference", type_=sa.Text),
            hold.c.reference.startswith(sa.bindparam("reference", type_=sa.Text) + ":"),
        ),
    )
)
_CLAIM = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("of", type_=sa.BigInteger))
    .values(claimed_micro=account.c.claimed_micro + sa.bindparam("more", type_=sa.BigInteger))
)
_INSERT_CLAW_BACK = Prepared(sa.insert(claw_back).inline())


@dataclass(slots=True)
class Clawed:
    """What became of a payment's credits: its row, and the parts of the receipt. ``money`` is the share of the cost.

    Money above 0 left the books of the batch, below 0 came back to them. ``kind`` is empty when nothing became of it.
    """

    row: PaymentRow
    kind: str = ""
    takes: tuple[Take, ...] = ()
    returned: tuple[Take, ...] = ()
    expired: tuple[Take, ...] = ()
    new_batches: tuple[NewBatch, ...] = ()
    money: Money | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything that decides: the batch as it stands, what the payment has frozen of it, and money that left."""

    batch: Batch
    granted_micro: int
    cost: Money
    shelf: Shelf
    frozen_micro: int
    money: MoneyBack
    is_over: bool
    holds_before: int

    @property
    def loose_micro(self) -> int:
        """What can be taken without touching the frozen part."""
        return 0 if self.is_over else self.batch.free_micro


def is_settled(before: PaymentRow, after: PaymentRow) -> bool:
    """Whether the credits of a payment have nothing to follow: no money moved since, and none is in doubt."""
    if after.batch_id is None:
        return True
    is_calm = after.disputed_cents == 0 and after.hold_id is None

    def figures(row: PaymentRow) -> tuple[int, ...]:
        return row.refunded_cents, row.own_refunds_cents, row.lost_cents

    return is_calm and figures(before) == figures(after) and (before.batch_id is not None or not any(figures(after)))


def agree(context: Context, state: AccountState, before: PaymentRow, row: PaymentRow) -> Clawed:
    """Make the credits of a credited payment agree with the money that is left of it; queues what that takes.

    Args: the locked account; the row as it was, and as it is with the figures that the provider tells.
    """
    scene, ids = _look(context, state, row)
    so_far = row.taken
    target = share_micro(scene.granted_micro, scene.money.gone_cents, scene.money.total_cents)
    change = plan_change(so_far, target, scene.shelf, owed_micro=state.owed_micro)
    taken = so_far.plus(change)
    left = scene.shelf.free_micro - max(0, change.taken_micro) + (0 if scene.is_over else max(0, -change.taken_micro))
    freeze = freeze_micro(scene.granted_micro, scene.money, taken=taken, free_micro=left)
    if change == Taken() and freeze == scene.frozen_micro:
        return Clawed(row)
    batch_id, hold_id, claw_id = ids
    clawed = Clawed(row)
    _move(context, state, scene, clawed, change, freeze, hold_id)
    if change != Taken():
        _write_down(context, state, scene, clawed, change, cause=_cause(before, row), claw_id=claw_id)
        _claim(context, state, change.claimed_micro)
    if change.compensated_micro:
        clawed.new_batches = (_compensate(context, state, row, change.compensated_micro, batch_id),)
    repay_debt(context.posting, state, transaction_id=context.transaction_id, at=context.at)
    clawed.row = replace(
        clawed.row,
        taken_micro=taken.taken_micro,
        gone_micro=taken.gone_micro,
        claimed_micro=taken.claimed_micro,
        compensated_micro=taken.compensated_micro,
    )
    frozen = freeze - scene.frozen_micro
    clawed.kind = _kind(change.net_micro, frozen)
    clawed.notes = _words(change, frozen)
    return clawed


def _look(context: Context, state: AccountState, row: PaymentRow) -> tuple[_Scene, tuple[int, int, int]]:
    assert row.batch_id is not None and row.total_cents is not None
    of_batch = {"batch_id": row.batch_id}
    if not _is_new(context, row.batch_id):
        context.load_batch(state, row.batch_id)
    found = state.batches.get(row.batch_id)
    paid, left, by_hand, frozen, holds, batch_ids, hold_ids, claw_ids = context.work.fetch(
        (_PAID, of_batch),
        (_LEFT, of_batch | {"account_id": state.id}),
        (_BY_HAND, of_batch),
        (_FROZEN, {"hold_id": row.hold_id or 0}),
        (_HOLDS_BEFORE, {"account_id": state.id, "reference": DISPUTE_PREFIX + row.name}),
        context.work.next_ids(batch),
        context.work.next_ids(hold),
        context.work.next_ids(claw_back),
    )
    if found is None:
        raise LedgerCorrupt(place=f"payment {row.name}", detail=f"batch {row.batch_id} is of another account")
    # A batch that is made in this very transaction is not in the database yet.
    granted, cost_cents, currency = paid[0] if paid else (row.credits_micro, row.cost.cents, row.cost.currency)
    expired, removed, refunded = left[0]
    frozen_micro = frozen[0][0]
    is_over = found.expires_at is not None and found.expires_at <= context.at
    loose = 0 if is_over else found.free_micro
    shelf = Shelf(
        free_micro=loose + frozen_micro,
        used_micro=granted - found.free_micro - frozen_micro - expired - removed - refunded,
        by_hand_micro=by_hand[0][0],
        unused_micro=expired + removed + found.free_micro - loose,
    )
    money = MoneyBack(
        row.total_cents,
        row.own_refunds_cents,
        row.refunded_cents - row.own_refunds_cents,
        row.lost_cents,
        row.disputed_cents,
    )
    scene = _Scene(found, granted, Money(cost_cents, currency), shelf, frozen_micro, money, is_over, holds[0][0])
    ids = context.work.ids_of
    return scene, (ids(batch_ids)[0], ids(hold_ids)[0], ids(claw_ids)[0])


def _is_new(context: Context, batch_id: int) -> bool:
    return any(values["id"] == batch_id for values in context.posting.batches)


def _move(
    context: Context, state: AccountState, scene: _Scene, clawed: Clawed, change: Taken, freeze: int, hold_id: int
) -> None:
    """Post the entries of the batch and the claim: thaw, take or put back, freeze anew, and let go what is over."""
    batch_id, kind, at, row = scene.batch.id, scene.batch.credit_type, context.at, clawed.row
    lines: list[Line] = []

    def move(
        origin: Bucket, target: Bucket, amount: int, hold: int | None = None, *, of: int | None = batch_id
    ) -> None:
        if amount:
            lines.append(Line(of, origin, target, amount, at, hold_id=hold))

    take, back = max(0, change.taken_micro), max(0, -change.taken_micro)
    must_thaw = scene.frozen_micro and (freeze != scene.frozen_micro or take > scene.loose_micro)
    thawed = scene.frozen_micro if must_thaw else 0
    frozen_anew = freeze if must_thaw or not scene.frozen_micro else 0
    move(Bucket.HELD, Bucket.AVAILABLE, thawed, row.hold_id)
    move(Bucket.AVAILABLE, Bucket.REFUNDED, take)
    move(Bucket.REFUNDED, Bucket.AVAILABLE, back)
    move(Bucket.AVAILABLE, Bucket.HELD, frozen_anew, hold_id)
    came = thawed + back - take - frozen_anew
    gone_by = came if scene.is_over else 0
    move(Bucket.AVAILABLE, Bucket.EXPIRED, gone_by)
    move(Bucket.OWED, Bucket.REFUNDED, max(0, change.claimed_micro), of=None)
    move(Bucket.REFUNDED, Bucket.OWED, max(0, -change.claimed_micro), of=None)
    post(context.posting, state, transaction_id=context.transaction_id, lines=lines)
    if must_thaw:
        assert row.hold_id is not None
        _resolve(context, row.hold_id)
        clawed.row = replace(clawed.row, hold_id=None)
    if frozen_anew:
        _place(context, state, scene, clawed.row, frozen_anew, hold_id)
        clawed.row = replace(clawed.row, hold_id=hold_id)
    frozen = freeze - scene.frozen_micro
    # Frozen credits stay on the shelf: where others are taken or put back, only those are told of.
    down, up = (take, back) if take or back else (max(0, frozen), max(0, -frozen))
    clawed.takes = (Take(batch_id, kind, down),) if down else ()
    clawed.returned = (Take(batch_id, kind, up),) if up else ()
    clawed.expired = (Take(batch_id, kind, gone_by),) if gone_by else ()


def _resolve(context: Context, hold_id: int) -> None:
    context.posting.hold_ends.append((hold_id, "released", 0, context.at, context.transaction_id))


def _place(
    context: Context, state: AccountState, scene: _Scene, row: PaymentRow, amount_micro: int, hold_id: int
) -> None:
    name = DISPUTE_PREFIX + row.name
    # What is frozen may change; each time it is a hold of its own.
    reference = f"{name}:{scene.holds_before + 1}" if scene.holds_before else name
    # It never lapses.
    context.posting.holds.append(
        (hold_id, state.id, reference, DISPUTE_FEATURE, "", amount_micro, context.at, None, context.transaction_id)
    )
    context.posting.hold_parts.append((hold_id, 0, scene.batch.id, amount_micro))


def _write_down(
    context: Context,
    state: AccountState,
    scene: _Scene,
    clawed: Clawed,
    change: Taken,
    *,
    cause: ClawBackCause,
    claw_id: int,
) -> None:
    """Queue the row of this claw-back; its cents are the difference of rounded cumulative shares of the cost."""
    row = clawed.row

    def cost_of(part: Taken) -> int:
        return share_of_cost_cents(scene.cost.cents, part_micro=part.net_micro, whole_micro=scene.granted_micro)

    cents = cost_of(row.taken.plus(change)) - cost_of(row.taken)
    clawed.money = Money(cents, scene.cost.currency)
    context.queue(
        _INSERT_CLAW_BACK,
        {
            "id": claw_id,
            "payment_id": row.id,
            "account_id": state.id,
            "batch_id": scene.batch.id,
            "cause": cause.value,
            "taken_micro": change.taken_micro,
            "claimed_micro": change.claimed_micro,
            "gone_micro": change.gone_micro,
            "compensated_micro": change.compensated_micro,
            "cents": cents,
            "currency": scene.cost.currency,
            "transaction_id": context.transaction_id,
        },
    )


def _claim(context: Context, state: AccountState, more: int) -> None:
    """Keep the sum of claims, by which an account may owe more than its overdraft: raised before, lowered after."""
    if more > 0:
        context.queue_ahead(_CLAIM, {"of": state.id, "more": more})
    elif more < 0:
        context.queue(_CLAIM, {"of": state.id, "more": more})


def _compensate(context: Context, state: AccountState, row: PaymentRow, amount_micro: int, batch_id: int) -> NewBatch:
    """Give new credits for a claim that was repaid out of others before the money came back."""
    starts, ends = validity(context, state, CreditType.COMPENSATION, effective_at=None, expires_on=None)
    terms = BatchTerms(
        CreditType.COMPENSATION,
        context.at,
        starts,
        ends,
        source=row.provider.value,
        details={"payment": row.name},
    )
    return context.open_batch(state, batch_id, amount_micro, terms)


def _cause(before: PaymentRow, after: PaymentRow) -> ClawBackCause:
    """Why the money moved: disputes first, for they are rarer."""
    if after.lost_cents != before.lost_cents:
        return ClawBackCause.DISPUTE if after.lost_cents > before.lost_cents else ClawBackCause.DISPUTE_WON
    external_before = before.refunded_cents - before.own_refunds_cents
    external_after = after.refunded_cents - after.own_refunds_cents
    return ClawBackCause.REFUND if external_after >= external_before else ClawBackCause.REFUND_FAILED


def _kind(taken: int, frozen: int) -> str:
    """The act as people tell it from others: money that is gone counts more than money in doubt."""
    if taken:
        return "claw_back" if taken > 0 else "put_back"
    return "freeze" if frozen > 0 else "thaw"


def _words(change: Taken, frozen: int) -> tuple[str, ...]:
    """What was done, as sentences."""
    parts = (
        (change.taken_micro, "were taken back", "were put back"),
        (change.claimed_micro, "had been used and are owed", "are owed no longer"),
        (change.gone_micro, "had left the shelf unused before", "that had left the shelf unused count again as paid"),
        (change.compensated_micro, "were given anew, because they had been repaid", ""),
        (frozen, "are frozen until the dispute is decided", "are no longer frozen"),
    )
    return tuple(
        f"{micro_to_text(abs(amount))} credits {more if amount > 0 else less}" for amount, more, less in parts if amount
    )

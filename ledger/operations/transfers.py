"""Transfers and gifts: credits move to another account and stay what they are."""

from dataclasses import dataclass
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, amount_faults, effect, text_faults
from ledger.context import Context, Rows
from ledger.core.amounts import micro_to_text
from ledger.core.burn import plan_consumption
from ledger.core.policy import Permission
from ledger.core.records import Bucket, Take
from ledger.core.transfers import part_cost_cents
from ledger.errors import BatchClosed, Fault, InsufficientCredits, NotAllowedNow, NotFound
from ledger.journal import AccountState, BatchTerms, Line, post
from ledger.models import account, batch
from ledger.operations import told
from ledger.receipt import NewBatch
from ledger.statements import Prepared

MESSAGE_MAX_CHARS = 500

_ORGANISATION = Prepared(sa.select(account.c.organisation).where(account.c.external_id == sa.bindparam("account")))
# What a part of a batch keeps, apart from what every locked batch says of itself.
_ORIGINS = Prepared(
    sa.select(
        batch.c.id,
        batch.c.granted_micro,
        batch.c.cost_cents,
        batch.c.currency,
        batch.c.source,
        batch.c.campaign,
        batch.c.reference,
        batch.c.details,
    ).where(
        batch.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        ~batch.c.is_spent,
    )
)


@dataclass(frozen=True, slots=True)
class TransferCredits(Command):
    """Move credits to another account, in burn order or from ``batch_id`` alone.

    They keep their type, dates, priority, features, origin and cost basis. What the receiver owes is repaid from them
    first. Which accounts may exchange credits is a setting (docs/accounting.md, rule 20).
    """

    kind: ClassVar[str] = "transfer"
    permission: ClassVar[Permission] = Permission.TRANSFER

    account: str
    to: str
    amount_micro: int
    reason: Reason
    batch_id: int | None = None

    def faults(self) -> list[Fault]:
        return _faults(self)


@dataclass(frozen=True, slots=True)
class GiftCredits(Command):
    """As `TransferCredits`, with a message that stays with the credits."""

    kind: ClassVar[str] = "gift"
    permission: ClassVar[Permission] = Permission.TRANSFER

    account: str
    to: str
    amount_micro: int
    reason: Reason
    message: str
    batch_id: int | None = None

    def faults(self) -> list[Fault]:
        return _faults(self) + text_faults("message", self.message, longest=MESSAGE_MAX_CHARS)


def transfer_credits(context: Context, command: TransferCredits) -> Outcome:
    return _move(context, command, {"kind": command.kind, "from": command.account})


def gift_credits(context: Context, command: GiftCredits) -> Outcome:
    note = {"kind": command.kind, "from": command.account, "message": command.message.strip()}
    return _move(context, command, note)


def _faults(command: TransferCredits | GiftCredits) -> list[Fault]:
    found = text_faults("account", command.account) + text_faults("to", command.to)
    if command.account == command.to:
        found.append(Fault("to", "is the account itself; choose another one"))
    return found + amount_faults("amount", command.amount_micro) + command.reason.faults()


def _move(context: Context, command: TransferCredits | GiftCredits, note: dict[str, Any]) -> Outcome:
    states, (own, other, origins, giver, taker) = context.load_all(
        (command.account, command.to),
        (_ORGANISATION, {"account": command.account}),
        (_ORGANISATION, {"account": command.to}),
        (_ORIGINS, {"account": command.account}),
        told.contact_of(command.account),
        told.contact_of(command.to),
    )
    sender, receiver = states[command.account], states[command.to]
    _refuse_strangers(context, command, own[0][0], other[0][0])
    if sender.owed_micro:
        raise NotAllowedNow(
            f"{command.account} owes {micro_to_text(sender.owed_micro)} credits; its credits can be moved once that is "
            "repaid, by a top-up or a grant."
        )
    takes = _takes(context, sender, command)
    before, before_there = Before.of(sender, context.at), Before.of(receiver, context.at)
    parts = _terms(context, sender, takes, origins, note)
    lines = [Line(take.batch_id, Bucket.AVAILABLE, Bucket.TRANSFERRED, take.amount_micro, context.at) for take in takes]
    post(context.posting, sender, transaction_id=context.transaction_id, lines=lines)
    new_batches = _put_down(context, receiver, takes, parts)
    if isinstance(command, GiftCredits):
        message = command.message.strip()
        sent_by = (command.account, giver)
        told.tell_gift(context, receiver, sender=sent_by, contact=taker, message=message, batches=new_batches)
    receipt = effect(
        command.kind,
        sender,
        context.at,
        before,
        takes=takes,
        new_batches=new_batches,
        counterpart=receiver.external_id,
        counterpart_before_micro=before_there.available_micro,
        counterpart_available_micro=receiver.usable_micro(context.at),
        counterpart_balance_micro=receiver.balance_micro(context.at),
    )
    return Outcome(receipt, sender.id, context.at, command.reason, weight_micro=command.amount_micro)


def _refuse_strangers(context: Context, command: TransferCredits | GiftCredits, own: str, other: str) -> None:
    if context.rules.transfer_scope == "company" or (own and own == other):
        return
    raise NotAllowedNow(
        f"{command.account} and {command.to} are not of one organisation, so credits cannot move between them. Give "
        "both the same organisation, or allow it between all customers (setting TRANSFER_SCOPE=company)."
    )


def _takes(context: Context, sender: AccountState, command: TransferCredits | GiftCredits) -> tuple[Take, ...]:
    amount = command.amount_micro
    if command.batch_id is not None:
        return (_from_batch(context, sender, command.batch_id, amount),)
    plan = plan_consumption(sender.batches.values(), amount, at=context.at)
    if plan.shortfall_micro:
        available = amount - plan.shortfall_micro
        raise InsufficientCredits(account=sender.external_id, required_micro=amount, available_micro=available)
    return plan.takes


def _from_batch(context: Context, sender: AccountState, batch_id: int, amount_micro: int) -> Take:
    found = context.load_batch(sender, batch_id)
    if found is None:
        raise NotFound(what=f"batch of {sender.external_id},", id=str(batch_id))
    why = ""
    if found.expires_at is not None and found.expires_at <= context.at:
        why = "it has expired"
    elif found.free_micro < amount_micro:
        why = "the rest is held" if found.remaining_micro >= amount_micro else "it has fewer credits"
    if why:
        raise BatchClosed(batch_id=batch_id, free_micro=found.free_micro, required_micro=amount_micro, why=why)
    return Take(batch_id, found.credit_type, amount_micro)


def _terms(
    context: Context, sender: AccountState, takes: tuple[Take, ...], origins: Rows, note: dict[str, Any]
) -> list[BatchTerms]:
    """What each part keeps of the batch that it is taken from; before the entries are posted, which move it."""
    origin_of = {row[0]: row[1:] for row in origins}
    found = []
    for take in takes:
        granted, cost, currency, source, campaign, reference, details = origin_of[take.batch_id]
        one = sender.batches[take.batch_id]
        if cost is not None:
            cost = part_cost_cents(
                cost, granted_micro=granted, remaining_micro=one.remaining_micro, part_micro=take.amount_micro
            )
        terms = BatchTerms(
            one.credit_type,
            context.at,
            one.effective_at,
            one.expires_at,
            source=source,
            campaign=campaign,
            reference=reference,
            priority=one.priority,
            cost_cents=cost,
            currency=currency,
            parent_id=take.batch_id,
            features=one.features,
            details=details | {"transfer": note},
        )
        found.append(terms)
    return found


def _put_down(
    context: Context, receiver: AccountState, takes: tuple[Take, ...], parts: list[BatchTerms]
) -> tuple[NewBatch, ...]:
    (rows,) = context.work.fetch(context.work.next_ids(batch, len(parts)))
    new = []
    for batch_id, take, terms in zip(context.work.ids_of(rows, len(parts)), takes, parts, strict=True):
        new.append(context.open_batch(receiver, batch_id, take.amount_micro, terms, origin=Bucket.TRANSFERRED))
    return tuple(new)

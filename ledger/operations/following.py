"""What a provider says of a payment becomes true here: credits appear, are taken back, frozen, or put back.

Nothing is folded from events: the payment as it stands at the provider, whole, is compared with our row of it, and the
difference is booked. Source: docs/accounting.md, rules 32 and 33; docs/decisions/0009.
"""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, effect, instant_faults, text_faults
from ledger.context import Context, Read, Rows
from ledger.core.payments import IN_FLIGHT, PaymentState, Purpose
from ledger.core.policy import Permission
from ledger.core.records import Take
from ledger.errors import Fault, NotAllowedNow
from ledger.gateways.provider import PaymentFacts, Progress, RefundFacts
from ledger.journal import AccountState
from ledger.models import account, batch, payment, provider_refund, saved_card
from ledger.operations import told
from ledger.operations.clawing import agree, is_settled
from ledger.operations.payment_rows import Owner, PaymentRow, change_payment, load_payment_of, owner_of
from ledger.operations.recharge import note_outcome
from ledger.operations.sales import SAME_REFERENCE, package_reads, price_text
from ledger.operations.settling import put_credits, why_blocked
from ledger.receipt import NewBatch
from ledger.statements import Prepared

# A receipt with this note booked nothing, because the answer of the provider was out of date.
STALE = "The payment was followed after the provider was asked; ask it again."
_STATES = {
    Progress.OPEN: PaymentState.OPEN,
    Progress.PROCESSING: PaymentState.PROCESSING,
    Progress.NEEDS_ACTION: PaymentState.NEEDS_ACTION,
    Progress.FAILED: PaymentState.FAILED,
    Progress.EXPIRED: PaymentState.EXPIRED,
}
_PAYMENT_ID = sa.select(payment.c.id).where(payment.c.name == sa.bindparam("payment", type_=sa.Text)).scalar_subquery()
_OUR_REFUNDS = Prepared(
    sa.select(
        provider_refund.c.id, provider_refund.c.name, provider_refund.c.state, provider_refund.c.provider_ref
    ).where(provider_refund.c.payment_id == _PAYMENT_ID)
)
_CHANGE_REFUND = Prepared(
    sa.update(provider_refund)
    .where(provider_refund.c.id == sa.bindparam("of_refund", type_=sa.BigInteger))
    .values(
        state=sa.bindparam("new_state"),
        provider_ref=sa.bindparam("new_ref"),
        error=sa.bindparam("new_error"),
        ended_at=sa.bindparam("new_end", type_=provider_refund.c.ended_at.type),
    )
)
_CARD = Prepared(
    sa.select(saved_card.c.customer_ref, saved_card.c.card_ref, saved_card.c.words).where(
        saved_card.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        saved_card.c.provider == sa.bindparam("provider"),
    )
)
_INSERT_CARD = Prepared(sa.insert(saved_card).inline())
_CHANGE_CARD = Prepared(
    sa.update(saved_card)
    .where(
        saved_card.c.account_id == sa.bindparam("of", type_=sa.BigInteger),
        saved_card.c.provider == sa.bindparam("at_provider"),
    )
    .values(
        customer_ref=sa.bindparam("new_customer"),
        card_ref=sa.bindparam("new_card"),
        words=sa.bindparam("new_words"),
        noted_at=sa.bindparam("at", type_=saved_card.c.noted_at.type),
    )
)


@dataclass(frozen=True, slots=True)
class FollowPayment(Command):
    """Book the difference between our row of a payment and what the provider said of it at ``facts.asked_at``.

    Whatever order answers come in, and however often, the books end the same. An answer that is older than what was
    followed last books nothing and says so (`STALE`); one that says nothing new has nothing to do.
    """

    kind: ClassVar[str] = "follow_payment"
    permission: ClassVar[Permission] = Permission.FOLLOW_PROVIDER

    payment: str
    facts: PaymentFacts

    def faults(self) -> list[Fault]:
        return text_faults("payment", self.payment) + instant_faults("asked_at", self.facts.asked_at)


@dataclass(slots=True)
class Effects:
    """What following has done besides the row of the payment: for the receipt."""

    kind: str
    new_batches: tuple[NewBatch, ...] = ()
    takes: tuple[Take, ...] = ()
    returned: tuple[Take, ...] = ()
    expired: tuple[Take, ...] = ()
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)
    # Whether rows beside the payment have changed.
    has_others: bool = False


def follow_payment(context: Context, command: FollowPayment) -> Outcome:
    facts = command.facts
    owner = owner_of(context, command.payment)
    state, row, (ours, card, contact, ids, booked, *of_package) = load_payment_of(
        context, owner.account, command.payment, *_reads(context, command, owner)
    )
    before = Before.of(state, context.at)
    effects = Effects(command.kind)
    _refuse_strangers(row, facts)
    if row.followed_at is not None and facts.asked_at < row.followed_at:
        effects.notes.append(STALE)
        return _outcome(context, state, row, before, effects, nothing_to_do=True)
    after = _seen(row, facts, ours)
    if row.paid_at is None and facts.progress is Progress.PAID:
        after = replace(
            after,
            paid_at=facts.paid_at or context.at,
            total_cents=facts.total.cents,
            tax_cents=facts.tax_cents,
            paid_currency=facts.total.currency,
        )
        after = _settle(context, state, after, owner, effects, ids, contact, booked, of_package)
    elif row.paid_at is None and row.state in IN_FLIGHT:
        after = _progress(after, facts)
    after = _given_back_whole(after, effects)
    if not is_settled(row, after):
        after = _agree(context, state, row, after, effects)
    _follow_refunds(context, facts, ours, effects)
    _keep_card(context, state, facts, card, effects)
    if row.purpose is Purpose.RECHARGE and after.state is not row.state:
        _tell_rule(context, state, after)
    if after == row and not effects.has_others:
        return _outcome(context, state, row, before, effects, nothing_to_do=True)
    after = replace(after, followed_at=max(context.at, facts.asked_at))
    change_payment(context, after)
    return _outcome(context, state, after, before, effects)


def _reads(context: Context, command: FollowPayment, owner: Owner) -> list[Read]:
    facts = command.facts
    reads: list[Read] = [
        (_OUR_REFUNDS, {"payment": command.payment}),
        (_CARD, {"account": owner.account, "provider": facts.provider.value}),
        told.contact_of(owner.account),
        context.work.next_ids(batch),
        (SAME_REFERENCE, {"reference": facts.payment_ref or command.payment}),
    ]
    return [*reads, *package_reads(owner.account, owner.package)] if owner.package else reads


def _refuse_strangers(row: PaymentRow, facts: PaymentFacts) -> None:
    """Refuse facts of another payment than the row's: a customer who pays twice has paid two payments."""
    if row.provider is not facts.provider:
        raise NotAllowedNow(f"The payment {row.name} is one at {row.provider.capitalize()}, not at {facts.provider}.")
    if row.paid_at is not None and facts.payment_ref not in (None, row.payment_ref):
        raise NotAllowedNow(
            f"{row.name} was paid by {row.payment_ref}; {facts.payment_ref} is another payment under the same name. "
            "Give its money back at the provider, or adopt it as a payment of its own."
        )


def _seen(row: PaymentRow, facts: PaymentFacts, ours: Rows) -> PaymentRow:
    """The row with the names that the provider uses, and the money that left again."""
    is_begun = facts.progress in (Progress.PAID, Progress.PROCESSING, Progress.NEEDS_ACTION)
    has_checkout = row.checkout_ref is not None or facts.checkout_ref is not None
    # At a checkout a card that is declined leaves a payment behind that is not the one that will be paid.
    ref = facts.payment_ref if is_begun or not has_checkout else None
    known = {name for _, name, *_ in ours}
    own = sum(one.cents for one in facts.refunds if one.counts and one.ours in known)
    return replace(
        row,
        payment_ref=ref or row.payment_ref,
        checkout_ref=row.checkout_ref or facts.checkout_ref,
        customer_ref=facts.customer_ref or row.customer_ref,
        refunded_cents=facts.refunded_cents,
        own_refunds_cents=own,
        disputed_cents=sum(one.cents for one in facts.disputes if one.state == "open"),
        lost_cents=sum(one.cents for one in facts.disputes if one.state == "lost"),
    )


def _progress(row: PaymentRow, facts: PaymentFacts) -> PaymentRow:
    """The row of a payment that is not paid, as far as it has come."""
    state = _STATES.get(facts.progress, row.state)
    url = facts.action_url or row.url
    error = ""
    if state is PaymentState.FAILED:
        error = facts.failure or "the provider does not say why"
    return replace(row, state=state, url=url, error=error)


def _settle(
    context: Context,
    state: AccountState,
    row: PaymentRow,
    owner: Owner,
    effects: Effects,
    ids: Rows,
    contact: Rows,
    booked: Rows,
    of_package: list[Rows],
) -> PaymentRow:
    """Credit what was just paid, or block it with the reason why."""
    assert row.paid_at is not None
    versions, bought = of_package or ([], [])
    why = why_blocked(row, owner, paid_at=row.paid_at, booked=booked, of_package=(versions, bought))
    if why:
        effects.notes.append(f"Paid, but not credited: {why}")
        return replace(row, state=PaymentState.BLOCKED, error=why)
    batch_id = context.work.ids_of(ids)[0]
    credited, new = put_credits(context, state, row, owner, batch_id=batch_id, contact=contact)
    effects.kind = "purchase"
    effects.new_batches = (new,)
    effects.more["money"] = row.cost
    paid = row.paid
    assert paid is not None
    effects.notes.append(f"Paid {price_text(paid)} by {row.payment_ref or row.name}")
    return credited


def _given_back_whole(row: PaymentRow, effects: Effects) -> PaymentRow:
    """A blocked payment whose money went back at the provider waits for no decision any more."""
    if row.state is not PaymentState.BLOCKED or row.refunded_cents + row.lost_cents < (row.total_cents or 0):
        return row
    effects.notes.append("Its money was given back at the provider before it was credited.")
    return replace(row, state=PaymentState.FAILED, error="its money was given back at the provider, uncredited")


def _agree(context: Context, state: AccountState, before: PaymentRow, row: PaymentRow, effects: Effects) -> PaymentRow:
    """Take, freeze or put back credits, as the money does."""
    clawed = agree(context, state, before, row)
    if clawed.kind:
        if effects.kind == FollowPayment.kind:
            effects.kind = clawed.kind
            effects.more["money"] = clawed.money
        effects.takes, effects.returned, effects.expired = clawed.takes, clawed.returned, clawed.expired
        effects.new_batches += clawed.new_batches
        effects.notes += clawed.notes
    return clawed.row


def _follow_refunds(context: Context, facts: PaymentFacts, ours: Rows, effects: Effects) -> None:
    """Note how far the refunds are that this product asked for."""
    told_of = {one.ours: one for one in facts.refunds if one.ours is not None}
    for id_, name, state, ref in ours:
        one = told_of.get(name)
        # What was replaced is decided, whatever the provider says of it later.
        if one is None or state == "replaced":
            continue
        new_state = {"pending": "sent", "done": "done"}.get(one.state, "failed")
        if (new_state, one.ref) == (state, ref):
            continue
        context.queue(_CHANGE_REFUND, _refund_values(id_, one, new_state, context))
        effects.has_others = True


def _refund_values(id_: int, one: RefundFacts, new_state: str, context: Context) -> dict[str, Any]:
    return {
        "of_refund": id_,
        "new_state": new_state,
        "new_ref": one.ref,
        "new_error": "the provider could not give it back" if new_state == "failed" else "",
        "new_end": None if new_state == "sent" else context.at,
    }


def _keep_card(context: Context, state: AccountState, facts: PaymentFacts, known: Rows, effects: Effects) -> None:
    """Keep the card that the provider keeps for the customer."""
    if facts.card is None or facts.customer_ref is None:
        return
    if known and tuple(known[0]) == (facts.customer_ref, facts.card.ref, facts.card.words):
        return
    effects.has_others = True
    if known:
        values: dict[str, Any] = {
            "of": state.id,
            "at_provider": facts.provider.value,
            "new_customer": facts.customer_ref,
        }
        values |= {"new_card": facts.card.ref, "new_words": facts.card.words, "at": context.at}
        context.queue(_CHANGE_CARD, values)
        return
    context.queue(
        _INSERT_CARD,
        {
            "account_id": state.id,
            "provider": facts.provider.value,
            "customer_ref": facts.customer_ref,
            "card_ref": facts.card.ref,
            "words": facts.card.words,
            "noted_at": context.at,
        },
    )


def _tell_rule(context: Context, state: AccountState, row: PaymentRow) -> None:
    """Tell the rule of auto-recharge how its charge ended."""
    if row.state in (PaymentState.CREDITED, PaymentState.BLOCKED):
        note_outcome(context, account_id=state.id, is_good=True, failure="", at=context.at)
    elif row.state is PaymentState.FAILED and row.paid_at is None:
        note_outcome(context, account_id=state.id, is_good=False, failure=row.error, at=context.at)


def _outcome(
    context: Context,
    state: AccountState,
    row: PaymentRow,
    before: Before,
    effects: Effects,
    *,
    nothing_to_do: bool = False,
) -> Outcome:
    receipt = effect(
        effects.kind,
        state,
        context.at,
        before,
        new_batches=effects.new_batches,
        takes=effects.takes,
        returned=effects.returned,
        expired=effects.expired,
        subject_id=row.id,
        notes=(*effects.notes,),
        **effects.more,
    )
    return Outcome(receipt, state.id, context.at, nothing_to_do=nothing_to_do)

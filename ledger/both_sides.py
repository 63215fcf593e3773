"""Both sides of a comparison with a provider: its facts and our rows, as the core and as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.amounts import Money
from ledger.core.matching import OurBatch, OurPayment, OurRefund, TheirDispute, TheirRefund, Theirs
from ledger.core.payments import Purpose, RefundTo
from ledger.gateways.provider import PaymentFacts, Progress
from ledger.queries import comparing as queries

Record = dict[str, Any]


@dataclass(slots=True)
class OurSide:
    """Our records of some payments: payments and batches recorded by hand, with their account and what people read.

    ``accounts`` are those that the provider names, by external id; the others go by row id of the payment or batch.
    """

    accounts: dict[str, int] = field(default_factory=dict)
    payments: list[OurPayment] = field(default_factory=list)
    batches: list[OurBatch] = field(default_factory=list)
    payment_accounts: dict[int, int] = field(default_factory=dict)
    batch_accounts: dict[int, int] = field(default_factory=dict)
    payment_words: dict[int, Record] = field(default_factory=dict)
    batch_words: dict[int, Record] = field(default_factory=dict)


def theirs_of(facts: PaymentFacts) -> Theirs:
    """A payment at the provider as a record of the core."""
    return Theirs(
        ref=facts.payment_ref or facts.checkout_ref or "",
        checkout_ref=facts.checkout_ref,
        name=facts.payment,
        is_about_us=any((facts.payment, facts.account, facts.package)),
        is_paid=facts.progress is Progress.PAID,
        total=facts.total,
        tax_cents=facts.tax_cents,
        at=facts.paid_at or facts.created_at,
        refunds=tuple(TheirRefund(one.ref, one.cents, one.counts, one.ours, one.at) for one in facts.refunds),
        disputes=tuple(TheirDispute(one.ref, one.cents, one.state, one.at) for one in facts.disputes),
    )


def their_words(facts: PaymentFacts) -> Record:
    """A payment at the provider as it is shown beside ours; ``raw`` is the provider's own record."""
    return {
        "ref": facts.payment_ref,
        "checkout": facts.checkout_ref,
        "name": facts.payment,
        "account": facts.account,
        "package": facts.package,
        "quantity": facts.quantity,
        "state": facts.progress.value,
        "at": _instant(facts.paid_at or facts.created_at),
        "total_cents": facts.total.cents,
        "tax_cents": facts.tax_cents,
        "currency": facts.total.currency,
        "refunds": [
            {"ref": one.ref, "name": one.ours, "cents": one.cents, "state": one.state, "at": _instant(one.at)}
            for one in facts.refunds
        ],
        "disputes": [
            {"ref": one.ref, "cents": one.cents, "state": one.state, "reason": one.reason, "at": _instant(one.at)}
            for one in facts.disputes
        ],
        "asked_at": _instant(facts.asked_at),
        "raw": dict(facts.raw),
    }


def load_ours(
    connection: sa.Connection, provider: str, facts: Iterable[PaymentFacts] = (), *, ids: Sequence[int] = ()
) -> OurSide:
    """Our side of some payments at a provider, and of our payments with some row ids."""
    told = list(facts)
    names = [one.payment for one in told if one.payment]
    refs = [one.payment_ref for one in told if one.payment_ref]
    checkouts = [one.checkout_ref for one in told if one.checkout_ref]
    rows = connection.execute(
        queries.compared_payments(provider, names=names, refs=refs, checkouts=checkouts, ids=ids)
    ).all()
    ours = OurSide()
    named = sorted({one.account for one in told if one.account})
    ours.accounts = {row.external_id: row.id for row in connection.execute(queries.named_accounts(named))}
    references = {*names, *refs, *checkouts}
    for row in rows:
        references |= {name for name in (row.name, row.payment_ref, row.checkout_ref) if name}
    _add_batches(connection, ours, connection.execute(queries.loose_batches(sorted(references))).all())
    issued = _by_id(connection, queries.issued_credits([row.batch_id for row in rows if row.batch_id]))
    refunds: dict[int, list[Any]] = {}
    for one in connection.execute(queries.own_refunds([row.id for row in rows])):
        refunds.setdefault(one.payment_id, []).append(one)
    for row in rows:
        ours.payments.append(_payment(row, issued, refunds.get(row.id, [])))
        ours.payment_accounts[row.id] = row.account_id
        ours.payment_words[row.id] = _payment_words(row, refunds.get(row.id, []))
    return ours


def load_loose(connection: sa.Connection, provider: str, *, since: datetime, until: datetime) -> OurSide:
    """Purchases that somebody recorded by hand as paid at a provider in [since, until)."""
    ours = OurSide()
    _add_batches(connection, ours, connection.execute(queries.loose_batches_of(provider, since=since, until=until)))
    return ours


def add_loose_batch(connection: sa.Connection, ours: OurSide, batch_id: int) -> None:
    """Add a batch that was recorded by hand, unless it is there or was made by a payment."""
    if all(one.id != batch_id for one in ours.batches):
        _add_batches(connection, ours, connection.execute(queries.loose_batch(batch_id)).all())


def _add_batches(connection: sa.Connection, ours: OurSide, rows: Iterable[Any]) -> None:
    found = list(rows)
    ids = [row.id for row in found]
    issued = _by_id(connection, queries.issued_credits(ids))
    back = _by_id(connection, queries.refunds_by_hand(ids))
    for row in found:
        cost = Money(row.cost_cents, row.currency)
        ours.batches.append(
            OurBatch(
                row.id,
                row.reference,
                cost,
                row.granted_micro,
                issued.get(row.id, 0),
                row.granted_at,
                back.get(row.id, 0),
            )
        )
        ours.batch_accounts[row.id] = row.account_id
        ours.batch_words[row.id] = {
            "account": row.account,
            "batch": row.id,
            "reference": row.reference,
            "cost_cents": row.cost_cents,
            "currency": row.currency,
            "credits_micro": row.granted_micro,
            "at": _instant(row.granted_at),
            "refunded_cents": back.get(row.id, 0),
        }


def _by_id(connection: sa.Connection, statement: sa.Select[Any]) -> dict[int, int]:
    return {row[0]: row[1] for row in connection.execute(statement)}


def _payment(row: Any, issued: Mapping[int, int], refunds: Sequence[Any]) -> OurPayment:
    batch = None
    if row.batch_id is not None:
        cost = Money(row.batch_cents or 0, row.batch_currency or row.currency)
        batch = OurBatch(
            row.batch_id, row.batch_reference, cost, row.batch_micro, issued.get(row.batch_id, 0), row.batch_at
        )
    return OurPayment(
        id=row.id,
        name=row.name,
        payment_ref=row.payment_ref,
        checkout_ref=row.checkout_ref,
        is_settled=row.paid_at is not None,
        total=Money(row.price_cents if row.total_cents is None else row.total_cents, row.paid_currency or row.currency),
        tax_cents=row.tax_cents or 0,
        credits_micro=row.credits_micro,
        at=row.paid_at or row.created_at,
        external_cents=row.refunded_cents - row.own_refunds_cents,
        own_cents=row.own_refunds_cents,
        disputed_cents=row.disputed_cents,
        lost_cents=row.lost_cents,
        batch=batch,
        refunds=tuple(
            OurRefund(
                one.name,
                Money(one.cents, one.currency),
                one.state,
                one.sent_to == RefundTo.BALANCE.value,
                one.asked_at,
            )
            for one in refunds
        ),
        is_part_of_invoice=row.purpose == Purpose.INVOICE.value,
    )


def _payment_words(row: Any, refunds: Sequence[Any]) -> Record:
    return {
        "name": row.name,
        "ref": row.payment_ref,
        "checkout": row.checkout_ref,
        "account": row.account,
        "purpose": row.purpose,
        "state": row.state,
        "error": row.error,
        "at": _instant(row.paid_at or row.created_at),
        "total_cents": row.total_cents,
        "tax_cents": row.tax_cents,
        "currency": row.paid_currency or row.currency,
        "price_cents": row.price_cents,
        "price_currency": row.currency,
        "credits_micro": row.credits_micro,
        "batch": row.batch_id,
        "batch_reference": row.batch_reference,
        "cost_cents": row.batch_cents,
        "cost_currency": row.batch_currency,
        "batch_micro": row.batch_micro,
        "refunded_cents": row.refunded_cents,
        "own_refunds_cents": row.own_refunds_cents,
        "disputed_cents": row.disputed_cents,
        "lost_cents": row.lost_cents,
        "taken_micro": row.taken_micro,
        "claimed_micro": row.claimed_micro,
        "followed_at": _instant(row.followed_at),
        "refunds": [
            {"name": one.name, "ref": one.provider_ref, "cents": one.cents, "state": one.state, "to": one.sent_to}
            for one in refunds
        ],
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()

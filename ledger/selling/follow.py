"""Asking a provider how a payment stands, and booking what it says: for the inbox, pages, jobs and reconciliation.

Nothing is called while rows are locked, and whoever follows at the same time does no harm (docs/decisions/0009).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from ledger.core.amounts import Money
from ledger.core.payments import IN_FLIGHT, PaymentState, Provider, Purpose
from ledger.core.policy import SYSTEM
from ledger.errors import LedgerError, NotFound, ProviderUnavailable
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import PaymentFacts, Progress
from ledger.models import payment
from ledger.operations.following import STALE, FollowPayment
from ledger.receipt import Receipt
from ledger.statements import Prepared

# A payment on its way is asked about when nobody has told of it for so long, the more rarely the older it is; a page
# that was never made is given up.
ASK_AFTER = timedelta(minutes=5)
ASK_SHARE = 8
GIVE_UP_AFTER = timedelta(days=1)
_TRIES = 4
_ASKED = Prepared(
    sa.update(payment)
    .where(payment.c.name == sa.bindparam("of", type_=sa.Text))
    .values(asked_at=sa.bindparam("at", type_=payment.c.asked_at.type))
)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """What a provider says that belongs to no payment of ours: ``facts`` (None: it knows none either), and why."""

    provider: Provider
    facts: PaymentFacts | None
    why: str


@dataclass(frozen=True, slots=True)
class OpenFollowed:
    """What a round over payments on their way did: how many were asked about, moved on, and could not be asked."""

    asked: int
    moved: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is needed to ask for a payment."""

    name: str
    provider: Provider
    purpose: Purpose
    state: PaymentState
    checkout_ref: str | None
    payment_ref: str | None
    created_at: datetime
    asked_at: datetime | None
    price: Money

    def is_due(self, now: datetime) -> bool:
        """Whether it was silent for long enough: the pauses are an eighth of its age, and some minutes at least."""
        pause = max(ASK_AFTER, (now - self.created_at) / ASK_SHARE)
        return now - (self.asked_at or self.created_at) >= pause


def follow(ledger: Ledger, payment_name: str) -> Receipt | None:
    """Ask the provider how a payment stands and book the difference; None when it was never told of that payment.

    The receipt has no ``transaction_id`` when nothing was new. Raises NotFound, ProviderUnavailable, ProviderRefused,
    ProviderNotSetUp, and NotAllowedNow when the provider answers with another payment.
    """
    known = _one(ledger, payment.c.name == payment_name)
    if known is None:
        raise NotFound(what="payment", id=payment_name)
    return _follow(ledger, known)


def follow_facts(ledger: Ledger, facts: PaymentFacts) -> Receipt | Unmatched:
    """Book what a provider has just said, such as the answer to a charge; asks again when that is out of date."""
    known = _named(ledger, facts)
    if isinstance(known, Unmatched):
        return known
    if _speaks_of_a_try(known, facts):
        return _whole(ledger, known, facts)
    receipt = _book(ledger, known, facts)
    if not _is_stale(receipt):
        return receipt
    # Whoever followed meanwhile has noted the provider's name of it.
    return _whole(ledger, _one(ledger, payment.c.name == known.name) or known, facts)


def follow_ref(
    ledger: Ledger, provider: Provider, *, payment_ref: str | None = None, checkout_ref: str | None = None
) -> Receipt | Unmatched:
    """As `follow`, for a payment or a checkout by the provider's name of it; give one of the two.

    Our payment is found by the name in the provider's metadata, or by the names that were noted before.
    """
    asked_at = ledger.clock.now()
    facts = registry.gateway(ledger, provider).look(payment_ref=payment_ref, checkout_ref=checkout_ref)
    if facts is None:
        ref = payment_ref or checkout_ref
        return Unmatched(provider, None, f"{provider.capitalize()} knows no payment or checkout {ref!r}.")
    return follow_facts(ledger, replace(facts, asked_at=asked_at))


def follow_open(ledger: Ledger) -> OpenFollowed:
    """Ask for every payment on its way that nobody told of for some minutes; give up pages that were never made.

    Repeatable, and safe beside everything else that follows. A saved card whose charge was never made is charged by the
    job of auto-recharge, not here.
    """
    now = ledger.clock.now()
    moved, errors = 0, []
    on_their_way = payment.c.state.in_([state.value for state in IN_FLIGHT])
    due = [one for one in _some(ledger, on_their_way, payment.c.created_at <= now - ASK_AFTER) if one.is_due(now)]
    for known in due:
        _note_asked(ledger, known, now)
        try:
            receipt = _follow(ledger, known)
            if receipt is None and known.purpose is Purpose.CHECKOUT and known.created_at <= now - GIVE_UP_AFTER:
                receipt = _book(ledger, known, _never_made(known, now))
        except LedgerError as error:
            # One payment that cannot be asked about must not keep the others from being followed.
            errors.append(f"{known.name}: {error}")
            if isinstance(error, ProviderUnavailable):
                break
            continue
        moved += receipt is not None and receipt.transaction_id is not None
    return OpenFollowed(len(due), moved, tuple(errors))


def _note_asked(ledger: Ledger, known: _Known, now: datetime) -> None:
    with ledger.database.work() as work:
        work.queue(_ASKED, {"of": known.name, "at": now})
        work.commit()


def _follow(ledger: Ledger, known: _Known) -> Receipt | None:
    for _ in range(_TRIES):
        facts = _look(ledger, known)
        if facts is None:
            return None
        receipt = _book(ledger, known, facts)
        if not _is_stale(receipt):
            break
    return receipt


def _whole(ledger: Ledger, known: _Known, facts: PaymentFacts) -> Receipt | Unmatched:
    """Follow a payment of ours anew, because the facts at hand are not the whole of it."""
    receipt = _follow(ledger, known)
    return receipt or Unmatched(facts.provider, facts, f"{facts.provider.capitalize()} no longer knows {known.name}.")


def _look(ledger: Ledger, known: _Known) -> PaymentFacts | None:
    gateway = registry.gateway(ledger, known.provider)
    asked_at = ledger.clock.now()
    facts = None
    if known.payment_ref is not None:
        facts = gateway.look(payment_ref=known.payment_ref)
    elif known.checkout_ref is not None:
        facts = gateway.look(checkout_ref=known.checkout_ref)
    # Answers count from when they were asked for: what was booked since then may be newer.
    return None if facts is None else replace(facts, asked_at=asked_at)


def _book(ledger: Ledger, known: _Known, facts: PaymentFacts) -> Receipt:
    # A key of its own each time: what makes twice once is that the second time there is no difference.
    command = FollowPayment(known.name, replace(facts, raw={}))
    return ledger.execute(command, actor=SYSTEM, key=f"follow:{known.name}:{uuid4().hex}")


def _is_stale(receipt: Receipt) -> bool:
    return STALE in receipt.notes


def _speaks_of_a_try(known: _Known, facts: PaymentFacts) -> bool:
    """Whether a card was declined at a checkout that may be paid by another: the checkout says how it stands."""
    is_paid_otherwise = known.payment_ref != facts.payment_ref
    return facts.progress is Progress.FAILED and known.checkout_ref is not None and is_paid_otherwise


def _never_made(known: _Known, now: datetime) -> PaymentFacts:
    return PaymentFacts(known.provider, Progress.EXPIRED, now, known.created_at, known.price)


def _named(ledger: Ledger, facts: PaymentFacts) -> _Known | Unmatched:
    """Our payment that facts speak of: the one they name, or the one that has the provider's names."""
    found = None
    if facts.payment is not None:
        found = _one(ledger, payment.c.name == facts.payment)
    if found is None and facts.payment_ref is not None:
        found = _one(ledger, payment.c.provider == facts.provider.value, payment.c.payment_ref == facts.payment_ref)
    if found is None and facts.checkout_ref is not None:
        found = _one(ledger, payment.c.provider == facts.provider.value, payment.c.checkout_ref == facts.checkout_ref)
    if found is None:
        what = f"the payment {facts.payment}, which is none of ours" if facts.payment else "no payment of ours"
        return Unmatched(facts.provider, facts, f"{facts.payment_ref or facts.checkout_ref} names {what}.")
    if found.provider is not facts.provider:
        return Unmatched(facts.provider, facts, f"{found.name} is a payment at {found.provider.capitalize()}.")
    return found


def _one(ledger: Ledger, *wanted: sa.ColumnElement[bool]) -> _Known | None:
    found = _some(ledger, *wanted)
    return found[0] if found else None


def _some(ledger: Ledger, *wanted: sa.ColumnElement[bool]) -> list[_Known]:
    columns = (
        payment.c.name,
        payment.c.provider,
        payment.c.purpose,
        payment.c.state,
        payment.c.checkout_ref,
        payment.c.payment_ref,
        payment.c.created_at,
        payment.c.asked_at,
        payment.c.price_cents,
        payment.c.currency,
    )
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(*columns).where(*wanted).order_by(payment.c.id)).all()
    return [_known(row) for row in rows]


def _known(row: Any) -> _Known:
    return _Known(
        row.name,
        Provider(row.provider),
        Purpose(row.purpose),
        PaymentState(row.state),
        row.checkout_ref,
        row.payment_ref,
        row.created_at,
        row.asked_at,
        Money(row.price_cents, row.currency),
    )

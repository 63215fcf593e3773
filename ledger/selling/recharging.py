"""Auto-recharge at work: who is due gets a payment begun, the saved card is charged, and the answer is followed.

A crash between two of these is mended by the next turn: a payment that was begun and not sent is sent again under its
own name, which the provider knows. Nothing here runs while somebody uses credits; only the job calls it.
Source: docs/accounting.md, rule 34.
"""

import logging
import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ledger import queries
from ledger.core.amounts import Money
from ledger.core.payments import PaymentState, Provider, RechargeTerms
from ledger.core.policy import SYSTEM
from ledger.core.recharge import line_micro
from ledger.database import answering
from ledger.errors import ProviderNotSetUp, ProviderRefused, ProviderUnavailable
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import ChargeRequest, Offer, PaymentFacts, Progress
from ledger.operations.recharge_start import StartRecharge, pace_of
from ledger.outbox import NewMail, insert_mails
from ledger.selling.follow import follow, follow_facts

_log = logging.getLogger(__name__)
# Providers remember a key for a day at least: until then the same call again is the same charge.
SENT_AGAIN_FOR = timedelta(hours=20)
# A charge that nobody confirms is ended then: while it is in flight nothing else is charged.
CONFIRM_WITHIN = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A recharge that was begun and whose answer is not known."""

    payment: str
    account: str
    provider: Provider
    offer: Offer
    created_at: datetime
    customer_ref: str | None
    card_ref: str | None


def recharge_due(ledger: Ledger) -> dict[str, int]:
    """Charge the saved cards of all customers whose rule is due; answers how many were begun and what became of them.

    Safe to repeat, and from several processes at once: there is one recharge of a customer at a time, and the provider
    charges once for a payment of one name. Raises ProviderNotSetUp when a card could not be charged for that reason,
    after everything else was done.
    """
    counts = Counter(_start(ledger, account) for account in due(ledger))
    missing: ProviderNotSetUp | None = None
    for begun in _not_answered(ledger):
        try:
            counts[charge(ledger, begun)] += 1
        except ProviderNotSetUp as error:
            missing = error
    counts["told"] += _tell_who_has_to_confirm(ledger)
    counts["given_up"] += _end_unconfirmed(ledger)
    if missing is not None:
        raise missing
    del counts[""]
    return {word: count for word, count in counts.items() if count}


def due(ledger: Ledger) -> list[str]:
    """Customers whose rule says that a card should be charged, as far as balance and time say so, by name."""
    at = ledger.clock.now()
    today = at.astimezone(ledger.company_zone).date()
    with ledger.database.reading() as connection:
        rows = connection.execute(queries.recharge_candidates(at=at)).all()
    return [row.external_id for row in rows if _is_crossed(row, today)]


def _is_crossed(row: Any, today: Any) -> bool:
    terms = RechargeTerms("", row.threshold_micro, row.runway_days, 0, 0)
    pace = None if row.body is None else pace_of(row.body, row.runway_days, today)
    line = line_micro(terms, pace)
    return line is not None and row.usable_micro - row.owed_micro < line


def _start(ledger: Ledger, account: str) -> str:
    # Whether it is really due is decided under the lock, so any key will do: a second one finds nothing to do.
    receipt = ledger.execute(StartRecharge(account), actor=SYSTEM, key=f"recharge:{secrets.token_hex(12)}")
    if receipt.transaction_id is None:
        return ""
    return "begun" if receipt.subject_id is not None else "stopped"


def charge(ledger: Ledger, begun: _Begun) -> str:
    """Charge the card for a payment that was begun, and follow the answer; says what became of it in one word."""
    try:
        facts = _ask(ledger, begun)
    except ProviderUnavailable:
        # Whether the card was charged is unknown; the next turn asks again under the same name.
        return "later"
    follow_facts(ledger, facts)
    return {Progress.PAID: "paid", Progress.NEEDS_ACTION: "to_confirm", Progress.FAILED: "declined"}.get(
        facts.progress, "open"
    )


def _ask(ledger: Ledger, begun: _Begun) -> PaymentFacts:
    gateway = registry.gateway(ledger, begun.provider)
    if begun.customer_ref is None or begun.card_ref is None:
        return _failed(ledger, begun, "there is no saved card any more")
    if ledger.clock.now() - begun.created_at > SENT_AGAIN_FOR:
        hours = SENT_AGAIN_FOR // timedelta(hours=1)
        return _failed(ledger, begun, f"{begun.provider.value.capitalize()} did not answer for {hours} hours")
    try:
        return gateway.charge_saved_card(
            ChargeRequest(begun.payment, begun.account, begun.offer, begun.customer_ref, begun.card_ref)
        )
    except ProviderRefused as refusal:
        return _failed(ledger, begun, refusal.detail)


def _failed(ledger: Ledger, begun: _Begun, why: str) -> PaymentFacts:
    """A charge that never began at the provider, in the form in which it tells of declined ones."""
    return PaymentFacts(
        begun.provider,
        Progress.FAILED,
        ledger.clock.now(),
        begun.created_at,
        begun.offer.price,
        payment=begun.payment,
        account=begun.account,
        failure=why,
    )


def _not_answered(ledger: Ledger) -> list[_Begun]:
    with ledger.database.reading() as connection:
        rows = connection.execute(queries.recharges_begun()).all()
    return [
        _Begun(
            row.name,
            row.external_id,
            Provider(row.provider),
            Offer(
                row.code,
                row.label,
                row.credits_micro,
                row.quantity,
                Money(row.price_cents, row.currency),
                row.product_ref,
                row.price_ref,
            ),
            row.created_at,
            row.card_customer_ref,
            row.card_ref,
        )
        for row in rows
    ]


def _end_unconfirmed(ledger: Ledger) -> int:
    """End charges that waited too long for their customer; each counts as declined. Answers how many."""
    at = ledger.clock.now()
    with ledger.database.reading() as connection:
        rows = connection.execute(queries.recharges_in(PaymentState.NEEDS_ACTION)).all()
    ended = 0
    for row in rows:
        if row.created_at > at - CONFIRM_WITHIN or row.payment_ref is None:
            continue
        try:
            registry.gateway(ledger, Provider(row.provider)).close_payment(row.payment_ref)
            follow(ledger, row.name)
        except (ProviderUnavailable, ProviderRefused, ProviderNotSetUp) as error:
            # It stays as it is, is shown so, and the next turn tries again.
            _log.warning("the charge %s could not be ended: %s", row.name, error)
            continue
        ended += 1
    return ended


def _tell_who_has_to_confirm(ledger: Ledger) -> int:
    """Write once to each customer whose bank wants a confirmation of a recharge."""
    with ledger.database.reading() as connection:
        rows = connection.execute(queries.recharges_in(PaymentState.NEEDS_ACTION)).all()
    mails = [
        NewMail(
            f"confirm:{row.name}",
            "confirm_payment",
            row.email or row.owner,
            {
                "customer": row.customer,
                "account": row.external_id,
                "amount_micro": row.credits_micro,
                "price_cents": row.price_cents,
                "currency": row.currency,
                "card": row.words or "",
                "link": row.url,
                "audience": "customer" if row.email else "owner",
            },
            row.account_id,
        )
        for row in rows
        if row.url and (row.email or row.owner)
    ]
    if not mails:
        return 0
    with answering(), ledger.database.engine.begin() as connection:
        return insert_mails(connection, mails, ledger.clock.now())

"""Money that providers are to give back for us: sent under our own name of it until the provider has answered.

Writes provider_refund between the command that asks and the answer that is followed. Source: docs/accounting.md,
rule 19.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from ledger import queries
from ledger.core.amounts import Money
from ledger.core.payments import Provider, RefundTo
from ledger.database import answering
from ledger.errors import ProviderNotSetUp, ProviderRefused, ProviderUnavailable
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import RefundFacts, RefundRequest
from ledger.models import provider_refund
from ledger.selling.follow import follow

# Pauses between tries: a minute, then twice the last, up to an hour. There is no last try: the money is owed.
PAUSE_FIRST, PAUSE_LONGEST = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Owed:
    """Money to be given back, and how often that was tried."""

    id: int
    name: str
    payment: str
    provider: Provider
    request: RefundRequest
    tries: int


def send_due(ledger: Ledger) -> dict[str, int]:
    """Ask providers to give back what is due; answers how many are done, sent, refused, or without an answer.

    Twice is once, also after a crash and from several processes: the provider knows our name of each. Raises
    ProviderNotSetUp for what could not be sent for that reason, after everything else was.
    """
    counts: Counter[str] = Counter()
    missing: ProviderNotSetUp | None = None
    for owed in _due(ledger):
        try:
            counts[_send(ledger, owed)] += 1
        except ProviderNotSetUp as error:
            missing = error
    if missing is not None:
        raise missing
    return dict(counts)


def _due(ledger: Ledger) -> list[_Owed]:
    with ledger.database.reading() as connection:
        rows = connection.execute(queries.refunds_to_send(at=ledger.clock.now())).all()
    return [
        _Owed(
            row.id,
            row.name,
            row.payment,
            Provider(row.provider),
            RefundRequest(
                row.name,
                row.payment_ref,
                Money(row.cents, row.currency),
                to_balance=row.sent_to == RefundTo.BALANCE.value,
                customer_ref=row.customer_ref,
            ),
            row.tries,
        )
        for row in rows
    ]


def _send(ledger: Ledger, owed: _Owed) -> str:
    gateway = registry.gateway(ledger, owed.provider)
    try:
        made = gateway.refund(owed.request)
    except ProviderUnavailable as error:
        pause = min(PAUSE_FIRST * 2 ** min(owed.tries, 10), PAUSE_LONGEST)
        _note(ledger, owed, "asked", error=str(error), next_try_at=ledger.clock.now() + pause)
        return "later"
    except ProviderRefused as refusal:
        _note(ledger, owed, "failed", error=refusal.detail, ended_at=ledger.clock.now())
        return "refused"
    word = _note_answer(ledger, owed, made)
    # The provider has heard of it, which is what counts here; how the payment stands is asked for again by the event
    # that it sends.
    with suppress(ProviderUnavailable):
        follow(ledger, owed.payment)
    return word


def _note_answer(ledger: Ledger, owed: _Owed, made: RefundFacts) -> str:
    now = ledger.clock.now()
    if made.state == "done":
        _note(ledger, owed, "done", ref=made.ref, ended_at=now)
        return "done"
    if made.state == "pending":
        # Asked about again, in case nobody tells of its end.
        _note(ledger, owed, "sent", ref=made.ref, next_try_at=now + PAUSE_LONGEST)
        return "sent"
    _note(ledger, owed, "failed", ref=made.ref, error="the provider could not give it back", ended_at=now)
    return "refused"


def _note(ledger: Ledger, owed: _Owed, state: str, *, ref: str | None = None, error: str = "", **when: Any) -> None:
    values: dict[str, Any] = {"state": state, "tries": owed.tries + 1, "error": error[:500], "next_try_at": None} | when
    if ref is not None:
        values["provider_ref"] = ref
    statement = (
        sa.update(provider_refund)
        # What somebody followed or decided meanwhile is newer.
        .where(provider_refund.c.id == owed.id, provider_refund.c.state.in_(["asked", "sent"]))
        .values(values)
    )
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(statement)

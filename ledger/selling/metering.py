"""Meters: what hybrid customers use beyond their credits is told to the provider that bills their plan.

What was used on debt since the last time becomes one event with a name of its own; each entry is in exactly one event.
What was given back of it is taken off, and when more was given back than used, off the next event.
Source: docs/accounting.md, rule 37.
"""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from ledger.core.amounts import MICRO
from ledger.core.payments import Provider
from ledger.core.records import AccountType, Bucket
from ledger.database import answering
from ledger.errors import LedgerError
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.models import account, customer, entry, meter_event, subscription, transaction
from ledger.selling.waiting import let_again, note_failed, note_sent
from ledger.settings import settings

METER_LABEL = "Credits beyond the plan"
# Older use is refused by providers, so there is no sense in trying for longer.
GIVES_UP_AFTER = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run has done: events made, events told, events refused for good."""

    made: int
    sent: int
    failed: int


def value_text(amount_micro: int) -> str:
    """Micro-credits as whole credits in decimal text, exact: what a meter is told.

    >>> value_text(1_500_000)
    '1.5'
    """
    return format((Decimal(amount_micro) / MICRO).normalize(), "f")


def meter(ledger: Ledger) -> Sent:
    """Note what was used beyond the credits, and tell the providers; safe to repeat at any point of a crash."""
    made = collect(ledger)
    sent, failed = send(ledger)
    return Sent(made, sent, failed)


def collect(ledger: Ledger) -> int:
    """Note use on debt that is in no event yet, one event for each customer; answers how many were made."""
    with ledger.database.reading() as connection:
        found = connection.execute(_unmetered().order_by(subscription.c.account_id)).scalars().all()
    return sum(_collect_of(ledger, account_id) for account_id in found)


def _collect_of(ledger: Ledger, account_id: int) -> bool:
    """Make the event of one customer. The account is locked, so that no two make events of the same entries."""
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(sa.select(account.c.id).where(account.c.id == account_id).with_for_update())
        row = connection.execute(
            _unmetered(
                sa.cast(sa.func.sum(_USED), sa.BigInteger).label("amount_micro"),
                sa.func.max(entry.c.id).label("through"),
                sa.func.max(transaction.c.recorded_at).label("at"),
            ).where(subscription.c.account_id == account_id)
        ).one_or_none()
        if row is None:
            return False
        name = hashlib.sha256(f"{account_id}|{row.through}".encode()).hexdigest()[:32]
        values = {
            "name": f"use_{name}",
            "account_id": account_id,
            "amount_micro": row.amount_micro,
            "through_entry_id": row.through,
            "happened_at": row.at,
            "state": "asked",
            "tries": 0,
            "next_try_at": ledger.clock.now(),
            "error": "",
        }
        connection.execute(sa.insert(meter_event).values(values))
        return True


_USED = sa.case((entry.c.from_bucket == Bucket.OWED.value, entry.c.amount_micro), else_=-entry.c.amount_micro)


def _unmetered(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Customers with use on debt that is in no event yet, one row each, account_id first."""
    after = (
        sa.select(sa.func.coalesce(sa.func.max(meter_event.c.through_entry_id), 0))
        .where(meter_event.c.account_id == subscription.c.account_id)
        .correlate(subscription)
        .scalar_subquery()
    )
    return (
        sa.select(subscription.c.account_id, *columns)
        .join(customer, customer.c.account_id == subscription.c.account_id)
        .join(entry, entry.c.account_id == subscription.c.account_id)
        .join(transaction, transaction.c.id == entry.c.transaction_id)
        .where(
            customer.c.account_type == AccountType.HYBRID.value,
            subscription.c.provider.is_not(None),
            # What was used before the provider billed the plan is not its to bill.
            transaction.c.recorded_at >= subscription.c.started_at,
            entry.c.batch_id.is_(None),
            sa.or_(entry.c.from_bucket == Bucket.CONSUMED.value, entry.c.to_bucket == Bucket.CONSUMED.value),
            entry.c.id > after,
        )
        .group_by(subscription.c.account_id)
        .having(sa.func.sum(_USED) > 0)
    )


def send(ledger: Ledger) -> tuple[int, int]:
    """Tell the providers what is due; answers how many events were told and how many refused for good.

    A provider that does not answer is asked again later, under the same name: told twice is once.
    """
    due = (
        sa.select(
            meter_event.c.id,
            meter_event.c.name,
            meter_event.c.amount_micro,
            meter_event.c.happened_at,
            meter_event.c.tries,
            subscription.c.provider,
            subscription.c.customer_ref,
            account.c.external_id,
        )
        .join(subscription, subscription.c.account_id == meter_event.c.account_id)
        .join(account, account.c.id == meter_event.c.account_id)
        .where(meter_event.c.state == "asked", meter_event.c.next_try_at <= ledger.clock.now())
        .order_by(meter_event.c.id)
    )
    with ledger.database.reading() as connection:
        found = connection.execute(due).all()
    sent = failed = 0
    for row in found:
        try:
            if _is_first(ledger, row.provider):
                set_up_meter(ledger, Provider(row.provider))
            registry.billing(ledger, Provider(row.provider)).send_meter_event(
                event_name=settings().meter_event_name,
                customer_ref=row.customer_ref,
                value=value_text(row.amount_micro),
                identifier=row.name,
                at=row.happened_at,
            )
        except LedgerError as error:
            is_too_late = ledger.clock.now() - row.happened_at > GIVES_UP_AFTER
            failed += note_failed(ledger, meter_event, row, error, is_too_late=is_too_late)
        else:
            note_sent(ledger, meter_event, row)
            sent += 1
    return sent, failed


def retry(ledger: Ledger) -> int:
    """Let events that were refused be told again; answers how many."""
    return let_again(ledger, meter_event)


def set_up_meter(ledger: Ledger, provider: Provider) -> str:
    """Make the meter at a provider, or find the one of that event name; answers its name there.

    Raises ProviderUnavailable, ProviderRefused, ProviderNotSetUp.
    """
    name = settings().meter_event_name
    return registry.billing(ledger, provider).make_meter(event_name=name, label=METER_LABEL, key=f"meter:{name}")


def _is_first(ledger: Ledger, provider: str) -> bool:
    """Whether that provider was never told anything, so that its meter may have to be made."""
    wanted = (
        sa.select(meter_event.c.id)
        .join(subscription, subscription.c.account_id == meter_event.c.account_id)
        .where(subscription.c.provider == provider, meter_event.c.state == "sent")
        .limit(1)
    )
    with ledger.database.reading() as connection:
        return connection.execute(wanted).first() is None

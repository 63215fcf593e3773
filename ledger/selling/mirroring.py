"""The mirror: our movements, repeated as customer balance transactions at the provider, where the company wants it.

A customer that the provider knows begins with what its shelf is worth; from then on every movement (credits given,
bought, moved, expired, taken back) is a row of its own and all use of a day one row. A day's row also settles what
rounding left, so that once a day is told, the sum of all rows is what the shelf was worth when it ended. Rows are sent
by a job under a name of their own: sent twice is once. The provider's balance is a copy for people, never the truth
(docs/decisions/0009). Source: docs/accounting.md, rule 37.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from ledger.core.amounts import Money
from ledger.core.lifecycle import end_of_day, last_day
from ledger.core.mirroring import Worth, shelf_cents, worth_cents
from ledger.core.payments import Provider
from ledger.core.records import Bucket
from ledger.database import answering
from ledger.errors import LedgerError
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.models import account, balance_mirror, batch, company, entry, transaction
from ledger.selling.customer_refs import customer_ref, customer_refs
from ledger.selling.waiting import let_again, note_failed, note_sent
from ledger.settings import settings

TRIES_MAX = 20
_SHELF = (Bucket.AVAILABLE.value, Bucket.HELD.value)
# The other sides of movements; use is told by the day.
_MOVED = tuple(
    one.value for one in (Bucket.ISSUED, Bucket.EXPIRED, Bucket.REMOVED, Bucket.REFUNDED, Bucket.TRANSFERRED)
)
_SIGNED = sa.case(
    (sa.and_(entry.c.to_bucket.in_(_SHELF), entry.c.from_bucket.not_in(_SHELF)), entry.c.amount_micro),
    (sa.and_(entry.c.from_bucket.in_(_SHELF), entry.c.to_bucket.not_in(_SHELF)), -entry.c.amount_micro),
    else_=0,
)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run has done: rows made, rows sent, rows refused for good."""

    made: int
    sent: int
    failed: int


def mirror(ledger: Ledger) -> Mirrored:
    """Write down what has moved and send it; does nothing unless the company wants the mirror."""
    if not settings().mirror_balance:
        return Mirrored(0, 0, 0)
    provider = registry.selling(ledger)
    made = collect(ledger, provider)
    sent, failed = send(ledger, provider)
    return Mirrored(made, sent, failed)


def collect(ledger: Ledger, provider: Provider) -> int:
    """Write down, for every customer that the provider knows, what is not in the mirror yet; answers the rows made."""
    names = sorted(customer_refs(ledger, provider))
    with ledger.database.reading() as connection:
        currency = connection.execute(sa.select(company.c.currency)).scalar_one()
    return sum(_collect_of(ledger, name, currency) for name in names)


def _collect_of(ledger: Ledger, name: str, currency: str) -> int:
    # Under the lock of the account nothing moves, and no second run writes the same rows.
    with answering(), ledger.database.engine.begin() as connection:
        wanted = sa.select(account.c.id).where(account.c.external_id == name).with_for_update()
        book = _Book(connection, connection.execute(wanted).scalar_one(), currency, ledger)
        rows = book.opening() or [*book.movements(), *book.days()]
        for row in rows:
            connection.execute(sa.insert(balance_mirror).values(row))
        return len(rows)


class _Book:
    """What the mirror of one locked customer lacks."""

    def __init__(self, connection: sa.Connection, account_id: int, currency: str, ledger: Ledger) -> None:
        self._connection, self._id, self._currency = connection, account_id, currency
        self._now, self._zone = ledger.clock.now(), ledger.company_zone
        self._per_thousand = settings().mirror_cents_per_thousand
        rows = connection.execute(
            sa.select(
                batch.c.id,
                batch.c.granted_micro,
                batch.c.remaining_micro,
                batch.c.cost_cents,
                batch.c.currency,
                batch.c.credit_type,
                batch.c.expires_at,
                batch.c.source,
            ).where(batch.c.account_id == account_id)
        ).all()
        self._batches = {row.id: row for row in rows}
        known = connection.execute(
            sa.select(
                balance_mirror.c.kind,
                balance_mirror.c.transaction_id,
                balance_mirror.c.day,
                balance_mirror.c.happened_at,
                balance_mirror.c.cents,
            ).where(balance_mirror.c.account_id == account_id)
        ).all()
        self._told = [(row.happened_at, row.cents) for row in known]
        opening = next((row for row in known if row.kind == "opening"), None)
        self._opened_at = opening.happened_at if opening else None
        # Commands read the clock before they wait for the lock, so order is by number, which is given under it.
        self._after = (opening.transaction_id or 0) if opening else 0
        self._days = [row.day for row in known if row.day is not None]
        self._seen = {row.transaction_id for row in known if row.transaction_id is not None}

    def opening(self) -> list[dict[str, Any]]:
        """What the shelf is worth when the mirror begins; nothing when it has begun."""
        if self._opened_at is not None:
            return []
        cents = -self._worth_at(None)
        last = self._connection.execute(
            sa.select(sa.func.max(entry.c.transaction_id)).where(entry.c.account_id == self._id)
        ).scalar_one()
        said = "Credits when the mirror began"
        return [self._row("open", "opening", self._now, cents, said, {"type": "opening"}, transaction_id=last)]

    def movements(self) -> Iterable[dict[str, Any]]:
        """A row for each transaction since that moved credits other than by use."""
        assert self._opened_at is not None
        sides = sa.or_(entry.c.from_bucket.in_(_MOVED), entry.c.to_bucket.in_(_MOVED))
        found = self._connection.execute(
            sa.select(
                transaction.c.id,
                transaction.c.kind,
                transaction.c.reason_code,
                transaction.c.recorded_at,
                entry.c.batch_id,
                _SIGNED.label("moved"),
            )
            .join(transaction, transaction.c.id == entry.c.transaction_id)
            .where(entry.c.account_id == self._id, entry.c.batch_id.is_not(None), sides)
            .where(transaction.c.id > self._after)
            .order_by(entry.c.id)
        ).all()
        by_transaction: dict[int, list[Any]] = defaultdict(list)
        for row in found:
            if row.id not in self._seen:
                by_transaction[row.id].append(row)
        for id_, rows in by_transaction.items():
            cents = -sum(self._cents(row.moved, row.batch_id) for row in rows)
            if not cents:
                continue
            # Not the note, which was written for colleagues.
            said = rows[0].kind.replace("_", " ").capitalize()
            if rows[0].reason_code:
                said += f": {rows[0].reason_code.replace('_', ' ')}"
            details = self._details({row.batch_id for row in rows})
            at = rows[0].recorded_at
            self._told.append((at, cents))
            yield self._row(f"tx:{id_}", "movement", at, cents, said[:350], details, transaction_id=id_)

    def days(self) -> Iterable[dict[str, Any]]:
        """A row for each day that is over with use that was not told, and with what rounding left."""
        assert self._opened_at is not None
        day = max([self._opened_at.astimezone(self._zone).date(), *(one + timedelta(days=1) for one in self._days)])
        for one in self._moved_days(day):
            end = end_of_day(one, self._zone)
            # What the movements of that day told is known; the rest of the change is use.
            told = sum(cents for at, cents in self._told if at < end)
            cents = -self._worth_at(end) - told
            if cents:
                at = end - timedelta(microseconds=1)
                self._told.append((at, cents))
                yield self._row(f"use:{one}", "usage", at, cents, f"Used on {one}", {"type": "usage"}, day=one)

    def _moved_days(self, since: date) -> list[date]:
        """The days since then, over by now, on which anything moved."""
        found = self._connection.execute(
            sa.select(transaction.c.recorded_at)
            .distinct()
            .join(entry, entry.c.transaction_id == transaction.c.id)
            .where(entry.c.account_id == self._id, entry.c.batch_id.is_not(None))
            .where(transaction.c.recorded_at >= end_of_day(since - timedelta(days=1), self._zone))
        ).scalars()
        days = {at.astimezone(self._zone).date() for at in found}
        return sorted(one for one in days if end_of_day(one, self._zone) <= self._now)

    def _worth_at(self, at: datetime | None) -> int:
        """What the shelf was worth, from what was written down before that instant; None: what it is worth."""
        later = sa.false() if at is None else transaction.c.recorded_at >= at
        moved = self._connection.execute(
            sa.select(entry.c.batch_id, sa.cast(sa.func.sum(_SIGNED), sa.BigInteger))
            .join(transaction, transaction.c.id == entry.c.transaction_id)
            .where(entry.c.account_id == self._id, entry.c.batch_id.is_not(None), later)
            .group_by(entry.c.batch_id)
        ).all()
        since = {row[0]: row[1] for row in moved}
        shelf = [(row.remaining_micro - since.get(row.id, 0), self._worth(row)) for row in self._batches.values()]
        return shelf_cents(shelf, cents_per_thousand=self._per_thousand)

    def _worth(self, row: Any) -> Worth:
        return Worth(row.granted_micro, row.cost_cents if row.currency == self._currency else None)

    def _cents(self, micro: int, batch_id: int) -> int:
        return worth_cents(micro, self._worth(self._batches[batch_id]), cents_per_thousand=self._per_thousand)

    def _details(self, batch_ids: set[int]) -> dict[str, str]:
        """Metadata as providers' tools know it: type, expires_at, source; only what all the batches share."""
        rows = [self._batches[one] for one in sorted(batch_ids)]
        ends = {last_day(row.expires_at, self._zone).isoformat() if row.expires_at else "never" for row in rows}
        found = {"type": {row.credit_type for row in rows}, "expires_at": ends, "source": {row.source for row in rows}}
        return {name: ", ".join(sorted(values))[:500] for name, values in found.items()}

    def _row(
        self, name: str, kind: str, at: datetime, cents: int, description: str, details: dict[str, str], **more: Any
    ) -> dict[str, Any]:
        return {
            "name": f"mirror:{self._id}:{name}",
            "account_id": self._id,
            "kind": kind,
            "transaction_id": None,
            "day": None,
            "happened_at": at.astimezone(UTC),
            "cents": cents,
            "currency": self._currency,
            "description": description,
            "details": details,
            # A customer that begins with nothing has nothing to be told.
            "state": "asked" if cents else "sent",
            "provider_ref": None,
            "tries": 0,
            "next_try_at": self._now if cents else None,
            "error": "",
        } | more


def send(ledger: Ledger, provider: Provider) -> tuple[int, int]:
    """Send the rows that are due, oldest first of each customer; answers how many were sent and refused for good."""
    due = (
        sa.select(balance_mirror, account.c.external_id)
        .join(account, account.c.id == balance_mirror.c.account_id)
        .where(balance_mirror.c.state == "asked", balance_mirror.c.next_try_at <= ledger.clock.now())
        .order_by(balance_mirror.c.id)
    )
    with ledger.database.reading() as connection:
        found = connection.execute(due).all()
    sent = failed = 0
    for row in found:
        ref = customer_ref(ledger, row.external_id, provider)
        if ref is None:
            continue
        try:
            move = registry.billing(ledger, provider).move_balance(
                ref,
                Money(row.cents, row.currency),
                key=row.name,
                description=row.description,
                metadata=row.details | {"mirror": row.name},
            )
        except LedgerError as error:
            failed += note_failed(ledger, balance_mirror, row, error, is_too_late=row.tries + 1 >= TRIES_MAX)
        else:
            note_sent(ledger, balance_mirror, row, provider_ref=move.ref)
            sent += 1
    return sent, failed


def retry(ledger: Ledger) -> int:
    """Let rows that were refused be sent again; answers how many."""
    return let_again(ledger, balance_mirror)

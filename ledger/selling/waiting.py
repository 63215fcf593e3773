"""Rows that wait to be told to a provider (meter_event, balance_mirror): told, tried again later, or given up."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from ledger.database import answering
from ledger.errors import LedgerError, ProviderRefused
from ledger.facade import Ledger

# Pauses between tries; the last one is repeated.
PAUSES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=3))


def note_sent(ledger: Ledger, table: sa.Table, row: Any, **more: object) -> None:
    """Note that a row was told."""
    _change(ledger, table, row.id, state="sent", tries=row.tries + 1, next_try_at=None, error="", **more)


def note_failed(ledger: Ledger, table: sa.Table, row: Any, error: LedgerError, *, is_too_late: bool) -> bool:
    """Note that a row was not told; True when it will not be tried again: refused, or ``is_too_late``."""
    is_over = isinstance(error, ProviderRefused) or is_too_late
    pause = PAUSES[min(row.tries, len(PAUSES) - 1)]
    _change(
        ledger,
        table,
        row.id,
        state="failed" if is_over else "asked",
        tries=row.tries + 1,
        next_try_at=None if is_over else ledger.clock.now() + pause,
        error=str(error),
    )
    return is_over


def let_again(ledger: Ledger, table: sa.Table) -> int:
    """Let rows that were given up be told again; answers how many."""
    change = sa.update(table).where(table.c.state == "failed")
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(change.values(state="asked", tries=0, next_try_at=ledger.clock.now())).rowcount


def _change(ledger: Ledger, table: sa.Table, id_: int, **values: object) -> None:
    with answering(), ledger.database.engine.begin() as connection:
        connection.execute(sa.update(table).where(table.c.id == id_).values(**values))

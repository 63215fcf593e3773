"""The door for derived data: figures computed from the books that may be thrown away and computed again.

They move no credits and carry no idempotency key, so they do not go through `Ledger.execute` (docs/decisions/0003).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.database import answering
from ledger.facade import Ledger
from ledger.models import account, calibration, forecast_run


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """A forecast of one account's daily burn as JSON, made from the days up to ``as_of`` (company zone)."""

    account: str
    as_of: date
    body: dict[str, Any]


def save_forecasts(ledger: Ledger, forecasts: Iterable[StoredForecast]) -> None:
    """Store forecasts; one per account and day, a newer one replaces the older."""
    at = ledger.clock.now()
    # Two people who open the same customer at once both store its forecast: an upsert lets the later one win.
    engine = ledger.database.engine
    insert = (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(forecast_run)
    fresh = {"computed_at": insert.excluded.computed_at, "body": insert.excluded.body}
    upsert = insert.on_conflict_do_update(index_elements=["account_id", "as_of"], set_=fresh)
    with engine.begin() as connection:
        ids = {row.external_id: row.id for row in connection.execute(sa.select(account.c.external_id, account.c.id))}
        rows = [
            {"account_id": ids[made.account], "as_of": made.as_of, "computed_at": at, "body": made.body}
            for made in forecasts
        ]
        if rows:
            connection.execute(upsert, rows)


def save_calibration(ledger: Ledger, *, as_of: date, body: Mapping[str, Any]) -> None:
    """Store how wrong past forecasts were, learned from the days up to ``as_of``; a newer one of that day replaces."""
    engine = ledger.database.engine
    insert = (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(calibration)
    values = {"computed_at": ledger.clock.now(), "body": dict(body)}
    upsert = insert.values(as_of=as_of, **values).on_conflict_do_update(index_elements=["as_of"], set_=values)
    with answering(), engine.begin() as connection:
        connection.execute(upsert)


def remove_old_derived(ledger: Ledger, *, before: date) -> int:
    """Forget forecasts and calibrations of days before; the newest calibration stays. Answers how many rows."""
    newest = sa.select(sa.func.max(calibration.c.as_of)).scalar_subquery()
    old = (
        sa.delete(forecast_run).where(forecast_run.c.as_of < before),
        sa.delete(calibration).where(calibration.c.as_of < before, calibration.c.as_of < newest),
    )
    with answering(), ledger.database.engine.begin() as connection:
        return sum(connection.execute(statement).rowcount for statement in old)

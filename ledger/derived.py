"""The door for derived data: figures computed from the books that may be thrown away and computed again.

They move no credits and carry no idempotency key, so they do not go through `Ledger.execute` (docs/decisions/0003).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from ledger.facade import Ledger
from ledger.models import account, forecast_run


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """A forecast of one account's daily burn as JSON, made from the days up to ``as_of`` (company zone)."""

    account: str
    as_of: date
    body: dict[str, Any]


def save_forecasts(ledger: Ledger, forecasts: Iterable[StoredForecast]) -> None:
    """Store forecasts; one per account and day, a newer one replaces the older."""
    at = ledger.clock.now()
    with ledger.database.engine.begin() as connection:
        ids = {row.external_id: row.id for row in connection.execute(sa.select(account.c.external_id, account.c.id))}
        for forecast in forecasts:
            key = (forecast_run.c.account_id == ids[forecast.account]) & (forecast_run.c.as_of == forecast.as_of)
            values = {"computed_at": at, "body": forecast.body}
            if connection.execute(sa.update(forecast_run).where(key).values(**values)).rowcount == 0:
                connection.execute(
                    sa.insert(forecast_run).values(account_id=ids[forecast.account], as_of=forecast.as_of, **values)
                )

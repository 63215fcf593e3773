"""The forecast job: makes the forecasts that are missing for the last complete day, and stores them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from analytics import frames, outlook
from analytics.forecast import forecast_many
from ledger import Ledger
from ledger.derived import StoredForecast, save_forecasts


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a run of the job did: the last complete day, how many forecasts it made and how many were there already."""

    known_until: date
    made: int
    present: int


def refresh(ledger: Ledger, *, accounts: Iterable[str] | None = None, processes: int | None = None) -> Refreshed:
    """Make and store the forecasts that no run has made yet from the days up to yesterday (company zone).

    Args: accounts limits the run to some customers, None means all; processes as for `forecast_many`.
    Returns: the counts. A second run on the same day makes nothing.
    """
    at = ledger.clock.now()
    known_until = outlook.as_of(frames.today(at, ledger.company_zone))
    with ledger.database.reading() as connection:
        if accounts is None:
            accounts = frames.load_customers(connection, at=at, zone=ledger.company_zone)["account"]
        wanted = list(accounts)
        found = frames.load_forecasts(connection, as_of=known_until)
        missing = outlook.missing(wanted, found, known_until=known_until)
        histories = outlook.load_histories(connection, missing, known_until=known_until)
    forecasts = forecast_many(histories, as_of=known_until, processes=processes)
    save_forecasts(
        ledger,
        [StoredForecast(str(account), known_until, forecast.to_body()) for account, forecast in forecasts.items()],
    )
    return Refreshed(known_until, made=len(missing), present=len(wanted) - len(missing))

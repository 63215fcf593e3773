"""The forecast job: makes the forecasts that are missing for the last complete day, and stores them."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date

from analytics import frames, outlook
from analytics.executors import Counted, Executor, Progress, on_this_machine
from analytics.forecast import forecast_many
from ledger import Ledger
from ledger.derived import StoredForecast, save_forecasts


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a run of the job did: the last complete day, how many forecasts it made and how many were there already."""

    known_until: date
    made: int
    present: int


# Stored together: a run that is cut off in the middle has lost no more than these.
CHUNK = 200


def refresh(
    ledger: Ledger,
    *,
    accounts: Iterable[str] | None = None,
    processes: int | None = None,
    executor_for: Callable[[int], AbstractContextManager[Executor]] | None = None,
    on_progress: Progress | None = None,
) -> Refreshed:
    """Make and store the forecasts that no run has made yet from the days up to yesterday (company zone).

    Args: accounts limits the run to some customers, None means all; processes as for `forecast_many`, unless
    ``executor_for`` gives the executor for so many accounts; on_progress is told how many are done.
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
        histories = list(outlook.load_histories(connection, missing, known_until=known_until).items())
    computes = executor_for(len(missing)) if executor_for else on_this_machine(len(missing), processes=processes)
    with computes as executor:
        for start in range(0, len(histories), CHUNK):
            counted = (
                Counted(executor, on_progress, total=len(histories), done_before=start) if on_progress else executor
            )
            made = forecast_many(dict(histories[start : start + CHUNK]), as_of=known_until, executor=counted)
            save_forecasts(
                ledger, [StoredForecast(str(account), known_until, one.to_body()) for account, one in made.items()]
            )
    return Refreshed(known_until, made=len(missing), present=len(wanted) - len(missing))

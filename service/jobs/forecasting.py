"""The two nightly jobs about forecasts: make those of the last complete day, and learn how wrong past ones were."""

from datetime import date, timedelta
from math import ceil

import pandas as pd

from analytics import burn, frames, outlook
from analytics.calibration import HORIZONS, ORIGINS_DAYS_AGO, build
from analytics.executors import Counted
from analytics.forecast import HISTORY_DAYS_MAX
from analytics.periods import Period
from ledger import Ledger
from ledger.derived import save_calibration
from ledger.settings import settings
from service.forecasts import refresh
from service.jobs.executors import executor_of
from service.jobs.kit import Figures, Progress

# More accounts teach little more, and each costs three more forecasts a night; every path of a range is one of them.
CALIBRATION_ACCOUNTS_MAX = 200


def forecasts(ledger: Ledger, progress: Progress) -> Figures:
    """Make and store the forecasts that are missing; what was stored before a stop stays."""
    done = refresh(ledger, on_progress=progress, executor_for=lambda items: executor_of(settings(), items=items))
    return {"made": done.made, "present": done.present, "known_until": done.known_until.isoformat()}


def calibration(ledger: Ledger, progress: Progress) -> Figures:
    """Refit at origins 90, 120 and 150 days ago, compare with what was used, and store the errors.

    Until the books are old enough the calibration that ships with the product stays in force. Source:
    analytics/calibration.py.
    """
    known_until = outlook.as_of(frames.today(ledger.clock.now(), ledger.company_zone))
    with ledger.database.reading() as connection:
        head = frames.load_calibration_head(connection)
    if head is not None and head[0] >= known_until:
        return {"stored": 0, "accounts": 0, "errors": 0}
    histories = _histories(ledger, known_until)
    if not histories:
        return {"stored": 0, "accounts": 0, "errors": 0}
    total = 2 * len(ORIGINS_DAYS_AGO) * len(histories)
    with executor_of(settings(), items=total) as executor:
        counted = Counted(executor, progress, total=total)
        learned = build(histories, source="the company's own use", executor=counted)
    if learned.is_enough:
        save_calibration(ledger, as_of=known_until, body=learned.to_body(HORIZONS))
    return {"stored": int(learned.is_enough), "accounts": len(histories), "errors": len(learned.members)}


def _histories(ledger: Ledger, known_until: date) -> dict[str, pd.DataFrame]:
    """Daily use of accounts that go back to the nearest origin, evenly picked when there are many."""
    days = HISTORY_DAYS_MAX + max(ORIGINS_DAYS_AGO)
    period = Period(known_until - timedelta(days=days - 1), known_until + timedelta(days=1))
    with ledger.database.reading() as connection:
        usage = frames.load_account_daily_usage(connection, since=period.since, until=period.until)
    found = burn.histories(usage, sorted(set(usage["account"])), period)
    nearest = days - min(ORIGINS_DAYS_AGO)
    old_enough = [name for name, history in found.items() if history["used_micro"].iloc[:nearest].any()]
    picked = old_enough[:: max(1, ceil(len(old_enough) / CALIBRATION_ACCOUNTS_MAX))]
    return {name: found[name] for name in picked}

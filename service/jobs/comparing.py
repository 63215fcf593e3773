"""Every night our books are held against those of each provider that is set up."""

from datetime import datetime, timedelta

from ledger import SYSTEM, Ledger, LedgerError
from ledger.comparing import compare
from ledger.gateways import registry
from service.jobs.kit import Figures, Progress, StepFailed

# Most of what goes wrong goes wrong soon; banks may take a payment back for half a year.
NIGHT_DAYS = 35
SUNDAY_DAYS = 190
SUNDAY = 6


def compare_all(ledger: Ledger, progress: Progress) -> Figures:
    """Compare the last weeks, on Sundays the last half year; answers how many payments and findings there were.

    Raises StepFailed with the same figures when a provider could not be asked; the others are compared all the same.
    What is found is no failure of the job: it waits on the page Reconciliation.
    """
    until = ledger.clock.now()
    since = until - timedelta(days=days_back(until.astimezone(ledger.company_zone)))
    figures = {"providers": 0, "objects": 0, "matched": 0, "findings": 0, "begun": 0, "fixed": 0}
    failed = []
    for provider in registry.set_up(ledger):
        try:
            found = compare(ledger, provider, since=since, until=until, by=SYSTEM, progress=progress)
        except LedgerError as error:
            failed.append(str(error))
            continue
        figures["providers"] += 1
        for name in ("objects", "matched", "findings", "begun", "fixed"):
            figures[name] += getattr(found, name)
    if failed:
        raise StepFailed(" ".join(failed), figures)
    return figures


def days_back(day: datetime) -> int:
    """How far back a night looks."""
    return SUNDAY_DAYS if day.weekday() == SUNDAY else NIGHT_DAYS

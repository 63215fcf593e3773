"""What is only kept for a time: runs, half-filled forms, texts of mails, old forecasts. Facts stay for ever."""

from datetime import timedelta

from analytics import frames
from ledger import Ledger, inbox
from ledger.clock import SystemClock
from ledger.derived import remove_old_derived
from ledger.drafts import remove_old_drafts
from ledger.jobs import remove_old_runs
from ledger.outbox import forget_bodies
from ledger.settings import settings
from service.jobs.kit import Figures, Progress


def forget(ledger: Ledger, _progress: Progress) -> Figures:
    """Remove what is older than RETENTION_DAYS; answers how many rows of each."""
    kept = timedelta(days=settings().retention_days)
    now = ledger.clock.now()
    return {
        # Runs of jobs are the machine's: their time is real even where the books pretend.
        "runs": remove_old_runs(ledger, before=SystemClock().now() - kept),
        "drafts": remove_old_drafts(ledger, before=now - kept),
        "mails": forget_bodies(ledger, before=now - kept),
        "messages": inbox.forget_bodies(ledger, before=now - kept),
        "forecasts": remove_old_derived(ledger, before=frames.today(now, ledger.company_zone) - kept),
    }

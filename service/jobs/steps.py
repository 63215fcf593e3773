"""The jobs in the order in which they run. Each is safe to repeat: late, twice or cut off, it ends the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from ledger import Ledger, daily
from ledger.selling import refunding
from ledger.selling.recharging import recharge_due
from service.alerts import find_alerts
from service.jobs import billing, comparing, forecasting, invariants, payments, retention, summaries
from service.jobs.kit import Figures, Progress
from service.mailer import send_due

SECONDS = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# Every night at three of the company: no zone leaves that hour out or has it twice when summer time begins or ends.
NIGHTLY = None
NIGHT = time(3)


@dataclass(frozen=True, slots=True)
class Step:
    """One job: its name, how often it is due (NIGHTLY: once a night), and what it does, answering figures.

    ``has_work`` looks, for the price of a tiny query, whether there is anything to do: a job that has it and is due
    more often than every minute runs when there is, else once a minute.
    """

    name: str
    every: timedelta | None
    act: Callable[[Ledger, Progress], Figures]
    has_work: Callable[[Ledger], bool] | None = None

    def is_due(self, ledger: Ledger, due_at: datetime, at: datetime) -> bool:
        """Whether it runs at an instant, when it was to run at ``due_at``."""
        if at < due_at:
            return False
        return self.has_work is None or at - due_at >= MINUTE or self.has_work(ledger)

    def next_due_at(self, at: datetime, zone: ZoneInfo) -> datetime:
        """When it is due again after a good run that began at ``at``."""
        if self.every is not None:
            return at + self.every
        night = datetime.combine(at.astimezone(zone).date(), NIGHT, zone)
        if night <= at:
            night = datetime.combine(night.date() + timedelta(days=1), NIGHT, zone)
        return night.astimezone(at.tzinfo)


def _of_ledger(name: str) -> Callable[[Ledger, Progress], Figures]:
    """A step that the days of a sandbox have, too."""
    return lambda ledger, _progress: {"booked": daily.STEPS[name](ledger)}


# Expiring also books holds that timed out and debt that new credits pay.
EVERY = {"expire": MINUTE, "renew": HOUR, "qualify": HOUR, "seal": HOUR}
STEPS: tuple[Step, ...] = (
    # What books comes first, in the order of a day: a renewal re-issues what the expiry left.
    *(Step(name, EVERY[name], _of_ledger(name)) for name in daily.STEPS),
    # Customers look at a page until what they paid is there.
    Step("inbox", SECONDS, payments.settle, payments.has_messages),
    Step("payments", MINUTE, payments.follow),
    # After what was paid is booked, and before anybody is warned.
    Step("recharge", MINUTE, lambda ledger, _progress: recharge_due(ledger)),
    Step("refunds", MINUTE, lambda ledger, _progress: refunding.send_due(ledger)),
    Step("meters", MINUTE, billing.meters),
    Step("mirror", HOUR, billing.mirror),
    Step("alerts", MINUTE, lambda ledger, _progress: find_alerts(ledger)),
    Step("mail", MINUTE, lambda ledger, _progress: send_due(ledger)),
    Step("invariants", HOUR, invariants.check),
    Step("subscriptions", NIGHTLY, billing.subscriptions),
    Step("compare", NIGHTLY, comparing.compare_all),
    Step("retention", NIGHTLY, retention.forget),
    # The long ones last: nothing else waits for them.
    Step("forecasts", NIGHTLY, forecasting.forecasts),
    # After the forecasts, which say how long credits last.
    Step("summaries", NIGHTLY, summaries.tell),
    Step("calibration", NIGHTLY, forecasting.calibration),
)

"""Everything that has to happen once a day, in order, each step safe to repeat; late or twice it books the same."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ledger.facade import Ledger
from ledger.renewals import qualify_due, renew_due
from ledger.sealing import seal_new
from ledger.sweep import expire_due_everywhere

STEPS: dict[str, Callable[[Ledger], int]] = {
    # Before the renewal, which re-issues what the ended period left unused.
    "expire": lambda ledger: len(expire_due_everywhere(ledger)),
    "renew": lambda ledger: len(renew_due(ledger)),
    "qualify": lambda ledger: len(qualify_due(ledger)),
    "seal": seal_new,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a day: its name and how many accounts or transactions it booked."""

    name: str
    count: int


def run_day(ledger: Ledger) -> list[Step]:
    """Run every step as of the ledger's present instant."""
    return [Step(name, act(ledger)) for name, act in STEPS.items()]


def advance(ledger: Ledger, to: datetime, set_clock: Callable[[datetime], None]) -> list[tuple[datetime, Step]]:
    """Let time pass in a sandbox, day by day, running each day's jobs; answers the steps that booked something.

    Raises ValueError when ``to`` is not later than the ledger's present instant.
    """
    at = ledger.clock.now()
    if to <= at:
        raise ValueError(f"it is {at:%Y-%m-%d %H:%M} UTC already; time only goes forward")
    happened = []
    while at < to:
        at = min(at + timedelta(days=1), to)
        set_clock(at)
        happened += [(at, step) for step in run_day(ledger) if step.count]
    return happened

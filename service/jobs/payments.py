"""Jobs about payments: messages of providers are settled, payments on their way are asked about."""

from ledger import Ledger, inbox
from ledger.selling.follow import follow_open
from ledger.selling.mock_delivery import has_outgoing
from ledger.selling.settling import settle_due
from service.jobs.kit import Figures, Progress, StepFailed

# So many errors are told in the sentence of a job; the rest are counted.
_TOLD = 3


def has_messages(ledger: Ledger) -> bool:
    """Whether a provider has told something that nobody looked at."""
    return inbox.is_due(ledger) or has_outgoing(ledger)


def settle(ledger: Ledger, progress: Progress) -> Figures:
    """Follow what the messages in the inbox are about."""
    return settle_due(ledger, progress=progress)


def follow(ledger: Ledger, _progress: Progress) -> Figures:
    """Ask for payments that nobody told of; fails when none of them could be asked for."""
    done = follow_open(ledger)
    figures = {"looked": done.asked, "booked": done.moved, "later": len(done.errors)}
    if done.errors and len(done.errors) >= done.asked:
        raise StepFailed("; ".join(done.errors[:_TOLD]), figures)
    return figures

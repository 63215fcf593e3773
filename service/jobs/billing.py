"""Jobs about what providers bill: subscriptions are asked for, meters and customer balances are told."""

from ledger import Ledger
from ledger.selling import metering, mirroring
from ledger.selling.subscriptions import follow_billed
from service.jobs.kit import Figures, Progress, StepFailed


def subscriptions(ledger: Ledger, _progress: Progress) -> Figures:
    """Ask for every subscription that bills a plan, in case a message was lost; fails when none could be followed."""
    figures = follow_billed(ledger)
    if figures["refused"] and not figures["followed"]:
        raise StepFailed("no subscription could be followed; the provider does not answer, or refuses", figures)
    return figures


def meters(ledger: Ledger, _progress: Progress) -> Figures:
    """Tell meters what was used beyond the credits; fails when the provider refuses some of it for good."""
    done = metering.meter(ledger)
    figures = {"made": done.made, "sent": done.sent, "refused": done.failed}
    if done.failed:
        raise StepFailed(
            f"{done.failed} meter events were refused; see the plan of the customer, then: subscription meters --retry",
            figures,
        )
    return figures


def mirror(ledger: Ledger, _progress: Progress) -> Figures:
    """Repeat movements at the provider where the company wants it; fails when some are refused for good."""
    done = mirroring.mirror(ledger)
    figures = {"made": done.made, "sent": done.sent, "refused": done.failed}
    if done.failed:
        raise StepFailed(
            f"{done.failed} movements were refused by the provider's customer balance; then: subscription mirror "
            "--retry",
            figures,
        )
    return figures

"""What of a hold is taken, and what goes back."""

from dataclasses import dataclass

from ledger.core.records import Hold, Take

# Holds of such names freeze what a customer's bank disputes; the provider's word alone places and ends them (rule 33).
DISPUTE_PREFIX = "dispute:"
# What they are held for: no feature that could be used.
DISPUTE_FEATURE = "dispute"


def is_frozen(reference: str, feature: str) -> bool:
    """Whether a dispute keeps a hold, so that nobody may capture, release or extend it."""
    return feature == DISPUTE_FEATURE and reference.startswith(DISPUTE_PREFIX)


@dataclass(frozen=True, slots=True)
class Capture:
    """A hold resolved: what is consumed, and what is released, both in the burn order of the hold's parts."""

    taken: tuple[Take, ...]
    released: tuple[Take, ...]


def plan_capture(hold: Hold, amount_micro: int) -> Capture:
    """Which of a hold's credits are consumed: its parts in burn order; the rest is released.

    Args: an amount in micro-credits, > 0 and at most what is held; the caller refuses more than that.
    Returns: taken + released = the parts of the hold. Source: docs/accounting.md, rule 14.
    """
    if not 0 < amount_micro <= hold.amount_micro:
        raise ValueError("a capture takes more than nothing and at most what is held")
    missing = amount_micro
    taken, released = [], []
    for part in hold.parts:
        now = min(part.amount_micro, missing)
        if now:
            taken.append(Take(part.batch_id, part.credit_type, now))
        if part.amount_micro > now:
            released.append(Take(part.batch_id, part.credit_type, part.amount_micro - now))
        missing -= now
    return Capture(tuple(taken), tuple(released))

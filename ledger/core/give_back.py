"""What of a use can be given back, and to which batches."""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.core.records import Take


@dataclass(frozen=True, slots=True)
class GiveBackPlan:
    """Credits to put back, and how much less the account owes; the shortfall is more than may be given back.

    ``left_micro`` is what of the use was never given back; ``repaid_micro`` is the part of it that went on debt which
    has been repaid since, out of other credits, and so cannot be given back.
    """

    returned: tuple[Take, ...]
    forgiven_micro: int
    left_micro: int
    repaid_micro: int
    shortfall_micro: int

    @property
    def possible_micro(self) -> int:
        """The most that may be given back."""
        return self.left_micro - self.repaid_micro


def plan_give_back(
    paid: Sequence[Take], amount_micro: int | None, *, on_debt_micro: int = 0, owed_micro: int = 0
) -> GiveBackPlan:
    """Where an amount of a use goes back to: last taken first, so debt before any batch.

    Args: what each batch paid for the use and did not get back yet, in the order of taking, and what of it went on
    debt after that; an amount in micro-credits, > 0, or None for all that is left; what the account owes now.
    Returns: a plan; returned + forgiven + shortfall = the amount. Source: docs/accounting.md, rule 15.
    """
    if amount_micro is not None and amount_micro <= 0:
        raise ValueError("an amount to give back must be positive")
    left = on_debt_micro + sum(take.amount_micro for take in paid)
    amount = left if amount_micro is None else amount_micro
    still_owed = min(on_debt_micro, owed_micro)
    forgiven = min(amount, still_owed)
    missing = amount - forgiven
    returned = []
    for take in reversed(paid):
        part = min(take.amount_micro, missing)
        if part:
            returned.append(Take(take.batch_id, take.credit_type, part))
        missing -= part
    return GiveBackPlan(tuple(returned), forgiven, left, on_debt_micro - still_owed, missing)

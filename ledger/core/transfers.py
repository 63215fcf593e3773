"""Credits that move to another account: which batches give them, and what each part of a paid batch cost.

Source: docs/accounting.md, rules 12 and 20.
"""

from ledger.core.amounts import share_of_cost_cents


def part_cost_cents(cost_cents: int, *, granted_micro: int, remaining_micro: int, part_micro: int) -> int:
    """What a part that leaves a paid batch takes along of its cost: the cost of what was left less that of what stays.

    Both are rounded cumulative shares, so parts and the rest add up to the price however often credits move on.

    >>> [part_cost_cents(1000, granted_micro=3, remaining_micro=left, part_micro=1) for left in (3, 2, 1)]
    [333, 334, 333]
    """
    if not 0 < part_micro <= remaining_micro <= granted_micro:
        raise ValueError("a part is more than nothing and no more than what is left")
    left, stays = (
        share_of_cost_cents(cost_cents, part_micro=amount, whole_micro=granted_micro)
        for amount in (remaining_micro, remaining_micro - part_micro)
    )
    return left - stays

"""Refunds: what money goes back for paid credits that were not used. The arithmetic, nothing else.

Source: docs/accounting.md, rules 12 and 19.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ledger.core.amounts import divide_rounding_half_up, share_of_cost_cents


class RefundPolicy(StrEnum):
    """What a refund is prorated by."""

    UNUSED_SHARE = "unused_share"
    TIME_LEFT = "time_left"


@dataclass(frozen=True, slots=True)
class Paid:
    """A paid batch as a refund looks at it. ``remaining_micro`` includes what is held, ``free_micro`` does not."""

    granted_micro: int
    remaining_micro: int
    free_micro: int
    cost_cents: int
    effective_at: datetime
    expires_at: datetime | None
    # Money that earlier refunds of this batch gave back.
    refunded_cents: int = 0


def plan_refund(paid: Paid, amount_micro: int, *, policy: RefundPolicy, at: datetime) -> int:
    """Cents that go back for so many credits of a paid batch.

    By *unused share* a part costs what it takes away from the cost of the rest: rounded cumulative shares, so that
    uses, refunds and the rest always add up to the price. By *time left* it is that, but all refunds of the batch
    together give back at most the share of the price that its remaining life has of its whole life.

    Args: an amount in micro-credits, 0 < amount <= free.
    """
    if not 0 < amount_micro <= paid.free_micro:
        raise ValueError("a refund takes something, and no more than is free")
    unused = _cost_of(paid, paid.remaining_micro) - _cost_of(paid, paid.remaining_micro - amount_micro)
    if policy is RefundPolicy.UNUSED_SHARE:
        return unused
    return min(unused, max(0, time_left_cents(paid, at=at) - paid.refunded_cents))


def time_left_cents(paid: Paid, *, at: datetime) -> int:
    """The share of the price that the batch's remaining life has of its whole life, rounded as all money is.

    All of it before its life begins and when it never ends, nothing from its end on.
    """
    if paid.expires_at is None:
        return paid.cost_cents
    life = _micros(paid.effective_at, paid.expires_at)
    left = min(max(_micros(at, paid.expires_at), 0), life)
    return divide_rounding_half_up(paid.cost_cents * left, life)


def with_tax_cents(net_cents: int, *, given_back_cents: int, price_cents: int, total_cents: int) -> int:
    """What is given back to the card for a refund without tax: with the tax that was paid on it.

    Args: the refund; what earlier refunds of that payment gave back without tax; what it cost without and with tax.
    Differences of cumulative shares, so that refunds of the whole price give back the whole payment.
    """
    before = divide_rounding_half_up(total_cents * given_back_cents, price_cents)
    return divide_rounding_half_up(total_cents * (given_back_cents + net_cents), price_cents) - before


def _cost_of(paid: Paid, part_micro: int) -> int:
    return share_of_cost_cents(paid.cost_cents, part_micro=part_micro, whole_micro=paid.granted_micro)


def _micros(since: datetime, until: datetime) -> int:
    return (until - since) // timedelta(microseconds=1)

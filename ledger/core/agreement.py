"""Keeping credits in agreement with money that left again at a provider: what is taken back, frozen and put back.

The arithmetic, nothing else. All credits in micro-credits, all money in cents with tax, as the provider counts it.
Source: docs/accounting.md, rule 33.
"""

from dataclasses import dataclass

from ledger.core.amounts import divide_rounding_half_up


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What of a payment has left again, all of it each time.

    ``external`` are refunds that this product did not ask for; those that it asked for (``own``) took their credits
    when they were booked.
    """

    total_cents: int
    own_cents: int
    external_cents: int
    lost_cents: int
    disputed_cents: int = 0

    @property
    def gone_cents(self) -> int:
        """Money that left for good, without what was asked for here; a refund and a lost dispute net out."""
        return min(self.external_cents + self.lost_cents, self._left_cents)

    @property
    def doubtful_cents(self) -> int:
        """As `gone_cents`, with what open disputes may still take."""
        return min(self.external_cents + self.lost_cents + self.disputed_cents, self._left_cents)

    @property
    def _left_cents(self) -> int:
        return max(0, self.total_cents - self.own_cents)


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done so far about money that left, summed up: where the credits it had bought were found.

    ``taken`` from the batch; ``gone``: off the shelf unused, so nothing moved; ``claimed``: used before, owed since;
    ``compensated``: given anew because a claim had been repaid.
    """

    taken_micro: int = 0
    gone_micro: int = 0
    claimed_micro: int = 0
    compensated_micro: int = 0

    @property
    def net_micro(self) -> int:
        """Credits that are accounted for in all."""
        return self.taken_micro + self.gone_micro + self.open_claim_micro

    @property
    def open_claim_micro(self) -> int:
        """Claims that were not made good again."""
        return self.claimed_micro - self.compensated_micro

    def plus(self, change: "Taken") -> "Taken":
        """This and a change of it."""
        return Taken(
            self.taken_micro + change.taken_micro,
            self.gone_micro + change.gone_micro,
            self.claimed_micro + change.claimed_micro,
            self.compensated_micro + change.compensated_micro,
        )


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the credits of a paid batch are.

    ``free`` can be taken, what the payment itself has frozen included; ``used`` were consumed, went to pay debt, moved
    to another account or are held for work; ``by_hand`` left by refunds whose money somebody gives back by hand;
    ``unused`` expired or were removed.
    """

    free_micro: int
    used_micro: int
    by_hand_micro: int
    unused_micro: int


def share_micro(credits_micro: int, cents: int, total_cents: int) -> int:
    """The credits that a part of the money bought, rounded half up; shares of growing parts add up to the whole."""
    return divide_rounding_half_up(credits_micro * cents, total_cents)


def plan_change(so_far: Taken, target_micro: int, shelf: Shelf, *, owed_micro: int) -> Taken:
    """What to do so that `net_micro` becomes the target: parts above 0 take, parts below 0 give back.

    Taking goes by what hurts least: credits whose money goes back by hand anyway, then free ones, then those that left
    unused, then a claim for those that were used. Giving back goes the other way round, claims first as far as they are
    still owed; a claim that was repaid meanwhile is made good by new credits.
    """
    more = target_micro - so_far.net_micro
    return _take(so_far, more, shelf) if more >= 0 else _give(so_far, -more, owed_micro)


def freeze_micro(credits_micro: int, money: MoneyBack, *, taken: Taken, free_micro: int) -> int:
    """How many of the free credits open disputes freeze, once ``taken`` is done and has left ``free_micro``."""
    doubtful = share_micro(credits_micro, money.doubtful_cents, money.total_cents)
    return min(free_micro, max(0, doubtful - taken.net_micro))


def _take(so_far: Taken, amount: int, shelf: Shelf) -> Taken:
    by_hand = min(amount, max(0, shelf.by_hand_micro - so_far.gone_micro))
    left = amount - by_hand
    free = min(left, shelf.free_micro)
    left -= free
    unused = min(left, max(0, shelf.by_hand_micro + shelf.unused_micro - so_far.gone_micro - by_hand))
    left -= unused
    claim = min(left, max(0, shelf.used_micro - so_far.open_claim_micro))
    # Whatever is left was refunded here for less money than its share: there is nothing more to take.
    return Taken(free, by_hand + unused + left - claim, claim)


def _give(so_far: Taken, amount: int, owed_micro: int) -> Taken:
    claim = min(amount, so_far.open_claim_micro, owed_micro)
    left = amount - claim
    gone = min(left, so_far.gone_micro)
    left -= gone
    taken = min(left, so_far.taken_micro)
    return Taken(-taken, -gone, -claim, left - taken)

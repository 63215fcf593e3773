"""The nouns of the ledger as frozen values: what the core reads and what it answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CreditType(StrEnum):
    """Where credits come from. The order is the order in which every chart and table shows them."""

    PURCHASED = "purchased"
    PROMOTIONAL = "promotional"
    REFERRAL = "referral"
    COMPENSATION = "compensation"
    ROLLOVER = "rollover"


class Bucket(StrEnum):
    """The sides an entry moves credits between (docs/accounting.md, rule 2)."""

    AVAILABLE = "available"
    HELD = "held"
    ISSUED = "issued"
    CONSUMED = "consumed"
    EXPIRED = "expired"
    REMOVED = "removed"
    REFUNDED = "refunded"
    TRANSFERRED = "transferred"
    OWED = "owed"


# Every legal move of one entry (docs/accounting.md, rule 2). Credits are born from `issued`; every other move has a
# mirror, by which a reversal takes it back.
LEGAL_MOVES: frozenset[tuple[Bucket, Bucket]] = frozenset(
    {
        (Bucket.ISSUED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.ISSUED),
        (Bucket.AVAILABLE, Bucket.CONSUMED),
        (Bucket.CONSUMED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.HELD),
        (Bucket.HELD, Bucket.AVAILABLE),
        (Bucket.HELD, Bucket.CONSUMED),
        (Bucket.AVAILABLE, Bucket.EXPIRED),
        (Bucket.EXPIRED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.REMOVED),
        (Bucket.REMOVED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.REFUNDED),
        (Bucket.REFUNDED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.TRANSFERRED),
        (Bucket.TRANSFERRED, Bucket.AVAILABLE),
        # Debt: what was used beyond the credits of an account, and its repayment out of a batch.
        (Bucket.OWED, Bucket.CONSUMED),
        (Bucket.CONSUMED, Bucket.OWED),
        (Bucket.AVAILABLE, Bucket.OWED),
        (Bucket.OWED, Bucket.AVAILABLE),
        # A claim: money was taken back for credits that had been used; the account owes them.
        (Bucket.OWED, Bucket.REFUNDED),
        (Bucket.REFUNDED, Bucket.OWED),
    }
)
CLAIM = (Bucket.OWED, Bucket.REFUNDED)
# The moves that belong to no batch: usage on debt, claims, and their way back.
DEBT_MOVES: frozenset[tuple[Bucket, Bucket]] = frozenset(
    {
        (Bucket.OWED, Bucket.CONSUMED),
        (Bucket.CONSUMED, Bucket.OWED),
        (Bucket.OWED, Bucket.REFUNDED),
        (Bucket.REFUNDED, Bucket.OWED),
    }
)


class AccountKind(StrEnum):
    CUSTOMER = "customer"
    POOL = "pool"


class AccountType(StrEnum):
    """How a customer pays: the commercial model shown to people, without effect on the books."""

    PREPAID = "prepaid"
    HYBRID = "hybrid"
    SUBSCRIPTION = "subscription"
    LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one grant left on the shelf. Usable in [effective_at, expires_at); ``expires_at`` None means never."""

    id: int
    credit_type: CreditType
    remaining_micro: int
    held_micro: int
    priority: int
    effective_at: datetime
    expires_at: datetime | None
    # The only features that these credits pay for; None means all.
    features: frozenset[str] | None = None

    @property
    def free_micro(self) -> int:
        """Credits that are neither used nor held."""
        return self.remaining_micro - self.held_micro

    def is_open(self, at: datetime) -> bool:
        """Whether credits of this batch may be taken at that instant."""
        return self.effective_at <= at and (self.expires_at is None or at < self.expires_at)

    def serves(self, feature: str | None) -> bool:
        """Whether these credits pay for a feature; None asks for no feature in particular, which any batch serves."""
        return self.features is None or feature is None or feature in self.features


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits set aside until they are captured or released. ``parts`` in burn order; it counts until ``expires_at``.

    From that instant on (None: never) it has lapsed: its credits are free again, whether that is booked or not.
    """

    id: int
    reference: str
    feature: str
    parts: tuple["Take", ...]
    placed_at: datetime
    expires_at: datetime | None

    @property
    def amount_micro(self) -> int:
        """Credits held in all."""
        return sum(part.amount_micro for part in self.parts)

    def has_lapsed(self, at: datetime) -> bool:
        """Whether it timed out by that instant."""
        return self.expires_at is not None and self.expires_at <= at


@dataclass(frozen=True, slots=True)
class Take:
    """Credits taken from one batch."""

    batch_id: int
    credit_type: CreditType
    amount_micro: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Which batches pay for an amount, in burn order, and what they cannot cover."""

    takes: tuple[Take, ...]
    shortfall_micro: int

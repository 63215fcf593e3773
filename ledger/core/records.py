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


# Every legal move of one entry. Credits are born from `issued` and end in one of the last buckets.
LEGAL_MOVES: frozenset[tuple[Bucket, Bucket]] = frozenset(
    {
        (Bucket.ISSUED, Bucket.AVAILABLE),
        (Bucket.AVAILABLE, Bucket.CONSUMED),
        (Bucket.AVAILABLE, Bucket.EXPIRED),
        (Bucket.AVAILABLE, Bucket.REMOVED),
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

    @property
    def free_micro(self) -> int:
        """Credits that are neither used nor held."""
        return self.remaining_micro - self.held_micro

    def is_open(self, at: datetime) -> bool:
        """Whether credits of this batch may be taken at that instant."""
        return self.effective_at <= at and (self.expires_at is None or at < self.expires_at)


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

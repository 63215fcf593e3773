"""What the service answers, as values. Amounts of credits are exact decimals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a write. ``replayed``: it was booked before under this name, and nothing was booked now.

    ``charged`` is what batches gave in all; ``available`` what the account can use right after it.
    """

    kind: str
    account: str | None
    transaction_id: int | None
    replayed: bool
    available: Decimal
    charged: Decimal
    body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Receipt":
        return cls(
            body["kind"],
            body["account"],
            body["transaction_id"],
            body["replayed"],
            Decimal(body["available"]["after"]),
            sum((Decimal(take["amount"]) for take in body["takes"]), Decimal(0)),
            body,
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """Credits that are set aside. ``held_until`` None: they never lapse."""

    account: str
    reference: str
    amount: Decimal
    held_until: datetime | None
    replayed: bool

    @classmethod
    def of(cls, body: Mapping[str, Any], *, reference: str, amount: Decimal) -> "Hold":
        until = body.get("held_until")
        return cls(
            body["account"],
            reference,
            amount,
            None if until is None else datetime.fromisoformat(until),
            body["replayed"],
        )


@dataclass(frozen=True, slots=True)
class Affordable:
    """What a use would cost, which the account can afford now; nothing is set aside for it."""

    required: Decimal
    available: Decimal
    left: Decimal

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Affordable":
        return cls(Decimal(body["required"]), Decimal(body["available"]), Decimal(body["left"]))


@dataclass(frozen=True, slots=True)
class Balance:
    """What an account has."""

    account: str
    available: Decimal
    held: Decimal
    balance: Decimal
    owed: Decimal

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Balance":
        names = ("available", "held", "balance", "owed")
        return cls(body["account"], *(Decimal(body[name]) for name in names))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a use would cost. ``is_affordable`` None: no account was named."""

    cost: Decimal
    saved: Decimal
    is_affordable: bool | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Estimate":
        return cls(Decimal(body["cost"]), Decimal(body["saved"]), body["is_affordable"])

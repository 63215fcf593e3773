"""Holds and give-backs with safe defaults; amounts are whole credits. See tests/kit/factories.py."""

from datetime import datetime, timedelta

from ledger import (
    MICRO,
    Actor,
    CaptureHold,
    ExtendHold,
    GiveBack,
    Ledger,
    PlaceHold,
    Reason,
    Receipt,
    ReleaseHold,
)
from tests.kit.factories import ADMIN, REASON, fresh_key

JOB = "job-1"


def place(
    ledger: Ledger,
    reference: str = JOB,
    credits: int = 30,
    *,
    account: str = "acme",
    feature: str = "images",
    hours: float | None = 1,
    member: str = "",
    actor: Actor = ADMIN,
    key: str | None = None,
) -> Receipt:
    """Set credits aside, for an hour from now unless said otherwise; ``hours`` None: for ever."""
    until = None if hours is None else ledger.clock.now() + timedelta(hours=hours)
    command = PlaceHold(account, reference, feature, credits * MICRO, until, member)
    return ledger.execute(command, actor=actor, key=key or fresh_key("place"))


def capture(
    ledger: Ledger,
    reference: str = JOB,
    credits: int | None = None,
    *,
    account: str = "acme",
    event_id: str | None = None,
    occurred_at: datetime | None = None,
    actor: Actor = ADMIN,
    key: str | None = None,
) -> Receipt:
    """Use what is held, or a part of it."""
    amount = None if credits is None else credits * MICRO
    command = CaptureHold(account, reference, event_id or fresh_key("event"), amount, occurred_at)
    return ledger.execute(command, actor=actor, key=key or fresh_key("capture"))


def release(
    ledger: Ledger,
    reference: str = JOB,
    *,
    account: str = "acme",
    reason: Reason | None = REASON,
    actor: Actor = ADMIN,
    key: str | None = None,
) -> Receipt:
    """Let a hold go."""
    command = ReleaseHold(account, reference, reason)
    return ledger.execute(command, actor=actor, key=key or fresh_key("release"))


def extend(
    ledger: Ledger,
    reference: str = JOB,
    *,
    until: datetime,
    account: str = "acme",
    reason: Reason | None = REASON,
    actor: Actor = ADMIN,
) -> Receipt:
    """Let a hold time out later."""
    return ledger.execute(ExtendHold(account, reference, until, reason), actor=actor, key=fresh_key("extend"))


def give_back(
    ledger: Ledger,
    event_id: str,
    credits: int | None = None,
    *,
    account: str = "acme",
    actor: Actor = ADMIN,
    key: str | None = None,
) -> Receipt:
    """Return the credits of a use, or a part of them."""
    amount = None if credits is None else credits * MICRO
    command = GiveBack(account, event_id, REASON, amount)
    return ledger.execute(command, actor=actor, key=key or fresh_key("give-back"))

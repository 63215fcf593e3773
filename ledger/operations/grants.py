"""Giving credits: the four unpaid types."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar

from ledger.commands import (
    YEARS,
    Before,
    Command,
    Outcome,
    Reason,
    amount_faults,
    details_faults,
    effect,
    instant_faults,
    text_faults,
)
from ledger.context import Context
from ledger.core.lifecycle import allowed_expiry, default_expiry, end_of_day
from ledger.core.policy import Permission
from ledger.core.records import CreditType
from ledger.errors import Fault, InvalidCommand
from ledger.journal import AccountState, BatchTerms
from ledger.models import batch
from ledger.operations.periods import require_open_period


@dataclass(frozen=True, slots=True)
class IssueGrant(Command):
    """Give promotional, referral, compensation or rollover credits.

    ``expires_on`` is the last day on which they can be used, in the customer's zone; None takes the default of the type
    and ``never_expires`` asks for no end at all, where the type allows it. ``effective_at`` None means at once.
    A lower ``priority`` number burns first.
    """

    kind: ClassVar[str] = "grant"
    permission: ClassVar[Permission] = Permission.ISSUE_GRANT

    account: str
    credit_type: CreditType
    amount_micro: int
    reason: Reason
    campaign: str = ""
    source: str = "manual"
    expires_on: date | None = None
    never_expires: bool = False
    effective_at: datetime | None = None
    priority: int = 0
    # The only features that the credits pay for; empty: all.
    features: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + amount_faults("amount", self.amount_micro) + self.reason.faults()
        if self.never_expires and self.expires_on is not None:
            found.append(Fault("expires_on", "give a last day or ask for no end, not both"))
        if self.credit_type is CreditType.PURCHASED:
            found.append(Fault("credit_type", "purchased credits come from a top-up, not from a grant"))
        for feature in self.features:
            found += text_faults("features", feature, longest=120)
        found += details_faults(self.details)
        return found + shelf_faults(self.campaign, self.source, self.effective_at, self.priority)


def issue_grant(context: Context, command: IssueGrant) -> Outcome:
    state, (ids,) = context.load(command.account, context.work.next_ids(batch))
    starts, ends = validity(
        context,
        state,
        command.credit_type,
        effective_at=command.effective_at,
        expires_on=command.expires_on,
        never_expires=command.never_expires,
    )
    terms = BatchTerms(
        command.credit_type,
        context.at,
        starts,
        ends,
        source=command.source,
        campaign=command.campaign,
        priority=command.priority,
        features=frozenset(command.features) or None,
        details=command.details,
    )
    batch_id = context.work.ids_of(ids)[0]
    return put_on_shelf(context, state, batch_id, command.kind, command.amount_micro, terms, command.reason)


def shelf_faults(campaign: str, source: str, effective_at: datetime | None, priority: int) -> list[Fault]:
    """Faults of the fields that every new batch has."""
    found = text_faults("campaign", campaign, required=False, longest=120) + text_faults("source", source, longest=120)
    if not -100 <= priority <= 100:
        found.append(Fault("priority", "must be between -100 and 100"))
    return found + instant_faults("effective_at", effective_at)


def validity(
    context: Context,
    state: AccountState,
    credit_type: CreditType,
    *,
    effective_at: datetime | None,
    expires_on: date | None,
    never_expires: bool = False,
) -> tuple[datetime, datetime | None]:
    """From when until when a new batch can be used: defaults filled in, the allowed range enforced.

    An earlier instant than now is allowed in an open period (rule 29). Raises PeriodClosed, and InvalidCommand naming
    the allowed range. Source: docs/accounting.md, rule 4.
    """
    starts = context.at if effective_at is None else effective_at
    if starts < context.at:
        require_open_period(context, starts)
    first_day = starts.astimezone(state.zone).date()
    day = None if never_expires else expires_on or default_expiry(credit_type, first_day)
    if day is not None and day.year not in YEARS:
        raise InvalidCommand([Fault("expires_on", f"must not be later than the year {YEARS[-1]}")])
    allowed = allowed_expiry(credit_type, first_day)
    if not allowed.allows(day):
        until = f"and {allowed.latest}" if allowed.latest else "or later"
        between = "between " if allowed.latest else ""
        raise InvalidCommand(
            [Fault("expires_on", f"{credit_type} credits must expire {between}{allowed.earliest} {until}")]
        )
    ends = None if day is None else end_of_day(day, state.zone)
    if ends is not None and ends <= context.at:
        raise InvalidCommand([Fault("expires_on", f"{day} is over; the credits could never be used")])
    return starts, ends


def put_on_shelf(
    context: Context,
    state: AccountState,
    batch_id: int,
    kind: str,
    amount_micro: int,
    terms: BatchTerms,
    reason: Reason,
) -> Outcome:
    """Open one batch and answer the effect; shared by every command that adds credits."""
    before = Before.of(state, context.at)
    new = context.open_batch(state, batch_id, amount_micro, terms)
    receipt = effect(kind, state, context.at, before, new_batches=(new,))
    return Outcome(receipt, state.id, terms.effective_at, reason, weight_micro=amount_micro)

"""Every way the ledger says no.

LedgerError
├── InvalidCommand          the command itself is wrong; carries every fault at once
├── Unauthenticated         no API key, or one that is unknown, false, revoked or expired
├── NotPermitted            the actor's role may not do this
│   ├── ApprovalRequired    nobody may do this alone; ask a second person
│   └── ScopeMissing        the API key was made for other things
├── NotFound                no such account, batch, feature, transaction
├── Conflict                true now, but at odds with what is already booked
│   ├── KeyReused           the key was used before with other content
│   ├── BatchClosed         that batch can no longer give credits
│   ├── ReferenceUsed       the payment was booked before, under another key
│   ├── EventReused         the event id was used before with other content
│   ├── HoldReused          the reference was used before for another hold
│   ├── HoldAlreadyResolved the hold was captured or released, or has lapsed
│   ├── AlreadyReversed     a transaction is reversed at most once
│   ├── ApprovalDecided     the request was decided before
│   ├── PeriodClosed        the books are closed through that day
│   └── NotAllowedNow       the rule of that act forbids it as things stand; says which and what to do instead
├── InsufficientCredits     not enough open credits; nothing was booked
├── LimitReached            a member's limit in a pool; nothing was booked
├── TooManyRequests         the API key, or all keys together for one customer, ask too often
├── GatewayError            somebody else's machine
│   ├── NotSetUp            the database is there but holds no ledger yet
│   ├── MailUnavailable     the mail server did not answer, or refused us; mails wait in the outbox
│   ├── ProviderUnavailable a payment provider did not answer: the outcome is unknown, the same call again is safe
│   ├── ProviderRefused     a payment provider says no, and why; nothing moved
│   ├── ProviderNotSetUp    no payment provider, or no key for it
│   └── Unavailable         the database (or a provider) did not answer; safe to repeat with the same key
└── LedgerCorrupt           the books contradict themselves; never caught

Each class has a stable ``code`` and typed fields; the sentence for people is built from the fields.
"""

from dataclasses import dataclass
from datetime import date, datetime

from ledger.core.amounts import micro_to_text


class LedgerError(Exception):
    """Base of all refusals; ``code`` is stable and part of the API."""

    code = "ledger_error"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field: what is wrong and what is allowed, as one sentence."""

    field: str
    message: str


class InvalidCommand(LedgerError):
    code = "invalid_command"

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))


class NotPermitted(LedgerError):
    code = "not_permitted"

    def __init__(self, *, actor: str, role: str, act: str, ask: tuple[str, ...]) -> None:
        self.actor, self.role, self.act, self.ask = actor, role, act, ask
        whom = " or ".join(role.replace("_", " ") for role in ask)
        super().__init__(f"You ({role.replace('_', ' ')}) may not {act}; ask a person with the role {whom}.")


class ApprovalRequired(NotPermitted):
    code = "approval_required"

    def __init__(self, *, act: str, weight_micro: int, limit_micro: int, needs_two: bool) -> None:
        self.act, self.weight_micro, self.limit_micro, self.needs_two = act, weight_micro, limit_micro, needs_two
        why = (
            f"Nobody may {act} alone"
            if needs_two
            else f"{micro_to_text(weight_micro)} credits are more than the {micro_to_text(limit_micro)} "
            "that one person may move alone"
        )
        LedgerError.__init__(self, f"{why}: ask for approval by a second person. Nothing was booked.")


class ScopeMissing(NotPermitted):
    code = "scope_missing"

    def __init__(self, *, act: str, scopes: tuple[str, ...]) -> None:
        self.act, self.scopes = act, scopes
        means = f"use a key with the scope {' or '.join(scopes)}" if scopes else "no API key may"
        LedgerError.__init__(self, f"This API key may not {act}; {means}.")


class Unauthenticated(LedgerError):
    code = "unauthenticated"

    def __init__(self, *, why: str) -> None:
        self.why = why
        super().__init__(f"Not signed in: {why}. Send the header Authorization: Bearer <API key>.")


class NotFound(LedgerError):
    code = "not_found"

    def __init__(self, *, what: str, id: str) -> None:
        self.what, self.id = what, id
        super().__init__(f"There is no {what} {id!r}.")


class Conflict(LedgerError):
    code = "conflict"


class KeyReused(Conflict):
    code = "key_reused"

    def __init__(self, *, key: str) -> None:
        self.key = key
        super().__init__(f"The key {key!r} was used before for something else; nothing was booked now.")


class BatchClosed(Conflict):
    code = "batch_closed"

    def __init__(self, *, batch_id: int, free_micro: int, required_micro: int, why: str) -> None:
        self.batch_id, self.free_micro, self.required_micro, self.why = batch_id, free_micro, required_micro, why
        super().__init__(
            f"Batch {batch_id} cannot give {micro_to_text(required_micro)} credits: {why} "
            f"({micro_to_text(free_micro)} left)."
        )


class EventReused(Conflict):
    code = "event_reused"

    def __init__(self, *, event_id: str) -> None:
        self.event_id = event_id
        super().__init__(f"The event {event_id!r} was recorded before with other content; nothing was booked now.")


class ReferenceUsed(Conflict):
    code = "reference_used"

    def __init__(self, *, reference: str, batch_id: int) -> None:
        self.reference, self.batch_id = reference, batch_id
        super().__init__(f"The payment {reference!r} is booked already, as batch {batch_id}. Nothing was booked now.")


class HoldReused(Conflict):
    code = "hold_reused"

    def __init__(self, *, reference: str) -> None:
        self.reference = reference
        super().__init__(
            f"The reference {reference!r} names another hold of this account; choose another. Nothing was booked now."
        )


class HoldAlreadyResolved(Conflict):
    code = "hold_already_resolved"

    def __init__(self, *, reference: str, state: str) -> None:
        self.reference, self.state = reference, state
        what = {"lapsed": "has timed out"}.get(state, f"was {state}")
        super().__init__(f"The hold {reference!r} {what}; it holds no credits any more. Nothing was booked now.")


class AlreadyReversed(Conflict):
    code = "already_reversed"

    def __init__(self, *, transaction_id: int, by_id: int) -> None:
        self.transaction_id, self.by_id = transaction_id, by_id
        super().__init__(f"Transaction {transaction_id} was reversed before, by transaction {by_id}.")


class ApprovalDecided(Conflict):
    code = "approval_decided"

    def __init__(self, *, approval_id: int, state: str) -> None:
        self.approval_id, self.state = approval_id, state
        super().__init__(f"Request {approval_id} was {state} before. Nothing was booked now.")


class PeriodClosed(Conflict):
    code = "period_closed"

    def __init__(self, *, day: date, closed_through: date) -> None:
        self.day, self.closed_through = day, closed_through
        super().__init__(f"{day} lies in a closed period: the books are closed through {closed_through}.")


class NotAllowedNow(Conflict):
    code = "not_allowed_now"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class LimitReached(LedgerError):
    code = "limit_reached"

    def __init__(
        self, *, member: str, period: str, limit_micro: int, used_micro: int, required_micro: int, resets_at: datetime
    ) -> None:
        self.member, self.period, self.resets_at = member, period, resets_at
        self.limit_micro, self.used_micro, self.required_micro = limit_micro, used_micro, required_micro
        super().__init__(
            f"{member} may use {micro_to_text(limit_micro)} credits per {period} and has used "
            f"{micro_to_text(used_micro)}; {micro_to_text(required_micro)} more are too many until "
            f"{resets_at:%Y-%m-%d %H:%M} UTC. Nothing was booked."
        )


class TooManyRequests(LedgerError):
    code = "too_many_requests"

    def __init__(self, *, whose: str, per_minute: int, retry_after_seconds: int) -> None:
        self.whose, self.per_minute, self.retry_after_seconds = whose, per_minute, retry_after_seconds
        super().__init__(
            f"{whose} may make {per_minute:,} requests a minute; try again in {retry_after_seconds} s. "
            "Nothing was booked."
        )


class InsufficientCredits(LedgerError):
    code = "insufficient_credits"

    def __init__(self, *, account: str, required_micro: int, available_micro: int) -> None:
        self.account, self.required_micro, self.available_micro = account, required_micro, available_micro
        self.shortfall_micro = required_micro - available_micro
        super().__init__(
            f"{account} has {micro_to_text(available_micro)} credits available, {micro_to_text(required_micro)} are "
            f"required: {micro_to_text(self.shortfall_micro)} short. Nothing was booked."
        )


class GatewayError(LedgerError):
    code = "gateway_error"


class Unavailable(GatewayError):
    code = "unavailable"

    def __init__(self, *, what: str, detail: str) -> None:
        self.what, self.detail = what, detail
        super().__init__(f"The {what} did not answer ({detail}). It is safe to try again with the same key.")


class MailUnavailable(GatewayError):
    code = "mail_unavailable"

    def __init__(self, *, place: str, detail: str) -> None:
        self.place, self.detail = place, detail
        super().__init__(f"Mail cannot be sent by way of {place}: {detail}. Mails wait in the outbox; none is lost.")


class ProviderUnavailable(GatewayError):
    code = "provider_unavailable"

    def __init__(self, *, provider: str, detail: str) -> None:
        self.provider, self.detail = provider, detail
        super().__init__(f"{provider.capitalize()} did not answer ({detail}). It is safe to try again.")


class ProviderRefused(GatewayError):
    code = "provider_refused"

    def __init__(self, *, provider: str, detail: str) -> None:
        self.provider, self.detail = provider, detail
        super().__init__(f"{provider.capitalize()} refused: {detail}")


class ProviderNotSetUp(GatewayError):
    code = "provider_not_set_up"

    def __init__(self, *, provider: str, what: str) -> None:
        self.provider, self.what = provider, what
        name = provider.capitalize() if provider else "A payment provider"
        super().__init__(f"{name} is not set up: {what}")


class NotSetUp(GatewayError):
    code = "not_set_up"

    def __init__(self, *, command: str) -> None:
        self.command = command
        super().__init__(f"The database holds no ledger yet; run: {command}")


class LedgerCorrupt(LedgerError):
    code = "ledger_corrupt"

    def __init__(self, *, place: str, detail: str, at: datetime | None = None) -> None:
        self.place, self.detail, self.at = place, detail, at
        super().__init__(f"The books contradict themselves at {place}: {detail}")

"""What can go wrong with a call.

CreditsError
├── Refused                  the service said no; ``code`` is stable, nothing was booked
│   ├── InsufficientCredits  402: required, available, shortfall, where to buy
│   │   └── LimitReached     402: a member of a pool has used its share; resets_at
│   ├── NotAllowed           401, 403: key unknown, scope missing, a second person needed
│   ├── NotFound             404
│   ├── Conflict             409: at odds with what is booked
│   ├── InvalidRequest       413, 415, 422: faults by field
│   └── TooManyRequests      429, after the last try; retry_after
├── Unreachable              no answer after the last try: the outcome is unknown, repeat with the same names
└── Unsettled                the work was done and the charge for it is not confirmed
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any


class CreditsError(Exception):
    """Base of everything that this client raises."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one field."""

    field: str
    message: str


class Refused(CreditsError):
    """The service said no. ``problem`` is the body of the answer (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, dict(problem)
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", f"the service answered with status {status}"))
        super().__init__(self.detail)


class InsufficientCredits(Refused):
    """Not enough credits. Amounts are None where the service did not name them."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        self.required = _amount(problem, "required")
        self.available = _amount(problem, "available")
        self.shortfall = _amount(problem, "shortfall")
        self.purchase_url: str | None = problem.get("purchase_url")


class LimitReached(InsufficientCredits):
    """A member of a pool has used its share until ``resets_at``."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        found = problem.get("resets_at")
        self.resets_at = datetime.fromisoformat(found) if isinstance(found, str) else None


class NotAllowed(Refused):
    """The key may not do this, or not alone."""


class NotFound(Refused):
    """There is no such account, feature or hold."""


class Conflict(Refused):
    """At odds with what is booked: a name that stands for something else, a hold that is over."""


class InvalidRequest(Refused):
    """The request has faults; all of them."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        self.faults = tuple(Fault(str(one["field"]), str(one["message"])) for one in problem.get("faults") or ())


class TooManyRequests(Refused):
    """Too many requests, still after the last try. ``retry_after`` in seconds, None when not said."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(status, problem)
        found = problem.get("retry_after")
        self.retry_after = float(found) if isinstance(found, int | float) else None


class Unreachable(CreditsError):
    """No answer: what was asked for may have been booked or not. Repeating it under the same names is safe."""

    def __init__(self, what: str, tries: int, why: str) -> None:
        self.what, self.tries, self.why = what, tries, why
        super().__init__(f"{what}: no answer after {tries} tries ({why})")


class Unsettled(CreditsError):
    """The work was done, and the charge for it is not confirmed.

    ``result`` is what the work gave. Capturing ``reference`` for ``event_id`` again settles it, as long as the hold has
    not timed out.
    """

    def __init__(self, account: str, reference: str, event_id: str, result: Any) -> None:
        self.account, self.reference, self.event_id, self.result = account, reference, event_id, result
        super().__init__(f"the use {event_id!r} of {account!r} was done, but its charge is not confirmed")


_BY_STATUS: dict[int, type[Refused]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: InvalidRequest,
    415: InvalidRequest,
    422: InvalidRequest,
    429: TooManyRequests,
}


def refused(status: int, problem: Mapping[str, Any]) -> Refused:
    """The exception of a refusal."""
    if status == 402:
        return (LimitReached if problem.get("code") == "limit_reached" else InsufficientCredits)(status, problem)
    return _BY_STATUS.get(status, Refused)(status, problem)


def _amount(problem: Mapping[str, Any], name: str) -> Decimal | None:
    found = problem.get(name)
    return Decimal(found) if isinstance(found, str) else None

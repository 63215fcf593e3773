"""`require_credits`: credits are set aside or checked before some work, taken when it succeeded, back when it failed.

Work of unknown cost gives an ``amount`` in credits: a hold of that much is placed before and captured after, all of it
or what ``used`` computes from the result. Work of known cost gives a ``quantity`` of the feature: it is checked before
and charged after; nothing is set aside meanwhile, so somebody else may spend the credits in between.
"""

import functools
import inspect
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from service.client.calls import Amount, AsyncCreditsClient, CreditsClient
from service.client.errors import Conflict, CreditsError, Unsettled

_log = logging.getLogger(__name__)
Work = TypeVar("Work", bound=Callable[..., Any])
# A hold that nobody could resolve gives its credits back by itself after so many seconds.
HOLD_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Spending:
    """What one piece of work may spend: either ``amount`` credits of a hold, or ``quantity`` of the feature.

    ``event_id`` names the use, once per account: however often the work is done under it, it is charged once.
    ``reference`` names the hold of this very attempt. With a client for asyncio the methods answer awaitables.
    """

    account: str
    feature: str
    event_id: str
    reference: str
    amount: Decimal | None
    quantity: Decimal
    expires_in: int = HOLD_SECONDS
    member: str = ""

    @classmethod
    def of(
        cls,
        account: str,
        feature: str,
        *,
        amount: Amount | None = None,
        quantity: Amount = 1,
        event_id: str | None = None,
        expires_in: int = HOLD_SECONDS,
        member: str = "",
    ) -> "Spending":
        """A spending with a hold of its own, and an event id of its own unless given."""
        reference = str(uuid.uuid4())
        credits = None if amount is None else Decimal(amount)
        return cls(account, feature, event_id or reference, reference, credits, Decimal(quantity), expires_in, member)

    def begin(self, client: Any) -> Any:
        """Set aside or check. Raises InsufficientCredits, before anything was done."""
        if self.amount is None:
            return client.check(self.account, self.feature, self.quantity, member=self.member)
        return client.place_hold(
            self.account,
            self.feature,
            self.amount,
            reference=self.reference,
            expires_in=self.expires_in,
            member=self.member,
        )

    def settle(self, client: Any, used: Decimal | None) -> Any:
        """Charge after success: all, or what was ``used`` (credits of a hold, else units). Nothing used: nothing."""
        if self.amount is None:
            quantity = self.quantity if used is None else used
            return client.record_usage(self.account, self.feature, quantity, event_id=self.event_id, member=self.member)
        if used is not None and used > self.amount:
            _log.warning("%s used %s credits of %r, only %s were held", self.event_id, used, self.account, self.amount)
            used = None
        return client.capture_hold(self.account, self.reference, event_id=self.event_id, amount=used)

    def give_up(self, client: Any) -> Any:
        """Give back after failure."""
        return client.release_hold(self.account, self.reference)

    @property
    def is_held(self) -> bool:
        """Whether credits are set aside that somebody has to give back."""
        return self.amount is not None

    def was_charged_before(self, error: CreditsError) -> bool:
        """Whether a charge was refused because this use was paid in an earlier attempt."""
        return isinstance(error, Conflict) and error.code in ("event_reused", "key_reused")

    def unsettled(self, result: Any) -> Unsettled:
        """The exception for work that was done and could not be charged."""
        return Unsettled(self.account, self.reference, self.event_id, result)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What was said to the decorator; callables get the arguments of the work."""

    account: str | Callable[..., str]
    feature: str
    amount: Amount | Callable[..., Amount] | None
    quantity: Amount | Callable[..., Amount] | None
    used: Callable[[Any], Amount | None] | None
    event_id: Callable[..., str] | None
    expires_in: int
    on_unsettled: Callable[[Unsettled], None] | None

    def spending(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Spending:
        def told(value: Any) -> Any:
            return value(*args, **kwargs) if callable(value) else value

        quantity = told(self.quantity)
        return Spending.of(
            told(self.account),
            self.feature,
            amount=told(self.amount),
            quantity=1 if quantity is None else quantity,
            event_id=told(self.event_id),
            expires_in=self.expires_in,
        )

    def used_of(self, result: Any) -> Decimal | None:
        found = None if self.used is None else self.used(result)
        return None if found is None else Decimal(found)

    def tell(self, unsettled: Unsettled, cause: CreditsError) -> None:
        if self.on_unsettled is None:
            raise unsettled from cause
        unsettled.__cause__ = cause
        self.on_unsettled(unsettled)


def require_credits(
    client: CreditsClient | AsyncCreditsClient,
    *,
    account: str | Callable[..., str],
    feature: str,
    amount: Amount | Callable[..., Amount] | None = None,
    quantity: Amount | Callable[..., Amount] | None = None,
    used: Callable[[Any], Amount | None] | None = None,
    event_id: Callable[..., str] | None = None,
    expires_in: int = HOLD_SECONDS,
    on_unsettled: Callable[[Unsettled], None] | None = None,
) -> Callable[[Work], Work]:
    """Let a function run only when the account can pay, and charge it when it succeeded.

    Args: account and amount or quantity, as values or as functions of the arguments; ``used`` computes from the result
    what to charge of it; ``event_id`` names the use so that a repeat of the work is not charged again;
    ``on_unsettled`` is told of work that was done and could not be charged, instead of raising Unsettled.
    A function that awaits needs the client for asyncio, any other one the client for threads.
    Raises, when the function is called: InsufficientCredits before any work; whatever the work raises, its credits
    given back; Unsettled, which carries the result.
    """
    if (amount is None) == (quantity is None):
        raise ValueError("give amount (credits to hold) or quantity (units to check and charge)")
    terms = _Terms(account, feature, amount, quantity, used, event_id, expires_in, on_unsettled)

    def decorate(work: Work) -> Work:
        is_async = inspect.iscoroutinefunction(work)
        if is_async != isinstance(client, AsyncCreditsClient):
            raise TypeError(f"{work!r} needs {'AsyncCreditsClient' if is_async else 'CreditsClient'}")
        wrapped = _around_async(client, terms, work) if is_async else _around(client, terms, work)
        return functools.wraps(work)(wrapped)  # type: ignore[return-value]

    return decorate


def _around(client: Any, terms: _Terms, work: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        one = terms.spending(args, kwargs)
        one.begin(client)
        try:
            result = work(*args, **kwargs)
            used = terms.used_of(result)
        except BaseException:
            _give_up(client, one)
            raise
        if used == 0:
            _give_up(client, one)
            return result
        try:
            one.settle(client, used)
        except CreditsError as error:
            if one.was_charged_before(error):
                _give_up(client, one)
            else:
                terms.tell(one.unsettled(result), error)
        return result

    return guarded


def _around_async(client: Any, terms: _Terms, work: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        one = terms.spending(args, kwargs)
        await one.begin(client)
        try:
            result = await work(*args, **kwargs)
            used = terms.used_of(result)
        except BaseException:
            await give_up(client, one)
            raise
        if used == 0:
            await give_up(client, one)
            return result
        try:
            await one.settle(client, used)
        except CreditsError as error:
            if one.was_charged_before(error):
                await give_up(client, one)
            else:
                terms.tell(one.unsettled(result), error)
        return result

    return guarded


def _give_up(client: Any, one: Spending) -> None:
    if one.is_held:
        try:
            one.give_up(client)
        except CreditsError:
            _forgotten(one)


async def give_up(client: Any, one: Spending) -> None:
    """Give back what is held. When that fails the hold times out by itself: it must not hide what went wrong before."""
    if one.is_held:
        try:
            await one.give_up(client)
        except CreditsError:
            _forgotten(one)


def _forgotten(one: Spending) -> None:
    _log.warning(
        "hold %s of %r could not be released; it times out by itself", one.reference, one.account, exc_info=True
    )

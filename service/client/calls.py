"""The calls, for threads and for asyncio. Both clients say the same; only the waiting differs."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2

from service.client.answers import Affordable, Balance, Estimate, Hold, Receipt
from service.client.errors import Unreachable, refused
from service.client.retries import AGAIN, Retries, retry_after_of

T = TypeVar("T")
Amount = Decimal | int | str
_PATH = "/api/v1"
TIMEOUT = httpx2.Timeout(10.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One call, the same for every try of it."""

    method: str
    path: str
    read: Callable[[Mapping[str, Any]], T]
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    key: str | None = None

    def arguments(self) -> dict[str, Any]:
        """As an HTTP client takes it."""
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        return {
            "method": self.method,
            "url": _PATH + self.path,
            "json": self.body,
            "params": self.query,
            "headers": headers,
        }


class _Calls:
    """Describes every call; what sends it is up to the client."""

    @staticmethod
    def _usage(
        account: str,
        feature: str,
        quantity: Amount,
        event_id: str | None,
        occurred_at: datetime | None,
        complexity: str,
        member: str,
    ) -> Request[Receipt]:
        event = event_id or str(uuid.uuid4())
        body = {"account": account, "event_id": event, "feature": feature, "quantity": str(quantity)}
        body |= _given(complexity=complexity, member=member, occurred_at=occurred_at and occurred_at.isoformat())
        return Request("POST", "/usage", Receipt.of, body)

    @staticmethod
    def _hold(
        account: str, feature: str, amount: Amount, reference: str | None, expires_in: int | None, member: str
    ) -> Request[Hold]:
        name, credits = reference or str(uuid.uuid4()), Decimal(amount)
        body: dict[str, Any] = {"account": account, "reference": name, "feature": feature, "amount": str(credits)}
        body |= _given(expires_in=expires_in, member=member)

        def read(answer: Mapping[str, Any]) -> Hold:
            return Hold.of(answer, reference=name, amount=credits)

        return Request("POST", "/holds", read, body)

    @staticmethod
    def _capture(
        account: str, reference: str, event_id: str, amount: Amount | None, quantity: Amount
    ) -> Request[Receipt]:
        body = {"account": account, "reference": reference, "event_id": event_id, "quantity": str(quantity)}
        body |= _given(amount=None if amount is None else str(amount))
        return Request("POST", "/holds/capture", Receipt.of, body)

    @staticmethod
    def _release(account: str, reference: str, note: str) -> Request[Receipt]:
        body = {"account": account, "reference": reference} | _given(note=note)
        return Request("POST", "/holds/release", Receipt.of, body)

    @staticmethod
    def _check(account: str, feature: str, quantity: Amount, complexity: str, member: str) -> Request[Affordable]:
        body = {"account": account, "feature": feature, "quantity": str(quantity)}
        return Request("POST", "/check", Affordable.of, body | _given(complexity=complexity, member=member))

    @staticmethod
    def _balance(account: str) -> Request[Balance]:
        return Request("GET", f"/customers/{quote(account, safe='')}/balance", Balance.of)

    @staticmethod
    def _estimate(feature: str, quantity: Amount, complexity: str, account: str | None) -> Request[Estimate]:
        query = {"feature": feature, "quantity": str(quantity)} | _given(complexity=complexity, account=account)
        return Request("GET", "/estimate", Estimate.of, query=query)


def _given(**members: Any) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value}


def _outcome(call: Request[T], answer: httpx2.Response, tries: int) -> T:
    """What a last answer means. Raises Refused, and Unreachable where nobody knows what became of the call."""
    if answer.is_success:
        return call.read(answer.json())
    if answer.status_code >= 500:
        raise Unreachable(f"{call.method} {call.path}", tries, f"status {answer.status_code}")
    kind = answer.headers.get("content-type", "")
    raise refused(answer.status_code, answer.json() if "json" in kind else {})


def _headers(api_key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {api_key}", "User-Agent": "credits-client/1"}


class CreditsClient(_Calls):
    """For threads; one client may serve many. Close it, or use it in ``with``.

    Args: the address of the service without a path; an API key; how to retry; how long one try may take.
    Every method raises Refused and its kinds when the service says no, Unreachable when no try got an answer.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retries: Retries | None = None,
        timeout: httpx2.Timeout = TIMEOUT,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._http = httpx2.Client(base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport)

    def record_usage(
        self,
        account: str,
        feature: str,
        quantity: Amount = 1,
        *,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        complexity: str = "",
        member: str = "",
    ) -> Receipt:
        """Charge one event. Your own ``event_id`` makes it safe to call again, also from another process."""
        return self._send(self._usage(account, feature, quantity, event_id, occurred_at, complexity, member))

    def place_hold(
        self,
        account: str,
        feature: str,
        amount: Amount,
        *,
        reference: str | None = None,
        expires_in: int | None = None,
        member: str = "",
    ) -> Hold:
        """Set credits aside, for ``expires_in`` seconds (None: until they are captured or released)."""
        return self._send(self._hold(account, feature, amount, reference, expires_in, member))

    def capture_hold(
        self, account: str, reference: str, *, event_id: str, amount: Amount | None = None, quantity: Amount = 1
    ) -> Receipt:
        """Use held credits, all or ``amount`` of them; the rest is released."""
        return self._send(self._capture(account, reference, event_id, amount, quantity))

    def release_hold(self, account: str, reference: str, *, note: str = "") -> Receipt:
        """Give all held credits back."""
        return self._send(self._release(account, reference, note))

    def check(
        self, account: str, feature: str, quantity: Amount = 1, *, complexity: str = "", member: str = ""
    ) -> Affordable:
        """Whether the account can afford a use now. Raises InsufficientCredits when it cannot."""
        return self._send(self._check(account, feature, quantity, complexity, member))

    def balance(self, account: str) -> Balance:
        """What an account has now."""
        return self._send(self._balance(account))

    def estimate(
        self, feature: str, quantity: Amount = 1, *, complexity: str = "", account: str | None = None
    ) -> Estimate:
        """What a use would cost."""
        return self._send(self._estimate(feature, quantity, complexity, account))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> "CreditsClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, call: Request[T]) -> T:
        trying = self._retries.start()
        while True:
            try:
                answer = self._http.request(**call.arguments())
            except httpx2.TransportError as error:
                wait = trying.pause()
                if wait is None:
                    raise Unreachable(f"{call.method} {call.path}", trying.made, type(error).__name__) from error
            else:
                wait = trying.pause(retry_after_of(answer.headers)) if answer.status_code in AGAIN else None
                if wait is None:
                    return _outcome(call, answer, trying.made)
            time.sleep(wait)


class AsyncCreditsClient(_Calls):
    """For asyncio; the same calls, awaited. See `CreditsClient`."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        retries: Retries | None = None,
        timeout: httpx2.Timeout = TIMEOUT,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._retries = retries or Retries()
        self._http = httpx2.AsyncClient(base_url=url, headers=_headers(api_key), timeout=timeout, transport=transport)

    async def record_usage(
        self,
        account: str,
        feature: str,
        quantity: Amount = 1,
        *,
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        complexity: str = "",
        member: str = "",
    ) -> Receipt:
        """See `CreditsClient.record_usage`."""
        return await self._send(self._usage(account, feature, quantity, event_id, occurred_at, complexity, member))

    async def place_hold(
        self,
        account: str,
        feature: str,
        amount: Amount,
        *,
        reference: str | None = None,
        expires_in: int | None = None,
        member: str = "",
    ) -> Hold:
        """See `CreditsClient.place_hold`."""
        return await self._send(self._hold(account, feature, amount, reference, expires_in, member))

    async def capture_hold(
        self, account: str, reference: str, *, event_id: str, amount: Amount | None = None, quantity: Amount = 1
    ) -> Receipt:
        """See `CreditsClient.capture_hold`."""
        return await self._send(self._capture(account, reference, event_id, amount, quantity))

    async def release_hold(self, account: str, reference: str, *, note: str = "") -> Receipt:
        """See `CreditsClient.release_hold`."""
        return await self._send(self._release(account, reference, note))

    async def check(
        self, account: str, feature: str, quantity: Amount = 1, *, complexity: str = "", member: str = ""
    ) -> Affordable:
        """See `CreditsClient.check`."""
        return await self._send(self._check(account, feature, quantity, complexity, member))

    async def balance(self, account: str) -> Balance:
        """See `CreditsClient.balance`."""
        return await self._send(self._balance(account))

    async def estimate(
        self, feature: str, quantity: Amount = 1, *, complexity: str = "", account: str | None = None
    ) -> Estimate:
        """See `CreditsClient.estimate`."""
        return await self._send(self._estimate(feature, quantity, complexity, account))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncCreditsClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _send(self, call: Request[T]) -> T:
        trying = self._retries.start()
        while True:
            try:
                answer = await self._http.request(**call.arguments())
            except httpx2.TransportError as error:
                wait = trying.pause()
                if wait is None:
                    raise Unreachable(f"{call.method} {call.path}", trying.made, type(error).__name__) from error
            else:
                wait = trying.pause(retry_after_of(answer.headers)) if answer.status_code in AGAIN else None
                if wait is None:
                    return _outcome(call, answer, trying.made)
            await asyncio.sleep(wait)

"""The connection to Stripe: one client per key, our own pin of the API's version, and Stripe's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import stripe

from ledger.clock import Clock
from ledger.errors import ProviderRefused, ProviderUnavailable

# What the gateway was written against; a newer SDK must not change the shape of answers by itself.
API_VERSION = "2026-10-28.endive"
# Seconds for one try. With two retries a call ends within about half a minute, whatever happens over there.
TIMEOUT = 10
RETRIES = 2
# Their fault or the network's: nobody knows whether the call took effect.
_UNKNOWN_OUTCOME = (stripe.APIConnectionError, stripe.RateLimitError, stripe.APIError)


@cache
def _connection() -> stripe.RequestsClient:
    return stripe.RequestsClient(timeout=TIMEOUT)


@cache
def client_for(key: str, address: str = "") -> stripe.StripeClient:
    """The client of a key, kept for the life of the process; ``address`` is another machine than Stripe's own."""
    return stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=RETRIES,
        http_client=_connection(),
        base_addresses={"api": address} if address else None,
    )


class StripePart:
    """A part of the gateway: the client it asks with, and the clock that says when it asked."""

    def __init__(self, client: stripe.StripeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock


def close_clients() -> None:
    """Close every connection to Stripe; the next call opens one again."""
    _connection().close()  # type: ignore[no-untyped-call]
    _connection.cache_clear()
    client_for.cache_clear()


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn Stripe's errors into ours. ``what`` is the call in words, for the sentence.

    Raises ProviderUnavailable when the outcome is unknown, ProviderRefused when they say no. Neither carries what was
    sent: it holds the key.
    """
    try:
        yield
    except _UNKNOWN_OUTCOME as error:
        status = f"HTTP {error.http_status}" if error.http_status else "no answer"
        raise ProviderUnavailable(provider="stripe", detail=f"{what}: {status}") from error
    except stripe.AuthenticationError as error:
        raise ProviderRefused(provider="stripe", detail=f"{what}: it does not know the key in STRIPE_KEY") from error
    except stripe.StripeError as error:
        if (error.http_status or 0) >= 500:
            raise ProviderUnavailable(provider="stripe", detail=f"{what}: HTTP {error.http_status}") from error
        raise ProviderRefused(provider="stripe", detail=f"{what}: {sentence(error)}") from error


def is_missing(error: stripe.InvalidRequestError) -> bool:
    """Whether Stripe says that there is no such thing."""
    return error.http_status == 404 or error.code == "resource_missing"


def sentence(error: stripe.StripeError) -> str:
    """What Stripe says, for people: its sentence, else its code."""
    said = error.user_message or error.code or f"HTTP {error.http_status}"
    return str(said).strip().rstrip(".")

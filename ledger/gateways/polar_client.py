"""The connection to Polar: one client per token, and Polar's errors in our words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from polar.base import PolarClientError, PolarError, PolarRateLimitError
from polar.v2026_10 import Polar

from ledger.errors import ProviderRefused, ProviderUnavailable

# Seconds for one try. Polar keeps no keys of calls, so that nothing is tried again by itself.
TIMEOUT = 10.0


_CLIENTS: dict[tuple[str, str], Polar] = {}


def client_for(token: str, address: str = "") -> Polar:
    """The client of a token, kept for the life of the process; ``address`` is another machine than Polar's own."""
    if (token, address) not in _CLIENTS:
        _CLIENTS[token, address] = Polar(token, base_url=address or None, timeout=TIMEOUT)
    return _CLIENTS[token, address]


def close_clients() -> None:
    """Close every connection to Polar; who asks for a client then gets another one."""
    while _CLIENTS:
        _, client = _CLIENTS.popitem()
        client.__exit__()


@contextmanager
def asking(what: str) -> Iterator[None]:
    """Turn Polar's errors into ours. ``what`` is the call in words, for the sentence.

    Raises ProviderUnavailable when the outcome is unknown, ProviderRefused when they say no. Neither carries what was
    sent: it holds the token.
    """
    try:
        yield
    except PolarRateLimitError as error:
        raise ProviderUnavailable(provider="polar", detail=f"{what}: too many requests") from error
    except PolarClientError as error:
        if error.status_code == 401:
            raise ProviderRefused(
                provider="polar", detail=f"{what}: it does not know the token in POLAR_TOKEN"
            ) from error
        raise ProviderRefused(provider="polar", detail=f"{what}: {sentence(error)}") from error
    except PolarError as error:
        status = getattr(error, "status_code", None)
        raise ProviderUnavailable(
            provider="polar", detail=f"{what}: {f'HTTP {status}' if status else 'no answer that can be read'}"
        ) from error
    except ValueError as error:
        # An answer that is no JSON: something on the way answered instead of Polar.
        raise ProviderUnavailable(provider="polar", detail=f"{what}: no answer that can be read") from error


def sentence(error: PolarClientError) -> str:
    """What Polar says, for people: its sentence, else the number of its answer."""
    detail: Any = getattr(error.error, "detail", None)
    if isinstance(detail, list):
        detail = "; ".join(str(getattr(one, "msg", one)) for one in detail)
    return str(detail).strip().rstrip(".") if detail else f"HTTP {error.status_code}"

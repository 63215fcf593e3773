"""Where providers deliver their messages: /webhooks/{stripe,polar,mock}. Checked, written down, answered; nothing else.

The answer tells the provider whether to deliver the message again: 200 when it is written down (also one that was
before), 400 for a signature that does not fit, 413 for a body that no message of theirs can be, 404 for a provider that
there is none of, 503 when the database or the provider's key is missing, so that it comes again.
"""

import logging
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ledger import LedgerError
from ledger.core.payments import Provider
from ledger.gateways.provider import SignatureRefused
from ledger.inbox import BODY_MAX_BYTES, accept
from service.opened import Opens

PATH = "/webhooks"
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_log = logging.getLogger(__name__)


class Webhooks:
    """The endpoints on a ledger."""

    def __init__(self, service: Opens) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """One address for all of them, every method: a wrong one is told which is right."""
        return [Route(PATH + "/{provider}", self._deliver, methods=_METHODS)]

    async def _deliver(self, request: Request) -> Response:
        if request.method != "POST":
            return _answer(405, "Messages are delivered by POST.", headers={"Allow": "POST"})
        try:
            provider = Provider(request.path_params["provider"])
        except ValueError:
            return _answer(404, f"There is no such provider; there are {', '.join(Provider)}.")
        try:
            body = await _body(request)
        except ClientDisconnect:
            # Whoever hung up reads no answer, and delivers again.
            return _answer(400, "The body ended early.")
        if body is None:
            return _answer(413, f"A message has at most {BODY_MAX_BYTES:,} bytes.")
        headers = {name.lower(): value for name, value in request.headers.items()}
        return await run_in_threadpool(self._accept, provider, body, headers)

    def _accept(self, provider: Provider, body: bytes, headers: dict[str, str]) -> Response:
        try:
            ledger = self._service.ledger
            if provider is Provider.MOCK and not ledger.is_demo:
                return _answer(404, "The pretended provider works in a demo company only.")
            accepted = accept(ledger, provider, body, headers)
        except SignatureRefused as error:
            # Never the body: it may be anybody's.
            _log.warning("a message for /webhooks/%s was refused: %s", provider, error)
            return _answer(400, f"The signature was refused: {error}.")
        except LedgerError as error:
            _log.warning("a message for /webhooks/%s cannot be taken now: %s", provider, error)
            return _answer(503, "It cannot be taken now; deliver it again.", headers={"Retry-After": "10"})
        except Exception:  # noqa: BLE001 - its trace goes to the log; the provider delivers again
            _log.exception("a message for /webhooks/%s could not be written down", provider)
            return _answer(500, "It could not be written down; deliver it again.")
        return _answer(200, "Written down before." if accepted.is_known else "Written down.")


async def _body(request: Request) -> bytes | None:
    """The body as it came, or None when it is larger than any message."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > BODY_MAX_BYTES:
        return None
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > BODY_MAX_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _answer(status: int, detail: str, **more: Any) -> Response:
    return JSONResponse({"detail": detail}, status_code=status, **more)

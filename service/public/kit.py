"""What the pages without sign-in share: one layout, headers that let nothing else in, and how figures read.

They are written in English with the company's zone named, like the mails: nobody knows the reader's locale.
"""

import base64
import logging
import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import sqlalchemy as sa
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ledger import Ledger, LedgerError
from ledger.mail import words
from ledger.models import company
from ledger.settings import settings
from service.opened import Opens

_FOLDER = Path(__file__).parent / "templates"
_FORM_MAX_BYTES = 16 * 1024
_log = logging.getLogger(__name__)


class Pages:
    """Base of the pages: what is drawn may ask the database, so it runs in the pool of threads."""

    def __init__(self, service: Opens) -> None:
        self._service = service

    async def show(self, draw: Callable[..., Response], *given: Any) -> Response:
        """The answer of a function, or a page that says why there is none."""

        def drawn() -> Response:
            try:
                return draw(self._service.ledger, *given)
            except LedgerError as error:
                _log.warning("a public page cannot be drawn now: %s", error)
                return page(None, "sorry.html", status=503, title="Please try again in a minute")
            except Exception:  # noqa: BLE001 - its trace goes to the log and nowhere else
                reference = secrets.token_hex(4)
                _log.exception("a public page failed, reference %s", reference)
                title = "Something went wrong on our side"
                return page(None, "sorry.html", status=500, title=title, reference=reference)

        return await run_in_threadpool(drawn)


async def form_of(request: Request) -> FormData:
    """What a form of ours sent; empty for anything else that comes."""
    length = request.headers.get("content-length", "")
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind != "application/x-www-form-urlencoded" or not length.isdigit() or int(length) > _FORM_MAX_BYTES:
        return FormData()
    return await request.form()


def page(ledger: Ledger | None, template: str, *, status: int = 200, **filled: Any) -> Response:
    """A page of a template. Everything typed by people is escaped; scripts run only with this answer's nonce."""
    nonce = base64.b64encode(secrets.token_bytes(12)).decode()
    name = _company_name(ledger)
    zone = None if ledger is None else ledger.company_zone

    def at(instant: datetime) -> str:
        assert zone is not None
        return words.instant_text(instant.isoformat(), zone)

    text = _environment().get_template(template).render(company=name, nonce=nonce, at=at, **filled)
    return HTMLResponse(text, status_code=status, headers=_headers(nonce))


def to_other_page(address: str) -> Response:
    """Send the browser on by GET, so that going back pays nothing twice."""
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


def not_found(ledger: Ledger) -> Response:
    """There is nothing at that address, or not for who has it."""
    return page(ledger, "gone.html", status=404, title="There is nothing here")


def is_web_address(text: str) -> bool:
    """Whether a text is an address that a browser may be sent to."""
    try:
        words.web_address(text)
    except ValueError:
        return False
    return True


def _headers(nonce: str) -> dict[str, str]:
    # A form may end at the provider's checkout, which is https, or at ours.
    own = urlsplit(settings().public_url)
    policy = {
        "default-src": "'none'",
        "style-src": f"'nonce-{nonce}'",
        "script-src": f"'nonce-{nonce}'",
        "connect-src": "'self'",
        "form-action": f"'self' https: {own.scheme}://{own.netloc}",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
    }


def _company_name(ledger: Ledger | None) -> str:
    if ledger is None:
        return settings().company_name
    with ledger.database.reading() as connection:
        return str(connection.execute(sa.select(company.c.name)).scalar_one())


@cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    made.filters |= {"credits": words.credit_text, "money": lambda price: words.money_text(price.cents, price.currency)}
    return made

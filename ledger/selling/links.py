"""Signed links by which a customer buys without signing in: `/buy/<token>`.

A token says for which account and until which day; it opens the shop for that account and nothing else. What signs it
is drawn by the product itself and kept in the table secret, whose only writer this module is.
"""

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.database import answering
from ledger.errors import ProviderNotSetUp
from ledger.facade import Ledger
from ledger.gateways.registry import selling
from ledger.models import secret
from ledger.settings import settings

# A link of today can be used for so many days.
LIFE_DAYS = 30
TOKEN_MAX_CHARS = 1_000
_NAME = "purchase links"
_SIGNATURE_BYTES = 20
# By the address of the database: every refusal for want of credits has a link in it, and the key never changes.
_keys: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a token is for, and the last day on which it opens the shop (UTC)."""

    account: str
    last_day: date


def purchase_link(ledger: Ledger, account: str) -> str:
    """The address at which somebody buys credits for an account, without signing in, for the next thirty days.

    The same all day, so that the same mail written twice is the same mail.
    """
    last = ledger.clock.now().date() + timedelta(days=LIFE_DAYS)
    return settings().page_address(f"buy/{_token(_key(ledger), account, last)}")


def prepare(ledger: Ledger) -> None:
    """Draw the key that signs links, unless there is one: for who makes links while it holds the database."""
    _key(ledger)


def purchase_address(ledger: Ledger, account: str) -> str:
    """As `purchase_link`; without a provider that takes money, the page on which colleagues record what was paid."""
    try:
        selling(ledger)
    except ProviderNotSetUp:
        return settings().page_address("top_ups", customer=account)
    return purchase_link(ledger, account)


def holder_of(ledger: Ledger, token: str) -> Holder | None:
    """Whom a token is for; None when it is none of ours, was changed, or its last day is over."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        body, signature = raw[:-_SIGNATURE_BYTES], raw[-_SIGNATURE_BYTES:]
        day, _, account = body.decode().partition(" ")
        last = date.fromisoformat(day)
    except (binascii.Error, ValueError):
        return None
    # Compared in any case, so that a false token takes as long as one that ran out.
    is_ours = hmac.compare_digest(signature, _sign(_key(ledger), body))
    if not is_ours or not account or ledger.clock.now().date() > last:
        return None
    return Holder(account, last)


def _token(key: bytes, account: str, last: date) -> str:
    body = f"{last.isoformat()} {account}".encode()
    return base64.urlsafe_b64encode(body + _sign(key, body)).decode().rstrip("=")


def _sign(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")[:_SIGNATURE_BYTES]


def _key(ledger: Ledger) -> bytes:
    """The key of this ledger, drawn when it is first needed; whoever draws first in a race wins."""
    where = ledger.database.url.render_as_string(hide_password=True)
    if where not in _keys:
        _keys[where] = _kept_key(ledger)
    return _keys[where]


def _kept_key(ledger: Ledger) -> bytes:
    wanted = sa.select(secret.c.value).where(secret.c.name == _NAME)
    with ledger.database.reading() as connection:
        known = connection.execute(wanted).scalar_one_or_none()
    if known is None:
        insert = (sqlite.insert if ledger.database.is_sqlite else postgresql.insert)(secret)
        row = {"name": _NAME, "value": secrets.token_hex(32), "made_at": ledger.clock.now()}
        with answering(), ledger.database.engine.begin() as connection:
            connection.execute(insert.values(row).on_conflict_do_nothing())
            known = connection.execute(wanted).scalar_one()
    return bytes.fromhex(known)

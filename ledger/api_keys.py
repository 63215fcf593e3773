"""Keys of the HTTP API as their holders carry them: how they are made, found and told apart from false ones.

The key itself is never stored. Who makes one shows it once and hands in its hash (ledger/operations/api_keys.py). Only
the time of last use is written here, because it is no decision of anybody (docs/decisions/0008).
"""

import hashlib
import hmac
import secrets
import string
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from ledger.clock import Clock, SystemClock
from ledger.core.policy import Actor, Role, Scope
from ledger.database import answering
from ledger.errors import Unauthenticated
from ledger.facade import Ledger
from ledger.models import api_key

# Marks a key as ours, so that scanners of repositories and logs can find one that leaked.
MARK = "cbt"
PREFIX_CHARS = 8
# 40 characters out of 62 are 238 bits: a plain hash is enough, nobody finds one by trying.
SECRET_CHARS = 40
KEY_CHARS = len(MARK) + PREFIX_CHARS + SECRET_CHARS + 2
# A revoked key may still pass in another process for so long.
KEPT = timedelta(seconds=5)
_KEPT_MAX = 1_000
_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class NewKey:
    """A fresh key: the text to show once, and what is kept of it."""

    text: str
    prefix: str
    secret_hash: str


def make_key() -> NewKey:
    """A fresh key such as cbt_k3X9…_…"""
    prefix, secret = _draw(PREFIX_CHARS), _draw(SECRET_CHARS)
    text = f"{MARK}_{prefix}_{secret}"
    return NewKey(text, f"{MARK}_{prefix}", hash_of(text))


def hash_of(text: str) -> str:
    """SHA-256 of a whole key."""
    return hashlib.sha256(text.encode()).hexdigest()


def prefix_of(text: str) -> str:
    """The part of a key by which it is found; empty when it is no key of ours."""
    parts = text.split("_")
    is_ours = len(text) == KEY_CHARS and text.isascii() and len(parts) == 3 and parts[0] == MARK
    return "_".join(parts[:2]) if is_ours else ""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was found and fits.

    ``actor`` is named after the first key of a rotation: the successor meets the idempotency keys of its forerunner,
    so a request that is tried again across a rotation still books once.
    """

    id: int
    name: str
    actor: Actor
    per_minute: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Kept:
    key: KnownKey
    until: datetime


class KeyRing:
    """The keys of one ledger, remembered for a few seconds, so that the hot path asks the database for none."""

    def __init__(self, ledger: Ledger, clock: Clock | None = None) -> None:
        self._ledger = ledger
        # How long something is remembered is a matter of the machine, whatever day the ledger takes it for.
        self._clock = clock or SystemClock()
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def remembered(self, text: str) -> KnownKey | None:
        """The key if it was found moments ago and has not expired since; asks nobody."""
        # The memory is by hash: comparing a guess with what is kept tells nothing about a key.
        kept = self._kept.get(hash_of(text))
        if kept is None or self._clock.now() >= kept.until:
            return None
        ends = kept.key.expires_at
        return kept.key if ends is None or self._ledger.clock.now() < ends else None

    def find(self, text: str) -> KnownKey:
        """The key with that text. Raises Unauthenticated: unknown, false, revoked or expired."""
        if (known := self.remembered(text)) is not None:
            return known
        prefix = prefix_of(text)
        if not prefix:
            raise Unauthenticated(why="it is no API key of this product; keys begin with cbt_")
        now = self._ledger.clock.now()
        with self._ledger.database.reading() as connection:
            row = connection.execute(_FIND, {"prefix": prefix}).one_or_none()
        # Compared in any case, so that an unknown prefix takes as long as a false secret.
        fits = hmac.compare_digest(hash_of(text), row.secret_hash if row else "0" * 64)
        if row is None or not fits:
            raise Unauthenticated(why="there is no such API key")
        if row.revoked_at is not None and row.revoked_at <= now:
            raise Unauthenticated(why=f"the API key {prefix}… was revoked")
        if row.expires_at is not None and row.expires_at <= now:
            raise Unauthenticated(why=f"the API key {prefix}… expired at {row.expires_at:%Y-%m-%d %H:%M} UTC")
        actor = Actor(f"key:{row.first_prefix}", Role.SERVICE, frozenset(Scope(one) for one in row.scopes))
        found = KnownKey(row.id, row.name, actor, row.per_minute, row.expires_at)
        self._keep(text, found)
        self._note_use(row.id, row.last_used_at, now)
        return found

    def _keep(self, text: str, found: KnownKey) -> None:
        until = self._clock.now() + KEPT
        with self._lock:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.clear()
            self._kept[hash_of(text)] = _Kept(found, until)

    def _note_use(self, key_id: int, last: datetime | None, now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if last is not None and last >= minute:
            return
        with answering(), self._ledger.database.engine.begin() as connection:
            connection.execute(_USED, {"key_id": key_id, "minute": minute})


def _draw(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))


def _first_prefix() -> sa.ScalarSelect[str]:
    """The prefix of the key at the beginning of a chain of rotations."""
    line = (
        sa.select(api_key.c.id, api_key.c.prefix, api_key.c.replaces_id)
        .where(api_key.c.prefix == sa.bindparam("prefix"))
        .cte("line", recursive=True)
    )
    older = api_key.alias("older")
    line = line.union_all(
        sa.select(older.c.id, older.c.prefix, older.c.replaces_id).where(older.c.id == line.c.replaces_id)
    )
    return sa.select(line.c.prefix).where(line.c.replaces_id.is_(None)).scalar_subquery()


_FIND = sa.select(
    api_key.c.id,
    api_key.c.name,
    api_key.c.secret_hash,
    api_key.c.scopes,
    api_key.c.per_minute,
    api_key.c.expires_at,
    api_key.c.revoked_at,
    api_key.c.last_used_at,
    _first_prefix().label("first_prefix"),
).where(api_key.c.prefix == sa.bindparam("prefix"))
_USED = sa.update(api_key).where(api_key.c.id == sa.bindparam("key_id")).values(last_used_at=sa.bindparam("minute"))

"""Keys of the HTTP API: made, rotated, revoked. The secret stays with the caller; the books keep its hash."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason, instant_faults, text_faults
from ledger.context import Context
from ledger.core.api_keys import GRACE_MAX_HOURS, NAME_MAX_CHARS, PER_MINUTE_MAX
from ledger.core.policy import Permission, Scope
from ledger.errors import Fault, InvalidCommand, NotAllowedNow, NotFound
from ledger.models import api_key
from ledger.receipt import Receipt
from ledger.statements import Prepared

_HASH = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[a-z]{1,8}_[A-Za-z0-9]{8}")


@dataclass(frozen=True, slots=True)
class CreateApiKey(Command):
    """Make a key; answers its id in ``subject_id``.

    ``prefix`` and ``secret_hash`` come from `ledger.api_keys.make_key`; the caller shows the key once. ``per_minute``
    None: the limit of the settings. ``expires_at`` None: no end.
    """

    kind: ClassVar[str] = "create_api_key"
    permission: ClassVar[Permission] = Permission.MANAGE_KEYS

    name: str
    prefix: str
    secret_hash: str
    scopes: tuple[Scope, ...]
    reason: Reason
    per_minute: int | None = None
    expires_at: datetime | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("name", self.name, longest=NAME_MAX_CHARS) + _secret_faults(self.prefix, self.secret_hash)
        if not self.scopes:
            found.append(Fault("scopes", f"choose at least one of {', '.join(Scope)}"))
        if self.per_minute is not None and not 1 <= self.per_minute <= PER_MINUTE_MAX:
            found.append(Fault("per_minute", f"must be between 1 and {PER_MINUTE_MAX:,}"))
        return found + instant_faults("expires_at", self.expires_at) + self.reason.faults()


@dataclass(frozen=True, slots=True)
class RotateApiKey(Command):
    """Make a successor with the same name, scopes and limit; answers its id in ``subject_id``.

    The old key works for ``grace_hours`` more, 0: not at all; never longer than it would have.
    """

    kind: ClassVar[str] = "rotate_api_key"
    permission: ClassVar[Permission] = Permission.MANAGE_KEYS

    key_id: int
    prefix: str
    secret_hash: str
    reason: Reason
    grace_hours: int = 24

    def faults(self) -> list[Fault]:
        found = _secret_faults(self.prefix, self.secret_hash)
        if not 0 <= self.grace_hours <= GRACE_MAX_HOURS:
            found.append(Fault("grace_hours", f"the old key may work for 0 to {GRACE_MAX_HOURS} hours more"))
        return found + self.reason.faults()


@dataclass(frozen=True, slots=True)
class RevokeApiKey(Command):
    """Refuse a key from now on. Nothing it wrote is undone. Revoked before: nothing to do."""

    kind: ClassVar[str] = "revoke_api_key"
    permission: ClassVar[Permission] = Permission.MANAGE_KEYS

    key_id: int
    reason: Reason

    def faults(self) -> list[Fault]:
        return self.reason.faults()


_INSERT = Prepared(sa.insert(api_key).inline())
_TAKEN = Prepared(sa.select(api_key.c.id).where(api_key.c.prefix == sa.bindparam("prefix")))
_KEY = Prepared(
    sa.select(
        api_key.c.name,
        api_key.c.prefix,
        api_key.c.scopes,
        api_key.c.per_minute,
        api_key.c.expires_at,
        api_key.c.revoked_at,
    )
    .where(api_key.c.id == sa.bindparam("key_id", type_=sa.BigInteger))
    .with_for_update()
)
# A key has at most one successor: two would share its name, and nobody could tell which one leaked.
_SUCCESSOR = Prepared(
    sa.select(api_key.c.prefix).where(api_key.c.replaces_id == sa.bindparam("key_id", type_=sa.BigInteger))
)
_END = Prepared(
    sa.update(api_key)
    .where(api_key.c.id == sa.bindparam("key_id", type_=sa.BigInteger))
    .values(expires_at=sa.bindparam("until", type_=api_key.c.expires_at.type))
)
_REVOKE = Prepared(
    sa.update(api_key)
    .where(api_key.c.id == sa.bindparam("key_id", type_=sa.BigInteger))
    .values(revoked_at=sa.bindparam("at", type_=api_key.c.revoked_at.type))
)


def create_api_key(context: Context, command: CreateApiKey) -> Outcome:
    taken, ids = context.begin((_TAKEN, {"prefix": command.prefix}), context.work.next_ids(api_key))
    _refuse_taken(taken)
    if command.expires_at is not None and command.expires_at <= context.at:
        raise InvalidCommand([Fault("expires_at", "has passed; a key must work until a later time")])
    key_id = context.work.ids_of(ids)[0]
    scopes = [scope.value for scope in Scope if scope in command.scopes]
    values = {"name": command.name.strip(), "scopes": scopes, "per_minute": command.per_minute}
    _queue(context, key_id, command, values | {"expires_at": command.expires_at, "replaces_id": None})
    return _outcome(context, command, key_id)


def rotate_api_key(context: Context, command: RotateApiKey) -> Outcome:
    named = {"key_id": command.key_id}
    found, successors, taken, ids = context.begin(
        (_KEY, named), (_SUCCESSOR, named), (_TAKEN, {"prefix": command.prefix}), context.work.next_ids(api_key)
    )
    if not found:
        raise NotFound(what="API key", id=str(command.key_id))
    _refuse_taken(taken)
    name, prefix, scopes, per_minute, expires_at, revoked_at = found[0]
    if revoked_at is not None:
        raise NotAllowedNow(f"The key {prefix} was revoked; make a new one instead. Nothing was changed.")
    if expires_at is not None and expires_at <= context.at:
        raise NotAllowedNow(f"The key {prefix} has expired; make a new one instead. Nothing was changed.")
    if successors:
        raise NotAllowedNow(f"The key {prefix} was rotated before; rotate its successor {successors[0][0]} instead.")
    until = context.at + timedelta(hours=command.grace_hours)
    values = {"name": name, "scopes": scopes, "per_minute": per_minute}
    key_id = context.work.ids_of(ids)[0]
    # The successor ends when its forerunner would have: a rotation extends nothing.
    _queue(context, key_id, command, values | {"expires_at": expires_at, "replaces_id": command.key_id})
    context.queue(_END, {"key_id": command.key_id, "until": until if expires_at is None else min(until, expires_at)})
    return _outcome(context, command, key_id)


def revoke_api_key(context: Context, command: RevokeApiKey) -> Outcome:
    (found,) = context.begin((_KEY, {"key_id": command.key_id}))
    if not found:
        raise NotFound(what="API key", id=str(command.key_id))
    is_done = found[0][-1] is not None
    context.queue(_REVOKE, {"key_id": command.key_id, "at": context.at})
    receipt = Receipt(command.kind, None, context.at, subject_id=command.key_id)
    return Outcome(receipt, None, context.at, command.reason, nothing_to_do=is_done)


def _secret_faults(prefix: str, secret_hash: str) -> list[Fault]:
    if _PREFIX.fullmatch(prefix) and _HASH.fullmatch(secret_hash):
        return []
    return [Fault("secret_hash", "prefix and hash come from ledger.api_keys.make_key")]


def _refuse_taken(rows: list[tuple[Any, ...]]) -> None:
    if rows:
        raise InvalidCommand([Fault("prefix", "another key begins like this; make a fresh one")])


def _queue(context: Context, key_id: int, command: CreateApiKey | RotateApiKey, values: dict[str, Any]) -> None:
    context.queue(
        _INSERT,
        {
            "id": key_id,
            "prefix": command.prefix,
            "secret_hash": command.secret_hash,
            "made_at": context.at,
            "revoked_at": None,
            "last_used_at": None,
            "made_by_id": context.transaction_id,
        }
        | values,
    )


def _outcome(context: Context, command: CreateApiKey | RotateApiKey, key_id: int) -> Outcome:
    receipt = Receipt(command.kind, None, context.at, subject_id=key_id)
    return Outcome(receipt, None, context.at, command.reason)

"""The fingerprint by which a repeated command is told from another one under the same key."""

import hashlib
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from ledger.commands import Command


def digest_of(command: Command) -> str:
    """A fingerprint of a command's content. Fields at their default are left out, so that adding one changes none."""
    return hashlib.sha256(repr(_content(command)).encode()).hexdigest()


def _content(value: Any) -> Any:
    """A value in the one form that equal content has: instants in UTC, keys of dictionaries sorted, no defaults."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if named := _defaults(kind):  # type: ignore[arg-type]
        parts: list[Any] = [kind.__name__]
        for name, default in named:
            part = getattr(value, name)
            if part != default:
                parts.append((name, _content(part)))
        return parts
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo not in (None, UTC) else value).isoformat()
    if isinstance(value, dict):
        return sorted((key, _content(part)) for key, part in value.items())
    return [_content(part) for part in value] if isinstance(value, list | tuple) else value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    """Names and defaults of a dataclass's fields; none for any other type."""
    return tuple(
        (one.name, one.default if one.default_factory is MISSING else one.default_factory())
        for one in (fields(kind) if is_dataclass(kind) else ())
    )

"""Commands as JSON and back, for requests that wait for a second person."""

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter

from ledger.commands import Command


def to_body(command: Command) -> dict[str, Any]:
    """A command as a JSON object: its class by name, and its fields."""
    return {"command": type(command).__name__, "fields": _adapter(type(command)).dump_python(command, mode="json")}


def from_body(body: dict[str, Any], known: Iterable[type[Command]]) -> Command:
    """Undo `to_body`. ``known`` are the commands that can be named."""
    kind = next(one for one in known if one.__name__ == body["command"])
    found: Command = _adapter(kind).validate_python(body["fields"])
    return found


def _adapter(kind: type[Command]) -> TypeAdapter[Any]:
    name = kind.__name__
    if name not in _ADAPTERS:
        _ADAPTERS[name] = TypeAdapter(kind)
    return _ADAPTERS[name]


# Building one takes longer than using it.
_ADAPTERS: dict[str, TypeAdapter[Any]] = {}

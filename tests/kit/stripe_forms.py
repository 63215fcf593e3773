"""Requests to Stripe, read back from their form and held against the SDK's own types of parameters."""

import re
import types
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Any, Literal, NotRequired, Required, Union, get_args, get_origin
from urllib.parse import parse_qsl

# The SDK takes its TypedDict from there, which the standard library of this version does not know for one.
import typing_extensions

# What the types name and import for type checkers only.
_NAMES = {"StripeContext": Any, "Mapping": Mapping, "Decimal": Decimal}
_PART = re.compile(r"\[([^\]]*)\]")


class WrongParameter(Exception):
    """What Stripe would answer 400 to."""


def parse(text: str) -> dict[str, Any]:
    """``a[b][0][c]=1`` as nested dicts; lists are dicts with the keys "0", "1", … until they are checked."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, rest = name.partition("[")[0], name[name.find("[") :] if "[" in name else ""
        path = [first, *_PART.findall(rest)]
        place = found
        for part in path[:-1]:
            place = place.setdefault(part, {})
        last = path[-1] or str(len(place))
        place[last] = value
    return found


def check(given: Mapping[str, Any], wanted: type | None) -> dict[str, Any]:
    """The parameters with their types; raises WrongParameter for an unknown, missing or ill-typed one."""
    if wanted is None:
        if given:
            raise WrongParameter(f"Received unknown parameters: {', '.join(given)}")
        return {}
    return _typed_dict(given, wanted, "")


@cache
def _hints(wanted: type) -> dict[str, Any]:
    return typing_extensions.get_type_hints(wanted, localns=_NAMES, include_extras=True)


def _typed_dict(given: Mapping[str, Any], wanted: type, at: str) -> dict[str, Any]:
    hints = _hints(wanted)
    unknown = set(given) - set(hints)
    if unknown:
        raise WrongParameter(f"Received unknown parameter: {at}{min(unknown)}")
    missing = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired} - set(given)
    if missing:
        raise WrongParameter(f"Missing required param: {at}{min(missing)}")
    return {name: _value(value, hints[name], f"{at}{name}.") for name, value in given.items()}


def _value(value: Any, hint: Any, at: str) -> Any:
    origin = get_origin(hint)
    if origin in (NotRequired, Required):
        return _value(value, get_args(hint)[0], at)
    if origin in (Union, types.UnionType):
        return _any_of(value, get_args(hint), at)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise WrongParameter(f"Invalid {at[:-1]}: {value!r}")
    if hint is Any:
        return value
    if typing_extensions.is_typeddict(hint):
        if not isinstance(value, dict):
            raise WrongParameter(f"Invalid object: {at[:-1]}")
        return _typed_dict(value, hint, at)
    if origin is list:
        if not isinstance(value, dict):
            raise WrongParameter(f"Invalid array: {at[:-1]}")
        return [_value(one, get_args(hint)[0], at) for one in value.values()]
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise WrongParameter(f"Invalid hash: {at[:-1]}")
        return {name: _value(one, get_args(hint)[1], at) for name, one in value.items()}
    return _plain(value, hint, at)


def _any_of(value: Any, hints: tuple[Any, ...], at: str) -> Any:
    faults = []
    # A text fits anywhere: whatever says more goes first.
    for hint in sorted(hints, key=lambda one: one is str):
        try:
            return _value(value, hint, at)
        except WrongParameter as error:
            faults.append(error)
    raise faults[0]


def _plain(value: Any, hint: Any, at: str) -> Any:
    if isinstance(value, dict):
        raise WrongParameter(f"Invalid value: {at[:-1]}")
    if hint is bool and value in ("true", "false"):
        return value == "true"
    if hint is int and re.fullmatch(r"-?\d+", value):
        return int(value)
    if hint is str:
        return value
    raise WrongParameter(f"Invalid {getattr(hint, '__name__', hint)}: {at[:-1]} {value!r}")

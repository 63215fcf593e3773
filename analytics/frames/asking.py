"""Asking a named statement: built once per shape of its arguments, then run with their values.

Building a statement costs more than PostgreSQL needs to answer most of them. So each is built with placeholders for
instants, days and texts; whatever else is given (nothing, numbers, filters) is part of the shape.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ledger.queries import Instant

Question = Callable[..., sa.Select[Any]]
Answer = sa.CursorResult[*tuple[Any, ...]]

_TYPES: dict[type, Any] = {datetime: Instant(), date: sa.Date(), str: sa.Text()}


def ask(connection: sa.Connection, question: Question, **arguments: Any) -> Answer:
    """The answer of a function of ledger.queries to some arguments, which must all be named."""
    shape: list[tuple[str, Any]] = []
    values: dict[str, Any] = {}
    for name, value in arguments.items():
        if isinstance(value, tuple):
            shape.append((name, tuple(type(part) for part in value)))
            values |= {_part(name, number): part for number, part in enumerate(value)}
        elif type(value) in _TYPES:
            shape.append((name, type(value)))
            values[name] = value
        else:
            shape.append((name, value))
    return connection.execute(_statement(question, tuple(shape)), values)


def plain_rows(answer: Answer) -> Sequence[tuple[Any, ...]]:
    """The rows of an answer as plain tuples, for answers of many rows that nobody reads by name.

    The PostgreSQL driver answers integers, days, UTC instants and JSON by itself; SQLAlchemy would convert each again.
    """
    if answer.dialect.name == "postgresql":
        found: Sequence[tuple[Any, ...]] = answer.cursor.fetchall()
        answer.close()
        return found
    return [tuple(row) for row in answer]


@lru_cache(maxsize=512)
def _statement(question: Question, shape: tuple[tuple[str, Any], ...]) -> sa.Select[Any]:
    return question(**{name: _placeholder(name, part) for name, part in shape})


def _placeholder(name: str, part: Any) -> Any:
    if isinstance(part, tuple):
        return tuple(sa.bindparam(_part(name, number), type_=_TYPES[each]) for number, each in enumerate(part))
    return sa.bindparam(name, type_=_TYPES[part]) if isinstance(part, type) else part


def _part(name: str, number: int) -> str:
    return f"{name}__{number}"

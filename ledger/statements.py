"""Statements compiled once per database: SQLAlchemy expressions, and inserts of many rows.

Both databases run the same text of ours. Source: docs/decisions/0002.
"""

from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite


class Prepared:
    """A statement compiled once per dialect, with what it takes to bind its values and read its rows."""

    def __init__(self, statement: sa.sql.ClauseElement) -> None:
        self.statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def on(self, dialect: sa.Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            found = self._compiled[dialect.name] = _Compiled(self.statement, dialect)
        return found


class _Compiled:
    __slots__ = ("_binders", "_constants", "_decoders", "sql")

    def __init__(self, statement: sa.sql.ClauseElement, dialect: sa.Dialect) -> None:
        named: Any = dialect if dialect.name == "postgresql" else sqlite.dialect(paramstyle="named")
        compiled: Any = statement.compile(dialect=named)
        self.sql: str = str(compiled)
        self._binders = {
            name: processor
            for name, bind in compiled.binds.items()
            if (processor := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        # Constants written in the expression itself, such as LIMIT 50, bound once here.
        self._constants = {name: bind.value for name, bind in compiled.binds.items() if not bind.required}
        columns = getattr(statement, "selected_columns", ())
        decoders = [c.type.dialect_impl(dialect).result_processor(dialect, None) for c in columns]
        self._decoders = decoders if any(decoders) else None

    def bind(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._binders and not self._constants:
            return values
        bound = {**self._constants, **values}
        for name, processor in self._binders.items():
            bound[name] = processor(bound[name])
        return bound

    def decode(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self._decoders is None:
            return rows
        return [
            tuple(value if decode is None else decode(value) for value, decode in zip(row, self._decoders, strict=True))
            for row in rows
        ]


@cache
def next_ids(table: str, is_postgresql: bool) -> Prepared:
    """A read that reserves ``count`` free ids of a table, or answers the first one of a locked SQLite file."""
    count = sa.bindparam("count", type_=sa.BigInteger)
    if is_postgresql:
        sequence: sa.ColumnElement[str] = sa.literal_column(f"'{table}_id_seq'")
        series = sa.func.generate_series(1, count).table_valued("n")
        return Prepared(sa.select(sa.func.nextval(sequence, type_=sa.BigInteger)).select_from(series))
    rows = sa.table(table, sa.column("id", sa.Integer))
    return Prepared(sa.select(sa.func.coalesce(sa.func.max(rows.c.id), 0) + 1).where(count > 0))


class InsertMany:
    """One statement that inserts any number of rows: from arrays on PostgreSQL, row by row inside SQLite."""

    def __init__(self, table: sa.Table, columns: tuple[str, ...], on_conflict: str, dialect: sa.Dialect) -> None:
        quote = dialect.identifier_preparer.quote
        names = ", ".join(quote(column) for column in columns)
        if dialect.name == "postgresql":
            arrays = ", ".join(f"%s::text::{table.c[c].type.compile(dialect)}[]" for c in columns)
            rows = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - names of ours
        else:
            rows = f"VALUES ({', '.join('?' * len(columns))})"
        self.sql = f"INSERT INTO {quote(table.name)} ({names}) {rows} {on_conflict}"
        self._binders: list[Callable[[Any], Any] | None] = [
            table.c[c].type.dialect_impl(dialect).bind_processor(dialect) for c in columns
        ]

    def bind(self, rows: list[tuple[Any, ...]]) -> list[list[Any]]:
        """The values by column, as the driver takes them."""
        by_column = zip(self._binders, zip(*rows, strict=True), strict=True)
        return [list(values) if bind is None else [bind(value) for value in values] for bind, values in by_column]


def array_text(values: list[Any]) -> str:
    """A PostgreSQL array literal; written here because the driver takes ten times as long per value."""
    return "{" + ",".join([_element_text(value) for value in values]) + "}"


def _element_text(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


@cache
def insert_many(table: sa.Table, columns: tuple[str, ...], on_conflict: str, dialect: sa.Dialect) -> InsertMany:
    """The statement that inserts rows of these columns, made once."""
    return InsertMany(table, columns, on_conflict, dialect)

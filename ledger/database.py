"""Engine and the unit of work.

Writes go through `Work`, which speaks to the driver directly: on PostgreSQL every `fetch` and the final `commit` are
one round trip each, because their statements travel in a pipeline; on SQLite they run one after another in the process.
Statements are SQLAlchemy expressions compiled once per database, so both databases run the same text of ours.
Source: docs/decisions/0002 (the number of round trips decides).
"""

import select
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

import orjson
import psycopg
import sqlalchemy as sa
from psycopg.pq import ConnStatus, Escaping, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy.engine.interfaces import DBAPIConnection

from ledger.errors import Unavailable
from ledger.statements import Prepared, array_text, insert_many, next_ids

# What the drivers raise, bare or through SQLAlchemy.
DRIVER_ERRORS = (psycopg.Error, sqlite3.Error, sa.exc.DBAPIError, sa.exc.TimeoutError)
_PG_OPTIONS = "-c timezone=UTC -c jit=off -c lock_timeout=10s"
# Charges in company wait less, because all of them wait for the one account that somebody else keeps locked.
_PG_COMPANY_OPTIONS = f"{_PG_OPTIONS} -c lock_timeout=100ms"
# Reads are planned for the values they ask with. Writes are not: every foreign key check would be planned anew, which
# cost twice as much as the write itself (docs/benchmarks.md).
_PG_READ_OPTIONS = f"{_PG_OPTIONS} -c plan_cache_mode=force_custom_plan -c default_transaction_read_only=on"


class BadAddress(ValueError):
    """DATABASE_URL is no address of a ledger; the message says what one looks like."""


class Database:
    """One ledger database: an engine for writing, one for reading, and the lock that serialises SQLite writers."""

    def __init__(self, url: str) -> None:
        try:
            address = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            # The text itself may carry a password.
            raise BadAddress("DATABASE_URL is no address; use sqlite:///file or postgresql://user@host/name") from error
        self.url = address
        self.is_sqlite = address.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self.engine = self._works = self._company = sa.create_engine(address)
            self.reader = sa.create_engine(address, json_deserializer=orjson.loads)
            sa.event.listen(self.engine, "connect", _sqlite_writer)
            sa.event.listen(self.engine, "begin", _sqlite_begin)
            sa.event.listen(self.reader, "connect", _sqlite_reader)
        elif address.get_backend_name() == "postgresql":
            address, prepares = _prepares(address)
            self.engine = sa.create_engine(address, connect_args=prepares | {"options": _PG_OPTIONS})
            self._works = _engine_of_works(address, prepares | {"options": _PG_OPTIONS}, pool_size=10, max_overflow=20)
            # One group that is being written, and one that reads before it can be.
            company = prepares | {"options": _PG_COMPANY_OPTIONS}
            self._company = _engine_of_works(address, company, pool_size=2, max_overflow=1)
            read_only = prepares | {"options": _PG_READ_OPTIONS}
            # A reader asks first whether its connection lives: a restart of the server costs nobody a page.
            self.reader = sa.create_engine(
                address,
                connect_args=read_only,
                pool_size=10,
                max_overflow=20,
                pool_pre_ping=True,
                json_deserializer=orjson.loads,
            )
        else:
            raise BadAddress(f"{address.get_backend_name()} in DATABASE_URL is not supported; use sqlite or postgresql")
        self._turn = threading.Lock() if self.is_sqlite else None

    @contextmanager
    def work(self, *, in_company: bool = False) -> Iterator["Work"]:
        """A unit of work on a connection of its own: nothing stays unless `Work.commit` was called.

        ``in_company``: for several callers at once, who give up soon when somebody else keeps an account locked.
        """
        # One writer at a time inside the process: waiting here is fair, waiting in SQLite is not.
        with self._turn or nullcontext(), self._work(self._company if in_company else self._works) as work:
            yield work

    @contextmanager
    def _work(self, engine: sa.Engine) -> Iterator["Work"]:
        pooled = engine.raw_connection()
        driver = pooled.driver_connection
        assert driver is not None
        work = Work(driver, engine.dialect)
        try:
            yield work
        finally:
            is_lost = False
            try:
                work.rollback()
            except (psycopg.Error, sqlite3.Error):
                # A connection that cannot even roll back is dead; its transaction ended with it.
                is_lost = True
            # Nobody waited for an answer: the next one must not get this connection.
            is_busy = not self.is_sqlite and driver.pgconn.transaction_status != TransactionStatus.IDLE
            if is_lost or is_busy:
                pooled.invalidate()
            pooled.close()
            if is_lost or (is_busy and driver.closed):
                # The server went away, and with it those that wait in the pool.
                engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A read-only connection. Raises Unavailable when the database does not answer."""
        with answering(), self.reader.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """A read-only connection whose statements all see the same instant, whoever writes meanwhile."""
        begin = "BEGIN" if self.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"
        with self.reading() as connection:
            connection.exec_driver_sql(begin)
            yield connection

    def dispose(self) -> None:
        """Close every connection."""
        for engine in {self.engine, self._works, self._company, self.reader}:
            engine.dispose()


def _prepares(address: sa.URL) -> tuple[sa.URL, dict[str, Any]]:
    """The address as the driver takes it, and what it says about prepared statements, which not every pooler keeps."""
    said = address.query.get("prepare_threshold")
    if said is None:
        return address, {}
    if said != "none":
        raise BadAddress(f"prepare_threshold={said} in DATABASE_URL: only none is known, which prepares no statements")
    return address.difference_update_query(["prepare_threshold"]), {"prepare_threshold": None}


def _engine_of_works(address: sa.URL, arguments: Mapping[str, Any], *, pool_size: int, max_overflow: int) -> sa.Engine:
    # Units of work say BEGIN and COMMIT themselves, so that neither costs a round trip of its own.
    return sa.create_engine(
        address,
        connect_args=dict(arguments),
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_reset_on_return=None,
    )


@contextmanager
def answering() -> Iterator[None]:
    """Turn "the database does not answer" into Unavailable, for reads and for rows outside the books."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        raise Unavailable(what="database", detail=type(error).__name__) from error


def _sqlite_writer(dbapi: DBAPIConnection, _record: Any) -> None:
    dbapi.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "synchronous=FULL",
        "recursive_triggers=ON",
    ):
        dbapi.execute(f"PRAGMA {pragma}")


def _sqlite_reader(dbapi: DBAPIConnection, _record: Any) -> None:
    dbapi.isolation_level = None
    for pragma in ("busy_timeout=10000", "query_only=ON", "cache_size=-65536", "mmap_size=268435456"):
        dbapi.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Work:
    """One unit of work on one driver connection. Reads are fetched at once, writes wait for `commit` or `flush`."""

    def __init__(self, driver: Any, dialect: sa.Dialect) -> None:
        self._driver = driver
        self.dialect = dialect
        self.is_postgresql = dialect.name == "postgresql"
        self._pending: list[tuple[str, Any, bool]] = []
        self._begun = False
        # Whether something was sent that only a commit keeps.
        self.has_written = False

    def fetch(self, *reads: tuple[Prepared, Mapping[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """Rows of several statements, run in order in one round trip; each sees what earlier locks waited for."""
        statements = [(prepared.on(self.dialect), values) for prepared, values in reads]
        with self._together():
            cursors = [self._driver.execute(s.sql, s.bind(values)) for s, values in statements]
            rows = [cursor.fetchall() for cursor in cursors]
        return [s.decode(found) for (s, _), found in zip(statements, rows, strict=True)]

    def call(self, function: str, *arguments: Any) -> Any:
        """What a database function answers as JSON, in one round trip that begins the transaction (PostgreSQL only).

        The driver's own cursors cost more than the call itself, so this speaks libpq through psycopg.pq.
        """
        begin = "" if self._begun else "BEGIN; "
        self._begun = True
        return _json(self._exec(begin + self._call_text(function, arguments)))

    def call_and_commit(self, function: str, *arguments: Any) -> Any:
        """What a database function answers as JSON, with all that was done before made durable (PostgreSQL only).

        One round trip; alone, the call is its own transaction.
        """
        self.start_call(function, *arguments)
        return self.finish_call()

    def start_call(self, function: str, *arguments: Any) -> None:
        """Send what `call_and_commit` does, without waiting; `finish_call` waits."""
        sql = self._call_text(function, arguments)
        self._driver.pgconn.send_query((f"{sql}; COMMIT" if self._begun else sql).encode())

    def has_answer(self, seconds: float) -> bool:
        """Whether the call of `start_call` has an answer; waits for one as long as that."""
        return bool(select.select([self._driver.pgconn.socket], [], [], seconds)[0])

    def finish_call(self) -> Any:
        """What the call of `start_call` answers, once it is durable."""
        connection = self._driver.pgconn
        results = []
        while True:
            # Waiting is left to the socket: libpq would keep every other thread waiting, too.
            while connection.is_busy():
                select.select([connection.socket], [], [])
                connection.consume_input()
            if (result := connection.get_result()) is None:
                break
            results.append(result)
        for result in results:
            self._check(result)
        self._begun = False
        return _json(results[0])

    def queue_call(self, function: str, *arguments: Any) -> None:
        """Add a call whose answer nobody needs; alone in the queue it travels with COMMIT (PostgreSQL only)."""
        self._pending.append((self._call_text(function, arguments), None, False))

    def _call_text(self, function: str, arguments: tuple[Any, ...]) -> str:
        escape = Escaping(self._driver.pgconn).escape_literal
        texts = [a.isoformat() if isinstance(a, datetime) else str(a) for a in arguments]
        return f"SELECT {function}({', '.join(bytes(escape(text.encode())).decode() for text in texts)})"

    def _exec(self, sql: str) -> PGresult:
        result: PGresult = self._driver.pgconn.exec_(sql.encode())
        self._check(result)
        return result

    def _check(self, result: PGresult) -> None:
        if result.status not in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            if self._driver.pgconn.status == ConnStatus.BAD:
                raise psycopg.OperationalError("the server closed the connection")
            raise psycopg.errors.error_from_result(result)

    def next_ids(self, table: sa.Table, count: int = 1) -> tuple[Prepared, Mapping[str, Any]]:
        """A read for `fetch` that reserves free ids of a table; `ids_of` unpacks its rows."""
        return (next_ids(table.name, self.is_postgresql), {"count": count})

    def ids_of(self, rows: list[tuple[Any, ...]], count: int = 1) -> list[int]:
        """The ids that a read made by `next_ids` reserved."""
        if self.is_postgresql:
            return [row[0] for row in rows]
        # The file is locked by this unit of work, so the ids after the highest one are all free.
        return list(range(rows[0][0], rows[0][0] + count))

    def queue(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Add one write; it is sent with the next `flush` or `commit`."""
        statement = prepared.on(self.dialect)
        self._pending.append((statement.sql, statement.bind(values), False))

    def queue_rows(
        self, table: sa.Table, columns: Sequence[str], rows: list[tuple[Any, ...]], *, on_conflict: str = ""
    ) -> None:
        """Add many inserted rows of one table: one statement, whatever their number."""
        if not rows:
            return
        many = insert_many(table, tuple(columns), on_conflict, self.dialect)
        by_column = many.bind(rows)
        if self.is_postgresql:
            self._pending.append((many.sql, [array_text(values) for values in by_column], False))
        else:
            self._pending.append((many.sql, list(zip(*by_column, strict=True)), True))

    def flush(self) -> None:
        """Send what is queued, without ending the transaction."""
        pending, self._pending = self._pending, []
        self.has_written = self.has_written or bool(pending)
        with self._together():
            self._send(pending)

    def commit(self) -> None:
        """Send what is queued and make it durable; on PostgreSQL both in one round trip."""
        pending, self._pending = self._pending, []
        if self._begun and len(pending) == 1 and pending[0][1] is None:
            self._exec(pending[0][0] + "; COMMIT")
        else:
            with self._together():
                self._send(pending)
                self._driver.execute("COMMIT")
        self._begun = False

    def rollback(self) -> None:
        """Forget everything since the unit of work began."""
        self._pending = []
        if self._begun:
            self._begun = False
            self._driver.execute("ROLLBACK")

    def _send(self, pending: list[tuple[str, Any, bool]]) -> None:
        for sql, values, is_many in pending:
            if is_many:
                self._driver.executemany(sql, values)
            else:
                self._driver.execute(sql, values)

    @contextmanager
    def _together(self) -> Iterator[None]:
        with self._driver.pipeline() if self.is_postgresql else nullcontext():
            if not self._begun:
                self._driver.execute("BEGIN" if self.is_postgresql else "BEGIN IMMEDIATE")
                self._begun = True
            yield


def _json(result: PGresult) -> Any:
    """The one value of a result, which is JSON or nothing."""
    answer = result.get_value(0, 0)
    return None if answer is None else orjson.loads(answer)


def is_transient(error: BaseException | None) -> bool:
    """Whether that driver error is a deadlock, a serialization failure, a lock time-out or a busy SQLite file."""
    if isinstance(error, psycopg.Error):
        return error.sqlstate in {"40001", "40P01", "55P03"}
    return "database is locked" in str(error)

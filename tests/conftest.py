"""Fixtures for every test: a clock that stands still, databases built by the migrations, a ledger, people.

`database_url` and `ledger` run a test on SQLite and on PostgreSQL; ask for `sqlite_url` or `postgres_url` where only
one makes sense. The company of every test database cuts its days in Europe/Berlin, so that a day cut in UTC is noticed.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import settings
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from ledger import Ledger, open_ledger
from ledger.clock import FixedClock
from ledger.core.policy import Actor, Role
from ledger.gateways import registry
from ledger.gateways.mock import MockGateway
from ledger.migrations import upgrade
from ledger.settings import settings as read_settings
from tests.kit.memory import keep_files_in_memory
from tests.kit.postgres import Cluster, Run, fresh_name

# A slow machine is no finding, and a red build has to be red again on the next machine.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("dev", deadline=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TEMPLATE = "credits_template"
# Every test has databases of its own, and SQLAlchemy compiles each statement anew for each of them, which took a
# sixth of the time. Here the databases of one kind count as equal and share what was compiled.
_COMPILED = LRUCache[object, object](2_000)
for _kind in (SQLiteDialect_pysqlite, PGDialect_psycopg):
    _kind.__hash__ = lambda self: hash(type(self))  # type: ignore[method-assign]
    _kind.__eq__ = lambda self, other: type(self) is type(other)  # type: ignore[method-assign]


@sa.event.listens_for(sa.Engine, "engine_connect")
def _share_what_was_compiled(connection: sa.Connection) -> None:
    connection.execution_options(compiled_cache=_COMPILED)


COMPANY = {"name": "Test Company", "zone": "Europe/Berlin", "currency": "EUR"}


def pytest_configure() -> None:
    """Make the run's folder in the first process, before its helpers start and look for it."""
    # A server that a test starts runs no jobs beside it, unless the test is about that.
    os.environ.setdefault("RUN_JOBS", "false")
    keep_files_in_memory()
    Run.join()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave measurements out unless they were asked for by their mark."""
    if "bench" in config.option.markexpr:
        return
    measured = [item for item in items if item.get_closest_marker("bench")]
    if measured:
        config.hook.pytest_deselected(items=measured)
        items[:] = [item for item in items if item not in measured]


@pytest.fixture(scope="session")
def run() -> Run:
    return Run.join()


@pytest.fixture(scope="session")
def sqlite_template(run: Run) -> Path:
    """A migrated SQLite file, made once per run."""
    with run.once("template.sqlite") as path:
        if not path.exists():
            draft = path.with_suffix(".draft")
            upgrade(f"sqlite:///{draft}", **COMPANY)
            with sqlite3.connect(draft) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.close()
            draft.rename(path)
        return path


@pytest.fixture(scope="session")
def postgres_template(run: Run) -> Cluster:
    """The run's PostgreSQL, with a migrated template database in it."""
    cluster = run.cluster()
    with run.once("template.postgresql") as done:
        if not done.exists():
            upgrade(cluster.create(TEMPLATE), **COMPANY)
            cluster.freeze(TEMPLATE)
            done.touch()
    return cluster


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The address of a migrated SQLite database of this test's own."""
    path = tmp_path / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_template: Cluster) -> Iterator[str]:
    """The address of a migrated PostgreSQL database of this test's own."""
    name = fresh_name()
    yield postgres_template.create(name, template=TEMPLATE)
    postgres_template.drop(name)


@pytest.fixture
def empty_postgres_url(run: Run) -> Iterator[str]:
    """The address of an empty PostgreSQL database, for tests of the migrations themselves."""
    name = fresh_name()
    cluster = run.cluster()
    yield cluster.create(name)
    cluster.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of this test's own; the test runs once on each kind."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Chromium, started once per process; pages in it come from tests.kit.browser.open_page."""
    # Imported here, so that a test run without browser tests does not pay for it.
    from tests.kit.browser import running_browser

    with running_browser() as started:
        yield started


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 3, 10, 12, tzinfo=UTC))


@pytest.fixture
def ledger(database_url: str, clock: FixedClock) -> Iterator[Ledger]:
    """An empty ledger on both kinds of database, at the clock's instant."""
    opened = open_ledger(database_url, clock=clock)
    yield opened
    opened.database.dispose()


@pytest.fixture
def mock(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockGateway]:
    """The mock provider of a demo company, with books of this test's own; other processes find it, too."""
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock_provider.sqlite"))
    read_settings.cache_clear()
    ledger.is_demo = True
    yield registry.mock(ledger)
    read_settings.cache_clear()


@pytest.fixture
def admin() -> Actor:
    return Actor("ada@example.com", Role.ADMIN)


@pytest.fixture
def finance() -> Actor:
    return Actor("fritz@example.com", Role.FINANCE)


@pytest.fixture
def manager() -> Actor:
    return Actor("mara@example.com", Role.ACCOUNT_MANAGER)

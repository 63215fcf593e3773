"""How the product itself is doing: its database, how far the books and their seal went, its jobs."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ledger import queries

# How a person would name a database.
DATABASE_WORDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


@dataclass(frozen=True, slots=True)
class Installation:
    """The database and how far the books went: what operators look at first."""

    database: str
    database_version: str
    migration: str
    newest_migration: str
    newest_id: int | None
    newest_at: datetime | None
    sealed: int | None
    seal_hash: str | None
    unsealed: int
    unsealed_since: datetime | None
    sandbox_now: datetime | None

    @property
    def is_newest(self) -> bool:
        """Whether the database has every migration of this version of the product."""
        return self.migration == self.newest_migration


def load_installation(connection: sa.Connection) -> Installation:
    """The database behind this connection."""
    # Imported here: the history of the schema brings Alembic along, which no other page needs.
    from ledger.migrations import newest

    row = connection.execute(queries.books_head()).mappings().one()
    version = connection.dialect.server_version_info or ()
    return Installation(
        database=DATABASE_WORDS[connection.dialect.name],
        database_version=".".join(map(str, version)),
        migration=connection.execute(queries.schema_version()).scalar_one(),
        newest_migration=newest(),
        **row,
    )

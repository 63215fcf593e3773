"""History of the schema. `upgrade` brings a database to the newest version; it is safe to repeat."""

from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from ledger.database import Database
from ledger.models import company


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(
    url: str, *, name: str, zone: str, currency: str, fiscal_year_start: int = 1, is_demo: bool = False
) -> None:
    """Create or update the tables, and set the company up if this is the first time.

    The zone cuts days and months for good, so a database keeps the one that it was set up with.
    """
    database = Database(url)
    if database.is_sqlite and database.url.database:
        Path(database.url.database).parent.mkdir(parents=True, exist_ok=True)
    with database.engine.begin() as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if connection.execute(sa.select(company.c.id)).first() is None:
            connection.execute(
                sa.insert(company).values(
                    id=1, name=name, zone=zone, currency=currency, fiscal_year_start=fiscal_year_start, is_demo=is_demo
                )
            )
    database.dispose()


def pending(url: str) -> tuple[str | None, str]:
    """The version that a database has and the newest one; equal when nothing is pending."""
    database = Database(url)
    with database.reader.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    database.dispose()
    return current, newest()


@cache
def newest() -> str:
    """The newest version that this product brings along."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head

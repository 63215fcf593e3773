"""Alembic's entry: runs on the connection handed over by `ledger.migrations.upgrade`, else on DATABASE_URL."""

from alembic import context

from ledger.database import Database
from ledger.models import metadata
from ledger.settings import settings


def run(connection: object) -> None:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)  # type: ignore[arg-type]
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with Database(settings().database_url).engine.begin() as connection:
        run(connection)

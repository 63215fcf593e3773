"""A sandbox: a ledger database with a clock of its own, kept in the database, so that all processes see one time."""

from contextlib import suppress
from datetime import UTC, datetime

import sqlalchemy as sa

from ledger.database import Database
from ledger.errors import NotAllowedNow
from ledger.models import company, transaction


class SandboxClock:
    """The instant that the database says; stands still until somebody moves it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def is_kept_in(database: Database) -> bool:
        """Whether that database is a sandbox; one that is not set up yet is none."""
        with suppress(sa.exc.DBAPIError), database.reader.connect() as connection:
            return connection.execute(sa.select(company.c.sandbox_now)).scalar() is not None
        return False

    def now(self) -> datetime:
        with self._database.reading() as connection:
            at: datetime = connection.execute(sa.select(company.c.sandbox_now)).scalar_one()
        return at

    def set(self, at: datetime) -> None:
        """Make it that instant for everybody. Raises NotAllowedNow when that would be in the past of the books."""
        with self._database.engine.begin() as connection:
            newest = connection.execute(
                sa.select(sa.func.max(transaction.c.recorded_at, type_=transaction.c.recorded_at.type))
            ).scalar_one()
            if newest is not None and at < newest:
                raise NotAllowedNow(f"Something was booked at {newest:%Y-%m-%d %H:%M} UTC; time never goes back.")
            connection.execute(sa.update(company).values(sandbox_now=at.astimezone(UTC)))


def start(database: Database, at: datetime) -> SandboxClock:
    """Turn an empty ledger database into a sandbox at that instant. Refused when it holds real bookings."""
    with database.reading() as connection:
        is_sandbox = connection.execute(sa.select(company.c.sandbox_now)).scalar_one() is not None
        is_used = connection.execute(sa.select(transaction.c.id).limit(1)).first() is not None
    if is_used and not is_sandbox:
        raise NotAllowedNow("This database holds bookings made in real time; a sandbox begins with an empty one.")
    clock = SandboxClock(database)
    clock.set(at)
    return clock

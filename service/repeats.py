"""What the first of several equal calls was given, where the caller said "now" or "in five minutes".

A repeat names another instant and would be refused as another act; with the instant of the first one it is replayed.
"""

from datetime import datetime

import sqlalchemy as sa

from ledger import Ledger, queries


def happened_at(ledger: Ledger, account: str, event_id: str) -> datetime | None:
    """When an event that was recorded before is said to have happened; None when none was."""
    statement = queries.event_by_id(account, event_id).subquery()
    with ledger.database.reading() as connection:
        found: datetime | None = connection.execute(sa.select(statement.c.occurred_at)).scalar_one_or_none()
    return found


def hold_ends_at(ledger: Ledger, account: str, reference: str) -> datetime | None:
    """When the hold of that name lapses; None when there is none that does."""
    with ledger.database.reading() as connection:
        found: datetime | None = connection.execute(queries.hold_end(account, reference)).scalar_one_or_none()
    return found

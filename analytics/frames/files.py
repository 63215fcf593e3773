"""What a file of many grants is compared with before it is booked."""

from datetime import datetime

import sqlalchemy as sa

from analytics.frames.asking import ask, plain_rows
from ledger import queries
from ledger.core.records import CreditType

# Account, credit type, micro-credits.
Gift = tuple[str, CreditType, int]


def load_gifts_since(connection: sa.Connection, *, since: datetime) -> frozenset[Gift]:
    """What customers got unpaid since an instant: whom, of which type, how much at a time."""
    found = plain_rows(ask(connection, queries.given_since, since=since))
    return frozenset((account, CreditType(kind), amount) for account, kind, amount in found)

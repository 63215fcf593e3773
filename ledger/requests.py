"""Reading requests for approval: the command that one asks for, as it was given."""

import sqlalchemy as sa

from ledger.commands import Command
from ledger.errors import NotFound
from ledger.facade import Ledger
from ledger.models import approval
from ledger.operations import HANDLERS, codec


def asked_command(ledger: Ledger, approval_id: int) -> Command:
    """The command that a request asks for: what would be carried out if it were approved now. Raises NotFound."""
    with ledger.database.reading() as connection:
        body = connection.execute(
            sa.select(approval.c.command).where(approval.c.id == sa.bindparam("id", approval_id, sa.BigInteger))
        ).scalar_one_or_none()
    if body is None:
        raise NotFound(what="request for approval", id=str(approval_id))
    return codec.from_body(body, HANDLERS)

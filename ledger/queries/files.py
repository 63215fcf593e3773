"""Statements for files of many grants."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.core.records import CreditType
from ledger.models import account, batch


def given_since(since: datetime) -> sa.Select[Any]:
    """What was given unpaid since an instant, each sort of gift once: account, credit_type, granted_micro."""
    return (
        sa.select(account.c.external_id.label("account"), batch.c.credit_type, batch.c.granted_micro)
        .join(account, account.c.id == batch.c.account_id)
        .where(
            batch.c.granted_at >= since,
            batch.c.credit_type != CreditType.PURCHASED.value,
            batch.c.parent_id.is_(None),
        )
        .distinct()
    )

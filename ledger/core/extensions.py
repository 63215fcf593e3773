"""A longer life for a batch: until when it may be extended."""

from datetime import date, timedelta

from ledger.core.lifecycle import PROMOTIONAL_DAYS_MAX, ExpiryRange
from ledger.core.records import CreditType


def allowed_extension(credit_type: CreditType, today: date) -> ExpiryRange:
    """Which last usable days a batch may be extended to, on that local day of the customer.

    Promotional credits at most as long as new ones could last from that day; all others to any later day, or for ever.
    That the day is later than the one the batch has is for the caller. Source: docs/accounting.md, rule 17.
    """
    latest = today + timedelta(days=PROMOTIONAL_DAYS_MAX) if credit_type is CreditType.PROMOTIONAL else None
    return ExpiryRange(today, latest)

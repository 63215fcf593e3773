"""Until when a batch may be extended."""

from datetime import date

import pytest

from ledger.core.extensions import allowed_extension
from ledger.core.records import CreditType

TODAY = date(2026, 3, 10)


def test_promotional_credits_get_at_most_ninety_days_from_today() -> None:
    allowed = allowed_extension(CreditType.PROMOTIONAL, TODAY)
    assert (allowed.earliest, allowed.latest) == (TODAY, date(2026, 6, 8))
    assert not allowed.allows(None)


@pytest.mark.parametrize("credit_type", [kind for kind in CreditType if kind is not CreditType.PROMOTIONAL])
def test_all_others_any_later_day_or_for_ever(credit_type: CreditType) -> None:
    allowed = allowed_extension(credit_type, TODAY)
    assert allowed.allows(TODAY)
    assert allowed.allows(date(2999, 1, 1))
    assert allowed.allows(None)

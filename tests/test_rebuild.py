"""Totals from entries: silent on sound books, and every planted fault is shown, repaired and traceable."""

import pytest
import sqlalchemy as sa

from ledger import SYSTEM, Ledger, RebuildTotals
from ledger.rebuild import Difference, differences
from tests.kit.factories import ADMIN, REASON, adjust, grant, open_account, price_feature, run, top_up, use
from tests.operations.books import all_rows, audit


@pytest.fixture
def lively(ledger: Ledger) -> Ledger:
    price_feature(ledger)
    for name in ("acme", "zeta"):
        open_account(ledger, name)
        grant(ledger, name, 100)
        top_up(ledger, name, 1000)
        use(ledger, name, 130)
        adjust(ledger, name, -20)
    return ledger


def found(ledger: Ledger, account: str | None = None) -> list[Difference]:
    with ledger.database.reader.connect() as connection:
        return list(
            differences(
                connection.execute,
                is_sqlite=ledger.database.is_sqlite,
                zone=ledger.company_zone,
                account_name=account,
            )
        )


def totals(ledger: Ledger) -> dict[str, list[dict[str, object]]]:
    rows = all_rows(ledger)
    return {
        name: [{key: value for key, value in row.items() if key != "version"} for row in rows[name]]
        for name in ("account", "batch", "usage_daily")
    }


FAULTS = {
    "remaining": "UPDATE batch SET remaining_micro = remaining_micro - 5 WHERE id = (SELECT max(id) FROM batch)",
    "held": "UPDATE batch SET held_micro = 7 WHERE id = (SELECT max(id) FROM batch)",
    "available": "UPDATE account SET available_micro = available_micro + 9 WHERE external_id = 'zeta'",
    "day used": "UPDATE usage_daily SET used_micro = used_micro + 7 WHERE account_id = (SELECT max(id) FROM account)",
    "day events": "UPDATE usage_daily SET events = 40 WHERE account_id = (SELECT max(id) FROM account)",
    "day lost": "DELETE FROM usage_daily WHERE account_id = (SELECT max(id) FROM account)",
    "day moved": "UPDATE usage_daily SET day = '2020-01-01' WHERE account_id = (SELECT max(id) FROM account)",
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_shown_and_repaired(lively: Ledger, fault: str) -> None:
    before = totals(lively)
    assert found(lively) == []
    with lively.database.engine.begin() as connection:
        connection.execute(sa.text(fault))
    shown = found(lively)
    assert shown
    assert found(lively, "zeta") == shown
    assert found(lively, "acme") == []
    assert totals(lively) != before
    # A look changes nothing, and the preview of the repair neither.
    preview = lively.preview(RebuildTotals("zeta", REASON), actor=ADMIN)
    assert len(preview.notes) == len(shown)
    assert found(lively) == shown
    receipt = run(lively, RebuildTotals("zeta", REASON), actor=SYSTEM)
    assert receipt.notes == preview.notes
    assert found(lively) == []
    assert audit(lively) == []
    assert totals(lively) == before


def test_sound_totals_are_left_alone(lively: Ledger) -> None:
    before = all_rows(lively)
    receipt = run(lively, RebuildTotals("acme", REASON))
    assert receipt.transaction_id is None
    assert all_rows(lively) == before

"""Self-reconciliation is silent over sound books, and names every total that was moved behind the journal's back."""

import pytest

from ledger import Ledger
from ledger.reconcile import reconcile
from tests.kit.factories import adjust, grant, price_feature, top_up, use

TAMPERING = [
    (
        "UPDATE batch SET remaining_micro = remaining_micro - 1 WHERE remaining_micro > 0",
        "batch remaining = its entries",
    ),
    ("UPDATE batch SET granted_micro = granted_micro + 1", "batch granted = its issue"),
    ("UPDATE batch SET held_micro = 1 WHERE remaining_micro > 0", "batch held = its entries"),
    ("UPDATE account SET available_micro = available_micro + 1", "account available = its batches"),
    ("UPDATE account SET available_micro = available_micro + 1", "balance after = sum of entries"),
    ("UPDATE account SET held_micro = 1", "account held = its batches"),
    ("UPDATE usage_daily SET used_micro = used_micro + 1", "rollup = consumed entries"),
    ("DELETE FROM usage_daily", "rollup = consumed entries"),
    ("UPDATE batch SET reference = '' WHERE credit_type = 'purchased'", "purchased credits name payment and cost"),
]


@pytest.fixture
def used_ledger(untouched: Ledger) -> Ledger:
    """Acme after a grant, a top-up, usage over two batches and a correction; built once per database."""
    with untouched.database.reader.connect() as connection:
        entries = reconcile(connection).entries
    if not entries:
        price_feature(untouched)
        grant(untouched, credits=10)
        top_up(untouched, credits=100)
        use(untouched, quantity=25)
        adjust(untouched, credits=-5)
    return untouched


def test_sound_books_have_no_findings(used_ledger: Ledger) -> None:
    with used_ledger.database.reader.connect() as connection:
        proof = reconcile(connection)
    assert (proof.findings, proof.accounts, proof.entries) == ((), 2, 5)


@pytest.mark.parametrize(("tampering", "check"), TAMPERING, ids=lambda text: text.replace(" ", "-")[:40])
def test_a_moved_total_is_found(used_ledger: Ledger, tampering: str, check: str) -> None:
    with used_ledger.database.engine.connect() as connection, connection.begin() as attempt:
        connection.exec_driver_sql(tampering)
        found = {finding.check for finding in reconcile(connection).findings}
        attempt.rollback()
    assert check in found

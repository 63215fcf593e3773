"""Reconciliation: silent on sound books, and every planted fault is found where it is."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from ledger import SYSTEM, Ledger, PlaceHold
from ledger.clock import FixedClock
from ledger.reconcile import Finding, reconcile
from tests.kit.factories import adjust, extend, grant, open_account, price_feature, top_up, use


def findings(ledger: Ledger) -> tuple[Finding, ...]:
    with ledger.database.reader.connect() as connection:
        return reconcile(connection).findings


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


def tamper(ledger: Ledger, statement: str) -> None:
    """Change the books behind the ledger's back, as nobody may: triggers and checks are taken away for it."""
    with ledger.database.engine.begin() as connection:
        if ledger.database.is_sqlite:
            for table in ("entry", "usage_event", "transaction", "hold_part"):
                connection.execute(sa.text(f"DROP TRIGGER append_only_{table}_update"))
            connection.execute(sa.text("PRAGMA ignore_check_constraints=ON"))
        else:
            connection.execute(sa.text("SET session_replication_role = replica"))
            connection.execute(sa.text("ALTER TABLE entry DROP CONSTRAINT ck_entry_legal_move"))
        connection.execute(sa.text(statement))


def test_use_after_the_end_is_found_though_the_batch_lives_longer_now(ledger: Ledger, clock: FixedClock) -> None:
    price_feature(ledger)
    open_account(ledger)
    grant(ledger, credits=100, expires_on=date(2026, 4, 10))
    use(ledger, quantity=30)
    clock.advance(timedelta(days=40))
    extend(ledger, batch_id=1, expires_on=date(2026, 6, 10))
    use(ledger, quantity=20)
    assert findings(ledger) == ()
    tamper(ledger, "UPDATE entry SET effective_at = '2026-04-11 00:00:00+00:00' WHERE amount_micro = 30000000")
    assert [finding.check for finding in findings(ledger)] == ["no credits used outside their time"]


def test_sound_books_have_no_findings(lively: Ledger) -> None:
    assert findings(lively) == ()


@pytest.mark.parametrize(
    ("statement", "checks"),
    [
        (
            "UPDATE batch SET remaining_micro = remaining_micro - 1 WHERE id = (SELECT max(id) FROM batch)",
            {"batch remaining = its entries", "account available = its batches"},
        ),
        (
            "UPDATE account SET available_micro = available_micro + 5 WHERE external_id = 'zeta'",
            {"account available = its batches", "balance after = sum of entries"},
        ),
        (
            "UPDATE batch SET granted_micro = granted_micro + 1 WHERE id = (SELECT max(id) FROM batch)",
            {"batch granted = its issue"},
        ),
        (
            "UPDATE usage_daily SET used_micro = used_micro + 7 WHERE account_id = (SELECT max(id) FROM account) "
            "AND credit_type = 'purchased'",
            {"rollup = consumed entries"},
        ),
        (
            "UPDATE usage_event SET cost_micro = cost_micro + 1 WHERE id = (SELECT max(id) FROM usage_event)",
            {"event cost = its entries"},
        ),
        (
            "UPDATE entry SET effective_at = '2020-01-01 00:00:00+00:00' WHERE to_bucket = 'consumed'",
            {"no credits used outside their time"},
        ),
        (
            "UPDATE entry SET from_bucket = 'held' WHERE id = (SELECT max(id) FROM entry)",
            {"only legal moves", "batch held = its entries"},
        ),
        (
            "UPDATE batch SET held_micro = 1 WHERE id = (SELECT max(id) FROM batch)",
            {"batch held = its entries", "account held = its batches", "account available = its batches"},
        ),
        (
            "UPDATE batch SET reference = '' WHERE id = (SELECT max(id) FROM batch)",
            {"purchased credits name payment and cost"},
        ),
        (
            "UPDATE entry SET account_id = account_id + 1000 WHERE id = (SELECT min(id) FROM entry)",
            {"entries are of a transaction and their batch's account"},
        ),
        (
            "UPDATE usage_event SET price_id = 999 WHERE id = (SELECT max(id) FROM usage_event)",
            {"events name a price of their feature and their account's transaction"},
        ),
    ],
    ids=["batch", "total", "granted", "rollup", "event", "time", "move", "held", "payment", "account", "price"],
)
def test_a_planted_fault_is_found(lively: Ledger, statement: str, checks: set[str]) -> None:
    tamper(lively, statement)
    assert {finding.check for finding in findings(lively)} == checks


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        (
            "UPDATE \"transaction\" SET account_id = 9999 WHERE kind = 'open_account'",
            "transactions are of an account that exists",
        ),
        (
            'UPDATE hold SET made_by_id = (SELECT max(id) FROM "transaction" WHERE account_id = 2) '
            "WHERE account_id = 1",
            "holds are of their account's transactions and batches",
        ),
        (
            "UPDATE hold SET made_by_id = 9999 WHERE account_id = 1",
            "holds are of their account's transactions and batches",
        ),
        (
            "UPDATE hold_part SET batch_id = (SELECT max(id) FROM batch WHERE account_id = 2)",
            "holds are of their account's transactions and batches",
        ),
    ],
    ids=["nobody's", "another's", "no transaction", "another's batch"],
)
def test_what_no_foreign_key_holds_together_is_looked_at(lively: Ledger, statement: str, check: str) -> None:
    with lively.database.reader.connect() as connection:
        first = connection.execute(sa.text("SELECT external_id FROM account WHERE id = 1")).scalar_one()
    lively.execute(PlaceHold(first, "job", "images", 1_000_000), actor=SYSTEM, key="job")
    assert findings(lively) == ()
    tamper(lively, statement)
    assert {finding.check for finding in findings(lively)} == {check}

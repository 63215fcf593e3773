"""Debt beside the other ways credits move: transfers, voids, holds, give-back, reversals; refunds of what moved on."""

from datetime import timedelta
from typing import Any

import pytest

from ledger import (
    MICRO,
    AlreadyReversed,
    CreditType,
    IssueGrant,
    Ledger,
    LedgerCorrupt,
    LedgerError,
    Money,
    NotAllowedNow,
    OpenAccount,
    ReverseTransaction,
    TransferCredits,
    VoidBatch,
)
from ledger.clock import FixedClock
from tests.kit.factories import (
    ADMIN,
    REASON,
    allow_overdraft,
    fresh_key,
    grant,
    price_feature,
    refund,
    top_up,
    use,
)
from tests.operations.books import all_rows


@pytest.fixture
def family(ledger: Ledger) -> Ledger:
    """Acme, bolt and core of one organisation; acme may owe 50 and owes 15."""
    for name in ("acme", "bolt", "core"):
        ledger.execute(OpenAccount(name, name.title(), organisation="north"), actor=ADMIN, key=fresh_key("open"))
    price_feature(ledger)
    allow_overdraft(ledger, credits=50)
    use(ledger, quantity=15)
    return ledger


def account(ledger: Ledger, name: str = "acme") -> dict[str, Any]:
    return next(row for row in all_rows(ledger)["account"] if row["external_id"] == name)


def owed(ledger: Ledger, name: str = "acme") -> int:
    return int(account(ledger, name)["owed_micro"]) // MICRO


def transfer(ledger: Ledger, source: str, target: str, credits: int) -> Any:
    command = TransferCredits(source, target, credits * MICRO, REASON)
    return ledger.execute(command, actor=ADMIN, key=fresh_key("transfer"))


def reverse(ledger: Ledger, transaction_id: int | None) -> Any:
    assert transaction_id is not None
    return ledger.execute(ReverseTransaction(transaction_id, REASON), actor=ADMIN, key=fresh_key("reverse"))


def test_credits_that_are_transferred_in_repay_first(family: Ledger) -> None:
    grant(family, "bolt", 100)
    transfer(family, "bolt", "acme", 40)
    assert owed(family) == 0
    assert account(family)["available_micro"] == 25 * MICRO


def test_who_owes_gives_nothing_away(family: Ledger) -> None:
    price_feature(family, "exports")
    scoped = IssueGrant("acme", CreditType.PROMOTIONAL, 10 * MICRO, REASON, features=("exports",))
    family.execute(scoped, actor=ADMIN, key="scoped")
    before = all_rows(family)
    with pytest.raises(NotAllowedNow):
        transfer(family, "acme", "bolt", 5)
    assert all_rows(family) == before


def test_a_void_takes_what_is_there_and_makes_no_debt(family: Ledger) -> None:
    made = grant(family, credits=40).new_batches[0].id
    assert owed(family) == 0
    receipt = family.execute(VoidBatch("acme", made, REASON), actor=ADMIN, key="void")
    assert receipt.takes[0].amount_micro == 25 * MICRO
    assert owed(family) == 0


def test_use_on_debt_can_be_reversed_and_the_debt_is_gone(family: Ledger) -> None:
    used = use(family, quantity=10)
    assert owed(family) == 25
    reverse(family, used.transaction_id)
    assert owed(family) == 15
    with pytest.raises(AlreadyReversed):
        reverse(family, used.transaction_id)


def test_reversing_what_repaid_a_debt_never_goes_beyond_the_overdraft(family: Ledger) -> None:
    given = grant(family, credits=20)
    assert owed(family) == 0
    allow_overdraft(family, credits=5)
    before = all_rows(family)
    with pytest.raises(LedgerError) as refused:
        reverse(family, given.transaction_id)
    assert not isinstance(refused.value, LedgerCorrupt)
    assert all_rows(family) == before


def test_credits_of_a_later_day_repay_before_the_sweep_would_expire_them(family: Ledger, clock: FixedClock) -> None:
    starts = clock.now() + timedelta(days=1)
    grant(family, credits=15, effective_at=starts)
    clock.set(starts + timedelta(days=200))
    # By then they have expired unused: nothing repays, and the debt stays.
    use(family, quantity=1)
    assert owed(family) == 16


def test_transferred_credits_are_refunded_to_who_paid(family: Ledger) -> None:
    top_up(family, "bolt", 100, price=Money(1000, "EUR"), reference="INV-9")
    transfer(family, "bolt", "core", 60)
    rows = {row["account_id"]: row["id"] for row in all_rows(family)["batch"]}
    core = account(family, "core")["id"]
    receipt = refund(family, "core", rows[core], 30)
    assert receipt.money == Money(300, "EUR")
    (row,) = all_rows(family)["refund"]
    assert (row["account_id"], row["payer_id"]) == (core, account(family, "bolt")["id"])
    assert row["payment_reference"] == "INV-9"


def test_a_part_that_is_worth_nothing_is_not_refunded(family: Ledger) -> None:
    top_up(family, "bolt", 1000, price=Money(1, "EUR"), reference="INV-10")
    transfer(family, "bolt", "core", 100)
    rows = {row["account_id"]: row["id"] for row in all_rows(family)["batch"]}
    with pytest.raises(NotAllowedNow, match="less than half a cent"):
        refund(family, "core", rows[account(family, "core")["id"]])

"""What frames say of credits that were taken back, or that live longer than they were meant to."""

from datetime import date, timedelta
from typing import Any

from analytics import frames
from ledger import MICRO, ExpireDue, Ledger
from ledger.clock import FixedClock
from tests.kit.factories import (
    ADMIN,
    adjust,
    extend,
    grant,
    open_account,
    price_feature,
    refund,
    reverse,
    top_up,
    use,
    void,
)


def batch(ledger: Ledger, number: int) -> tuple[int, ...]:
    """Credits left, used, expired and taken away of a batch of acme."""
    with ledger.database.reading() as connection:
        found = frames.load_batches(connection, account="acme", at=ledger.clock.now()).set_index("batch_id")
    row: Any = found.loc[number]
    return tuple(int(row[f"{name}_micro"]) // MICRO for name in ("left", "used", "expired", "removed"))


def history(ledger: Ledger) -> Any:
    with ledger.database.reading() as connection:
        return frames.load_history(connection, account="acme")


def test_what_was_taken_back_was_not_used(ledger: Ledger) -> None:
    open_account(ledger)
    reverse(ledger, grant(ledger, credits=100))
    top_up(ledger, credits=100)
    refund(ledger, batch_id=2, credits=30)
    assert batch(ledger, 1) == (0, 0, 0, 100)
    assert batch(ledger, 2) == (70, 0, 0, 30)


def test_what_came_back_is_left(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    used = use(ledger, quantity=40)
    taken = adjust(ledger, credits=-10)
    gone = void(ledger, batch_id=1)
    assert batch(ledger, 1) == (0, 40, 0, 60)
    reverse(ledger, gone)
    reverse(ledger, taken)
    assert batch(ledger, 1) == (60, 40, 0, 0)
    reverse(ledger, used)
    assert batch(ledger, 1) == (100, 0, 0, 0)


def test_what_had_expired_and_lives_longer_is_left(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    use(ledger, quantity=40)
    clock.advance(timedelta(days=95))
    ledger.execute(ExpireDue("acme"), actor=ADMIN, key="sweep")
    assert batch(ledger, 1) == (0, 40, 60, 0)
    extend(ledger, batch_id=1, expires_on=date(2026, 7, 1))
    assert batch(ledger, 1) == (60, 40, 0, 0)


def test_history_says_what_reversed_what(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    used = use(ledger, quantity=40)
    back = reverse(ledger, used)
    void(ledger, batch_id=1)
    top_up(ledger, credits=5)
    extend(ledger, batch_id=2)
    found = history(ledger).set_index("transaction_id")
    words = found["words"].tolist()
    assert words[0] == "Expiry of batch 2 extended"
    assert words[2] == "Voided what was left of batch 1"
    assert found.loc[back.transaction_id, "words"] == f"Reversed entry {used.transaction_id}"
    assert found.loc[back.transaction_id, "reverses_id"] == used.transaction_id
    assert found.loc[used.transaction_id, "reversed_by_id"] == back.transaction_id
    assert found.loc[back.transaction_id, "amount_micro"] == 40 * MICRO
    with ledger.database.reading() as connection:
        one = frames.load_transaction(connection, transaction_id=int(str(used.transaction_id)))
    assert one.reversed_by_id == back.transaction_id

"""At the very instant of its end a batch gives nothing any more, whoever asks; a moment before it still does."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from ledger import BatchClosed, Ledger, Money, NotAllowedNow, Receipt
from ledger.clock import FixedClock
from tests.kit.factories import adjust, refund, top_up, void
from tests.kit.sharing import open_sister, transfer
from tests.operations.books import all_rows, row_counts

MOMENT = timedelta(microseconds=1)
ACTS: dict[str, tuple[Callable[[Ledger], Receipt], type[Exception]]] = {
    "adjust": (lambda ledger: adjust(ledger, credits=-10, batch_id=1), BatchClosed),
    "transfer": (lambda ledger: transfer(ledger, credits=10, batch_id=1), BatchClosed),
    "void": (lambda ledger: void(ledger, batch_id=1), NotAllowedNow),
    "refund": (lambda ledger: refund(ledger, batch_id=1, credits=10), BatchClosed),
}


@pytest.fixture
def ends_soon(ledger: Ledger, clock: FixedClock) -> Ledger:
    """Acme with one paid batch of 100 credits that ends in a moment, and a sister."""
    open_sister(ledger, "acme")
    open_sister(ledger, "bolt")
    top_up(ledger, credits=100, price=Money(1000, "EUR"), reference="INV-1")
    clock.set(all_rows(ledger)["batch"][0]["expires_at"] - MOMENT)
    return ledger


@pytest.mark.parametrize("name", ACTS)
def test_the_end_is_exact(ends_soon: Ledger, clock: FixedClock, name: str) -> None:
    act, error = ACTS[name]
    clock.advance(MOMENT)
    before = row_counts(ends_soon)
    with pytest.raises(error, match=r"has expired") as refused:
        act(ends_soon)
    assert row_counts(ends_soon) == before
    if isinstance(refused.value, BatchClosed):
        assert refused.value.batch_id == 1
    clock.set(clock.now() - MOMENT)
    assert act(ends_soon).available_after_micro < 100_000_000

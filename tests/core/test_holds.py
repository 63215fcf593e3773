"""What of a hold is taken and what goes back, and where a give-back goes: nothing appears or gets lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import Take
from ledger.core.give_back import plan_give_back
from ledger.core.holds import plan_capture
from ledger.core.records import CreditType, Hold
from tests.kit.factories import NOW

PROMOTIONAL, PURCHASED = CreditType.PROMOTIONAL, CreditType.PURCHASED
amounts = st.lists(st.integers(1, 50), min_size=1, max_size=5)


def hold(*parts: int) -> Hold:
    takes = tuple(Take(number, PURCHASED, amount) for number, amount in enumerate(parts, 1))
    return Hold(1, "job", "images", takes, NOW, None)


def by_batch(takes: tuple[Take, ...]) -> dict[int, int]:
    return {take.batch_id: take.amount_micro for take in takes}


CAPTURES = [
    pytest.param(60, {1: 20, 2: 40}, {}, id="all"),
    pytest.param(59, {1: 20, 2: 39}, {2: 1}, id="all-but-one"),
    pytest.param(20, {1: 20}, {2: 40}, id="to-the-edge-of-a-part"),
    pytest.param(1, {1: 1}, {1: 19, 2: 40}, id="as-little-as-can-be"),
]


@pytest.mark.parametrize(("amount", "taken", "released"), CAPTURES)
def test_a_capture_takes_parts_in_their_order(amount: int, taken: dict[int, int], released: dict[int, int]) -> None:
    found = plan_capture(hold(20, 40), amount)
    assert (by_batch(found.taken), by_batch(found.released)) == (taken, released)


def test_what_a_capture_takes_and_releases_keeps_its_type() -> None:
    mixed = Hold(1, "job", "images", (Take(1, PROMOTIONAL, 20), Take(2, PURCHASED, 40)), NOW, None)
    found = plan_capture(mixed, 30)
    assert found.taken == (Take(1, PROMOTIONAL, 20), Take(2, PURCHASED, 10))
    assert found.released == (Take(2, PURCHASED, 30),)


@pytest.mark.parametrize("amount", [0, -1, 61])
def test_a_capture_beyond_the_hold_is_a_mistake_of_the_caller(amount: int) -> None:
    with pytest.raises(ValueError, match="at most what is held"):
        plan_capture(hold(20, 40), amount)


@given(amounts, st.data())
def test_what_is_captured_and_released_is_the_hold(parts: list[int], data: st.DataObject) -> None:
    one = hold(*parts)
    amount = data.draw(st.integers(1, one.amount_micro))
    found = plan_capture(one, amount)
    assert sum(by_batch(found.taken).values()) == amount
    both = [by_batch(found.taken).get(n, 0) + by_batch(found.released).get(n, 0) for n in range(1, len(parts) + 1)]
    assert both == parts
    # Only one part can be on both sides: the one where the capture ends.
    assert len(by_batch(found.taken).keys() & by_batch(found.released).keys()) <= 1


PAID = (Take(1, PROMOTIONAL, 20), Take(2, PURCHASED, 40))
GIVE_BACKS = [
    # amount, on debt, still owed: returned by batch, forgiven, repaid, shortfall
    pytest.param(None, 0, 0, {2: 40, 1: 20}, 0, 0, 0, id="all"),
    pytest.param(45, 0, 0, {2: 40, 1: 5}, 0, 0, 0, id="last-taken-first"),
    pytest.param(61, 0, 0, {2: 40, 1: 20}, 0, 0, 1, id="too-much"),
    pytest.param(None, 30, 30, {2: 40, 1: 20}, 30, 0, 0, id="all-with-debt"),
    pytest.param(10, 30, 30, {}, 10, 0, 0, id="debt-first"),
    pytest.param(10, 30, 4, {2: 6}, 4, 26, 0, id="debt-as-far-as-owed"),
    pytest.param(None, 30, 0, {2: 40, 1: 20}, 0, 30, 30, id="debt-repaid-cannot-go-back"),
    pytest.param(5, 0, 99, {2: 5}, 0, 0, 0, id="debt-of-other-uses-is-not-its-own"),
]


@pytest.mark.parametrize(("amount", "on_debt", "owed", "returned", "forgiven", "repaid", "shortfall"), GIVE_BACKS)
def test_where_a_give_back_goes(
    amount: int | None, on_debt: int, owed: int, returned: dict[int, int], forgiven: int, repaid: int, shortfall: int
) -> None:
    plan = plan_give_back(PAID, amount, on_debt_micro=on_debt, owed_micro=owed)
    assert by_batch(plan.returned) == returned
    assert [take.batch_id for take in plan.returned] == list(returned)
    assert (plan.forgiven_micro, plan.repaid_micro, plan.shortfall_micro) == (forgiven, repaid, shortfall)
    assert plan.left_micro == 60 + on_debt
    assert plan.possible_micro == 60 + on_debt - repaid


def test_a_give_back_of_nothing_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        plan_give_back(PAID, 0)


@given(amounts, st.integers(1, 300), st.integers(0, 60), st.integers(0, 60))
def test_a_give_back_adds_up(parts: list[int], amount: int, on_debt: int, owed: int) -> None:
    takes = hold(*parts).parts
    plan = plan_give_back(takes, amount, on_debt_micro=on_debt, owed_micro=owed)
    back = by_batch(plan.returned)
    assert sum(back.values()) + plan.forgiven_micro + plan.shortfall_micro == amount
    assert all(back[take.batch_id] <= take.amount_micro for take in takes if take.batch_id in back)
    assert plan.forgiven_micro <= min(on_debt, owed)
    assert plan.shortfall_micro == max(0, amount - plan.possible_micro)

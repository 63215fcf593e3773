"""What a part of a paid batch takes along of its cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import share_of_cost_cents
from ledger.core.transfers import part_cost_cents


@given(st.integers(0, 10**7), st.integers(1, 10**9), st.data())
def test_parts_taken_one_after_another_add_up_to_the_price(cost: int, granted: int, data: st.DataObject) -> None:
    left, sum_of_parts = granted, 0
    while left:
        part = data.draw(st.integers(max(1, left // 3), left))
        sum_of_parts += part_cost_cents(cost, granted_micro=granted, remaining_micro=left, part_micro=part)
        left -= part
        # At any time what left and what stays are the whole price.
        assert sum_of_parts + share_of_cost_cents(cost, part_micro=left, whole_micro=granted) == cost
    assert sum_of_parts == cost


@pytest.mark.parametrize("part", [0, -1, 4])
def test_a_part_is_of_what_is_left(part: int) -> None:
    with pytest.raises(ValueError, match="no more than what is left"):
        part_cost_cents(100, granted_micro=10, remaining_micro=3, part_micro=part)

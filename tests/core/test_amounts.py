"""Amounts: parsing and printing undo each other, and rounding loses nobody a cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import (
    MICRO,
    Money,
    credits_to_micro,
    divide_rounding_half_up,
    micro_to_text,
    share_of_cost_cents,
)
from ledger.core.pricing import usage_cost_micro

PARSED = [
    pytest.param(0, 0, id="zero"),
    pytest.param(5, 5_000_000, id="whole-number"),
    pytest.param("1200.5", 1_200_500_000, id="text"),
    pytest.param("-0.000001", -1, id="smallest-unit-below-zero"),
    pytest.param(Decimal("0.1"), 100_000, id="decimal"),
    pytest.param("1e3", 1_000_000_000, id="exponent"),
    pytest.param("2.5000000000", 2_500_000, id="zeros-after-the-sixth-decimal"),
]


@pytest.mark.parametrize(("amount", "micro"), PARSED)
def test_credits_are_read_exactly(amount: int | str | Decimal, micro: int) -> None:
    assert credits_to_micro(amount) == micro


@pytest.mark.parametrize(
    "amount",
    [
        pytest.param("0.0000001", id="seven-decimals"),
        pytest.param(1.5, id="float"),
        pytest.param(True, id="bool"),
        pytest.param("ten", id="word"),
        pytest.param("", id="empty"),
        pytest.param("1,200", id="grouping"),
        pytest.param("NaN", id="not-a-number"),
        pytest.param("Infinity", id="infinite"),
    ],
)
def test_what_is_no_exact_amount_is_refused(amount: object) -> None:
    with pytest.raises(ValueError, match=r"number|decimals|must be given"):
        credits_to_micro(amount)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "0"), (1, "0.000001"), (-1, "-0.000001"), (1_200_500_000, "1200.5"), (-7_000_000, "-7"), (10 * MICRO, "10")],
)
def test_credits_are_printed_without_trailing_zeros(micro: int, text: str) -> None:
    assert micro_to_text(micro) == text


@given(st.integers(-(10**18), 10**18))
def test_printing_and_reading_undo_each_other(micro: int) -> None:
    assert credits_to_micro(micro_to_text(micro)) == micro


@pytest.mark.parametrize("currency", ["usd", "US", "USDT", "U$D", ""])
def test_money_names_a_currency(currency: str) -> None:
    with pytest.raises(ValueError, match="currency code"):
        Money(1, currency)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(1, 2, 1), (-1, 2, -1), (1, 3, 0), (2, 3, 1), (5, 2, 3), (-5, 2, -3), (6, 3, 2), (0, 9, 0)],
)
def test_money_is_rounded_half_away_from_zero(numerator: int, denominator: int, expected: int) -> None:
    assert divide_rounding_half_up(numerator, denominator) == expected


def test_money_is_never_divided_by_nothing() -> None:
    with pytest.raises(ValueError, match="positive"):
        divide_rounding_half_up(1, 0)


@given(st.integers(0, 10**9), st.lists(st.integers(1, 10**12), min_size=1, max_size=30))
def test_cost_shares_of_all_parts_add_up_to_the_cost(cost_cents: int, parts: list[int]) -> None:
    whole, used, shares = sum(parts), 0, []
    for part in parts:
        before = share_of_cost_cents(cost_cents, part_micro=used, whole_micro=whole)
        used += part
        shares.append(share_of_cost_cents(cost_cents, part_micro=used, whole_micro=whole) - before)
    assert sum(shares) == cost_cents
    assert all(share >= 0 for share in shares)


@pytest.mark.parametrize(
    ("price_micro", "quantity_micro", "cost_micro"),
    [
        pytest.param(5 * MICRO, 3 * MICRO, 15 * MICRO, id="whole-units"),
        pytest.param(5 * MICRO, MICRO // 4, 1_250_000, id="a-quarter-of-a-unit"),
        pytest.param(1, 1, 1, id="rounded-up-to-the-smallest-unit"),
        pytest.param(MICRO // 3, 3 * MICRO, 999_999, id="the-price-was-rounded-before"),
        pytest.param(333_333, 1_500_000, 500_000, id="half-a-micro-is-rounded-up"),
        pytest.param(10**15, 10**15, 10**24, id="beyond-64-bits"),
    ],
)
def test_usage_cost(price_micro: int, quantity_micro: int, cost_micro: int) -> None:
    assert usage_cost_micro(price_micro, quantity_micro) == cost_micro


@given(st.integers(1, 10**15), st.integers(1, 10**15))
def test_usage_is_never_free_and_rounded_up_by_less_than_one_micro(price: int, quantity: int) -> None:
    cost = usage_cost_micro(price, quantity)
    assert cost > 0
    assert 0 <= cost * MICRO - price * quantity < MICRO

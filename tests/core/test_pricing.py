"""What a use costs: exact, rounded up once, and never surprising."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import MICRO
from ledger.core.pricing import PPM, usage_cost_micro

prices = st.integers(1, 1_000_000 * MICRO)
quantities = st.integers(1, 1_000_000 * MICRO)
factors = st.integers(1, 1000 * MICRO)
discounts = st.integers(0, PPM - 1)


@pytest.mark.parametrize(
    ("price", "quantity", "factor", "discount", "cost"),
    [
        (10 * MICRO, MICRO, MICRO, 0, 10 * MICRO),
        (10 * MICRO, 3 * MICRO, 2 * MICRO, 0, 60 * MICRO),
        (10 * MICRO, 3 * MICRO, 2 * MICRO, 125_000, 52_500_000),
        (10 * MICRO, MICRO, MICRO // 2, 0, 5 * MICRO),
        # Rounded up at the end only: a third of a third of a third of a micro is one.
        (1, 333_333, 333_333, 666_666, 1),
        (3 * MICRO, 333_333, MICRO, 0, 999_999),
    ],
)
def test_cost(price: int, quantity: int, factor: int, discount: int, cost: int) -> None:
    assert usage_cost_micro(price, quantity, factor_micro=factor, discount_ppm=discount) == cost


@given(prices, quantities, factors, discounts)
def test_a_cost_is_the_exact_product_rounded_up(price: int, quantity: int, factor: int, discount: int) -> None:
    exact = Fraction(price * quantity * factor, MICRO * MICRO) * (1 - Fraction(discount, PPM))
    cost = usage_cost_micro(price, quantity, factor_micro=factor, discount_ppm=discount)
    assert cost == ceil(exact)
    assert cost >= 1


@given(prices, quantities, factors, discounts, st.data())
def test_more_never_costs_less_and_a_discount_never_raises_it(
    price: int, quantity: int, factor: int, discount: int, data: st.DataObject
) -> None:
    def cost(**changes: int) -> int:
        given = {"price_micro": price, "quantity_micro": quantity, "factor_micro": factor, "discount_ppm": discount}
        return usage_cost_micro(**(given | changes))

    assert cost(price_micro=data.draw(st.integers(price, price * 2))) >= cost()
    assert cost(quantity_micro=data.draw(st.integers(quantity, quantity * 2))) >= cost()
    assert cost(factor_micro=data.draw(st.integers(factor, factor * 2))) >= cost()
    assert cost(discount_ppm=data.draw(st.integers(discount, PPM - 1))) <= cost() <= cost(discount_ppm=0)

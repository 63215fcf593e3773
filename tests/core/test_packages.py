"""What a package saves, which one is in force, and which one fits a need."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.amounts import MICRO, Money
from ledger.core.packages import Package, cents_per_credit, in_force, package_that_fits, saving_ppm
from tests.kit.factories import NOW


def sold(
    code: str,
    credits: int,
    cents: int,
    *,
    price_list: str = "standard",
    currency: str = "USD",
    limit: int | None = None,
    starts_in_days: float = -1,
    ends_in_days: float | None = None,
) -> Package:
    ends = None if ends_in_days is None else NOW + timedelta(days=ends_in_days)
    starts = NOW + timedelta(days=starts_in_days)
    return Package(1, code, code.title(), price_list, credits * MICRO, Money(cents, currency), limit, starts, ends)


STARTER = sold("starter", 1_000, 1_000)
PROFESSIONAL = sold("professional", 5_000, 4_000)
BUSINESS = sold("business", 15_000, 10_500)
ENTERPRISE = sold("enterprise", 50_000, 30_000)
HOLIDAY = sold("holiday", 7_500, 4_000, limit=1)
SHOP = [STARTER, PROFESSIONAL, BUSINESS, ENTERPRISE]


@pytest.mark.parametrize(
    ("package", "ppm"),
    [(STARTER, 0), (PROFESSIONAL, 200_000), (BUSINESS, 300_000), (ENTERPRISE, 400_000), (HOLIDAY, 466_667)],
    ids=lambda one: one.code if isinstance(one, Package) else str(one),
)
def test_a_package_saves_against_the_dearest_credit_of_its_list(package: Package, ppm: int) -> None:
    assert saving_ppm(package, [*SHOP, HOLIDAY]) == ppm


def test_other_price_lists_and_currencies_are_not_compared() -> None:
    others = [sold("small", 100, 999, price_list="small"), sold("euro", 1, 999, currency="EUR")]
    assert saving_ppm(PROFESSIONAL, [*SHOP, *others]) == 200_000
    assert saving_ppm(others[0], [*SHOP, *others]) == 0


def test_the_price_of_a_credit_is_exact() -> None:
    assert cents_per_credit(HOLIDAY) == Fraction(4000, 7500)


@pytest.mark.parametrize(
    ("need", "code", "count", "cents", "saved_cents"),
    [
        (1, "starter", 1, 1_000, 0),
        (1_000, "starter", 1, 1_000, 0),
        (1_001, "starter", 2, 2_000, 0),
        # Four Starters cost as much as one Professional, which has more credits.
        (4_000, "professional", 1, 4_000, 0),
        (4_100, "professional", 1, 4_000, 1_000),
        (11_000, "business", 1, 10_500, 500),
        (30_001, "professional", 7, 28_000, 3_000),
        (45_000, "enterprise", 1, 30_000, 15_000),
        (99_000, "enterprise", 2, 60_000, 39_000),
    ],
)
def test_the_package_that_covers_a_need_for_the_least_money(
    need: int, code: str, count: int, cents: int, saved_cents: int
) -> None:
    fit = package_that_fits(need * MICRO, SHOP, {})
    assert fit is not None
    assert (fit.package.code, fit.count, fit.price.cents, fit.saved.cents) == (code, count, cents, saved_cents)
    assert fit.credits_micro >= need * MICRO


def test_no_need_no_package() -> None:
    assert package_that_fits(0, SHOP, {}) is None
    assert package_that_fits(MICRO, [], {}) is None


def test_a_package_with_a_limit_fits_only_as_often_as_it_may_be_bought() -> None:
    shop = [*SHOP, HOLIDAY]

    def best(need: int, bought: int) -> str:
        fit = package_that_fits(need * MICRO, shop, {"holiday": bought})
        assert fit is not None
        return fit.package.code

    assert best(6_000, 0) == "holiday"
    assert best(7_501, 0) != "holiday"
    assert best(6_000, 1) != "holiday"


def test_the_newest_version_whose_time_has_come_is_in_force() -> None:
    versions = [
        sold("a", 1, 100, starts_in_days=-5),
        sold("a", 1, 200, starts_in_days=0),
        sold("a", 1, 300, starts_in_days=1),
        sold("gone", 1, 100, starts_in_days=-9, ends_in_days=0),
        sold("closed", 1, 100, starts_in_days=-9),
        sold("closed", 1, 100, starts_in_days=-1, ends_in_days=-1),
        sold("later", 1, 100, starts_in_days=1),
    ]
    assert [(one.code, one.price.cents) for one in in_force(versions, NOW)] == [("a", 200)]


@given(
    need=st.integers(1, 10**12),
    shop=st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**7)), min_size=1, max_size=6),
)
def test_no_other_kind_covers_the_need_for_less(need: int, shop: list[tuple[int, int]]) -> None:
    packages = [sold(f"p{n}", credits, cents) for n, (credits, cents) in enumerate(shop)]
    fit = package_that_fits(need, packages, {})
    assert fit is not None
    assert fit.credits_micro >= need
    for one in packages:
        count = -(-need // one.credits_micro)
        assert count * one.price.cents >= fit.price.cents
        assert 0 <= saving_ppm(one, packages) <= 1_000_000


def test_packages_stand_in_the_order_of_a_shop() -> None:
    other = sold("a-mini", 100, 1, price_list="small")
    twin = sold("another", 1_000, 1_000)
    found = in_force([ENTERPRISE, other, STARTER, twin, BUSINESS], NOW)
    assert [one.code for one in found] == ["another", "starter", "business", "enterprise", "a-mini"]


def test_of_equal_prices_the_package_with_more_credits_fits_and_says_for_what() -> None:
    sold_out = replace(HOLIDAY, per_customer_limit=1)
    large, small = sold("large", 6_000, 4_000), PROFESSIONAL
    for shop in ([sold_out, small, large], [large, small, sold_out]):
        fit = package_that_fits(4_500 * MICRO, shop, {"holiday": 1})
        assert fit is not None
        assert (fit.package.code, fit.need_micro) == ("large", 4_500 * MICRO)
    never_bought = package_that_fits(7_500 * MICRO, [HOLIDAY], {})
    assert never_bought is not None
    assert never_bought.count == 1

"""Which package to suggest: the need from the forecast, the list a customer buys from, and the sum."""

from analytics.advice import package_advice, price_list_of
from analytics.frames.catalog import Bought
from ledger.core.amounts import MICRO
from tests.core.test_packages import NOW, SHOP, sold

SMALL = [sold("small_100", 100, 999, price_list="small"), sold("small_500", 500, 3_999, price_list="small")]


def advise(**changes: object):
    given = {"at": NOW, "burn_a_day": 10.0, "usable_micro": 300 * MICRO, "wasted": 0.0, "bought": None}
    return package_advice([*SHOP, *SMALL], **(given | changes))


def test_the_need_is_expected_use_less_what_is_there_for_it() -> None:
    found = advise(wasted=50.0)
    assert (found.expected_micro, found.usable_micro, found.need_micro) == (900 * MICRO, 250 * MICRO, 650 * MICRO)
    assert found.fit is not None and found.fit.package.code == "starter"


def test_nothing_is_suggested_to_who_has_enough() -> None:
    found = advise(usable_micro=900 * MICRO)
    assert (found.need_micro, found.fit) == (0, None)


def test_more_wasted_than_there_is_leaves_nothing_usable() -> None:
    assert advise(wasted=9_999.0).usable_micro == 0


def test_a_customer_goes_on_buying_from_its_list() -> None:
    bought = Bought({"small_100": 3}, "small_100")
    found = advise(bought=bought)
    assert found.fit is not None and (found.fit.package.code, found.fit.count) == ("small_100", 6)
    assert price_list_of(SHOP, bought) == "standard"
    other = advise(bought=bought, price_list="standard")
    assert other.fit is not None and other.fit.package.code == "starter"


def test_shorter_days_need_less() -> None:
    assert advise(days=30).need_micro == 0

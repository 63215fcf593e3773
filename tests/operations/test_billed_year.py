"""A year of a subscription with all that happens to one gives the same books, whenever it is followed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import open_ledger
from ledger.clock import FixedClock
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import MockStore
from tests.kit.billing import Shop, night
from tests.kit.factories import open_account
from tests.operations.books import audit
from tests.operations.test_billed_plans import START, follow, given, shelf, subscribed

YEAR: list[tuple[int, str]] = [
    (20, "up"), (31, "renew"), (40, "down"), (61, "renew"), (92, "renew unpaid"), (97, "pay"), (100, "up unpaid"),
    (104, "pay"), (122, "renew"), (123, "down"), (153, "renew unpaid"), (184, "renew"), (190, "pay"), (214, "renew"),
    (245, "renew"), (246, "up"), (275, "renew unpaid"), (276, "pay"), (306, "renew"), (320, "cancel"), (337, "renew"),
]  # fmt: skip


def act(shop: Shop, ref: str, what: str, unpaid: list[str]) -> None:
    pays = not what.endswith("unpaid")
    match what.split()[0]:
        case "renew":
            made = shop.mock.renew(ref, pays=pays)
        case "up":
            made = shop.mock.change_price(ref, shop.prices["pro"], pays=pays)
        case "down":
            made = shop.mock.change_price(ref, shop.prices["basic"])
        case "pay":
            shop.mock.pay_invoice(unpaid.pop())
            made = None
        case _:
            shop.mock.cancel_subscription(ref)
            made = None
    if made and not pays:
        unpaid.append(made)


def year(shop: Shop, clock: FixedClock, is_followed: Callable[[int], int]) -> tuple[Any, Any, Any]:
    """A year of one subscription; ``is_followed`` says how often it is followed on each day."""
    ledger = shop.ledger
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    unpaid: list[str] = []
    acts = dict(YEAR)
    for day in range(1, 370):
        clock.set(START + timedelta(days=day, hours=1))
        if day in acts:
            act(shop, ref, acts[day], unpaid)
        times = is_followed(day)
        for _ in range(times):
            follow(ledger, ref)
        if times or day % 14 == 0 or day > 364:
            night(ledger)
    follow(ledger, ref)
    night(ledger)
    assert audit(ledger) == []
    return given(ledger), shelf(ledger), subscribed(ledger)["state"]


ON_TIME = {
    "at every act, twice": lambda day: 2 if day in dict(YEAR) else 0,
    "every ten days": lambda day: int(day % 10 == 0),
    "at the end": lambda day: int(day > 367),
}


def test_a_year_is_the_same_however_late_or_often_it_is_followed(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    books = {}
    for number, (name, is_followed) in enumerate(ON_TIME.items()):
        path = tmp_path / f"{number}.sqlite"
        path.write_bytes(sqlite_template.read_bytes())
        clock = FixedClock(START)
        ledger = open_ledger(f"sqlite:///{path}", clock=clock)
        ledger.is_demo = True
        mock = MockGateway(MockStore(tmp_path / f"{number}.mock"), clock, page_url="http://127.0.0.1/pay/mock")
        monkeypatch.setattr("ledger.gateways.registry.mock", lambda _, mock=mock: mock)
        shop = Shop(ledger, mock)
        shop.plan("basic", 100, rollover=40)
        shop.plan("pro", 400, rollover=100)
        open_account(ledger, zone="America/New_York")
        books[name] = year(shop, clock, is_followed)
        ledger.database.dispose()
    expected = books["at every act, twice"]
    assert len(expected[0]) > 20
    assert expected[2] == "ended"
    for name, found in books.items():
        assert found == expected, name

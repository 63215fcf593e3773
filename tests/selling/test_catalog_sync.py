"""Packages pushed to a provider: what differs, what a push does, and that the second finds nothing to do."""

from datetime import timedelta

import pytest

from ledger import DefinePackage, Ledger, Money, NoteProviderPrices, NotPermitted, Provider, ProviderUnavailable
from ledger.clock import FixedClock
from ledger.core.amounts import MICRO
from ledger.core.policy import Actor
from ledger.core.selling import Step
from ledger.errors import InvalidCommand, NotFound
from ledger.gateways.mock import MockGateway
from ledger.gateways.provider import Product
from ledger.operations.provider_prices import ProviderPrice
from ledger.selling.catalog_sync import compare_catalog, push_catalog


@pytest.fixture
def shop(ledger: Ledger, admin: Actor) -> Ledger:
    """Two packages, of which the larger one saves 20 %."""
    for code, credits, cents in (("starter", 1_000, 1_000), ("professional", 5_000, 4_000)):
        command = DefinePackage(code, code.capitalize(), credits * MICRO, Money(cents, "EUR"))
        ledger.execute(command, actor=admin, key=code)
    return ledger


def steps(ledger: Ledger) -> list[tuple[Step, str, tuple[str, ...]]]:
    return [(one.step, one.package, one.differs_in) for one in compare_catalog(ledger, Provider.MOCK)]


def push(ledger: Ledger, actor: Actor) -> list[tuple[Step, str]]:
    return [(one.step, one.package) for one in push_catalog(ledger, Provider.MOCK, actor=actor)]


def test_a_push_makes_the_products_with_their_metadata_and_the_second_does_nothing(
    shop: Ledger, mock: MockGateway, admin: Actor
) -> None:
    assert [(step, code) for step, code, _ in steps(shop)] == [(Step.MAKE, "professional"), (Step.MAKE, "starter")]
    assert list(mock.products()) == []
    assert push(shop, admin) == [(Step.MAKE, "professional"), (Step.MAKE, "starter")]
    made = {one.package: one for one in mock.products()}
    assert made["professional"].price == Money(4_000, "EUR")
    assert {name: word for name, word in made["professional"].metadata.items() if name != "package_id"} == {
        "package_type": "credit_package",
        "package": "professional",
        "credits": "5000",
        "credits_amount": "5000",
        "savings_percentage": "20",
    }
    assert steps(shop) == []
    assert push(shop, admin) == []


def test_a_new_version_and_the_end_of_a_sale_are_pushed(
    shop: Ledger, mock: MockGateway, admin: Actor, clock: FixedClock
) -> None:
    push(shop, admin)
    before = {one.package: one for one in mock.products()}
    clock.advance(timedelta(hours=1))
    shop.execute(DefinePackage("starter", "Starter", 1_000 * MICRO, Money(1_200, "EUR")), actor=admin, key="dearer")
    end = DefinePackage("professional", "P", MICRO, Money(1, "EUR"), ends_at=shop.clock.now())
    shop.execute(end, actor=admin, key="end")
    assert steps(shop) == [
        (Step.ARCHIVE, "professional", ("no longer for sale here",)),
        (Step.CHANGE, "starter", ("price", "metadata package_id")),
    ]
    assert push(shop, admin) == [(Step.ARCHIVE, "professional"), (Step.CHANGE, "starter")]
    after = {one.package: one for one in mock.products()}
    assert not after["professional"].is_active
    assert after["starter"].product_ref == before["starter"].product_ref
    assert after["starter"].price_ref != before["starter"].price_ref
    assert steps(shop) == []
    # On sale again: the product there is taken up again, not made a second time.
    clock.advance(timedelta(hours=1))
    again = DefinePackage("professional", "Professional", 5_000 * MICRO, Money(4_000, "EUR"))
    shop.execute(again, actor=admin, key="again")
    assert push(shop, admin) == [(Step.CHANGE, "professional")]
    assert len(list(mock.products())) == 2
    assert steps(shop) == []


def test_what_somebody_changed_there_twice_is_put_right_twice(shop: Ledger, mock: MockGateway, admin: Actor) -> None:
    push(shop, admin)
    for _ in range(2):
        (starter,) = [one for one in mock.products() if one.package == "starter"]
        cheap = Product(
            "starter", "Cheap", Money(1, "EUR"), "9", product_ref=starter.product_ref, metadata={"package": "starter"}
        )
        mock.put_product(cheap, key="somebody there")
        (found,) = [one for one in compare_catalog(shop, Provider.MOCK) if one.is_pushed]
        assert {"name", "price", "metadata credits"} <= set(found.differs_in)
        assert push(shop, admin) == [(Step.CHANGE, "starter")]
        (starter,) = [one for one in mock.products() if one.package == "starter"]
        assert (starter.label, starter.price) == ("Starter", Money(1_000, "EUR"))


def test_products_of_others_are_told_and_left_alone(shop: Ledger, mock: MockGateway, admin: Actor) -> None:
    push(shop, admin)
    others = [
        Product("", "By hand", Money(500, "EUR"), "100", metadata={"credits": "100"}),
        Product("starter", "Starter copy", Money(900, "EUR"), "1000", metadata={"package": "starter"}),
        Product("gone", "Gone", Money(900, "EUR"), "1000", metadata={"package": "gone"}),
    ]
    for number, one in enumerate(others):
        mock.put_product(one, key=str(number))
    before = list(mock.products())
    assert sorted(step for step, _, _ in steps(shop)) == [Step.LEAVE] * 3
    assert push(shop, admin) == []
    assert list(mock.products()) == before


def test_a_push_that_broke_off_is_finished_by_the_next(
    shop: Ledger, mock: MockGateway, admin: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, made = MockGateway.put_product, []

    def breaks_off(gateway: MockGateway, product: Product, *, key: str) -> Product:
        if made:
            raise ProviderUnavailable(provider="mock", detail="no answer")
        made.append(real(gateway, product, key=key))
        return made[0]

    with monkeypatch.context() as patched:
        patched.setattr(MockGateway, "put_product", breaks_off)
        with pytest.raises(ProviderUnavailable):
            push(shop, admin)
    assert push(shop, admin) == [(Step.NOTE, "professional"), (Step.MAKE, "starter")]
    assert len(list(mock.products())) == 2
    assert steps(shop) == []


def test_only_who_manages_the_catalogue_pushes_it(
    shop: Ledger, mock: MockGateway, manager: Actor, finance: Actor
) -> None:
    for actor in (manager, finance):
        with pytest.raises(NotPermitted):
            push(shop, actor)
    assert list(mock.products()) == []


def test_names_are_noted_of_packages_that_exist_and_once_each(shop: Ledger, admin: Actor) -> None:
    with pytest.raises(NotFound):
        shop.execute(NoteProviderPrices(Provider.STRIPE, (ProviderPrice(99, "a", "b"),)), actor=admin, key="1")
    same = ProviderPrice(1, "a", "b")
    for prices in ((), (same, same), (ProviderPrice(1, "", "b"),)):
        with pytest.raises(InvalidCommand):
            shop.execute(NoteProviderPrices(Provider.STRIPE, prices), actor=admin, key="2")

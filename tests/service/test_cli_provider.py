"""Packages and customers at a provider, from the command line."""

from collections.abc import Iterator

import pytest
import stripe

from ledger.clock import SystemClock
from ledger.settings import settings
from tests.kit.stripe_company import selling_through_stripe
from tests.kit.stripe_stub import Stub
from tests.service.test_cli import Cli


@pytest.fixture
def cli(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    settings.cache_clear()
    yield Cli()
    settings.cache_clear()


@pytest.fixture
def stub(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with selling_through_stripe(monkeypatch, SystemClock()) as running:
        yield running


def test_the_catalogue_is_compared_first_and_pushed_once(cli: Cli, stub: Stub) -> None:
    cli("catalog", "package", "week", "Week", "500", "--cents", "499")
    dry = cli("catalog", "sync", "--provider", "stripe").output
    assert "make week, 4.99 USD" in dry
    assert "1 to be pushed with --push" in dry
    assert "1 pushed" in cli("catalog", "sync", "--push").output
    assert "Nothing to do" in cli("catalog", "sync", "--push").output
    assert "sells what is for sale here" in cli("catalog", "sync").output
    cli("catalog", "package", "week", "Week", "500", "--cents", "599")
    assert "change week (prod_1), 5.99 USD: price, metadata package_id" in cli("catalog", "sync").output


def test_customers_are_listed_linked_and_taken_over(cli: Cli, stub: Stub) -> None:
    cli("account", "open", "acme", "Acme", "--email", "a@x.test")
    for mail in ("a@x.test", "b@x.test"):
        words = {"default_payment_method": None}
        stub.books.make(stripe.Customer, "cus", name="Their", email=mail, metadata={}, invoice_settings=words)
    shown = cli("account", "linked").output
    assert "cus_1\tTheir\ta@x.test\tacme (email)" in shown
    assert "nobody here" in shown
    cli("account", "link", "acme", "cus_1")
    assert "acme (linked)" in cli("account", "linked").output
    cli("account", "import", "cus_2", "--as", "their")
    assert "their (linked)" in cli("account", "linked").output
    assert "no customer at stripe" in cli("account", "link", "acme", "cus_9", code=4).output


def test_without_keys_it_is_said(cli: Cli) -> None:
    assert "provider_not_set_up" in cli("catalog", "sync", "--provider", "stripe", code=7).output
    assert "provider_not_set_up" in cli("catalog", "sync", "--provider", "polar", code=7).output

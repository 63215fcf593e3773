"""Providers to hold the gateways against: the mock, a stand-in for Stripe, localstripe in a process of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import stripe

from ledger.clock import FixedClock, SystemClock
from ledger.core.amounts import MICRO, Money
from ledger.gateways import stripe_client
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import MockStore
from ledger.gateways.provider import ChargeRequest, CheckoutRequest, Gateway, Offer
from ledger.gateways.stripe import StripeGateway
from tests.kit.localstripe import KEY, Peer, running_localstripe
from tests.kit.stripe_stub import SECRET, Stub, running_stub

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
# While the secret of the webhook is changed there are two.
SECRETS = ("whsec_old", SECRET)
PAY_PAGE = "https://x.test/pay"
OFFER = Offer("starter", "Starter", 1_000 * MICRO, 1, Money(1_000, "EUR"))


def checkout(payment: str = "pay_1", **more: object) -> CheckoutRequest:
    given = {"offer": OFFER, "email": "a@example.com", "name": "Acme"} | more
    return CheckoutRequest(payment, "acme", success_url="https://x.test/ok", cancel_url="https://x.test/no", **given)


def charge(payment: str, customer: str, card: str) -> ChargeRequest:
    return ChargeRequest(payment, "acme", OFFER, customer, card)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(AT)


@pytest.fixture
def closing() -> Iterator[None]:
    """Connections to Stripe end with the test."""
    yield
    stripe_client.close_clients()


@pytest.fixture
def stub(clock: FixedClock, closing: None) -> Iterator[Stub]:
    with running_stub(clock) as running:
        yield running


@pytest.fixture
def gateway(stub: Stub, clock: FixedClock) -> StripeGateway:
    return StripeGateway(
        "sk_test_stub",
        clock,
        webhook_secrets=SECRETS,
        pay_page=PAY_PAGE,
        address=stub.address,
    )


@dataclass(frozen=True)
class Tried:
    """A gateway, and how a customer comes to a saved card of a number behind it."""

    name: str
    gateway: Gateway
    saved_card: Callable[[str], tuple[str, str]]


@pytest.fixture(scope="session")
def peer() -> Iterator[Peer]:
    with running_localstripe() as running:
        yield running


@pytest.fixture(params=["mock", "stub", "localstripe"])
def tried(request: pytest.FixtureRequest, clock: FixedClock, tmp_path: Path) -> Tried:
    """Each provider that can charge a saved card."""
    if request.param == "mock":
        mock = MockGateway(MockStore(tmp_path / "mock.sqlite"), clock, page_url="https://x.test/pay/mock")
        return Tried("mock", mock, lambda number: _mock_card(mock, number))
    if request.param == "stub":
        running: Stub = request.getfixturevalue("stub")
        return Tried("stub", request.getfixturevalue("gateway"), lambda number: _stub_card(running, number))
    request.getfixturevalue("closing")
    local: Peer = request.getfixturevalue("peer")
    real = StripeGateway(KEY, SystemClock(), webhook_secrets=SECRETS, pay_page=PAY_PAGE, address=local.address)
    return Tried("localstripe", real, local.saved_card)


def _mock_card(mock: MockGateway, number: str) -> tuple[str, str]:
    page = mock.open_checkout(checkout(f"pay_{number}", saves_card=True))
    found = mock.pay(page.ref, number)
    assert found.customer_ref is not None
    assert found.card is not None
    return found.customer_ref, found.card.ref


def _stub_card(stub: Stub, number: str) -> tuple[str, str]:
    customer = stub.books.make(stripe.Customer, "cus", email="a@example.com")["id"]
    return customer, stub.books.card(number[-4:], customer=customer)

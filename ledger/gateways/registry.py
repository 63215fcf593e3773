"""Which providers are set up, and the gateway to each: the one place that knows their names and their settings."""

from typing import cast

from ledger.core.payments import Provider
from ledger.errors import ProviderNotSetUp
from ledger.facade import Ledger
from ledger.gateways.billing import Billing
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import MockStore
from ledger.gateways.provider import Gateway
from ledger.settings import settings

# Below this path of the product the mock provider has its checkout pages.
MOCK_PAGES = "pay/mock"


def selling(ledger: Ledger) -> Provider:
    """Who takes the money of new purchases. Raises ProviderNotSetUp."""
    wanted = settings().payment_provider
    if wanted:
        return Provider(wanted)
    if ledger.is_demo:
        return Provider.MOCK
    if settings().stripe_key.get_secret_value():
        return Provider.STRIPE
    raise ProviderNotSetUp(provider="", what="set STRIPE_KEY, or PAYMENT_PROVIDER with the keys of another one.")


def set_up(ledger: Ledger) -> list[Provider]:
    """Every provider that has what it needs."""
    known = settings()
    found = []
    if known.stripe_key.get_secret_value():
        found.append(Provider.STRIPE)
    if known.polar_token.get_secret_value():
        found.append(Provider.POLAR)
    if ledger.is_demo:
        found.append(Provider.MOCK)
    return found


def gateway(ledger: Ledger, provider: Provider) -> Gateway:
    """The gateway to a provider, with its keys. Raises ProviderNotSetUp."""
    if provider is Provider.MOCK:
        return mock(ledger)
    raise ProviderNotSetUp(provider=provider.value, what="this product cannot speak to it yet.")


def billing(ledger: Ledger, provider: Provider) -> Billing:
    """As `gateway`, for balances, subscriptions and meters. Raises ProviderNotSetUp when it has none."""
    if provider is Provider.POLAR:
        raise ProviderNotSetUp(provider=provider.value, what="balances and subscriptions are taken from Stripe only.")
    return cast(Billing, gateway(ledger, provider))


def mock(ledger: Ledger) -> MockGateway:
    """The mock provider. Raises ProviderNotSetUp outside of a demo company: nobody may pay with pretended money."""
    if not ledger.is_demo:
        raise ProviderNotSetUp(provider="mock", what="it works in a demo company only.")
    page_url = f"{settings().public_url.rstrip('/')}/{MOCK_PAGES}"
    return MockGateway(MockStore(settings().mock_provider_file), ledger.clock, page_url=page_url)

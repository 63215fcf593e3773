"""Which providers are set up, and the gateway to each: the one place that knows their names and their settings."""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pydantic import SecretStr

from ledger.core.payments import Provider
from ledger.errors import ProviderNotSetUp
from ledger.facade import Ledger
from ledger.gateways.billing import Billing
from ledger.gateways.mock import MockGateway
from ledger.gateways.mock_store import MockStore
from ledger.gateways.provider import Gateway
from ledger.settings import settings

# Their SDKs take a second to import, which only who speaks to them should pay.
if TYPE_CHECKING:
    from ledger.gateways.polar import PolarGateway
    from ledger.gateways.stripe import StripeGateway

# Below this path of the product each payment has its page.
PAY_PAGES = "pay"
# Below this one the mock provider has its checkout pages.
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
    opened: dict[Provider, Callable[[Ledger], Gateway]] = {
        Provider.MOCK: mock,
        Provider.STRIPE: stripe,
        Provider.POLAR: polar,
    }
    return opened[provider](ledger)


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


def stripe(ledger: Ledger) -> "StripeGateway":
    """Stripe, with the key of the settings. Raises ProviderNotSetUp."""
    from ledger.gateways.stripe import StripeGateway

    known = settings()
    key = known.stripe_key.get_secret_value()
    if not key:
        raise ProviderNotSetUp(provider="stripe", what="set STRIPE_KEY.")
    return StripeGateway(
        key,
        ledger.clock,
        webhook_secrets=_each(known.stripe_webhook_secrets),
        pay_page=f"{known.public_url.rstrip('/')}/{PAY_PAGES}",
        automatic_tax=known.stripe_automatic_tax,
        address=known.stripe_address,
    )


def polar(ledger: Ledger) -> "PolarGateway":
    """Polar, with the access token of the settings. Raises ProviderNotSetUp."""
    from ledger.gateways.polar import PolarGateway

    known = settings()
    token = known.polar_token.get_secret_value()
    if not token:
        raise ProviderNotSetUp(provider="polar", what="set POLAR_TOKEN.")
    return PolarGateway(
        token, ledger.clock, webhook_secrets=_each(known.polar_webhook_secrets), address=known.polar_address
    )


def _each(secrets: SecretStr) -> tuple[str, ...]:
    """The secrets of a setting: one, or two with a comma while it is changed."""
    return tuple(one.strip() for one in secrets.get_secret_value().split(",") if one.strip())

"""A company that sells through Stripe, with the stand-in in Stripe's place."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ledger.clock import Clock
from ledger.gateways.stripe_client import close_clients
from ledger.settings import settings
from tests.kit.stripe_stub import SECRET, Stub, running_stub


@contextmanager
def selling_through_stripe(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Iterator[Stub]:
    """The settings of such a company, for the length of a block; other processes find the stand-in, too."""
    with running_stub(clock) as stub:
        monkeypatch.setenv("PAYMENT_PROVIDER", "stripe")
        monkeypatch.setenv("STRIPE_KEY", "sk_test_company")
        monkeypatch.setenv("STRIPE_WEBHOOK_SECRETS", SECRET)
        monkeypatch.setenv("STRIPE_ADDRESS", stub.address)
        settings.cache_clear()
        try:
            yield stub
        finally:
            close_clients()
            for name in ("PAYMENT_PROVIDER", "STRIPE_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_ADDRESS"):
                monkeypatch.delenv(name)
            settings.cache_clear()

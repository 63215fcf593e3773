"""A purchase from the sale to the books through Stripe and through Polar: lost answers, messages twice and shuffled."""

import json
import random
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from ledger import Ledger, ProviderUnavailable, open_ledger
from ledger.clock import SystemClock
from ledger.core.payments import PaymentState, Provider
from ledger.gateways.polar_client import close_clients
from ledger.inbox import accept
from ledger.models import account, batch, inbox
from ledger.selling.catalog_sync import push_catalog
from ledger.selling.checkout import load_sale, sell
from ledger.selling.follow import follow
from ledger.selling.settling import settle_due
from ledger.settings import settings
from tests.kit import selling
from tests.kit.factories import ADMIN
from tests.kit.polar_stub import SECRET as POLAR_SECRET
from tests.kit.polar_stub import PolarStub, running_polar
from tests.kit.stripe_company import selling_through_stripe
from tests.kit.stripe_stub import Stub


@pytest.fixture
def real_time(sqlite_url: str) -> Iterator[Ledger]:
    """A ledger by the machine's clock, which signatures carry; with a customer and a package of 1,000 for 90 EUR."""
    opened = open_ledger(sqlite_url, clock=SystemClock())
    selling.open_customer_and_shop(opened)
    yield opened
    opened.database.dispose()


@pytest.fixture
def stub(real_time: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with selling_through_stripe(monkeypatch, SystemClock()) as running:
        yield running


@pytest.fixture
def polar(real_time: Ledger, monkeypatch: pytest.MonkeyPatch) -> Iterator[PolarStub]:
    with running_polar(SystemClock()) as running:
        monkeypatch.setenv("PAYMENT_PROVIDER", "polar")
        monkeypatch.setenv("POLAR_TOKEN", "polar_oat_x")
        monkeypatch.setenv("POLAR_WEBHOOK_SECRETS", POLAR_SECRET)
        monkeypatch.setenv("POLAR_ADDRESS", running.address)
        settings.cache_clear()
        yield running
    close_clients()
    for name in ("PAYMENT_PROVIDER", "POLAR_TOKEN", "POLAR_WEBHOOK_SECRETS", "POLAR_ADDRESS"):
        monkeypatch.delenv(name)
    settings.cache_clear()


def bought(ledger: Ledger) -> list[tuple[str, int, str]]:
    """Purchases in the books: payment, cost basis, currency."""
    statement = sa.select(batch.c.reference, batch.c.cost_cents, batch.c.currency).where(batch.c.reference != "")
    with ledger.database.reading() as connection:
        return [(row.reference, row.cost_cents, row.currency) for row in connection.execute(statement)]


def credits(ledger: Ledger) -> tuple[int, int]:
    """Available and held, in credits."""
    with ledger.database.reading() as connection:
        row = connection.execute(sa.select(account.c.available_micro, account.c.held_micro)).one()
    return row.available_micro // 1_000_000, row.held_micro // 1_000_000


def states(ledger: Ledger) -> set[str]:
    with ledger.database.reading() as connection:
        return set(connection.execute(sa.select(inbox.c.state)).scalars())


def deliver_all(ledger: Ledger, stub: Stub, chance: random.Random) -> None:
    """Every event so far, twice, in any order, settled in between now and then."""
    numbers = [*range(len(stub.books.told))] * 2
    chance.shuffle(numbers)
    for number in numbers:
        accept(ledger, Provider.STRIPE, *stub.event(number))
        if chance.random() < 0.3:
            settle_due(ledger)
    settle_due(ledger)


def test_through_stripe_with_an_answer_lost_at_each_step(real_time: Ledger, stub: Stub) -> None:
    ledger, chance = real_time, random.Random(7)
    push_catalog(ledger, Provider.STRIPE, actor=ADMIN)
    # Stripe makes the page, three times nobody hears of it, and the next try finds it.
    stub.faults = ["lose"] * 3
    with pytest.raises(ProviderUnavailable):
        sell(ledger, "acme", "large", actor=ADMIN, key="sale")
    sale = sell(ledger, "acme", "large", actor=ADMIN, key="sale")
    (session,) = stub.books.all("checkout.session")
    assert sale.checkout_ref == session["id"]
    stub.books.pay(session["id"], "0341")
    intent = stub.books.pay(session["id"])
    # Asking how it stands breaks off once; the turn after it settles.
    accept(ledger, Provider.STRIPE, *stub.event())
    stub.faults = ["500"] * 3
    settle_due(ledger)
    assert bought(ledger) == []
    follow(ledger, sale.payment)
    deliver_all(ledger, stub, chance)
    assert bought(ledger) == [(intent["id"], 9_000, "EUR")]
    assert credits(ledger) == (1_000, 0)
    assert load_sale(ledger, sale.payment).state is PaymentState.CREDITED

    dispute = stub.books.dispute(intent["id"], 4_500)
    deliver_all(ledger, stub, chance)
    assert credits(ledger) == (500, 500)
    dispute["status"] = "won"
    stub.books.tell("charge.dispute.closed", dispute)
    deliver_all(ledger, stub, chance)
    assert credits(ledger) == (1_000, 0)
    stub.books.refund(intent["id"], 900)
    deliver_all(ledger, stub, chance)
    assert credits(ledger) == (900, 0)
    assert bought(ledger) == [(intent["id"], 9_000, "EUR")]
    # The message whose question broke off waits for its next try; what it is about was settled by the others.
    assert states(ledger) <= {"settled", "waiting"}


def test_through_polar(real_time: Ledger, polar: PolarStub) -> None:
    ledger = real_time
    push_catalog(ledger, Provider.POLAR, actor=ADMIN)
    sale = sell(ledger, "acme", "large", actor=ADMIN, key="sale")
    assert sale.checkout_ref is not None
    order = polar.pay(sale.checkout_ref, tax=1_710)
    messages = [polar.event(kind, order, id=kind) for kind in ("order.created", "order.paid", "checkout.created")]
    for body, headers in messages * 2:
        accept(ledger, Provider.POLAR, body, headers)
    settle_due(ledger)
    # What was paid is 90 and tax; the tax is no price of credits.
    assert bought(ledger) == [(order["id"], 9_000, "EUR")]
    assert credits(ledger) == (1_000, 0)
    refund = polar.carry_out("POST", "/v1/refunds/", {}, {"order_id": order["id"], "amount": 900, "reason": "other"})
    accept(ledger, Provider.POLAR, *polar.event("refund.created", json.loads(json.dumps(refund)), id="refund"))
    settle_due(ledger)
    assert credits(ledger) == (900, 0)

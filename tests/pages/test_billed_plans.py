"""A plan that a provider bills, on the customer's page and in the catalogue; and a provider that is slow or silent."""

import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from ledger import AccountType, ChangeCustomer, Money, Provider, ProviderUnavailable
from ledger.gateways import registry
from ledger.gateways.mock import MockGateway
from ledger.models import company, subscription
from ledger.selling import metering, mirroring
from ledger.selling.subscriptions import follow_subscription
from ledger.settings import settings
from pages.ui import provider_balance, provider_calls
from tests.kit.billing import Shop
from tests.kit.factories import allow_overdraft, run, use
from tests.pages.conftest import Pages
from tests.pages.test_plans import confirm, field, plan_tab, words


@pytest.fixture
def shop(pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A demo company with a plan that the mock provider bills with what is used beyond it."""
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock.sqlite"))
    settings.cache_clear()
    provider_calls.forget()
    with pages.ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    pages.ledger.is_demo = True
    made = Shop(pages.ledger, registry.mock(pages.ledger))
    made.plan("basic", 100, per_thousand=2_000)
    return made


def subscribe(shop: Shop, account: str = "cus_acme") -> str:
    ref = shop.mock.subscribe(account, shop.prices["basic"])
    follow_subscription(shop.ledger, Provider.MOCK, ref)
    return ref


def tiles(app: AppTest) -> dict[str, str]:
    return {str(one.label): str(one.value) for one in app.metric}


@pytest.mark.parametrize("who", ["ada", "max"])
def test_everybody_sees_who_bills_the_plan_and_nobody_changes_it_here(pages: Pages, shop: Shop, who: str) -> None:
    ref = subscribe(shop)
    app = plan_tab(pages, who)
    assert not app.exception
    assert f"Billed by Mock as {ref}" in words(app).replace("\\", "")
    assert "paid through" in words(app)
    assert "Change or cancel the subscription there" in words(app)
    assert tiles(app)["Next invoice, estimate"] == "€1.00"
    assert not [one for one in app.button if one.key == "review"]


def test_what_is_metered_is_on_the_next_invoice(pages: Pages, shop: Shop) -> None:
    subscribe(shop)
    run(shop.ledger, ChangeCustomer("cus_acme", account_type=AccountType.HYBRID))
    allow_overdraft(shop.ledger, "cus_acme", credits=5_000)
    for _ in range(4):
        use(shop.ledger, "cus_acme", quantity=500)
    assert metering.meter(shop.ledger).sent == 1
    seen = tiles(plan_tab(pages))
    assert seen["Metered this period, by the provider"] != "—"
    assert seen["Next invoice, estimate"] != "€1.00"


def test_an_unpaid_plan_says_so(pages: Pages, shop: Shop) -> None:
    subscribe(shop)
    with shop.ledger.database.engine.begin() as connection:
        days = {"period_start": date(2019, 12, 1), "period_end": date(2020, 1, 2), "paid_through": date(2020, 1, 1)}
        connection.execute(sa.update(subscription).values(days))
    assert "Not paid since" in words(plan_tab(pages))


def test_a_provider_that_fails_or_is_slow_is_a_quiet_line(
    pages: Pages, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(shop)

    def fails(*_: Any, **__: Any) -> None:
        raise ProviderUnavailable(provider="mock", detail="it is down")

    monkeypatch.setattr(MockGateway, "next_invoice", fails)
    app = plan_tab(pages)
    assert not app.exception
    assert "it is down" in words(app)
    provider_calls.forget()
    monkeypatch.setattr(provider_calls, "LONGEST", provider_calls.LONGEST / 60)
    monkeypatch.setattr(MockGateway, "next_invoice", lambda *_, **__: time.sleep(0.5))
    app = plan_tab(pages)
    assert "is being asked" in words(app)
    time.sleep(0.6)
    assert tiles(plan_tab(pages))["Next invoice, estimate"] == "None"


def test_an_admin_links_a_price_to_a_plan(pages: Pages, shop: Shop) -> None:
    price = shop.mock.make_price("other", Money(500, "EUR"))
    app = pages.open("system/catalog.py", view="new", kind="plan_price")
    assert not app.exception
    field(app, "selectbox", "provider").set_value("mock").run()
    field(app, "text_input", "price_ref").set_value(price).run()
    field(app, "selectbox", "plan").set_value("basic").run()
    assert "Price linked" in str(confirm(app).success[0].value)
    shown = pages.open("system/catalog.py", view="plans", who="fiona")
    assert price in shown.dataframe[-1].value.to_string()


def balance_app(account: str) -> None:
    import streamlit as st  # noqa: F401 - the script of a page of its own

    from ledger import Permission
    from pages.ui import provider_balance
    from pages.ui.guard import guard

    provider_balance.draw(guard(Permission.VIEW_CUSTOMER), account)


def test_the_providers_balance_stands_beside_ours(pages: Pages, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_balance, "registry", registry)
    app = AppTest.from_function(balance_app, kwargs={"account": "cus_acme"}, default_timeout=30)
    app.query_params["as"] = "ada"
    assert "does not know this customer yet" in words(app.run())
    subscribe(shop)
    monkeypatch.setenv("MIRROR_BALANCE", "true")
    settings.cache_clear()
    mirroring.mirror(shop.ledger)
    provider_calls.forget()
    app.run()
    assert not app.exception
    assert set(tiles(app)) == {"Here", "There"}
    assert "to the customer's credit" in words(app)
    assert "Credits when the mirror began" in app.dataframe[0].value.to_string()

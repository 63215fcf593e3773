"""Selling by card on the Top-ups page, and the tab Payments: form, state line, decisions, messages, roles."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from streamlit.testing.v1 import AppTest

from ledger.gateways import registry
from ledger.gateways.mock import GOOD_CARD, MockGateway
from ledger.models import company
from ledger.selling.checkout import Sale, load_sale, load_sales
from ledger.selling.settling import settle_due
from ledger.settings import settings
from tests.kit import factories, selling
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_forms import confirm, field, table_text
from tests.pages.test_read_pages import said

TOP_UPS, SETTINGS = "credits/top_ups.py", "system/settings.py"


@pytest.fixture
def shop(pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MockGateway:
    """A demo company with something to sell, on the mock provider."""
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock.sqlite"))
    settings.cache_clear()
    with pages.ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    pages.ledger.is_demo = True
    selling.open_shop(pages.ledger, limit=2)
    return registry.mock(pages.ledger)


def sell(pages: Pages, *, who: str = "max") -> tuple[AppTest, Sale]:
    """A sale made by the form, as far as the address at which the customer pays."""
    app = pages.open(TOP_UPS, who=who) if who == "max" else pages.open(TOP_UPS, who=who, how="card")
    field(app, "selectbox", "Customer").select("cus_acme")
    field(app, "selectbox", "Package").select("large")
    app = confirm(app.run())
    assert not app.exception, app.exception
    return app, load_sales(pages.ledger, "cus_acme", before=None, limit=1)[0][1]


def press(app: AppTest, label: str) -> AppTest:
    field(app, "button", label).click()
    return app.run()


def test_a_manager_sells_and_sees_the_state_move_until_the_credits_are_there(pages: Pages, shop: MockGateway) -> None:
    app, sale = sell(pages)
    assert "Waiting for the customer" in said(app)
    assert sale.url in [code.value for code in app.code]
    assert sale.checkout_ref is not None
    shop.pay(sale.checkout_ref, GOOD_CARD)
    # No job has run: whoever looks at the sale follows it.
    seen = pages.open(TOP_UPS, who="max", payment=sale.payment)
    assert "Paid, and the credits are on the account" in said(seen)
    assert load_sale(pages.ledger, sale.payment).transaction_id is not None
    assert "Receipt no\\." in said(seen) or "Receipt no." in said(seen)


def test_what_will_happen_is_told_before_and_nothing_is_booked_by_looking(pages: Pages, shop: MockGateway) -> None:
    app = pages.open(TOP_UPS, who="max")
    field(app, "selectbox", "Customer").select("cus_acme")
    field(app, "selectbox", "Package").select("large")
    field(app, "text_input", "How many").input("2")
    app.run()
    assert "2,000" in table_text(app)
    assert "without tax" in table_text(app)
    field(app, "text_input", "How many").input("3").run()
    assert any("may buy it" in error.value for error in app.error)
    assert load_sales(pages.ledger, "cus_acme", before=None, limit=9) == []


def test_a_checkout_that_is_ended_cannot_be_paid(pages: Pages, shop: MockGateway) -> None:
    app, sale = sell(pages, who="ada")
    app = press(app, "End this checkout")
    assert "Ended unpaid" in said(app)
    assert load_sale(pages.ledger, sale.payment).state == "expired"


def test_an_admin_chooses_between_selling_and_recording_finance_gets_neither(pages: Pages, shop: MockGateway) -> None:
    admin = pages.open(TOP_UPS)
    assert field(admin, "radio", "What to do").options == ["Record what was paid outside", "Sell by card"]
    assert field(admin, "text_input", "Payment reference")
    refused = pages.open(TOP_UPS, who="fiona")
    assert any("may not" in error.value for error in refused.error)


def test_without_a_provider_the_page_says_so(pages: Pages) -> None:
    app = pages.open(TOP_UPS, who="max")
    assert not app.exception
    assert any("is not set up" in info.value for info in app.info)


def test_an_unknown_payment_is_told_not_drawn(pages: Pages, shop: MockGateway) -> None:
    app = pages.open(TOP_UPS, who="max", payment="pay_nobody")
    assert any("There is no payment" in info.value for info in app.info)


def test_a_blocked_payment_waits_on_the_tab_and_is_credited_by_a_decision(pages: Pages, shop: MockGateway) -> None:
    sales = [selling.sold(pages.ledger, "cus_acme") for _ in range(3)]
    for sale in sales:
        shop.pay(sale.checkout_ref or "", GOOD_CARD)
    settle_due(pages.ledger)
    overview = said(pages.open())
    assert "1 payment waiting for a decision" in overview
    app = pages.open(SETTINGS, tab="Payments")
    assert "**1 waits for a decision**" in said(app)
    field(app, "selectbox", "Reason").select("goodwill")
    field(app, "text_input", "Note").input("Agreed with sales on the phone")
    app = confirm(app.run())
    assert not app.exception, app.exception
    states = {load_sale(pages.ledger, sale.payment).state for sale in sales}
    assert states == {"credited"}


def test_a_message_can_be_opened_and_replayed(pages: Pages, shop: MockGateway) -> None:
    sale = selling.paid(pages.ledger, shop, "cus_acme")
    with shop.store.turn() as turn:
        turn.tell(
            {"id": "evt_x", "type": "payment.x", "at": factories.NOW.isoformat(), "about": "payment", "ref": "pi_x"}
        )
    settle_due(pages.ledger)
    app = pages.open(SETTINGS, tab="Payments", messages="unmatched")
    assert "**1 message**" in said(app)
    app = pages.open(SETTINGS, tab="Payments", message="mock:evt_x")
    assert "nobody's" in said(app)
    app = press(app, "Replay")
    assert [toast.value for toast in app.toast] == ["Nobody here is meant."]
    gone = pages.open(SETTINGS, tab="Payments", message="mock:evt_none")
    assert any("There is no message" in info.value for info in gone.info)
    assert load_sale(pages.ledger, sale.payment).state == "credited"


def test_what_somebody_does_at_the_mock_comes_back_as_a_message(pages: Pages, shop: MockGateway) -> None:
    sale = selling.paid(pages.ledger, shop, "cus_acme")
    app = press(pages.open(SETTINGS, tab="Payments"), "Refund half of it")
    assert "1 settled" in app.toast[0].value
    assert load_sale(pages.ledger, sale.payment).refunded_cents == selling.CENTS // 2
    app = press(app, "The customer disputes it")
    frozen = pages.open("credits/adjustments.py", kind="hold", customer="cus_acme")
    assert "until the provider says how the dispute ended" in said(frozen)
    assert [one.options for one in frozen.selectbox if one.label == "Hold"] == [[]]
    holds = pages.open("customers/customer.py", customer="cus_acme", tab="Holds")
    assert "until the provider says how the dispute ended" in said(holds)
    (listed,) = [frame for frame in holds.dataframe if "reference" in frame.value]
    assert "release" not in listed.proto.column_order
    app = press(app, "We win the dispute")
    assert not app.exception, app.exception


def test_a_failed_message_stands_on_the_overview_of_admins_alone(pages: Pages, shop: MockGateway) -> None:
    outside = selling.Outside(pages.ledger)
    assert outside.deliver(*selling.message("no json")).status_code == 200
    assert "1 message of providers failed" in said(pages.open())
    assert "failed" not in said(pages.open(who="fiona"))
    hostile = selling.message('{"id": "evt_2", "type": "' + HOSTILE_NAMES[0] + '", "at": "x"}', id="evt_2")
    outside.deliver(*hostile)
    app = pages.open(SETTINGS, tab="Payments")
    assert not app.exception


@pytest.mark.parametrize("who", ["fiona", "max"])
def test_the_tab_is_for_admins(pages: Pages, who: str) -> None:
    app = pages.open(SETTINGS, who=who)
    assert "Payments" not in [tab.label for tab in app.tabs]
    assert "Other tabs of this page take an admin" in said(app)

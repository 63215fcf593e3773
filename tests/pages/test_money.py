"""Money of a customer on its page: payments, the saved card and its rule, what went back, for each role."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO, RefundPurchase, RefundTo
from ledger.gateways import registry
from ledger.gateways.mock import LATER_DECLINED_CARD, MockGateway
from ledger.selling.recharging import recharge_due
from ledger.settings import settings
from tests.kit.factories import ADMIN, REASON, fresh_key
from tests.kit.paying import define_package
from tests.kit.recharging import rule_row, save_card, set_rule
from tests.operations.books import all_rows, audit
from tests.pages.conftest import Pages
from tests.pages.test_plans import confirm, field, words

NOTE = "Agreed on the phone today"


@pytest.fixture
def shop(pages: Pages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockGateway]:
    """The mock provider, a package for sale, and Acme with a saved card."""
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock_provider.sqlite"))
    monkeypatch.setenv("PAYMENT_PROVIDER", "mock")
    settings.cache_clear()
    pages.ledger.is_demo = True
    mock = registry.mock(pages.ledger)
    define_package(pages.ledger)
    save_card(pages.ledger, mock, account="cus_acme")
    yield mock
    settings.cache_clear()


def tab(pages: Pages, who: str = "ada", account: str = "cus_acme") -> AppTest:
    app = pages.open("customers/customer.py", who=who, customer=account, tab="Money")
    assert not app.exception, app.exception
    return app


def put(app: AppTest, **values: str) -> None:
    """Fill in several fields at once; each is drawn by then."""
    kinds = {"what": "radio", "to": "radio", "package": "selectbox", "reason": "selectbox"}
    for name, value in values.items():
        field(app, kinds.get(name, "text_input"), name).set_value(value)
    app.run()


def test_everybody_sees_the_money_and_admins_the_forms(pages: Pages, shop: MockGateway) -> None:
    for who in ("ada", "fiona"):
        said = words(tab(pages, who)).replace("\\", "")
        assert "**€199.00** paid in 2 purchases" in said
        assert "visa •••• 4242" in said
        assert "There is no rule." in said
        assert ("changed by an admin" in said) == (who != "ada")
    said = words(tab(pages, "max", account="cus_blue"))
    assert "No payment at a provider yet." in said


def test_an_admin_sets_a_rule_after_seeing_what_it_would_have_done(pages: Pages, shop: MockGateway) -> None:
    app = tab(pages)
    put(app, package="team", threshold="1150", day_cap="500", month_cap="900")
    # A hundred more would have been bought each time that the use of ten a day ate them up.
    assert "would have fired" in words(app)
    put(app, reason="contract", note=NOTE)
    app = confirm(app)
    assert "Auto-recharge is set." in str(app.success[0].value)
    assert rule_row(pages.ledger).threshold_micro == 1_150 * MICRO
    assert "When fewer than **1,150 credits** are left" in words(app)


def test_a_stopped_rule_says_why_and_is_resumed(pages: Pages, shop: MockGateway) -> None:
    save_card(pages.ledger, shop, LATER_DECLINED_CARD, account="cus_acme")
    set_rule(pages.ledger, "cus_acme", below=5_000, day_cap=20_000, month_cap=20_000, stop_after=1)
    recharge_due(pages.ledger)
    app = tab(pages)
    assert "The card was declined (card declined)." in words(app).replace("\\", "")
    assert "Failed" in list(app.dataframe[0].value["state_words"])
    put(app, what="resume")
    put(app, reason="contract", note=NOTE)
    assert "runs again" in str(confirm(app).success[0].value)
    assert rule_row(pages.ledger).stopped_at is None


def test_a_refund_to_the_card_and_one_that_failed(pages: Pages, shop: MockGateway) -> None:
    batch = all_rows(pages.ledger)["batch"][-1]["id"]
    app = pages.open("credits/adjustments.py", kind="refund", customer="cus_acme", batch=str(batch))
    assert [one.options for one in app.radio if str(one.key).endswith(":to")] == [
        ["To the card", "To the balance at the provider", "By hand"]
    ]
    command = RefundPurchase("cus_acme", batch, None, REASON, RefundTo.CARD)
    pages.ledger.execute(command, actor=ADMIN, key=fresh_key())
    with pages.ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE provider_refund SET state = 'failed', error = 'card closed'")
    assert "could not be given back" in "\n".join(str(one.value) for one in tab(pages).warning)
    app = pages.open("credits/adjustments.py", kind="refund_again")
    put(app, to="outside", reason="other", note=NOTE)
    assert str(confirm(app).success[0].value).startswith("Noted.")
    assert all_rows(pages.ledger)["provider_refund"][0]["state"] == "replaced"
    assert audit(pages.ledger) == []

"""Refund and overdraft as kinds of correction, and what the other pages say about debt and refunds."""

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO
from tests.kit import factories
from tests.operations.books import all_rows
from tests.pages.conftest import Pages
from tests.pages.test_forms import confirm, errors, field, table_text
from tests.pages.test_read_pages import said, tiles


def refund_form(pages: Pages, *, who: str = "ada", **params: str) -> AppTest:
    return pages.open("credits/adjustments.py", who=who, kind="refund", **{"customer": "cus_acme", **params})


def give_reason(app: AppTest) -> AppTest:
    field(app, "selectbox", "Reason").select("contract")
    field(app, "text_input", "Note").input("agreed with the customer").run()
    return app


def owing(pages: Pages, credits: int = 39) -> None:
    """Blue Harbor used everything and owes some."""
    factories.allow_overdraft(pages.ledger, "cus_blue", 100, until=pages.ledger.clock.now() + timedelta(days=9))
    # Two credits a use.
    factories.use(pages.ledger, "cus_blue", 405)
    factories.price_feature(pages.ledger, "ones", 1)
    factories.use(pages.ledger, "cus_blue", credits, feature="ones")


def test_a_refund_shows_its_arithmetic_and_books_it(pages: Pages) -> None:
    app = refund_form(pages)
    # 1,000 for 99.00 EUR, of which 190 are used: the 200 that were given burn first.
    shown = table_text(app)
    assert "€99.00" in shown.replace("\\", "") and "'Used or gone': '190'" in shown
    assert "810, 81" in shown and "€80.19" in shown.replace("\\", "")
    app = confirm(give_reason(app))
    assert "Refunded." in app.success[0].value
    (row,) = all_rows(pages.ledger)["refund"]
    assert (row["amount_micro"], row["cents"]) == (810 * MICRO, 8019)
    # The list of top-ups says it.
    app = pages.open("credits/top_ups.py")
    assert "€80.19 for 810" in app.dataframe[-1].value["refunded"].tolist()


def test_a_part_is_refunded(pages: Pages) -> None:
    app = refund_form(pages)
    field(app, "radio", "How much").set_value("part").run()
    field(app, "text_input", "Credits to refund").input("100").run()
    assert "€9.90" in table_text(app).replace("\\", "")
    app = confirm(give_reason(app))
    assert all_rows(pages.ledger)["refund"][0]["cents"] == 990


def test_what_cannot_be_refunded_is_said_before_anybody_looks_for_it(pages: Pages) -> None:
    factories.open_account(pages.ledger, "cus_gift", name="Gift Only")
    factories.grant(pages.ledger, "cus_gift", 50)
    app = refund_form(pages, customer="cus_gift")
    assert "no purchased credits that could be refunded" in " ".join(info.value for info in app.info)


def test_more_than_is_free_is_refused_beside_the_effect(pages: Pages) -> None:
    app = refund_form(pages)
    field(app, "radio", "How much").set_value("part").run()
    field(app, "text_input", "Credits to refund").input("811").run()
    assert "held or gone" in errors(app)


def test_an_account_manager_asks_for_a_refund(pages: Pages) -> None:
    app = refund_form(pages, who="max")
    app = confirm(give_reason(app))
    assert not app.exception
    assert "before another person approves it" in " ".join(info.value for info in app.info)
    assert all_rows(pages.ledger)["approval"][0]["kind"] == "refund"
    assert not all_rows(pages.ledger)["refund"]


def test_an_overdraft_is_asked_for_and_set_by_another(pages: Pages) -> None:
    app = pages.open("credits/adjustments.py", kind="overdraft", customer="cus_acme")
    assert "owes nothing" in said(app)
    field(app, "text_input", "May owe at most").input("50").run()
    assert "Up to 50 credits below zero" in table_text(app)
    app = confirm(give_reason(app))
    assert "before another person approves it" in " ".join(info.value for info in app.info)
    factories.decide(pages.ledger, int(all_rows(pages.ledger)["approval"][0]["id"]))
    account = next(row for row in all_rows(pages.ledger)["account"] if row["external_id"] == "cus_acme")
    assert account["overdraft_limit_micro"] == 50 * MICRO
    assert "Up to 50 credits" in said(pages.open("credits/adjustments.py", kind="overdraft", customer="cus_acme"))


def test_an_overdraft_below_the_debt_says_what_to_do(pages: Pages) -> None:
    owing(pages)
    app = pages.open("credits/adjustments.py", kind="overdraft", customer="cus_blue")
    assert "owes 39 credits" in said(app)
    field(app, "text_input", "May owe at most").input("0").run()
    assert "owes 39 credits" in errors(app)


def test_a_customer_that_owes_is_shown_with_why(pages: Pages) -> None:
    owing(pages)
    app = pages.open("customers/customer.py", customer="cus_blue")
    assert not app.exception
    assert "−39 credits" in said(app)
    assert "Overdraft of 100 approved by bea" in said(app).replace("\u2060", "")
    assert tiles(app)["Balance"] == "−39"
    assert tiles(app)["Available"] == "0"


@pytest.mark.parametrize("tab", ["Batches", "Usage", "History"])
def test_every_tab_of_a_customer_that_owes_is_drawn(pages: Pages, tab: str) -> None:
    owing(pages)
    app = pages.open("customers/customer.py", customer="cus_blue", tab=tab)
    assert not app.exception and not app.error


def test_customers_that_owe_are_found(pages: Pages) -> None:
    assert "No customer matches" in said(pages.open("customers/customers.py", negative="yes"))
    owing(pages)
    app = pages.open("customers/customers.py", negative="yes")
    assert "**1 customer · 0 credits available · 39 owed**" in said(app)
    assert app.dataframe[0].value["available"].tolist() == [-39.0]


def test_the_whole_of_a_company_with_debt_is_drawn(pages: Pages) -> None:
    owing(pages)
    for page in ("overview.py", "finance/usage.py", "system/audit.py", "customers/expiring.py"):
        app = pages.open(page)
        assert not app.exception and not app.error, page


def test_use_on_debt_has_a_line_without_a_batch(pages: Pages) -> None:
    owing(pages)
    used = next(row for row in reversed(all_rows(pages.ledger)["transaction"]) if row["kind"] == "usage")
    app = pages.open("system/audit.py", entry=str(used["id"]))
    assert not app.exception
    assert "No batch, on debt" in table_text(app)
    assert "Owed → Used" in table_text(app)

"""Opening customers and leads, and changing what is known about them: who may, what is booked, hostile names."""

import pytest

from ledger import AccountType, OpenLead
from tests.kit.factories import run
from tests.operations.books import all_rows, audit
from tests.pages.conftest import HOSTILE_NAMES, Pages
from tests.pages.test_plans import confirm, field, words

CUSTOMERS, CUSTOMER = "customers/customers.py", "customers/customer.py"


def profile(pages: Pages, who: str = "ada", account: str = "cus_acme"):  # type: ignore[no-untyped-def]
    return pages.open(CUSTOMER, who=who, customer=account, tab="Profile")


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
def test_everybody_reads_a_profile_and_admins_change_and_open(pages: Pages, who: str) -> None:
    app = profile(pages, who)
    assert not app.exception
    assert "max" in app.table[0].value.to_string()
    assert bool([one for one in app.button if one.key == "review"]) == (who == "ada")
    labels = [one.label for one in pages.open(CUSTOMERS, who=who).expander]
    assert ("Open a customer" in labels) == (who == "ada")


def test_a_change_holds_only_what_differs(pages: Pages) -> None:
    app = profile(pages)
    field(app, "text_input", "tier").set_value("gold").run()
    field(app, "text_input", "organisation").set_value("north").run()
    shown = app.table[1].value.to_string()
    assert "pro → gold" in shown and "north" in shown and "Name" not in shown
    assert "Changed." in str(confirm(app).success[0].value)
    row = next(row for row in all_rows(pages.ledger)["account"] if row["external_id"] == "cus_acme")
    known = next(one for one in all_rows(pages.ledger)["customer"] if one["account_id"] == row["id"])
    assert (row["organisation"], known["tier"], known["name"]) == ("north", "gold", "Acme Robotics")
    # It can be taken away again.
    left = profile(pages)
    assert "north" in left.table[0].value.to_string()
    field(left, "text_input", "organisation").set_value("").run()
    assert "Changed." in str(confirm(left).success[0].value)
    assert "north" not in str(all_rows(pages.ledger)["account"])
    assert audit(pages.ledger) == []


@pytest.mark.parametrize(("what", "credits"), [("customer", 0), ("lead", 20_000_000)])
def test_an_account_is_opened_by_its_form(pages: Pages, what: str, credits: int) -> None:
    app = pages.open(CUSTOMERS)
    app.session_state["open-customer"] = True
    app.run()
    field(app, "radio", "what").set_value(what).run()
    field(app, "text_input", "name").set_value(HOSTILE_NAMES[0]).run()
    field(app, "text_input", "account").set_value("cus_new").run()
    assert "Opened." in str(confirm(app).success[0].value)
    row = next(row for row in all_rows(pages.ledger)["account"] if row["external_id"] == "cus_new")
    assert (row["zone"], row["available_micro"]) == (str(pages.ledger.company_zone), credits)


def test_a_lead_becomes_a_customer_with_its_credits(pages: Pages) -> None:
    run(pages.ledger, OpenLead("cus_lead", "Lea"))
    app = profile(pages, account="cus_lead")
    field(app, "selectbox", "account_type").set_value(AccountType.HYBRID.value).run()
    assert "Changed." in str(confirm(app).success[0].value)
    assert all_rows(pages.ledger)["transaction"][-1]["kind"] == "convert_lead"
    assert "Lead" not in words(profile(pages, account="cus_lead"))


def test_a_wrong_mail_address_is_said_beside_its_field(pages: Pages) -> None:
    app = profile(pages)
    field(app, "text_input", "email").set_value("nobody").run()
    assert any("no" in str(one.value) and "mail" in str(one.value) for one in app.error)

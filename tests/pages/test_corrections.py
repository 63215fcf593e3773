"""Void, reverse and extend on the pages: filled in by links, previewed, booked or asked for, undone."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from ledger import Actor, Role
from tests.kit import factories
from tests.operations.books import all_rows
from tests.pages.conftest import Pages, fill
from tests.pages.test_forms import confirm, draft_key, errors, field, fill_grant, table_text
from tests.pages.test_hostile_names import live_names

ADA = Actor("ada@example.com", Role.ADMIN)
PAGE = "credits/adjustments.py"


def say_why(app: AppTest, code: str = "other") -> AppTest:
    field(app, "selectbox", "Reason").select(code)
    field(app, "text_input", "Note").input("a correction in a test")
    return app.run()


def batch_of(pages: Pages, account: str, kind: str) -> int:
    rows = all_rows(pages.ledger)
    owner = next(row["id"] for row in rows["account"] if row["external_id"] == account)
    return next(r["id"] for r in rows["batch"] if (r["account_id"], r["credit_type"]) == (owner, kind))


def links(app: AppTest) -> dict[str, str]:
    """Label and query of every link on the page."""
    return {one.proto.label: one.proto.query_string for one in app.get("page_link")}


def test_the_kinds_are_those_that_the_person_may_do_or_ask_for(pages: Pages) -> None:
    assert {"Adjust", "Void a batch", "Reverse an entry", "Extend an expiry"} <= set(
        field(pages.open(PAGE), "radio", "What to do").options
    )
    asked = set(field(pages.open(PAGE, who="max"), "radio", "What to do").options)
    assert "Extend an expiry" in asked
    assert asked.isdisjoint({"Adjust", "Void a batch", "Reverse an entry"})


def test_each_kind_keeps_its_own_draft(pages: Pages) -> None:
    app = pages.open(PAGE, kind="reverse", transaction="5")
    field(app, "radio", "What to do").set_value("void").run()
    assert "Batch" in [box.label for box in app.selectbox]
    field(app, "radio", "What to do").set_value("reverse").run()
    assert field(app, "text_input", "Ledger entry").value == "5"


def test_a_batch_is_voided(pages: Pages) -> None:
    batch = batch_of(pages, "cus_acme", "purchased")
    app = say_why(pages.open(PAGE, kind="void", customer="cus_acme", batch=str(batch)))
    assert "810 → 0" in table_text(app)
    app = confirm(app)
    assert "Voided. Entry" in app.success[0].value
    assert next(row for row in all_rows(pages.ledger)["batch"] if row["id"] == batch)["remaining_micro"] == 0


def test_a_grant_is_undone_from_its_receipt(pages: Pages) -> None:
    app = confirm(fill_grant(pages.open("credits/grants.py")))
    receipt = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert receipt is not None
    assert f"transaction={receipt.transaction_id}" in links(app)["Undo"]
    assert "kind=reverse" in links(app)["Undo"]
    app = say_why(pages.open(PAGE, kind="reverse", transaction=str(receipt.transaction_id)))
    assert "860 → 810" in table_text(app)
    app = confirm(app)
    assert "Reversed. Entry" in app.success[0].value
    assert "Undo" not in links(app)


def test_a_receipt_whose_credits_were_used_offers_no_undo(pages: Pages) -> None:
    app = confirm(fill_grant(pages.open("credits/grants.py"), amount="50"))
    factories.use(pages.ledger, "cus_acme", 400)
    again = pages.open("credits/grants.py", draft=draft_key(app))
    assert again.success
    assert "Undo" not in links(again)


def test_a_reversal_that_cannot_be_says_why_and_what_instead(pages: Pages) -> None:
    made = next(row["made_by_id"] for row in all_rows(pages.ledger)["batch"] if row["credit_type"] == "promotional")
    app = pages.open(PAGE, kind="reverse", transaction=str(made))
    assert "void or transfer what is left of it instead" in errors(app)


def test_a_number_that_is_no_entry_is_refused_beside_the_field(pages: Pages) -> None:
    app = pages.open(PAGE, kind="reverse")
    field(app, "text_input", "Ledger entry").input("![x](y.eu)").run()
    assert "is no number of an entry" in errors(app)
    field(app, "text_input", "Ledger entry").input("999999").run()
    assert "There is no entry 999999" in errors(app)


def test_an_expiry_is_extended_by_an_admin(pages: Pages) -> None:
    batch = batch_of(pages, "cus_acme", "purchased")
    before = next(row for row in all_rows(pages.ledger)["batch"] if row["id"] == batch)["expires_at"]
    app = say_why(pages.open(PAGE, kind="extend", customer="cus_acme", batch=str(batch)))
    assert "From now on" in table_text(app)
    app = confirm(app)
    assert "Extended. Entry" in app.success[0].value
    assert next(row for row in all_rows(pages.ledger)["batch"] if row["id"] == batch)["expires_at"] > before


def test_an_account_manager_asks_for_an_extension(pages: Pages) -> None:
    batch = batch_of(pages, "cus_acme", "purchased")
    app = pages.open(PAGE, who="max", kind="extend", customer="cus_acme", batch=str(batch))
    field(app, "checkbox", "For ever, without an end").check()
    app = confirm(say_why(app))
    assert "Nothing is booked before another person approves it" in app.info[0].value
    assert [row["state"] for row in all_rows(pages.ledger)["approval"]] == ["asked"]


def test_the_drawer_names_the_reversal_and_links_to_it(pages: Pages) -> None:
    booked = factories.use(pages.ledger, "cus_acme", 5)
    app = pages.open("system/audit.py", entry=str(booked.transaction_id))
    assert "Reverse this entry" in links(app)
    assert "Reverse this entry" not in links(
        pages.open("system/audit.py", who="fiona", entry=str(booked.transaction_id))
    )
    back = factories.reverse(pages.ledger, booked)
    app = pages.open("system/audit.py", entry=str(booked.transaction_id))
    assert f"Reversed by entry {back.transaction_id}" in links(app)
    assert "Reverse this entry" not in links(app)
    app = pages.open("system/audit.py", entry=str(back.transaction_id))
    assert f"Reverses entry {booked.transaction_id}" in links(app)


def test_no_kind_draws_a_name_as_markdown(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    made = {row["account_id"]: row for row in all_rows(pages.ledger)["batch"]}
    owners = {row["id"]: row["external_id"] for row in all_rows(pages.ledger)["account"]}
    for owner, batch in made.items():
        for kind in ("void", "extend"):
            app = pages.open(PAGE, kind=kind, customer=owners[owner], batch=str(batch["id"]))
            assert not app.exception
            assert live_names(app) == []
        app = pages.open(PAGE, kind="reverse", transaction=str(batch["made_by_id"]))
        assert not app.exception
        assert live_names(app) == []

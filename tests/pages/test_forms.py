"""The form kit by way of the pages that write: preview, faults, one booking per key, drafts that survive."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO, Actor, Role, Unavailable
from ledger.drafts import latest_draft, load_draft
from pages.ui import review
from tests.kit import factories
from tests.pages.conftest import Pages

ADA = Actor("ada@example.com", Role.ADMIN)


def field(app: AppTest, kind: str, label: str):
    """The widget with that label."""
    found = [widget for widget in getattr(app, kind) if widget.label == label]
    assert found, f"no {kind} {label!r} in {[w.label for w in getattr(app, kind)]}"
    return found[0]


def fill_grant(app: AppTest, *, amount: str = "50", note: str = "sorry for the outage") -> AppTest:
    field(app, "selectbox", "Customer").select("cus_acme")
    field(app, "text_input", "Credits").input(amount)
    field(app, "selectbox", "Reason").select("goodwill")
    field(app, "text_input", "Note").input(note)
    return app.run()


def draft_key(app: AppTest) -> str:
    value = app.query_params["draft"]
    return value if isinstance(value, str) else value[0]


def table_text(app: AppTest) -> str:
    return " ".join(str(table.value.to_dict()) for table in app.table)


def errors(app: AppTest) -> str:
    """Every fault and refusal on the page, as people read it."""
    return " ".join(error.value for error in app.error).replace("\\", "")


def test_what_was_typed_is_not_live_in_its_own_fault(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"), amount="![x](http://evil.invalid)")
    assert "is not a number" in errors(app)
    assert not [error.value for error in app.error if "![x](http:" in error.value]


def confirm(app: AppTest) -> AppTest:
    """Press Review, then the one button of the dialog."""
    field(app, "button", "Review").click().run()
    buttons = [button for button in app.button if button.key == "confirm"]
    assert buttons, [error.value for error in app.error]
    buttons[0].click()
    return app.run()


def test_what_will_happen_follows_the_fields(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"))
    assert "810 → 860" in table_text(app)
    field(app, "text_input", "Credits").input("1,000.5").run()
    assert "810 → 1,810.5" in table_text(app)


def test_a_preview_books_nothing(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"))
    field(app, "button", "Review").click().run()
    assert pages.ledger.receipt(actor=ADA, key=draft_key(app)) is None


def test_an_untouched_form_is_not_scolded_before_review(pages: Pages) -> None:
    app = pages.open("credits/grants.py")
    assert not app.error
    field(app, "button", "Review").click().run()
    for label in ("Customer", "Credits", "Note"):
        assert f"{label} is needed" in errors(app)


def test_a_fault_is_shown_and_the_input_kept(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"), amount="0", note="short")
    assert "Must be more than 0 credits" in errors(app)
    assert "Say why in at least 10 characters" in errors(app)
    assert field(app, "text_input", "Note").value == "short"


def test_an_ambiguous_amount_is_refused_with_both_readings(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"), amount="5.000")
    assert "could mean 5,000 or 5.000" in errors(app)


def test_a_confirmed_grant_shows_its_receipt_and_links(pages: Pages) -> None:
    app = confirm(fill_grant(pages.open("credits/grants.py")))
    receipt = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert receipt is not None
    assert receipt.new_batches[0].amount_micro == 50 * MICRO
    assert f"Granted. Entry {receipt.transaction_id}, available 810 → 860" in app.success[0].value
    assert load_draft(pages.ledger, actor=ADA, key=draft_key(app)) is None


def test_a_double_click_books_once_and_tells_the_same(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"))
    field(app, "button", "Review").click().run()
    click = next(button for button in app.button if button.key == "confirm")
    click.click()
    app.run()
    first = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert first is not None
    click.click()
    app.run()
    assert pages.ledger.receipt(actor=ADA, key=draft_key(app)) == first
    assert "available 810 → 860" in app.success[0].value


def test_do_another_starts_with_a_new_key_and_empty_fields(pages: Pages) -> None:
    app = confirm(fill_grant(pages.open("credits/grants.py")))
    old = draft_key(app)
    field(app, "button", "Do another").click().run()
    assert draft_key(app) != old
    assert field(app, "text_input", "Credits").value == ""


def test_a_draft_survives_a_reload(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"), amount="77")
    again = pages.open("credits/grants.py", draft=draft_key(app))
    assert field(again, "text_input", "Credits").value == "77"
    assert field(again, "selectbox", "Customer").value == "cus_acme"
    assert "810 → 887" in table_text(again)


def test_a_reload_after_the_booking_tells_the_true_outcome(pages: Pages) -> None:
    app = confirm(fill_grant(pages.open("credits/grants.py")))
    again = pages.open("credits/grants.py", draft=draft_key(app))
    assert "available 810 → 860" in again.success[0].value


def test_without_its_key_an_unfinished_form_is_offered(pages: Pages) -> None:
    fill_grant(pages.open("credits/grants.py"), amount="78")
    again = pages.open("credits/grants.py")
    assert field(again, "text_input", "Credits").value == ""
    field(again, "button", "Continue it").click().run()
    assert field(again, "text_input", "Credits").value == "78"


def test_an_unfinished_form_can_be_thrown_away(pages: Pages) -> None:
    fill_grant(pages.open("credits/grants.py"))
    again = pages.open("credits/grants.py")
    field(again, "button", "Throw it away").click().run()
    assert latest_draft(pages.ledger, actor=ADA, form="grant") is None


def test_a_form_that_was_booked_without_an_answer_is_told(pages: Pages) -> None:
    key = draft_key(fill_grant(pages.open("credits/grants.py")))
    factories.grant(pages.ledger, "cus_acme", 50, key=key)
    again = pages.open("credits/grants.py")
    assert any("was booked" in markdown.value for markdown in again.markdown)
    field(again, "button", "See what was booked").click().run()
    assert "available 810 → 860" in again.success[0].value


def test_a_look_at_the_form_leaves_no_draft(pages: Pages) -> None:
    pages.open("credits/top_ups.py")
    assert latest_draft(pages.ledger, actor=ADA, form="top_up") is None


def test_somebody_elses_key_opens_an_empty_form(pages: Pages) -> None:
    app = pages.open("credits/grants.py", draft="grant-of-somebody-else")
    assert draft_key(app) != "grant-of-somebody-else"
    assert not app.exception


def test_a_link_fills_in_the_customer(pages: Pages) -> None:
    app = pages.open("credits/grants.py", customer="cus_blue")
    assert field(app, "selectbox", "Customer").value == "cus_blue"
    assert "customer" not in app.query_params


def test_a_similar_grant_minutes_ago_wants_a_tick(pages: Pages) -> None:
    confirm(fill_grant(pages.open("credits/grants.py")))
    app = fill_grant(pages.open("credits/grants.py"))
    field(app, "button", "Review").click().run()
    assert "the same amount of the same kind" in app.warning[0].value
    assert next(button for button in app.button if button.key == "confirm").disabled


def test_when_the_ledger_does_not_answer_the_page_says_so_and_asks_again(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = fill_grant(pages.open("credits/grants.py"))
    real = review._send

    def silent(form, command) -> None:
        def execute(*_: object, **__: object) -> None:
            raise Unavailable(what="database", detail="timeout")

        with monkeypatch.context() as patch:
            patch.setattr(type(form.visit.ledger), "execute", execute)
            real(form, command)

    monkeypatch.setattr(review, "_send", silent)
    confirm(app)
    assert any("may or may not have booked" in warning.value for warning in app.warning)
    assert not app.success
    field(app, "button", "Check again").click().run()
    assert "Nothing was booked." in errors(app)
    monkeypatch.setattr(review, "_send", real)
    assert "available 810 → 860" in confirm(app).success[0].value


def test_a_top_up_is_recorded_with_its_price(pages: Pages) -> None:
    app = pages.open("credits/top_ups.py", customer="cus_acme")
    field(app, "text_input", "Credits").input("2,000")
    field(app, "text_input", "Price paid").input("150.00")
    field(app, "text_input", "Payment reference").input("INV-77")
    field(app, "selectbox", "Reason").select("payment")
    field(app, "text_input", "Note").input("paid by bank transfer").run()
    assert "€75.00" in table_text(app)
    assert "Recorded." in confirm(app).success[0].value


def test_a_payment_reference_used_before_is_refused(pages: Pages) -> None:
    factories.top_up(pages.ledger, "cus_blue", 10, reference="INV-1")
    app = pages.open("credits/top_ups.py", customer="cus_acme")
    field(app, "text_input", "Credits").input("2000")
    field(app, "text_input", "Price paid").input("150")
    field(app, "text_input", "Payment reference").input("INV-1").run()
    assert "booked already" in errors(app)


def test_credits_are_taken_in_burn_order(pages: Pages) -> None:
    app = pages.open("credits/adjustments.py", customer="cus_acme")
    field(app, "radio", "Add or take").set_value("take").run()
    field(app, "text_input", "Credits to take away").input("10")
    field(app, "selectbox", "Reason").select("billing_error")
    field(app, "text_input", "Note").input("billed twice last week").run()
    assert "810 → 800" in table_text(app)
    assert "Corrected." in confirm(app).success[0].value


def test_more_than_there_is_cannot_be_taken(pages: Pages) -> None:
    app = pages.open("credits/adjustments.py", customer="cus_acme")
    field(app, "radio", "Add or take").set_value("take").run()
    field(app, "text_input", "Credits to take away").input("5000").run()
    assert "short" in errors(app)


def test_a_named_batch_can_be_taken_from(pages: Pages) -> None:
    app = pages.open("credits/adjustments.py", customer="cus_acme", batch="1")
    assert field(app, "selectbox", "Take from").value == "1"
    field(app, "text_input", "Credits to take away").input("5").run()
    assert "batch 1" in table_text(app)


def test_what_one_person_may_not_do_alone_becomes_a_request(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py"), amount="100001")
    assert "This is more than one person may do alone" in app.info[0].value
    app = confirm(app)
    assert "Nothing is booked before another person approves it" in app.info[0].value
    receipt = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert receipt is not None
    assert (receipt.kind, receipt.new_batches) == ("ask_approval", ())


def test_an_account_manager_asks_for_what_an_admin_does(pages: Pages) -> None:
    app = fill_grant(pages.open("credits/grants.py", who="max"))
    assert "As account manager you may ask for this" in app.info[0].value
    field(app, "button", "Review").click().run()
    button = next(button for button in app.button if button.key == "confirm")
    assert button.label == "Ask for approval: Grant 50 credits to Acme Robotics"
    button.click()
    app.run()
    assert "Nothing is booked before another person approves it" in app.info[0].value
    again = pages.open("credits/grants.py", who="max", draft=draft_key(app))
    assert "Nothing is booked before another person approves it" in again.info[0].value


def test_forms_work_on_an_empty_company(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    app = make_pages(sqlite_url).open("credits/grants.py")
    assert not app.exception

"""Bulk: a file is read, judged, booked once, and undone as a whole."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from ledger import MICRO, BookFile, CreditType, FileRow, IssueGrant, Unavailable
from ledger.grant_file import template
from tests.kit import factories
from tests.pages.conftest import HOSTILE_NAMES, Pages, fill
from tests.pages.test_forms import ADA, confirm, draft_key, errors, field, table_text
from tests.pages.test_hostile_names import live_names

HEADER = "customer,kind,type,credits,note\n"
GOOD = "cus_acme,grant,promotional,50,spring campaign\ncus_blue,grant,referral,20,spring campaign\n"
WRONG = "cus_acmee,grant,promotional,5,spring campaign\n"
# The ledger refuses it: cus_blue has 825 credits.
REFUSED = "cus_blue,adjust,,-5000,taken by mistake\n"


def choose(app: AppTest, text: str | bytes, *, name: str = "spring.csv") -> AppTest:
    content = text.encode() if isinstance(text, str) else text
    field(app, "file_uploader", "File").set_value((name, content, "text/csv"))
    return app.run()


def with_reason(app: AppTest) -> AppTest:
    field(app, "selectbox", "Reason").select("campaign")
    field(app, "text_input", "Note").input("spring campaign, wave 1")
    return app.run()


def figures(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def words(app: AppTest) -> str:
    return " ".join(one.value for kind in ("info", "warning", "success", "markdown") for one in getattr(app, kind))


def test_an_empty_form_asks_for_a_file(pages: Pages) -> None:
    app = pages.open("credits/bulk.py")
    assert not app.exception
    assert not app.error
    field(app, "button", "Review").click().run()
    assert "File is needed" in errors(app)


def test_the_template_can_be_booked(pages: Pages) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py"), template()))
    assert figures(app)["To be booked"] == "1"
    assert "1 row booked" in confirm(app).success[0].value


def test_a_good_file_is_shown_with_its_sums_and_booked(pages: Pages) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD))
    assert figures(app) == {"Rows in the file": "2", "To be booked": "2", "Cannot be booked": "0", "Booked before": "0"}
    assert "+50" in table_text(app)
    field(app, "button", "Review").click().run()
    button = next(button for button in app.button if button.key == "confirm")
    assert button.label == "Book 2 rows, 70 credits"
    button.click()
    app.run()
    receipt = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert receipt is not None
    assert (receipt.kind, receipt.events_recorded, len(receipt.made)) == ("file", 2, 2)
    assert f"2 rows booked. Entry {receipt.transaction_id}" in app.success[0].value


def test_a_double_click_books_once(pages: Pages) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD))
    field(app, "button", "Review").click().run()
    click = next(button for button in app.button if button.key == "confirm")
    click.click()
    app.run()
    first = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    click.click()
    app.run()
    assert pages.ledger.receipt(actor=ADA, key=draft_key(app)) == first
    again = pages.open("credits/bulk.py", draft=draft_key(app))
    assert "2 rows booked" in again.success[0].value


def test_a_wrong_row_keeps_all_out_until_good_rows_only_is_chosen(pages: Pages) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD + WRONG + REFUSED))
    assert figures(app)["Cannot be booked"] == "2"
    assert "2 rows cannot be booked" in errors(app)
    shown = app.dataframe[0].value
    assert list(shown["line"]) == [4, 5]
    assert "nearest: cus_acme" in shown["mend"][0]
    assert "refused" in shown["mend"][1]
    field(app, "radio", "Book").set_value("good").run()
    assert not app.error
    app = confirm(app)
    assert "2 rows booked" in app.success[0].value
    assert "line 5" in app.dataframe[0].value["line"].tolist()
    assert any(button.label == "Download these rows with their problem" for button in app.get("download_button"))


def test_the_same_file_again_books_nothing(pages: Pages) -> None:
    confirm(with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD)))
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD))
    assert figures(app)["Booked before"] == "2"
    assert "booked before" in errors(app)
    app = choose(app, HEADER + GOOD + "cus_acme,grant,referral,7,one row more\n", name="mended.csv")
    assert figures(app)["To be booked"] == "1"
    assert "1 row booked" in confirm(with_reason(app)).success[0].value


def test_repeats_and_what_was_given_before_are_told(pages: Pages) -> None:
    app = choose(pages.open("credits/bulk.py"), HEADER + GOOD + GOOD)
    assert "Lines 4, 5 are the same as a row above" in words(app)
    factories.grant(pages.ledger, "cus_blue", 20, credit_type=CreditType.REFERRAL)
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD))
    assert "the same amount of the same type" in words(app)
    field(app, "button", "Review").click().run()
    assert next(button for button in app.button if button.key == "confirm").disabled


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "The column customer is missing"),
        (b"customer;credits;note\n", "The column customer is missing"),
        ("customer,credits,note\ncus_acme,5,grüße an alle\n".encode("latin-1"), "UTF-8"),
        (b"customer,credits,note\n", "no row"),
        (HEADER.encode() + b"cus_acme,grant,referral,1,spring campaign\n" * 5001, "Give 1 to 5,000 rows"),
    ],
)
def test_what_is_no_such_file_is_said_at_once(pages: Pages, content: bytes, complaint: str) -> None:
    app = choose(pages.open("credits/bulk.py"), content)
    assert not app.exception
    assert complaint in errors(app)


def test_a_large_file_becomes_a_request(pages: Pages) -> None:
    text = HEADER + "cus_acme,grant,referral,60000,spring campaign\ncus_blue,grant,referral,60000,spring campaign\n"
    app = with_reason(choose(pages.open("credits/bulk.py"), text))
    assert "more than one person may do alone" in words(app)
    app = confirm(app)
    assert "Nothing is booked before another person approves it" in words(app)
    receipt = pages.ledger.receipt(actor=ADA, key=draft_key(app))
    assert receipt is not None and receipt.approval_id is not None
    shown = pages.open("credits/approvals.py", request=str(receipt.approval_id))
    assert not shown.exception
    assert "FileRow" not in table_text(shown)


def test_an_account_manager_asks_and_finance_may_not(pages: Pages) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py", who="max"), HEADER + GOOD))
    assert "As account manager you may ask for this" in words(app)
    assert "Nothing is booked before another person" in words(confirm(app))
    app = pages.open("credits/bulk.py", who="fiona")
    assert "Ask a colleague with the role admin" in errors(app)
    assert not app.get("file_uploader")


def book(pages: Pages) -> int:
    command = factories_file("cus_acme", "cus_blue")
    receipt = pages.ledger.execute(command, actor=ADA, key=factories.fresh_key("file"))
    assert receipt.transaction_id is not None
    return receipt.transaction_id


def factories_file(*accounts: str) -> BookFile:
    rows = (
        FileRow(line, factories.fresh_key("row"), IssueGrant(one, CreditType.REFERRAL, 9 * MICRO, factories.REASON))
        for line, one in enumerate(accounts, 2)
    )
    return BookFile("spring.csv", tuple(rows), factories.REASON)


def test_a_whole_file_is_undone(pages: Pages) -> None:
    number = book(pages)
    app = pages.open("credits/bulk.py", view="undo", transaction=str(number))
    assert field(app, "selectbox", "File").value == str(number)
    field(app, "selectbox", "Reason").select("data_correction")
    field(app, "text_input", "Note").input("the wrong file was booked").run()
    app = confirm(app)
    assert f"2 rows of entry {number} reversed" in app.success[0].value
    again = pages.open("credits/bulk.py", view="undo", transaction=str(number))
    assert "every row of this file is reversed already" in errors(again).lower()


def test_a_file_whose_credits_were_used_says_which_row(pages: Pages) -> None:
    number = book(pages)
    factories.use(pages.ledger, "cus_blue", 409)
    app = pages.open("credits/bulk.py", view="undo", transaction=str(number))
    assert "1 row of this file cannot be reversed" in errors(app)
    assert len(app.dataframe[0].value) == 1


def test_without_files_there_is_nothing_to_undo(pages: Pages) -> None:
    app = pages.open("credits/bulk.py", view="undo")
    assert "No file was booked yet." in words(app)


def test_nothing_of_a_file_is_live(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    fill(sqlite_url, hostile=True)
    pages = make_pages(sqlite_url)
    for number, name in enumerate(HOSTILE_NAMES):
        cell = '"' + name.replace('"', '""') + ' at least ten"'
        rows = f"cus_hostile_{number},grant,referral,5,{cell}\n{cell},grant,referral,{cell},spring campaign\n"
        app = choose(pages.open("credits/bulk.py"), HEADER + rows, name=f"{name.replace('/', '')}.csv")
        assert not app.exception
        assert figures(app)["Cannot be booked"] == "1"
        field(app, "radio", "Book").set_value("good")
        app = with_reason(app)
        assert live_names(app) == []
        app = confirm(app)
        assert app.success
        assert live_names(app) == []
        app = choose(pages.open("credits/bulk.py"), f"{cell},credits\n1,2\n")
        assert app.error
        assert live_names(app) == []


def test_an_answer_that_never_came_is_asked_for_again(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    app = with_reason(choose(pages.open("credits/bulk.py"), HEADER + GOOD))
    real = type(pages.ledger).execute

    def lost(self: object, *args: object, **kwargs: object) -> None:
        real(self, *args, **kwargs)  # type: ignore[arg-type]
        raise Unavailable(what="database", detail="timeout")

    with monkeypatch.context() as patch:
        patch.setattr(type(pages.ledger), "execute", lost)
        app = confirm(app)
    assert "2 rows booked" in app.success[0].value

"""The page Reconciliation: who sees it, every state of it, a comparison on demand, explaining, mending, adopting."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from analytics import frames
from ledger.gateways import registry
from ledger.settings import settings
from pages.ui.reconciling import to_export
from service.jobs import run_due
from tests.kit.paying import buy, define_package
from tests.kit.provider_books import Books
from tests.pages.conftest import Pages, fill

PAGE = "finance/reconciliation.py"


@pytest.fixture
def demo(
    sqlite_url: str, make_pages: Callable[[str], Pages], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Pages, Books]]:
    """The pages of a demo company whose customer has bought something at the mock provider."""
    fill(sqlite_url)
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock_provider.sqlite"))
    pages = make_pages(sqlite_url)
    with pages.ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE company SET is_demo = true")
    pages.ledger.is_demo = True
    define_package(pages.ledger)
    books = Books(pages.ledger, registry.mock(pages.ledger))
    buy(pages.ledger, books.mock, "cus_acme")
    yield pages, books
    settings.cache_clear()


def words(app: AppTest) -> str:
    """Everything that the page says, in one text."""
    said = [*app.markdown, *app.caption, *app.success, *app.info, *app.warning, *app.error]
    return "\n".join([one.value for one in said] + [one.value.to_string() for one in app.table]).replace("\\", "")


def press(app: AppTest, label: str) -> AppTest:
    """Press the button of that label."""
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_without_a_provider_the_page_says_so(pages: Pages) -> None:
    app = pages.open(PAGE, who="fiona")
    assert not app.exception
    assert "No payment provider is set up" in words(app)


def test_account_managers_are_told_whom_to_ask(pages: Pages) -> None:
    app = pages.open(PAGE, who="max")
    assert not app.exception
    assert "Ask a colleague with the role finance or admin" in app.error[0].value


def test_a_comparison_on_demand_says_that_all_agrees(demo: tuple[Pages, Books]) -> None:
    pages, _ = demo
    app = pages.open(PAGE, who="fiona")
    assert not app.exception
    assert "Nothing was compared yet" in words(app)
    app = press(app, "Compare now")
    assert not app.exception
    assert "2 of 2 records agree" in words(app)
    assert "Nothing was ever found" in words(app)
    assert "✓ Yes" in words(app)


def found_one(pages: Pages, books: Books) -> AppTest:
    """The page after a comparison that found a payment which nobody here has begun."""
    books.payment("pi_alien", name=None, package="team", account=None, cents=10_000)
    books.write()
    at = books.ledger.clock.now()
    books.change("pi_alien", lambda made: made.update(paid_at=at.replace(hour=0, minute=0).isoformat()))
    return press(pages.open(PAGE, who="ada"), "Compare now")


def test_a_finding_is_explained_by_finance_and_stays_so(demo: tuple[Pages, Books]) -> None:
    pages, books = demo
    found_one(pages, books)
    app = pages.open(PAGE, who="fiona", finding="1")
    assert not app.exception
    assert "pi_alien" in words(app)
    assert "Adopt the payment" not in [button.label for button in app.button]
    app.text_input(key="finding:note:1").set_value("sold at the fair, booked there")
    app = press(app, "Mark as explained")
    assert not app.exception
    assert "Finding 1 is explained" in words(app)
    app = press(pages.open(PAGE, who="fiona"), "Compare now")
    assert "No finding is open" in words(app)
    app = pages.open(PAGE, who="fiona", adopt="1")
    assert "An admin can give a payment to a customer" in words(app)


def test_a_finding_is_mended_by_asking_again(demo: tuple[Pages, Books]) -> None:
    pages, books = demo
    books.payment("pi_late", name=books.begin("cus_blue"), account="cus_blue")
    books.write()
    press(pages.open(PAGE), "Compare now")
    app = pages.open(PAGE, who="fiona", finding="1")
    assert "not in step yet" in words(app)
    app = press(app, "Ask the mock provider again")
    assert not app.exception
    assert "Paid 100.00 EUR by pi_late" in words(app)
    assert "No finding is open" in words(pages.open(PAGE, who="fiona"))


def test_an_admin_adopts_a_payment_and_it_is_credited(demo: tuple[Pages, Books]) -> None:
    pages, books = demo
    found_one(pages, books)
    with pages.ledger.database.reading() as connection:
        file = to_export(frames.load_findings(connection, provider="mock", limit=10))
    # The header is API: columns are only ever added at its end.
    assert ",".join(file.columns) == (
        "finding,provider,kind,object,object_ref,figure,payment_ref,payment,batch,account,our_amount,our_currency,"
        "their_amount,their_currency,credits,happened_at,found_at,seen_at,state,owner,note,entry"
    )
    assert str(file["their_amount"][0]) == "100.00"
    app = press(pages.open(PAGE, finding="1"), "Adopt the payment")
    app = pages.open(PAGE, adopt="1")
    assert not app.exception
    assert "Adopt the payment pi\\_alien" in "\n".join(one.value for one in app.subheader)
    key = next(one.key for one in app.selectbox if one.label == "Customer").rpartition(":")[0]
    app.selectbox(key=f"{key}:account").set_value("cus_blue")
    app.selectbox(key=f"{key}:reason").set_value("payment")
    app.text_input(key=f"{key}:note").set_value("paid by a link at the fair")
    app = press(press(app.run(), "Review"), "Adopt €100.00 for Blue Harbor")
    assert not app.exception
    assert "The payment is one of ours." in words(app)
    assert "Paid 100.00 EUR by pi_alien" in words(app)
    assert "No finding is open" in words(pages.open(PAGE))


def test_numbers_that_name_nothing_are_said_so(demo: tuple[Pages, Books]) -> None:
    pages, _ = demo
    assert "no finding with this number" in words(pages.open(PAGE, finding="77"))
    app = pages.open(PAGE, finding="nonsense", adopt="9" * 30)
    assert not app.exception
    assert "no finding" in words(app).casefold()


def test_the_proof_of_the_books_names_what_does_not_hold(demo: tuple[Pages, Books]) -> None:
    pages, books = demo
    assert "not proven yet" in words(pages.open(PAGE, tab="The books themselves"))
    run_due(pages.ledger, only=["invariants"])
    app = pages.open(PAGE, who="fiona", tab="The books themselves")
    assert not app.exception
    assert "The books agree with themselves." in words(app)
    assert "Prove the next accounts now" not in [button.label for button in app.button]
    books.edit("UPDATE account SET owed_micro = 1, claimed_micro = 1 WHERE external_id = 'cus_acme'")
    run_due(pages.ledger, only=["invariants"])
    app = pages.open(PAGE, tab="The books themselves")
    assert not app.exception
    assert "1 account disagree" in words(app)
    assert "cus_acme" in app.dataframe[1].value["account"].tolist()
    press(app, "Prove the next accounts now")

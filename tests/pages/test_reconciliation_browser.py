"""In a browser: books are compared on demand, a finding is opened and explained, and everybody can use the page."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ledger import open_ledger
from ledger.clock import FixedClock
from ledger.gateways import registry
from ledger.settings import settings
from tests.kit.browser import axe_violations, open_page, running_app, wait_ready
from tests.kit.paying import buy, define_package
from tests.kit.provider_books import Books
from tests.operations.books import all_rows
from tests.pages.conftest import fill

TALL = 2600
# A machine that is busy with other tests answers late.
PATIENCE_MS = 30_000
# Of the grid that Streamlit draws on a canvas: the button Open of the first row.
FIRST_OPEN = {"x": 340, "y": 52}


def test_books_are_compared_and_a_finding_is_explained_on_a_page_for_everybody(
    sqlite_template: Path, tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, provider_file = tmp_path / "credits.sqlite", tmp_path / "mock_provider.sqlite"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    fill(url)
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(provider_file))
    settings.cache_clear()
    ledger = open_ledger(url, clock=FixedClock(datetime.now(UTC) - timedelta(days=2)))
    with ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE company SET is_demo = true")
    ledger.is_demo = True
    define_package(ledger)
    books = Books(ledger, registry.mock(ledger))
    _, changed = buy(ledger, books.mock, "cus_acme")
    _, refunded = buy(ledger, books.mock, "cus_blue")
    books.change(changed, lambda made: made.update(cents=12_345))
    books.change(refunded, lambda made: books.refund(made, 2_500))
    with running_app(url, log=tmp_path / "app.log", environment={"MOCK_PROVIDER_FILE": str(provider_file)}) as app:
        with open_page(browser, app.address("reconciliation?as=fiona"), height=TALL) as page:
            page.get_by_role("button", name="Compare now").click()
            expect(page.get_by_text("3 of 5 records agree. New findings: 2; gone: 0.")).to_be_visible(
                timeout=PATIENCE_MS
            )
            wait_ready(page)
            assert axe_violations(page) == []
            page.get_by_test_id("stDataFrame").first.click(position=FIRST_OPEN)
            wait_ready(page)
            drawer = page.get_by_role("dialog")
            expect(drawer.get_by_text("Both records")).to_be_visible(timeout=PATIENCE_MS)
            assert axe_violations(page) == []
            drawer.get_by_role("textbox", name="Why the books may differ here").fill(
                "agreed with the bank by telephone"
            )
            drawer.get_by_role("button", name="Mark as explained").dblclick()
            expect(drawer.get_by_text("is explained")).to_be_visible(timeout=PATIENCE_MS)
        with open_page(browser, app.address("reconciliation?state=all&finding=2"), scheme="dark", height=TALL) as page:
            assert axe_violations(page) == []
    states = sorted(str(row["state"]) for row in all_rows(ledger)["finding"])
    explained = [row for row in all_rows(ledger)["transaction"] if row["kind"] == "explain_finding"]
    ledger.database.dispose()
    settings.cache_clear()
    assert states == ["explained", "open"]
    assert len(explained) == 1

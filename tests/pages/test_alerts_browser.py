"""In a browser: alerts are ticked and done, and everybody can use the page."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ledger import open_ledger
from service.alerts import find_alerts
from tests.kit import factories
from tests.kit.browser import Scheme, axe_violations, open_page, running_app, wait_ready
from tests.operations.books import all_rows
from tests.pages.conftest import fill

TALL = 2600
# Of the grid that Streamlit draws on a canvas: where the box of the first row is.
FIRST_BOX = {"x": 18, "y": 52}


def test_an_alert_is_ticked_and_done_on_a_page_for_everybody(
    sqlite_template: Path, tmp_path: Path, browser: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    fill(url)
    ledger = open_ledger(url)
    factories.use(ledger, "cus_acme", 405)
    factories.use(ledger, "cus_blue", 350)
    find_alerts(ledger)
    with running_app(url, log=tmp_path_factory.mktemp("log") / "app.log") as app:
        views: tuple[tuple[str, Scheme], ...] = (("alerts", "light"), ("alerts", "dark"), ("alerts?tab=Rules", "dark"))
        for address, scheme in views:
            with open_page(browser, app.address(address), scheme=scheme, height=TALL) as page:
                assert axe_violations(page) == []
        with open_page(browser, app.address("alerts?as=max")) as page:
            page.get_by_test_id("stDataFrame").first.click(position=FIRST_BOX)
            expect(page.get_by_text("1 alert chosen")).to_be_visible()
            page.get_by_role("button", name="Done", exact=True).dblclick()
            expect(page.get_by_text("1 alert marked as done.")).to_be_visible()
            wait_ready(page)
            expect(page.get_by_role("link", name="1 alert of mine")).to_be_visible()
    states = {row["kind"]: (row["state"], row["handled_by"]) for row in all_rows(ledger)["alert"]}
    ledger.database.dispose()
    assert states == {"out_of_credits": ("done", "max@example.com"), "low_balance": ("new", None)}

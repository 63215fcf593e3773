"""Pools and gift codes in a real browser: limits changed in the table, codes shown once, pages that all can use."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger import Ledger, open_ledger
from tests.kit.browser import App, axe_violations, open_page, running_app, wait_ready
from tests.kit.sharing import issue_codes, open_sister, redeem
from tests.operations.books import all_rows
from tests.pages.conftest import fill
from tests.pages.test_sharing import with_pool

ADDRESSES = (
    "pools",
    "pools?view=usage",
    "pools?view=limits&try_hour=5",
    "grants?view=codes",
    "grants?view=codes&act=redeem",
    "grants?view=codes&act=disable",
    "adjustments?kind=transfer&customer=acme&to=lab&amount=10",
    "adjustments?kind=gift&customer=acme&to=lab&amount=10",
)
# Contrast is only checked inside the window, so it is as tall as the longest page.
TALL = 3000


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A company with a pool that is in use, gift codes of which one is redeemed, and a customer who may transfer."""
    path = tmp_path_factory.mktemp("sharing") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    fill(url)
    ledger = open_ledger(url)
    with_pool(ledger)
    open_sister(ledger, "acme")
    _, codes = issue_codes(ledger, 3)
    redeem(ledger, codes[0], "cus_acme")
    ledger.database.dispose()
    return url


@pytest.fixture(scope="module")
def app(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(database, log=tmp_path_factory.mktemp("log") / "app.log") as running:
        yield running


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    opened = open_ledger(database)
    yield opened
    opened.database.dispose()


def open_editor(page: Page) -> None:
    page.get_by_text("Change or add members").click()
    expect(page.get_by_text("an empty limit is no limit")).to_be_visible()
    wait_ready(page)


@pytest.mark.parametrize("path", ADDRESSES)
def test_everybody_can_use_the_page(app: App, browser: Browser, path: str) -> None:
    with open_page(browser, app.address(path), scheme="light", height=TALL) as page:
        if path == "pools":
            open_editor(page)
        if path == "grants?view=codes":
            page.get_by_text("Codes of a set").click()
            wait_ready(page)
        assert axe_violations(page) == []
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(500)
        wait_ready(page)
        assert axe_violations(page) == []


def test_an_admin_changes_a_limit_in_the_table(app: App, browser: Browser, ledger: Ledger) -> None:
    with open_page(browser, app.address("pools"), height=TALL) as page:
        open_editor(page)
        grid = page.get_by_test_id("stDataFrame").last
        box = grid.bounding_box()
        assert box is not None
        # The table is a picture; a click puts the cursor into the first row, and the arrows walk to the limit per day.
        page.mouse.click(box["x"] + 40, box["y"] + 55)
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.get_by_test_id("number-cell").or_(page.locator("#portal input")).last.fill("15")
        # The table takes a typed value in a moment later.
        page.wait_for_timeout(500)
        page.keyboard.press("Enter")
        page.wait_for_timeout(500)
        wait_ready(page)
        expect(page.get_by_text("10 per hour, 40 per month → 10 per hour, 15 per day, 40 per month")).to_be_visible()
        page.get_by_role("button", name="Review").last.click()
        page.get_by_role("dialog").get_by_role("button", name="Change 1 member").click()
        expect(page.get_by_text("Changed. Entry")).to_be_visible()
    limits = {row["member"]: row["day_limit_micro"] for row in all_rows(ledger)["pool_member"]}
    assert limits == {"ana": 15_000_000, "ben": None}


def test_fresh_codes_can_be_downloaded_once(app: App, browser: Browser, ledger: Ledger) -> None:
    with open_page(browser, app.address("grants?view=codes"), height=TALL) as page:
        texts = {"What for": "Autumn", "Credits per code": "25", "Codes": "4", "Note": "for the guests of the fair"}
        for label, typed in texts.items():
            box = page.get_by_role("textbox", name=label, exact=True)
            box.fill(typed)
            box.press("Tab")
            wait_ready(page)
        page.get_by_role("combobox", name="Reason").click()
        page.get_by_role("option", name="Marketing campaign").click()
        wait_ready(page)
        page.get_by_role("button", name="Review").click()
        page.get_by_role("dialog").get_by_role("button", name="Issue 4 codes of 25 credits").click()
        expect(page.get_by_text("Save the codes now")).to_be_visible()
        wait_ready(page)
        with page.expect_download() as started:
            page.get_by_role("button", name="Download 4 codes").click()
        header, *lines = started.value.path().read_text(encoding="utf-8-sig").split()
        assert header == "code,credits"
        assert len(lines) == 4
        page.reload()
        wait_ready(page)
        expect(page.get_by_text("cannot be read again").first).to_be_visible()
    code, worth = lines[2].split(",")
    assert worth == "25"
    assert redeem(ledger, code, "cus_blue").new_batches[0].amount_micro == 25_000_000

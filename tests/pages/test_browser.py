"""The pages in Chromium: the main tasks, the double click, Back, reload, and that everybody can use them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger import MICRO, Actor, Ledger, Role, open_ledger
from tests.kit.browser import App, Scheme, axe_violations, open_page, running_app, wait_ready
from tests.pages.conftest import HOSTILE_NAMES, fill

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages-in-chromium")]

ADA = Actor("ada@example.com", Role.ADMIN)
ADDRESSES = (
    "",
    "usage",
    "forecasts",
    "customers",
    "customer?customer=cus_acme",
    "expiring",
    "grants?customer=cus_acme",
    "top_ups",
    "adjustments",
    "audit?all=yes",
)
# Contrast is only checked inside the window (measured), so it is as tall as the longest page.
TALL = 5200


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A company with customers, some of whose names try something."""
    path = tmp_path_factory.mktemp("browser") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    fill(f"sqlite:///{path}", hostile=True)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def app(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(database, log=tmp_path_factory.mktemp("log") / "app.log") as running:
        yield running


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    opened = open_ledger(database)
    yield opened
    opened.database.dispose()


def fill_grant(page: Page, *, credits: str) -> None:
    """Everything but the customer, which the link filled in."""
    for label, typed in (("Credits", credits), ("Note", "sorry for the outage")):
        box = page.get_by_role("textbox", name=label, exact=True)
        box.fill(typed)
        box.press("Tab")
        wait_ready(page)
    page.get_by_role("combobox", name="Reason").click()
    page.get_by_role("option", name="Goodwill").click()
    wait_ready(page)


def open_review(page: Page) -> None:
    page.get_by_role("button", name="Review").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def draft_of(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query)["draft"][0]


def booked(ledger: Ledger, page: Page) -> int:
    """Credits booked under the key in the address; 0 when nothing was."""
    receipt = ledger.receipt(actor=ADA, key=draft_of(page))
    return 0 if receipt is None else sum(new.amount_micro for new in receipt.new_batches) // MICRO


def available(ledger: Ledger, page: Page) -> int:
    receipt = ledger.receipt(actor=ADA, key=draft_of(page))
    assert receipt is not None
    return receipt.available_after_micro


def background(page: Page) -> str:
    colour: str = page.get_by_test_id("stApp").evaluate("element => getComputedStyle(element).backgroundColor")
    return colour


def test_an_admin_issues_a_grant_and_opens_its_entry(app: App, browser: Browser, ledger: Ledger) -> None:
    with open_page(browser, app.address("grants?customer=cus_acme")) as page:
        fill_grant(page, credits="1,250")
        expect(page.get_by_text("1,250 promotional")).to_be_visible()
        open_review(page)
        page.get_by_role("dialog").get_by_role("button", name="Grant 1,250 credits to Acme Robotics").click()
        expect(page.get_by_text("Granted. Entry")).to_be_visible()
        assert booked(ledger, page) == 1250
        page.get_by_role("link", name="Ledger entry").click()
        expect(page.get_by_role("dialog")).to_contain_text("Issued → Available")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_be_hidden()
        wait_ready(page)
        assert "entry=" not in page.url


@pytest.mark.parametrize("gap_ms", [0, 100, 300, 700])
def test_a_double_click_books_once(app: App, browser: Browser, ledger: Ledger, gap_ms: int) -> None:
    with open_page(browser, app.address("grants?customer=cus_blue")) as page:
        fill_grant(page, credits=str(60 + gap_ms))
        open_review(page)
        button = page.get_by_role("dialog").get_by_role("button", name="Grant")
        place = button.bounding_box()
        assert place is not None
        middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        page.mouse.click(*middle)
        if gap_ms:
            page.wait_for_timeout(gap_ms)
        page.mouse.click(*middle)
        expect(page.get_by_text("Granted. Entry")).to_be_visible()
        wait_ready(page)
        expect(page.get_by_text("Granted. Entry")).to_be_visible()
        assert booked(ledger, page) == 60 + gap_ms
        rows = ledger.database.reader.connect()
        with rows as connection:
            count = connection.exec_driver_sql(
                "SELECT count(*) FROM batch WHERE granted_micro = ?", ((60 + gap_ms) * MICRO,)
            ).scalar_one()
        assert count == 1


def test_a_reload_in_the_middle_of_a_write_tells_the_true_outcome(app: App, browser: Browser, ledger: Ledger) -> None:
    with open_page(browser, app.address("grants?customer=cus_blue")) as page:
        fill_grant(page, credits="77")
        open_review(page)
        page.get_by_role("dialog").get_by_role("button", name="Grant").click(no_wait_after=True)
        page.reload()
        wait_ready(page)
        if booked(ledger, page):
            page.reload()
            wait_ready(page)
            expect(page.get_by_text("Granted. Entry")).to_be_visible()
        else:
            expect(page.get_by_role("textbox", name="Credits", exact=True)).to_have_value("77")


def test_back_keeps_filters(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("audit?all=yes")) as page:
        search = page.get_by_role("searchbox", name="Search")
        search.fill("acme")
        search.press("Enter")
        expect(page).to_have_url(f"{app.url}/audit?all=yes&q=acme")
        wait_ready(page)
        page.get_by_role("link", name="Overview").click()
        wait_ready(page)
        page.go_back()
        expect(page.get_by_role("searchbox", name="Search")).to_have_value("acme")
        wait_ready(page)
        assert "q=acme" in page.url
        page.reload()
        wait_ready(page)
        expect(page.get_by_role("searchbox", name="Search")).to_have_value("acme")


def test_a_deep_link_is_the_first_thing_a_fresh_process_serves(database: str, browser: Browser, tmp_path: Path) -> None:
    with (
        running_app(database, log=tmp_path / "fresh.log") as fresh,
        open_page(browser, fresh.address("audit?all=yes&entry=3&as=fiona")) as page,
    ):
        expect(page.get_by_role("dialog")).to_contain_text("Ledger entry 3")
        assert "as=fiona" in page.url


def test_without_an_identity_a_fresh_process_shows_nothing(database: str, browser: Browser, tmp_path: Path) -> None:
    no_identity = {"DEV_IDENTITY": "0"}
    with running_app(database, log=tmp_path / "fresh.log", environment=no_identity) as fresh:
        for path in ("grants", "audit", "customer?customer=cus_acme"):
            with open_page(browser, fresh.address(path)) as page:
                expect(page.get_by_text("Sign-in is not set up")).to_be_visible()
                expect(page.get_by_test_id("stDataFrame")).to_have_count(0)
                expect(page.get_by_role("textbox")).to_have_count(0)


def test_typed_names_stay_text(app: App, browser: Browser) -> None:
    requests: list[str] = []
    # The lists show all names at once; of the pages of one customer the image and the mixture are enough.
    hostile = (0, len(HOSTILE_NAMES) - 1)
    paths = ["", "usage", "forecasts", "customers", "expiring", "top_ups", "audit?all=yes&entry=9"]
    paths += [f"{page}?customer=cus_hostile_{n}" for n in hostile for page in ("customer", "grants")]
    with open_page(browser, app.address("audit")) as page:
        page.on("request", lambda request: requests.append(request.url))
        for path in paths:
            page.goto(app.address(path))
            wait_ready(page)
            main = page.get_by_test_id("stMain")
            assert main.locator("a[href*='evil'], a[href^='mailto'], img[src*='evil'], .katex").count() == 0, path
    assert [url for url in requests if "evil.invalid" in url] == []


@pytest.mark.parametrize("path", ADDRESSES)
def test_everybody_can_use_the_page(app: App, browser: Browser, path: str) -> None:
    with open_page(browser, app.address(path), scheme="light", height=TALL) as page:
        assert axe_violations(page) == []
        light = background(page)
        # The theme follows the system's while the page is open, which saves drawing it twice.
        page.emulate_media(color_scheme="dark")
        page.wait_for_timeout(500)
        wait_ready(page)
        assert background(page) != light
        assert axe_violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_review_receipt_and_refusal(app: App, browser: Browser, scheme: Scheme) -> None:
    with open_page(browser, app.address("adjustments?customer=cus_acme&batch=1"), scheme=scheme) as page:
        page.get_by_role("button", name="Review").click()
        expect(page.get_by_text("is needed").first).to_be_visible()
        assert axe_violations(page) == []
        for label, typed in (("Credits to take away", "1"), ("Note", "a correction to look at")):
            box = page.get_by_role("textbox", name=label, exact=True)
            box.fill(typed)
            box.press("Tab")
            wait_ready(page)
        page.get_by_role("combobox", name="Reason").click()
        page.get_by_role("option", name="Billing error").click()
        wait_ready(page)
        open_review(page)
        page.wait_for_timeout(400)
        assert axe_violations(page) == []
        page.get_by_role("dialog").get_by_role("button", name="Take away").click()
        expect(page.get_by_text("Corrected. Entry")).to_be_visible()
        assert axe_violations(page) == []
    with open_page(browser, app.address("grants?as=fiona"), scheme=scheme) as page:
        expect(page.get_by_text("No permission")).to_be_visible()
        assert axe_violations(page) == []

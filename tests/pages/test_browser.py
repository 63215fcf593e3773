"""The pages in Chromium: the main tasks, the double click, Back, reload, and that everybody can use them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from ledger import MICRO, Actor, Ledger, Role, open_ledger
from tests.kit.browser import App, Scheme, axe_violations, open_page, running_app, wait_ready
from tests.pages.conftest import HOSTILE_NAMES, fill, fill_plans

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("pages-in-chromium")]

ADA = Actor("ada@example.com", Role.ADMIN)
ADDRESSES = (
    "",
    "usage",
    "forecasts",
    "customers",
    "customer?customer=cus_acme",
    "customer?customer=cus_blue&tab=Plan",
    "expiring",
    "referrals?act=release",
    "grants?customer=cus_acme",
    "top_ups",
    "adjustments",
    "adjustments?kind=reverse&transaction=9",
    "adjustments?kind=extend&customer=cus_acme&batch=1",
    "audit?all=yes",
    "catalog",
    "catalog?view=calculator&customer=cus_acme",
    "catalog?view=new",
)
# Contrast is only checked inside the window (measured), so it is as tall as the longest page.
TALL = 5200


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A company with customers, some of whose names try something."""
    path = tmp_path_factory.mktemp("browser") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    fill(f"sqlite:///{path}", hostile=True)
    fill_plans(f"sqlite:///{path}")
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


def open_first_customer(page: Page) -> None:
    """Press Open in the first row of the list, which is a picture: the column right of the names."""
    place = page.get_by_test_id("stDataFrame").locator("canvas").first.bounding_box()
    assert place is not None
    page.mouse.click(place["x"] + 230, place["y"] + 53)
    page.wait_for_url("**/customer?**")
    wait_ready(page)


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def test_one_back_leads_from_a_customer_to_the_filtered_list(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("customers")) as page:
        search = page.get_by_role("textbox", name="Search")
        search.fill("blue")
        search.press("Enter")
        page.wait_for_url("**/customers?q=blue")
        wait_ready(page)
        page.locator("label", has_text="Credits expire within").click()
        page.wait_for_url("**/customers?q=blue&expiring=yes")
        page.locator("label", has_text="Credits expire within").click()
        page.wait_for_url("**/customers?q=blue")
        wait_ready(page)
        open_first_customer(page)
        assert heading(page) == "Blue Harbor"
        page.go_back()
        expect(page).to_have_url(f"{app.url}/customers?q=blue")
        wait_ready(page)
        expect(search).to_have_value("blue")
        expect(page.get_by_text("1 customer ·")).to_be_visible()
        page.go_forward()
        wait_ready(page)
        assert heading(page) == "Blue Harbor"


def test_a_page_that_the_menu_brings_back_with_its_filters_is_one_step(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("audit?all=yes&q=acme")) as page:
        page.get_by_role("link", name="Overview").click()
        wait_ready(page)
        page.get_by_role("button", name="System").click()
        page.get_by_role("menuitem", name="Ledger").click()
        expect(page).to_have_url(f"{app.url}/audit?all=yes&q=acme")
        wait_ready(page)
        page.go_back()
        wait_ready(page)
        assert heading(page) == "Overview"
        page.go_back()
        expect(page).to_have_url(f"{app.url}/audit?all=yes&q=acme")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 320)])
def test_the_box_in_the_side_bar_leads_to_customers(app: App, browser: Browser, scheme: Scheme, width: int) -> None:
    def type_in(text: str) -> None:
        opener = page.get_by_test_id("stExpandSidebarButton")
        if opener.is_visible():
            opener.click()
        box = page.get_by_role("searchbox", name="Go to a customer")
        box.click()
        box.press_sequentially(text)

    def violations() -> list[str]:
        # In a narrow window Streamlit draws its menu in the side bar, with titles among the items of a list.
        return [one for one in axe_violations(page) if width > 320 or not one.startswith("list")]

    with open_page(browser, app.address("audit?as=max"), scheme=scheme, width=width, height=1400) as page:
        bar = page.get_by_test_id("stSidebarUserContent")
        type_in("cus_acme")
        match = bar.get_by_role("link", name="Acme Robotics")
        expect(match).to_be_visible()
        assert violations() == []
        match.click()
        page.wait_for_url("**/customer?as=max&customer=cus_acme")
        wait_ready(page)
        assert heading(page) == "Acme Robotics"
        # Where it would lie over the page the side bar closes.
        expect(page.get_by_test_id("stSidebar")).to_have_attribute("data-collapsed", str(width == 320).lower())
        # From one customer to another it is the same page, which the browser has to notice all the same.
        type_in("blue h")
        bar.get_by_role("link", name="Blue Harbor").click()
        page.wait_for_url("**/customer?as=max&customer=cus_blue")
        wait_ready(page)
        assert heading(page) == "Blue Harbor"
        page.go_back()
        page.wait_for_url("**/customer?as=max&customer=cus_acme")
        wait_ready(page)
        assert heading(page) == "Acme Robotics"
        page.go_back()
        wait_ready(page)
        assert heading(page) == "Ledger"
        type_in("")
        assert bar.get_by_role("link").all_inner_texts() == ["Acme Robotics", "Blue Harbor"]
        assert violations() == []


def tile_heights(page: Page) -> dict[int, set[int]]:
    """Heights of the bordered boxes around figures, by the line on which their rows begin."""
    boxes = page.get_by_test_id("stMetric").evaluate_all(
        """metrics => metrics.map(metric => {
            let tile = metric;
            while (!parseFloat(getComputedStyle(tile).borderTopWidth)) tile = tile.parentElement;
            const {top, height} = tile.getBoundingClientRect();
            return [Math.round(top), Math.round(height)];
        })"""
    )
    rows: dict[int, set[int]] = {}
    for top, height in boxes:
        rows.setdefault(top, set()).add(height)
    assert 0 < len(rows) < len(boxes), "tiles stand side by side"
    return rows


@pytest.mark.parametrize("path", ["", "usage", "customer?customer=cus_acme"])
def test_the_tiles_of_a_row_are_equally_high(app: App, browser: Browser, path: str) -> None:
    with open_page(browser, app.address(path)) as page:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1400, 1150, 800):
                page.set_viewport_size({"width": width, "height": 1800})
                page.wait_for_timeout(300)
                heights = tile_heights(page)
                assert all(len(found) == 1 for found in heights.values()), (scheme, width, heights)


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


def live_parts(page: Page) -> int:
    """Links, pictures and formulas that came out of a name."""
    found = page.get_by_test_id("stApp").locator("a[href*='//evil'], a[href^='mailto'], img[src*='evil'], .katex")
    return found.count()


def test_labels_of_features_are_drawn_as_typed(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("usage?period=last_90_days")) as page:
        legend = page.locator(".js-plotly-plot .legendtext")
        expect(legend).to_have_count(len(HOSTILE_NAMES) + 2)
        drawn = {" ".join(text.split()) for text in legend.all_text_contents()}
        assert set(HOSTILE_NAMES) <= drawn
        assert page.locator(".js-plotly-plot .legend a").count() == 0


def test_typed_names_stay_text(app: App, browser: Browser) -> None:
    requests: list[str] = []
    # The lists show all names at once; of the pages of one customer the mixture is enough. Every page is looked at
    # without a browser in test_hostile_names.py.
    last = len(HOSTILE_NAMES) - 1
    paths = ["", "customers", "expiring", "audit?all=yes&entry=9"]
    paths += [f"{page}?customer=cus_hostile_{last}" for page in ("customer", "grants")]
    with open_page(browser, app.address("audit")) as page:
        page.on("request", lambda request: requests.append(request.url))
        for path in paths:
            page.goto(app.address(path))
            wait_ready(page)
            assert live_parts(page) == 0, path
        # The box and the list of who was opened last.
        page.get_by_role("searchbox", name="Go to a customer").press_sequentially("cus_hostile")
        expect(page.get_by_test_id("stSidebar").get_by_role("link")).to_have_count(len(HOSTILE_NAMES))
        assert live_parts(page) == 0
        page.get_by_test_id("stSidebar").get_by_role("link").first.click()
        wait_ready(page)
        page.get_by_role("link", name="Overview").click()
        wait_ready(page)
        assert live_parts(page) == 0
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

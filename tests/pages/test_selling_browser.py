"""In a browser, with no keys: a decline, a purchase, the way back to the credits, a refund and a dispute."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from ledger import MICRO, Ledger, open_ledger
from ledger.gateways import registry
from ledger.gateways.mock import DECLINED_CARD, GOOD_CARD
from ledger.models import company, payment
from ledger.selling.checkout import load_sale
from ledger.selling.links import purchase_link
from ledger.settings import settings
from tests.kit import selling
from tests.kit.browser import App, axe_violations, open_page, running_app, wait_ready
from tests.pages.conftest import fill

TALL = 3000


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A demo company of two customers with a package to sell."""
    path = tmp_path_factory.mktemp("browser") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    fill(url)
    ledger = open_ledger(url)
    selling.open_shop(ledger)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    ledger.database.dispose()
    return url


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the mock of the running product keeps its books."""
    return tmp_path_factory.mktemp("mock") / "mock.sqlite"


@pytest.fixture(scope="module")
def app(database: str, books: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    log = tmp_path_factory.mktemp("log") / "app.log"
    with running_app(database, log=log, environment={"MOCK_PROVIDER_FILE": str(books)}) as running:
        yield running


@pytest.fixture
def ledger(app: App, database: str, books: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The books of the running product, whose links lead to it."""
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(books))
    monkeypatch.setenv("PUBLIC_URL", app.url)
    settings.cache_clear()
    opened = open_ledger(database)
    yield opened
    opened.database.dispose()
    settings.cache_clear()


def pay(page: Page, card: str) -> None:
    page.get_by_label("Card").select_option(card)
    page.get_by_role("button", name="Pay").click()


def test_a_decline_a_purchase_a_refund_and_a_dispute(app: App, browser: Browser, ledger: Ledger) -> None:
    sale = selling.sold(ledger, "cus_acme")
    page = browser.new_page(viewport={"width": 800, "height": 1000}, color_scheme="dark")
    faults: list[str] = []
    page.on("console", lambda told: faults.append(told.text) if told.type == "error" else None)
    try:
        page.goto(sale.url)
        assert axe_violations(page) == []
        pay(page, DECLINED_CARD)
        expect(page.get_by_role("alert")).to_contain_text("card declined")
        pay(page, GOOD_CARD)
        expect(page.get_by_role("heading", name="Thank you, the credits are there")).to_be_visible()
        assert page.url == f"{app.url}/pay/{sale.payment}"
        assert axe_violations(page) == []
        assert faults == []
    finally:
        page.close()
    with open_page(browser, app.address("settings?tab=Payments&as=ada"), height=TALL) as page:
        # Each act is told by a message and followed, and the page offers what can happen next.
        for act in ("Refund half of it", "The customer disputes it", "We lose the dispute"):
            page.get_by_role("button", name=act).click()
            wait_ready(page)
        assert axe_violations(page) == []
    done = load_sale(ledger, sale.payment)
    assert (done.state, done.refunded_cents) == ("credited", selling.CENTS // 2)
    with ledger.database.reading() as connection:
        left = connection.execute(sa.select(payment.c.taken_micro).where(payment.c.name == sale.payment)).scalar_one()
    # Half was refunded, the other half lost in the dispute: all of it is taken back.
    assert left == selling.CREDITS * MICRO


def test_the_page_of_a_payment_moves_by_itself_when_it_is_paid_elsewhere(
    app: App, browser: Browser, ledger: Ledger
) -> None:
    sale = selling.sold(ledger, "cus_blue")
    page = browser.new_page()
    try:
        page.goto(f"{app.url}/pay/{sale.payment}")
        expect(page.get_by_role("heading", name="Waiting for the payment")).to_be_visible()
        registry.mock(ledger).pay(sale.checkout_ref or "", GOOD_CARD)
        expect(page.get_by_role("heading", name="Thank you, the credits are there")).to_be_visible(timeout=30_000)
    finally:
        page.close()


def test_everybody_can_use_the_shop_and_the_sale(app: App, browser: Browser, ledger: Ledger) -> None:
    sale = selling.sold(ledger, "cus_acme")
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme, reduced_motion="reduce")
        try:
            page = context.new_page()
            page.goto(app.url + purchase_link(ledger, "cus_acme").removeprefix(app.url))
            assert axe_violations(page) == []
        finally:
            context.close()
        with open_page(browser, app.address(f"top_ups?payment={sale.payment}&as=max"), scheme=scheme) as shown:
            expect(shown.get_by_text("Waiting for the customer.")).to_be_visible()
            assert axe_violations(shown) == []

"""Money of a customer in a real browser: in both themes everybody can use it, and a rule is set after its rehearsal."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect

from ledger import MICRO, RefundPurchase, RefundTo, open_ledger
from ledger.gateways import registry
from ledger.gateways.mock import LATER_DECLINED_CARD
from ledger.models import company
from ledger.selling.recharging import recharge_due
from ledger.settings import settings
from tests.kit.browser import App, axe_violations, open_page, running_app, wait_ready
from tests.kit.factories import ADMIN, REASON, top_up
from tests.kit.paying import define_package
from tests.kit.recharging import save_card, set_rule
from tests.operations.books import all_rows
from tests.pages.conftest import fill

# Contrast is only checked inside the window, so it is as tall as the longest page.
TALL = 3800


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A demo company: Acme with a saved card, Blue Harbor with a rule that stopped and a refund that failed."""
    folder = tmp_path_factory.mktemp("money")
    shutil.copyfile(sqlite_template, folder / "credits.sqlite")
    url = f"sqlite:///{folder / 'credits.sqlite'}"
    fill(url)
    patch = pytest.MonkeyPatch()
    patch.setenv("MOCK_PROVIDER_FILE", str(folder / "mock_provider.sqlite"))
    settings.cache_clear()
    ledger = open_ledger(url)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    ledger.is_demo = True
    define_package(ledger)
    mock = registry.mock(ledger)
    save_card(ledger, mock, account="cus_acme")
    save_card(ledger, mock, LATER_DECLINED_CARD, account="cus_blue")
    top_up(ledger, "cus_blue", 50)
    set_rule(ledger, "cus_blue", below=5_000, day_cap=20_000, month_cap=20_000, stop_after=1)
    recharge_due(ledger)
    bought = next(row["id"] for row in all_rows(ledger)["batch"] if row["reference"].startswith("pi_mock"))
    ledger.execute(RefundPurchase("cus_acme", bought, 25 * MICRO, REASON, RefundTo.CARD), actor=ADMIN, key="back")
    with ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE provider_refund SET state = 'failed', error = 'the card is closed'")
    ledger.database.dispose()
    yield url, folder
    patch.undo()
    settings.cache_clear()


@pytest.fixture(scope="module")
def app(database: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    url, folder = database
    environment = {"MOCK_PROVIDER_FILE": str(folder / "mock_provider.sqlite")}
    with running_app(url, log=tmp_path_factory.mktemp("log") / "app.log", environment=environment) as running:
        yield running


def test_a_rule_is_set_after_its_rehearsal_on_a_page_that_everybody_can_use(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("customer?customer=cus_acme&tab=Money"), height=TALL) as page:
        page.get_by_text("Set up auto-recharge").click()
        wait_ready(page)
        page.get_by_role("combobox", name="Package").click()
        page.get_by_role("option", name="Team").first.click()
        wait_ready(page)
        for label, value in (("Credits left", "1150"), ("At most a day", "500"), ("At most a month", "900")):
            page.get_by_role("textbox", name=label).fill(value)
            page.keyboard.press("Tab")
            wait_ready(page)
        expect(page.get_by_text("would have fired")).to_be_visible()
        _look(page, "rehearsal")
        page.get_by_role("combobox", name="Reason").click()
        page.get_by_role("option").first.click()
        wait_ready(page)
        page.get_by_role("textbox", name="Note").fill("Agreed on the phone today")
        page.keyboard.press("Tab")
        wait_ready(page)
        page.get_by_role("button", name="Review").click()
        page.get_by_role("button", name="Set auto-recharge of").click()
        expect(page.get_by_text("Auto-recharge is set.")).to_be_visible()


def test_a_rule_that_stopped_can_be_read_in_both_themes(app: App, browser: Browser) -> None:
    with open_page(browser, app.address("customer?customer=cus_blue&tab=Money"), height=TALL) as page:
        expect(page.get_by_text("Auto-recharge has stopped")).to_be_visible()
        _look(page, "stopped")


def _look(page: Page, name: str) -> None:
    """No fault that keeps somebody from using it, in light and in dark; SHOTS names a folder for pictures."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(500)
        wait_ready(page)
        if folder := os.environ.get("SHOTS"):
            page.screenshot(path=f"{folder}/{name}-{scheme}.png", full_page=True)
        assert axe_violations(page) == []

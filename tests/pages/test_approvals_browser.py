"""In a browser: a request is approved with one booking whatever is clicked, and everybody can use these pages."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ledger import MICRO, Actor, AskApproval, CreditType, IssueGrant, Reason, Role, open_ledger
from tests.kit import factories
from tests.kit.browser import App, axe_violations, open_page, running_app, wait_ready
from tests.operations.books import all_rows, audit
from tests.pages.conftest import fill

ADA = Actor("ada@example.com", Role.ADMIN)
TALL = 5200


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two customers, one of which owes; two requests of ada's."""
    path = tmp_path_factory.mktemp("browser") / "credits.sqlite"
    shutil.copyfile(sqlite_template, path)
    url = f"sqlite:///{path}"
    fill(url)
    ledger = open_ledger(url)
    factories.allow_overdraft(ledger, "cus_blue", 100)
    factories.use(ledger, "cus_blue", 420)
    factories.refund(ledger, "cus_acme", 1, 100)
    for number in (1, 2):
        command = IssueGrant(
            "cus_acme", CreditType.COMPENSATION, 200_000 * MICRO, Reason("goodwill", f"a large thank-you, {number}")
        )
        ledger.execute(AskApproval(command), actor=ADA, key=f"ask-{number}")
    ledger.database.dispose()
    return url


@pytest.fixture(scope="module")
def app(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with running_app(database, log=tmp_path_factory.mktemp("log") / "app.log") as running:
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "approvals?as=bea",
        "approvals?request=3&as=bea",
        "approvals?request=3",
        "approvals?view=decided&as=bea",
        "adjustments?kind=refund&customer=cus_acme",
        "adjustments?kind=overdraft&customer=cus_blue",
        "customer?customer=cus_blue",
    ],
)
def test_everybody_can_use_the_page(app: App, browser: Browser, path: str) -> None:
    for scheme in ("light", "dark"):
        with open_page(browser, app.address(path), scheme=scheme, height=TALL) as page:
            assert axe_violations(page) == []


def test_a_request_is_approved_once_by_a_double_click(app: App, browser: Browser, database: str) -> None:
    with open_page(browser, app.address("approvals?as=bea")) as page:
        page.get_by_role("link", name="Open request 2").click()
        wait_ready(page)
        box = page.get_by_role("textbox", name="Note", exact=True)
        box.fill("checked with finance")
        box.press("Tab")
        wait_ready(page)
        page.get_by_role("button", name="Review").click()
        button = page.get_by_role("dialog").get_by_role("button", name="Approve: Grant of 200,000 credits")
        expect(button).to_be_visible()
        place = button.bounding_box()
        assert place is not None
        middle = (place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        page.mouse.click(*middle)
        page.mouse.click(*middle)
        expect(page.get_by_text("Booked as entry")).to_be_visible()
    ledger = open_ledger(database)
    rows = all_rows(ledger)
    assert [row["state"] for row in rows["approval"]] == ["approved", "approved", "asked"]
    assert sum(row["granted_micro"] == 200_000 * MICRO for row in rows["batch"]) == 1
    assert audit(ledger) == []
    ledger.database.dispose()

"""Who sees what: every page, every role, and nobody at all."""

import re
from collections.abc import Callable

import pytest

from ledger.settings import settings
from pages.ui import identity, menu
from tests.pages.conftest import ASKED_PAGES, READ_PAGES, WRITE_PAGES, Pages

# Where account managers ask, or sell by card.
_MAX_MAY = {("max", page) for page in (*ASKED_PAGES, "credits/top_ups.py")}


def is_in_menu(page: str, who: str) -> bool:
    """Whether the menu of that person leads to the page, or would if it were listed."""
    (entry,) = [one for entries in menu.SECTIONS.values() for one in entries if one.path == page]
    return entry.is_for(identity.PEOPLE[who][1])


@pytest.mark.parametrize("who", ["ada", "fiona", "max"])
@pytest.mark.parametrize("page", READ_PAGES)
def test_everybody_reads_every_page(pages: Pages, page: str, who: str) -> None:
    params = {"customer": "cus_acme"} if page.endswith("customer.py") else {}
    app = pages.open(page, who=who, **params)
    assert not app.exception
    assert app.title
    assert not [error.value for error in app.error]
    assert is_in_menu(page, who)


@pytest.mark.parametrize("page", WRITE_PAGES)
def test_an_admin_gets_the_form(pages: Pages, page: str) -> None:
    app = pages.open(page)
    assert not app.exception
    assert not app.error
    assert "Review" in [button.label for button in app.button]


@pytest.mark.parametrize("page", ASKED_PAGES)
def test_an_account_manager_gets_the_form_to_ask_with(pages: Pages, page: str) -> None:
    app = pages.open(page, who="max")
    assert not app.exception
    assert not app.error
    assert "Review" in [button.label for button in app.button]
    assert is_in_menu(page, "max")


@pytest.mark.parametrize(
    ("page", "who"),
    [
        *((page, who) for page in WRITE_PAGES for who in ("fiona", "max") if (who, page) not in _MAX_MAY),
        ("credits/approvals.py", "fiona"),
        ("finance/reconciliation.py", "max"),
    ],
)
def test_nobody_else_may_write_and_is_told_whom_to_ask(pages: Pages, page: str, who: str) -> None:
    app = pages.open(page, who=who)
    assert not app.exception
    assert re.search("Ask a colleague with the role (finance or )?admin", app.error[0].value)
    assert not is_in_menu(page, who)
    assert "Review" not in [button.label for button in app.button]


def test_without_a_development_identity_nobody_looks(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEV_IDENTITY")
    settings.cache_clear()
    app = pages.open()
    assert "DEV_IDENTITY=true" in app.error[0].value
    assert not app.selectbox


def test_the_chosen_identity_is_in_the_address_and_named_on_the_page(pages: Pages) -> None:
    app = pages.open(who="fiona")
    assert app.query_params["as"] in ("fiona", ["fiona"])
    assert any("Fiona Fields" in markdown.value for markdown in app.markdown)


def test_a_database_that_was_never_migrated_is_said_so(
    tmp_path, make_pages: Callable[[str], Pages], monkeypatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'nothing.sqlite'}")
    monkeypatch.setenv("DEV_IDENTITY", "true")
    settings.cache_clear()
    app = Pages("", None).open()  # type: ignore[arg-type]
    assert "migrate" in app.error[0].value


def test_an_empty_company_says_what_comes_next(sqlite_url: str, make_pages: Callable[[str], Pages]) -> None:
    pages = make_pages(sqlite_url)
    for page in (*READ_PAGES, *WRITE_PAGES):
        app = pages.open(page)
        assert not app.exception, page
        assert app.title, page

"""The catalogue from the command line."""

import pytest

from ledger.settings import settings
from tests.service.test_cli import Cli

LATER = "2999-01-01T00:00:00Z"


@pytest.fixture
def cli(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    settings.cache_clear()
    yield Cli()
    settings.cache_clear()


def test_the_seeded_catalogue_is_defined_once(cli: Cli) -> None:
    assert "14 prices and packages defined" in cli("catalog", "seed", "--currency", "USD").output
    assert "All of it was defined before" in cli("catalog", "seed", "--currency", "USD").output
    shown = cli("catalog", "list").output
    for said in (
        "ai_analysis      25",
        "package starter (standard): 1000 credits for 10.00 USD, saves 0 %",
        "package professional (standard): 5000 credits for 40.00 USD, saves 20 %",
        "package holiday_bonus (standard): 7500 credits for 40.00 USD, saves 47 %, 1 per customer, until",
        "package credits_2000 (small): 2000 credits for 99.99 USD, saves 50 %",
    ):
        assert said in shown


def test_a_package_is_sold_as_often_as_it_may_be(cli: Cli) -> None:
    cli("account", "open", "acme", "Acme")
    cli("catalog", "package", "week", "Week", "500", "--cents", "499", "--per-customer", "1", "--until", LATER)
    words = ("top-up", "acme", "500", "--cents", "499", "--package", "week")
    assert "available 0 -> 500" in cli(*words, "--reference", "INV-1").output
    assert "and may buy it once" in cli(*words, "--reference", "INV-2", code=5).output
    assert (
        "not 500 for 4.98 USD"
        in cli("top-up", "acme", "500", "--cents", "498", "--package", "week", "--reference", "INV-3", code=5).output
    )


def test_an_estimate_says_who_pays_and_what_is_short(cli: Cli) -> None:
    cli("account", "open", "acme", "Acme")
    cli("catalog", "price", "images", "10", "--factor", "complex=2", "--until", LATER)
    cli("catalog", "bundle", "spring", "Spring", "images", "--off", "12.5", "--until", LATER)
    grant = ("grant", "acme", "20", "--reason", "goodwill", "--note", "for the tests")
    cli(*grant, "--only-for", "images")
    shown = cli("catalog", "estimate", "images", "2", "--complexity", "complex", "--account", "acme").output
    assert "2 images: 35 credits (price 10, factor 2, discount 12.5 %)" in shown
    assert "(promotional) pays 20" in shown
    assert "15 short: the use would be refused" in shown
    assert "knows complex" in cli("catalog", "estimate", "images", "--complexity", "odd", code=2).output
    assert "12.5 % off images" in cli("catalog", "list").output
    assert "images" in cli("batches", "acme").output


def test_wrong_words_are_said(cli: Cli) -> None:
    assert "no factor such as complex=2" in cli("catalog", "price", "images", "1", "--factor", "complex", code=2).output
    assert (
        "is not a number"
        in cli("catalog", "bundle", "b", "B", "images", "--off", "much", "--until", LATER, code=2).output
    )
    assert (
        "not a currency code"
        in cli("catalog", "package", "p", "P", "1", "--cents", "1", "--currency", "x", code=2).output
    )

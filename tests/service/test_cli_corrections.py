"""Void, reverse and extend from the command line."""

from collections.abc import Iterator

import pytest

from ledger.settings import settings
from service.cli_kit import EXIT_CODES
from tests.service.test_cli import Cli

WHY = ("--reason", "data_correction", "--note", "for the tests")


@pytest.fixture
def cli(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    yield Cli()
    settings.cache_clear()


def test_a_batch_is_extended_voided_and_the_void_reversed(cli: Cli) -> None:
    cli.funded()
    words = ("top-up", "acme", "50", "--cents", "500", "--reference", "INV-1", "--key", "t1")
    assert "available 100 -> 150" in cli(*words).output
    assert "available 150 -> 150" in cli("extend", "acme", "2", "--never", *WHY).output
    assert cli("extend", "acme", "2", "--never", *WHY, code=EXIT_CODES["not_allowed_now"]).output
    assert "available 150 -> 100" in cli("void", "acme", "2", *WHY).output
    number = cli("void", "acme", "1", *WHY, "--key", "v").output.split("transaction ")[1].split()[0].strip(".,:;")
    assert "available 0 -> 100" in cli("reverse", number, *WHY).output
    assert "was reversed before" in cli("reverse", number, *WHY, code=EXIT_CODES["already_reversed"]).output


def test_a_balance_is_adjusted_both_ways_and_never_below_zero(cli: Cli) -> None:
    cli.funded()
    assert "available 100 -> 105" in cli("adjust", "acme", "5", *WHY).output
    assert "available 105 -> 95.5" in cli("adjust", "acme", "-9.5", "--batch", "1", *WHY).output
    cli("adjust", "acme", "-500", *WHY, code=EXIT_CODES["insufficient_credits"])
    assert "--bach" in cli("adjust", "acme", "5", "--bach", "1", *WHY, code=2).output
    assert "available: 95.5" in cli("balance", "acme").output


def test_a_last_day_is_needed_or_never(cli: Cli) -> None:
    cli.funded()
    assert "give a last day" in cli("extend", "acme", "1", *WHY, code=EXIT_CODES["invalid_command"]).output

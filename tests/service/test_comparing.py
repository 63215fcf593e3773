"""The nightly comparison and the command line: what they say, with which exit code, and how a failure is told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ledger import Ledger, ProviderUnavailable, open_ledger
from ledger.clock import FixedClock
from ledger.gateways import registry
from ledger.gateways.mock import MockGateway
from ledger.settings import settings
from service.cli import main
from service.jobs import comparing
from service.jobs.kit import StepFailed
from tests.kit import factories
from tests.kit.paying import buy, define_package
from tests.kit.provider_books import Books


@pytest.fixture
def books(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Books]:
    """A demo company with one payment that agrees and one, of yesterday, that nobody has begun."""
    monkeypatch.setenv("DATABASE_URL", sqlite_url)
    monkeypatch.setenv("MOCK_PROVIDER_FILE", str(tmp_path / "mock_provider.sqlite"))
    settings.cache_clear()
    clock = FixedClock(datetime.now(UTC) - timedelta(days=1))
    ledger = open_ledger(sqlite_url, clock=clock)
    with ledger.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE company SET is_demo = true")
    ledger.is_demo = True
    define_package(ledger)
    factories.open_account(ledger, "acme")
    made = Books(ledger, registry.mock(ledger))
    buy(ledger, made.mock)
    made.payment("pi_alien", account="acme", cents=12_345)
    made.write()
    clock.advance(timedelta(days=1))
    yield made
    ledger.database.dispose()
    settings.cache_clear()


def say(*words: str) -> tuple[int, str]:
    """What the command line answers, with its exit code."""
    result = CliRunner().invoke(main, ["payments", *words])
    return result.exit_code, result.output


def quiet(done: int, total: int) -> None:
    """Nobody wants to know how far it is."""


def test_the_command_line_compares_lists_explains_and_mends(books: Books) -> None:
    code, told = say("compare", "--provider", "mock")
    assert code == 1
    assert "2 of 3 records agree; new findings: 1, gone: 0." in told
    assert "EUR: 1 settled here, 100.00 EUR; 2 there, 223.45 EUR: differs by 123.45 EUR" in told
    assert "pi_alien" in told
    assert say("findings")[1].count("pi_alien") == 1
    assert "another payment" not in say("mend", "1")[1]
    assert say("assign", "1", "fritz@example.com")[0] == 0
    assert say("explain", "1", "too short")[0] == 2
    assert say("explain", "1", "sold at the fair, booked by hand")[0] == 0
    code, told = say("compare")
    assert (code, "pi_alien" in told) == (0, False)
    assert "fritz@example.com" in say("findings", "--all")[1]


def test_a_night_compares_every_provider_that_is_set_up(books: Books) -> None:
    figures = comparing.compare_all(books.ledger, quiet)
    assert figures == {"providers": 1, "objects": 3, "matched": 2, "findings": 1, "begun": 1, "fixed": 0}
    # A finding is no failure of the job, and the night after begins none anew.
    assert comparing.compare_all(books.ledger, quiet)["begun"] == 0


def test_a_night_without_an_answer_fails_with_the_reason(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: MockGateway, **_: datetime) -> Iterator[object]:
        raise ProviderUnavailable(provider="mock", detail="timed out")

    monkeypatch.setattr(MockGateway, "payments", fails)
    with pytest.raises(StepFailed, match="did not answer"):
        comparing.compare_all(books.ledger, quiet)


def test_a_company_without_a_provider_has_nothing_to_compare(ledger: Ledger) -> None:
    assert comparing.compare_all(ledger, quiet)["providers"] == 0


def test_sundays_look_further_back() -> None:
    assert comparing.days_back(datetime(2026, 11, 22, tzinfo=UTC)) == 190
    assert comparing.days_back(datetime(2026, 11, 23, tzinfo=UTC)) == 35

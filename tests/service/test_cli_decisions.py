"""Approvals, refunds and overdrafts from the command line: two people, one machine."""

import getpass
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from ledger.settings import settings
from service.cli import main

WHY = ("--reason", "contract", "--note", "agreed with the customer")


class Cli:
    """The command line as one of two people types it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch

    def __call__(self, *words: str, who: str = "ada", code: int = 0) -> Result:
        self._patch.setattr(getpass, "getuser", lambda: who)
        result = CliRunner().invoke(main, list(words))
        assert result.exit_code == code, result.output
        return result


@pytest.fixture
def cli(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings.cache_clear()
    typed = Cli(monkeypatch)
    typed("account", "open", "acme", "Acme")
    typed("price", "linux", "1", "--from", "2020-01-01T00:00:00Z")
    typed("top-up", "acme", "100", "--cents", "1000", "--reference", "INV-1")
    yield typed
    settings.cache_clear()


def test_a_refund_says_what_goes_back(cli: Cli) -> None:
    assert (
        "30 credits would give back 3.00 USD" in cli("refund", "acme", "1", "--credits", "30", *WHY, "--preview").output
    )
    assert "Give back 3.00 USD." in cli("refund", "acme", "1", "--credits", "30", *WHY).output
    assert "Give back 7.00 USD." in cli("refund", "acme", "1", *WHY).output
    assert "batch_closed" in cli("refund", "acme", "1", *WHY, code=5).output


def test_a_refund_is_asked_for_and_approved_by_another(cli: Cli) -> None:
    assert "Request 1 waits" in cli("refund", "acme", "1", *WHY, "--ask").output
    assert "refund" in cli("approvals", "list").output
    assert "your own request" in cli("approvals", "approve", "1", "--note", "fine", code=2).output
    assert "available 100 -> 0" in cli("approvals", "approve", "1", "--note", "fine", who="bea").output
    assert "approval_decided" in cli("approvals", "approve", "1", "--note", "fine", who="bea", code=5).output
    assert "none" in cli("approvals", "list").output
    assert "approved" in cli("approvals", "list", "--decided").output


def test_a_request_is_refused_or_withdrawn(cli: Cli) -> None:
    cli("refund", "acme", "1", *WHY, "--ask")
    cli("refund", "acme", "1", *WHY, "--ask")
    cli("approvals", "refuse", "1", "--note", "too late", who="bea")
    cli("approvals", "refuse", "2", "--note", "changed my mind")
    output = cli("approvals", "list", "--decided").output
    assert "refused" in output and "withdrawn" in output
    assert "available: 100" in cli("balance", "acme").output


def test_an_overdraft_takes_two_and_shows_the_debt(cli: Cli) -> None:
    assert "Request 1 waits" in cli("overdraft", "ask", "acme", "50", *WHY).output
    assert "may owe: nothing" in cli("overdraft", "show", "acme").output
    cli("approvals", "approve", "1", "--note", "fine", who="bea")
    shown = cli("overdraft", "show", "acme").output
    assert "may owe: 50 without an end, asked by cli:ada, approved by cli:bea" in shown
    cli("usage", "record", "acme", "linux", "120")
    assert "owes: 20" in cli("overdraft", "show", "acme").output
    assert "owed: 20" in cli("balance", "acme").output
    assert "20" in cli("account", "list").output
    cli("usage", "record", "acme", "linux", "31", code=6)

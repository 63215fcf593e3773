"""The outbox on the command line."""

from pathlib import Path

import pytest

from ledger.settings import settings
from tests.service.test_cli import Cli, cli

__all__ = ["cli"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where mails become files."""
    path = tmp_path / "mails"
    monkeypatch.setenv("MAIL_FOLDER", str(path))
    settings.cache_clear()
    return path


def test_a_test_mail_is_queued_sent_shown_and_sent_again(cli: Cli, folder: Path) -> None:
    cli("migrate")
    assert cli("mail", "list").output == "none\n"
    assert cli("mail", "test", "kim@example.com").output == "queued as mail 1\n"
    waiting = cli("mail", "show", "1").output
    assert "state: Waiting" in waiting
    assert "This is a test" in waiting
    assert "1 sent, 0 later" in cli("mail", "send").output
    assert len(list(folder.glob("*.eml"))) == 1
    assert "sent" in cli("mail", "list", "--state", "sent", "--to", "KIM@").output
    assert cli("mail", "list", "--state", "failed").output == "none\n"
    assert "<h1>Test mail from" in cli("mail", "show", "1", "--html").output
    assert cli("mail", "again", "1", "--to", "lee@example.com").output == "queued as mail 2\n"
    assert "waits to be sent already" in cli("mail", "again", "2", code=5).output
    assert "There is no mail '9'" in cli("mail", "show", "9", code=4).output
    assert cli("mail", "allow", "kim@example.com").output == "was not blocked\n"
    assert "must be one e-mail address" in cli("mail", "test", "kim", code=2).output


def test_a_server_that_is_not_there_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("migrate")
    cli("mail", "test", "kim@example.com")
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    # Nobody may listen there: the port is reserved for what is not there any more.
    monkeypatch.setenv("SMTP_PORT", "9")
    settings.cache_clear()
    assert "Mails wait in the outbox" in cli("mail", "send", code=7).output
    assert "Connection refused" in cli("mail", "show", "1").output


def test_a_template_is_previewed(cli: Cli) -> None:
    cli("migrate")
    assert cli("mail", "preview", "low_credit_balance").output.startswith("subject: 1,200 credits left, about 29 days")
    assert "<!doctype html>" in cli("mail", "preview", "job_failed", "--html").output
    cli("mail", "preview", "no_such", code=2)

"""The mailer against a real mail server: what arrives, what is tried again, what bounces, and nothing twice."""

import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ledger import Ledger, MailUnavailable, open_ledger
from ledger.clock import FixedClock
from ledger.gateways.mail import Sender, compose
from ledger.mail import TEMPLATES, Letter
from ledger.models import company, mail, mail_block
from ledger.outbox import AGE_MAX, CLAIM, TRIES_MAX, NewMail, claim_mail, forget_bodies, insert_mails, mark_sent
from service import mailer
from service.mailer import send_due
from tests.kit.factories import NOW
from tests.kit.mail_server import HOST, Certificate, Inbox, mail_server, make_certificate, silent_server

ROOT = Path(__file__).parents[2]
NOTHING = {"sent": 0, "later": 0, "bounced": 0, "failed": 0, "dropped": 0}
LETTER = Letter("1,200 credits left", "Text", "<p>Text</p>")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A server that speaks in the clear, which most of these tests are not about."""
    with mail_server() as started:
        yield started


def sender_to(port: int, **other: Any) -> Sender:
    return replace(Sender("credits@example.com", "Test Company", HOST, port, "none", timeout_seconds=5.0), **other)


def queue(ledger: Ledger, *keys: str, to: str = "kim@example.com", template: str = "test_mail", **changes: Any) -> None:
    """Mails of a template with its sample, under these keys."""
    variables = {**TEMPLATES[template].sample, **changes}
    with ledger.database.engine.begin() as connection:
        insert_mails(connection, [NewMail(key, template, to, variables) for key in keys], ledger.clock.now())


def rows(ledger: Ledger) -> list[Any]:
    with ledger.database.reading() as connection:
        return list(connection.execute(sa.select(mail).order_by(mail.c.id)).all())


def counts(**found: int) -> dict[str, int]:
    return NOTHING | found


def test_a_mail_arrives_with_its_text_and_html_over_starttls(ledger: Ledger, certificate: Certificate) -> None:
    queue(ledger, "low:1", template="low_credit_balance")
    with mail_server(certificate=certificate, user="credits", password="s3cret") as inbox:
        sender = sender_to(
            inbox.port,
            security="starttls",
            tls=certificate.client,
            user="credits",
            password="s3cret",
        )
        assert send_due(ledger, sender=sender) == counts(sent=1)
        assert send_due(ledger, sender=sender) == NOTHING
    ((recipients, message),) = inbox.received
    assert recipients == ["kim@example.com"]
    assert inbox.over_tls == [True]
    assert message["Subject"] == "1,200 credits left, about 29 days"
    assert (message["From"], message["To"]) == ("Test Company <credits@example.com>", "kim@example.com")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == NOW
    (row,) = rows(ledger)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and html is not None
    # The log holds the very words that were sent.
    assert text.get_content().replace("\r\n", "\n") == row.body_text
    assert html.get_content().replace("\r\n", "\n").strip() == row.body_html.strip()
    assert (row.state, row.tries, row.sent_at, row.subject) == ("sent", 1, NOW, message["Subject"])
    assert row.message_id == message["Message-ID"]
    assert row.message_id.endswith("@example.com>")
    assert "Test Company" in row.body_text


def test_a_connection_that_is_not_safe_carries_nothing(ledger: Ledger, certificate: Certificate, inbox: Inbox) -> None:
    queue(ledger, "test:1")
    with mail_server(certificate=certificate, is_wrapped=True) as wrapped:
        # Our own authorities do not know the certificate.
        with pytest.raises(MailUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            send_due(ledger, sender=sender_to(wrapped.port, security="tls"))
        # A server without STARTTLS is not spoken to in the clear.
        with pytest.raises(MailUnavailable, match="STARTTLS"):
            send_due(ledger, sender=sender_to(inbox.port, security="starttls", tls=certificate.client))
        assert wrapped.received + inbox.received == []
        # This one speaks nothing but TLS.
        assert send_due(ledger, sender=sender_to(wrapped.port, security="tls", tls=certificate.client))["sent"] == 1
        assert len(wrapped.received) == 1


def test_a_wrong_password_is_said_and_shown_nowhere(ledger: Ledger, certificate: Certificate) -> None:
    queue(ledger, "test:1")
    with mail_server(certificate=certificate, user="credits", password="right") as inbox:
        sender = sender_to(inbox.port, security="starttls", tls=certificate.client, user="credits", password="wr0ng")
        with pytest.raises(MailUnavailable, match="SMTPAuthenticationError: 535") as refused:
            send_due(ledger, sender=sender)
    assert "wr0ng" not in str(refused.value) + repr(sender) + rows(ledger)[0].error
    assert rows(ledger)[0].tries == 0


def test_a_refused_address_bounces_and_gets_nothing_more(ledger: Ledger, inbox: Inbox) -> None:
    inbox.refusals["gone@example.com"] = "550 5.1.1 No such user here"
    queue(ledger, "one", "two", to="gone@example.com")
    queue(ledger, "three", to="Gone@Example.com")
    queue(ledger, "four")
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(bounced=1, dropped=2, sent=1)
    one, two, three, four = rows(ledger)
    assert (one.state, one.bounced_at, one.error) == ("bounced", NOW, "550 5.1.1 No such user here")
    assert one.subject == "Test mail from Test Company"
    assert (two.state, two.tries, three.state, four.state) == ("dropped", 0, "dropped", "sent")
    assert two.error == "the address bounced on 2026-03-10: 550 5.1.1 No such user here"
    with ledger.database.reading() as connection:
        (block,) = connection.execute(sa.select(mail_block)).all()
    assert (block.address, block.since, block.reason) == ("gone@example.com", NOW, one.error)
    assert [to for to, _ in inbox.received] == [["kim@example.com"]]


@pytest.mark.parametrize(
    "answer",
    ["450 4.2.0 Try again later", "550 5.7.1 Relaying denied", "552 5.2.2 Mailbox full", "530 Sign in first"],
)
def test_what_is_not_the_fault_of_the_address_is_tried_again(
    ledger: Ledger, clock: FixedClock, inbox: Inbox, answer: str
) -> None:
    inbox.refusals["kim@example.com"] = answer
    queue(ledger, "test:1")
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(later=1)
    (row,) = rows(ledger)
    assert (row.state, row.tries, row.error) == ("queued", 1, answer)
    assert row.next_try_at == NOW + timedelta(minutes=1)
    assert send_due(ledger, sender=sender_to(inbox.port)) == NOTHING
    inbox.refusals.clear()
    clock.set(NOW + timedelta(minutes=1))
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=1)
    assert (rows(ledger)[0].tries, rows(ledger)[0].error) == (2, "")


def test_pauses_double_and_end(sqlite_url: str, clock: FixedClock, inbox: Inbox) -> None:
    ledger = open_ledger(sqlite_url, clock=clock)
    inbox.data_answers = ["451 Busy"] * TRIES_MAX
    queue(ledger, "test:1")
    pauses = []
    while (due := rows(ledger)[0].next_try_at) is not None:
        pauses.append(due - clock.now())
        clock.set(due)
        send_due(ledger, sender=sender_to(inbox.port))
    minutes = [pause / timedelta(minutes=1) for pause in pauses]
    assert minutes == [0, 1, 2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    (row,) = rows(ledger)
    assert (row.state, row.tries, row.error) == ("failed", TRIES_MAX, "451 Busy")
    ledger.database.dispose()


def test_a_dead_server_costs_no_mail_a_try(ledger: Ledger, inbox: Inbox) -> None:
    queue(ledger, "one", "two")
    with silent_server() as port, pytest.raises(MailUnavailable, match="timed out") as hanging:
        send_due(ledger, sender=sender_to(port, timeout_seconds=0.2))
    assert f"{HOST}:{port}" in str(hanging.value)
    # Now nobody listens there.
    with pytest.raises(MailUnavailable, match="Connection refused"):
        send_due(ledger, sender=sender_to(port))
    assert [(row.state, row.tries) for row in rows(ledger)] == [("queued", 0)] * 2
    assert all("Connection refused" in row.error for row in rows(ledger))
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=2)
    assert [row.error for row in rows(ledger)] == ["", ""]


def test_a_connection_lost_on_the_way_is_one_failed_try(
    ledger: Ledger, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(ledger, "one", "two")

    def lose(self: smtplib.SMTP, _message: bytes) -> None:
        self.close()
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    with monkeypatch.context() as patch:
        patch.setattr(smtplib.SMTP, "data", lose)
        with pytest.raises(MailUnavailable, match="unexpectedly closed"):
            send_due(ledger, sender=sender_to(inbox.port))
    assert [(row.state, row.tries) for row in rows(ledger)] == [("queued", 1), ("queued", 0)]
    # The one that failed waits its pause; the other goes out.
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=1)
    assert len(inbox.received) == 1


# A sender of its own that ends by SIGKILL when it is about to note that the server took the mail.
KILLED = """
import os, signal, sys
from datetime import datetime
from ledger import open_ledger
from ledger.clock import FixedClock
from ledger.gateways.mail import Sender
from service import mailer
mailer.mark_sent = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
url, at, port = sys.argv[1:]
sender = Sender("credits@example.com", "Test Company", "127.0.0.1", int(port), "none")
mailer.send_due(open_ledger(url, clock=FixedClock(datetime.fromisoformat(at))), sender=sender)
"""


def test_a_sender_killed_after_the_server_took_the_mail_sends_it_again_recognisably(
    ledger: Ledger, database_url: str, clock: FixedClock, inbox: Inbox
) -> None:
    queue(ledger, "test:1")
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, database_url, NOW.isoformat(), str(inbox.port)],
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert len(inbox.received) == 1
    clock.set(NOW + CLAIM - timedelta(seconds=1))
    assert send_due(ledger, sender=sender_to(inbox.port)) == NOTHING
    clock.set(NOW + CLAIM)
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=1)
    first, second = inbox.messages
    assert first["Message-ID"] == second["Message-ID"] == rows(ledger)[0].message_id


def test_a_sender_whose_claim_ran_out_marks_nothing(ledger: Ledger, clock: FixedClock) -> None:
    queue(ledger, "test:1")
    slow, _ = claim_mail(ledger)
    assert slow is not None
    assert claim_mail(ledger) == (None, 0)
    clock.set(NOW + CLAIM)
    quick, _ = claim_mail(ledger)
    assert quick is not None
    assert not mark_sent(ledger, slow, LETTER, message_id="<slow@example.com>")
    assert mark_sent(ledger, quick, LETTER, message_id="<quick@example.com>")
    assert not mark_sent(ledger, quick, LETTER, message_id="<quick@example.com>")
    assert rows(ledger)[0].message_id == "<quick@example.com>"


def test_two_senders_at_once_send_each_mail_once(ledger: Ledger, database_url: str, inbox: Inbox) -> None:
    queue(ledger, *(f"test:{number}" for number in range(20)))
    other = open_ledger(database_url, clock=FixedClock(NOW))
    both = threading.Barrier(2)
    answers: list[dict[str, int]] = []

    def send(one: Ledger) -> None:
        both.wait()
        answers.append(send_due(one, sender=sender_to(inbox.port)))

    threads = [threading.Thread(target=send, args=(one,)) for one in (ledger, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    other.database.dispose()
    assert sum(answer["sent"] for answer in answers) == 20
    ids = [message["Message-ID"] for message in inbox.messages]
    assert len(ids) == 20
    assert len(set(ids)) == 20
    assert {row.state for row in rows(ledger)} == {"sent"}


def test_names_and_notes_cannot_write_headers(ledger: Ledger, inbox: Inbox) -> None:
    hostile = "Eve\r\nBcc: eve@example.com\r\n\r\nA body of her own"
    queue(ledger, "gift:1", template="gift_received", sender=hostile, customer=hostile, message=hostile)
    send_due(ledger, sender=sender_to(inbox.port, company="Test, Company <x@y>; Bcc: eve@example.com"))
    ((recipients, message),) = inbox.received
    assert recipients == ["kim@example.com"]
    assert message["Bcc"] is None
    assert message["From"].addresses[0].addr_spec == "credits@example.com"
    assert message["Subject"] == "500 credits from Eve Bcc: eve@example.com A body of her own"
    assert sorted(message.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
    )


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"to_address": "kim@example.com\r\nBcc: eve@example.com"}, "is no e-mail address"),
        ({"to_address": "kim@example.com, eve@example.com"}, "is no e-mail address"),
        ({"letter": replace(LETTER, subject="Hello\r\nBcc: eve@example.com")}, "linefeed|newline"),
        ({"sender": Sender("credits@example.com\nBcc: x@y.z", "Test")}, "is no e-mail address"),
        ({"sender": Sender("credits@example.com", "Test\r\nBcc: eve@example.com")}, "invalid arguments"),
    ],
)
def test_a_message_that_could_carry_another_header_is_not_made(changes: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {
        "letter": LETTER,
        "to_address": "kim@example.com",
        "sender": Sender("a@example.com", "Test"),
    }
    with pytest.raises(ValueError, match=says):
        compose(**{**good, **changes}, key="test:1", at=NOW)


def test_wrong_settings_cost_no_mail_a_try(ledger: Ledger, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    queue(ledger, "test:1")
    with pytest.raises(MailUnavailable, match="MAIL_FROM 'Credits' is no e-mail address"):
        send_due(ledger, sender=sender_to(inbox.port, from_address="Credits"))
    monkeypatch.setattr(mailer.settings(), "public_url", "credits.example")
    with pytest.raises(MailUnavailable, match=r"PUBLIC_URL 'credits\.example' is no web address"):
        send_due(ledger, sender=sender_to(inbox.port))
    assert rows(ledger)[0].state == "queued"


def test_a_mail_that_cannot_be_written_fails_alone(ledger: Ledger, inbox: Inbox) -> None:
    queue(ledger, "one", sent_at="yesterday")
    queue(ledger, "two")
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(failed=1, sent=1)
    one, _ = rows(ledger)
    assert (one.state, one.next_try_at) == ("failed", None)
    assert "the template test_mail cannot be filled" in one.error


def test_old_news_is_not_sent(ledger: Ledger, clock: FixedClock, inbox: Inbox) -> None:
    queue(ledger, "old")
    clock.set(NOW + AGE_MAX + timedelta(seconds=1))
    queue(ledger, "new")
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=1, dropped=1)
    old, new = rows(ledger)
    assert (old.state, old.error, new.state) == ("dropped", "was not sent within 7 days", "sent")


def test_a_turn_has_an_end(ledger: Ledger, inbox: Inbox) -> None:
    queue(ledger, "one", "two", "three")
    seen: list[int] = []
    assert send_due(ledger, sender=sender_to(inbox.port), limit=2, progress=seen.append) == counts(sent=2)
    assert seen == [1, 2]
    assert send_due(ledger, sender=sender_to(inbox.port)) == counts(sent=1)


def test_without_a_server_mails_become_files(ledger: Ledger, tmp_path: Path) -> None:
    queue(ledger, "test:1")
    folder = tmp_path / "mail" / "here"
    assert send_due(ledger, sender=Sender("credits@example.com", "Test Company", folder=folder)) == counts(sent=1)
    (path,) = folder.glob("*.eml")
    assert path.stem == rows(ledger)[0].message_id.strip("<>").partition("@")[0]
    assert b"Subject: Test mail from Test Company" in path.read_bytes()


def test_the_demo_company_writes_files_whatever_the_settings_say(ledger: Ledger, inbox: Inbox, tmp_path: Path) -> None:
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.update(company).values(is_demo=True))
    queue(ledger, "test:1")
    assert send_due(ledger, sender=sender_to(inbox.port, folder=tmp_path)) == counts(sent=1)
    assert len(list(tmp_path.glob("*.eml"))) == 1


def test_bodies_are_forgotten_and_the_fact_stays(ledger: Ledger, clock: FixedClock, inbox: Inbox) -> None:
    queue(ledger, "old")
    send_due(ledger, sender=sender_to(inbox.port))
    clock.set(NOW + timedelta(days=400))
    queue(ledger, "waiting")
    assert forget_bodies(ledger, before=clock.now()) == 1
    assert forget_bodies(ledger, before=clock.now() + timedelta(days=1)) == 0
    old, waiting = rows(ledger)
    assert (old.body_text, old.body_html, old.variables) == (None, None, {})
    assert (old.state, old.subject, old.to_address) == ("sent", "Test mail from Test Company", "kim@example.com")
    assert waiting.variables == TEMPLATES["test_mail"].sample

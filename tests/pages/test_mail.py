"""The log of e-mails under Alerts, and Mail in Settings: lists, exact words, send again, test, hostile content."""

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from ledger.mail import TEMPLATES
from ledger.models import mail
from ledger.outbox import NewMail, claim_mail, insert_mails, mark_bounced, mark_sent
from ledger.settings import settings
from pages.ui import mail_letter
from tests.pages.conftest import HOSTILE_NAMES, Pages

SAMPLE = TEMPLATES["gift_received"].sample
LOG = {"tab": "E-mail log"}


@pytest.fixture
def logged(pages: Pages) -> Pages:
    """A mail that was sent, one that bounced, one that waits; the pages' own receipts of top-ups are gone."""
    ledger = pages.ledger
    hostile = {**SAMPLE, "sender": HOSTILE_NAMES[1], "message": HOSTILE_NAMES[5]}
    with ledger.database.engine.begin() as connection:
        connection.execute(mail.delete())
        letters = [NewMail("one", "gift_received", "kim@example.com", hostile)]
        letters += [NewMail("two", "gift_received", "gone@example.com", SAMPLE)]
        insert_mails(connection, letters, ledger.clock.now())
    for ends in ("sent", "bounced"):
        claimed, _ = claim_mail(ledger)
        assert claimed is not None
        letter = mail_letter.render(
            claimed.template, claimed.variables, company="Test Company", public_url="https://credits.example"
        )
        if ends == "sent":
            assert mark_sent(ledger, claimed, letter, message_id="<one@example.com>")
        else:
            assert mark_bounced(ledger, claimed, letter, "550 5.1.1 No such user here")
    with ledger.database.engine.begin() as connection:
        insert_mails(connection, [NewMail("three", "gift_received", "lee@example.com", SAMPLE)], ledger.clock.now())
    return pages


def words(app: AppTest) -> str:
    """Everything in text on the page, tables and code included."""
    found = [one.value for one in (*app.markdown, *app.caption, *app.code, *app.subheader, *app.error, *app.info)]
    found += [one.value.to_string() for one in app.table]
    return "\n".join(str(one) for one in found).replace("\\", "")


def number_of(pages: Pages, address: str) -> str:
    with pages.ledger.database.reading() as connection:
        return str(connection.execute(mail.select().where(mail.c.to_address == address)).one().id)


def test_the_log_lists_what_became_of_each_mail(logged: Pages) -> None:
    app = logged.open("customers/alerts.py", who="max", **LOG)
    assert not app.exception
    shown = app.dataframe[0].value
    assert list(shown["to_address"]) == ["lee@example.com", "gone@example.com", "kim@example.com"]
    assert list(shown["words"]) == ["Waiting", "Bounced", "Sent"]
    assert shown["error"][1] == "550 5.1.1 No such user here"
    undelivered = logged.open("customers/alerts.py", mails="undelivered", **LOG)
    assert list(undelivered.dataframe[0].value["to_address"]) == ["gone@example.com"]
    nobody = logged.open("customers/alerts.py", to="100%", **LOG)
    assert "No e-mail matches" in words(nobody)


def test_a_mail_shows_the_exact_words_harmless(logged: Pages) -> None:
    app = logged.open("customers/alerts.py", mail=number_of(logged, "kim@example.com"), **LOG)
    assert not app.exception
    frame = app.get("iframe")[0].proto.srcdoc
    # The mail's own document is text inside an attribute; the only element around it is a frame without any rights.
    assert frame.count("<iframe sandbox ") == 1
    assert "<script" not in frame
    assert "allow-" not in frame
    assert "500 credits from" in words(app)
    app.radio(key="mail:view").set_value("text").run()
    assert "<script>alert(1)</script> gave you 500 credits" in app.code[0].value
    assert [button.label for button in app.button if button.label == "Review"]


def test_who_may_not_send_does_not_see_the_form(logged: Pages) -> None:
    app = logged.open("customers/alerts.py", who="max", mail=number_of(logged, "kim@example.com"), **LOG)
    assert "Send again" not in words(app)
    waiting = logged.open("customers/alerts.py", mail=number_of(logged, "lee@example.com"), **LOG)
    assert "Send again" not in words(waiting)
    assert "It was not sent so far" in words(waiting)
    assert "There is no mail" in words(logged.open("customers/alerts.py", mail="9" * 30, **LOG))


def test_a_mail_is_sent_again_once_however_often_it_is_confirmed(logged: Pages) -> None:
    app = logged.open("customers/alerts.py", mail=number_of(logged, "kim@example.com"), **LOG)
    app.button(key="review").click().run()
    app.button(key="confirm").click().run()
    app.run()
    with logged.ledger.database.reading() as connection:
        again = connection.execute(mail.select().where(mail.c.key.like("one:again:%"))).all()
    assert [row.to_address for row in again] == ["kim@example.com"]


def test_settings_show_the_sender_without_secrets_and_each_template(
    logged: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "smtp_host", "mail.example.com")
    monkeypatch.setattr(settings(), "smtp_user", "credits")
    monkeypatch.setattr(settings(), "smtp_password", type(settings().smtp_password)("s3cret"))
    app = logged.open("system/settings.py", tab="Mail")
    assert not app.exception
    assert "587" in words(app)
    assert "s3cret" not in words(app)
    assert list(app.dataframe[0].value["address"]) == ["gone@example.com"]
    other = logged.open("system/settings.py", tab="Mail", template="job_failed")
    assert "Job forecasts failed 3 times in a row" in words(other)
    assert "Mail" not in [tab.label for tab in logged.open("system/settings.py", who="fiona").tabs]


def test_a_test_mail_is_queued_from_settings(logged: Pages) -> None:
    app = logged.open("system/settings.py", tab="Mail")
    field = next(one for one in app.text_input if one.label == "To")
    field.set_value("nobody").run()
    assert "Must be one e-mail address" in words(app)
    next(one for one in app.text_input if one.label == "To").set_value("ops@example.com").run()
    app.button(key="review").click().run()
    app.button(key="confirm").click().run()
    with logged.ledger.database.reading() as connection:
        (row,) = connection.execute(mail.select().where(mail.c.template == "test_mail")).all()
    assert (row.to_address, row.state) == ("ops@example.com", "queued")
    assert row.queued_at <= datetime.now(UTC)

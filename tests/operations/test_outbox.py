"""The outbox: mails are queued once, with the fact that they tell of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa

from ledger import Ledger
from ledger.commands import Command, Outcome
from ledger.context import Context
from ledger.core.policy import Permission
from ledger.models import mail
from ledger.operations import HANDLERS
from ledger.outbox import NewMail, insert_mails, is_address, queue_mail
from ledger.receipt import Receipt
from tests.kit.factories import ADMIN, NOW


def mails(ledger: Ledger) -> list[Any]:
    """Every row of the outbox, oldest first."""
    with ledger.database.reading() as connection:
        return list(connection.execute(sa.select(mail).order_by(mail.c.id)).all())


def test_a_key_that_is_known_is_left_alone(ledger: Ledger) -> None:
    one = NewMail("gift:1", "gift_received", "kim@example.com", {"amount_micro": 5, "batches": [{"day": "2026-03-01"}]})
    with ledger.database.engine.begin() as connection:
        assert insert_mails(connection, [one, NewMail("gift:2", "gift_received", "kim@example.com")], NOW) == 2
    with ledger.database.engine.begin() as connection:
        again = NewMail("gift:1", "out_of_credits", "somebody.else@example.com")
        assert insert_mails(connection, [again, NewMail("gift:3", "gift_received", "kim@example.com")], NOW) == 1
        assert insert_mails(connection, [], NOW) == 0
    first = mails(ledger)[0]
    assert [row.key for row in mails(ledger)] == ["gift:1", "gift:2", "gift:3"]
    assert (first.template, first.to_address, first.state) == ("gift_received", "kim@example.com", "queued")
    assert first.variables == {"amount_micro": 5, "batches": [{"day": "2026-03-01"}]}
    assert (first.queued_at, first.next_try_at, first.tries) == (NOW, NOW, 0)


def test_mails_vanish_with_the_transaction_of_their_door(ledger: Ledger) -> None:
    with ledger.database.engine.connect() as connection:
        transaction = connection.begin()
        insert_mails(connection, [NewMail("gift:1", "gift_received", "kim@example.com")], NOW)
        transaction.rollback()
    assert mails(ledger) == []


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("kim@example.com", True),
        ("kim+credits@mail.example.com", True),
        ("o'hara@example.com", True),
        ("kim@localhost", True),
        ("", False),
        ("kim", False),
        ("kim@", False),
        ("@example.com", False),
        ("kim@example.com\nBcc: eve@example.com", False),
        ("kim@example.com\r\nBcc: eve@example.com", False),
        ("kim@example.com, eve@example.com", False),
        ("Kim <kim@example.com>", False),
        ("kim @example.com", False),
        ("kim@example.com\x00", False),
        ("kim@exämple.com", False),
        (f"{'k' * 250}@example.com", False),
    ],
)
def test_an_address_is_one_address_and_nothing_else(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one


def test_what_is_no_address_is_dropped_and_says_so(ledger: Ledger) -> None:
    with ledger.database.engine.begin() as connection:
        insert_mails(connection, [NewMail("gift:1", "gift_received", "kim@example.com\nBcc: eve@example.com")], NOW)
    (row,) = mails(ledger)
    assert (row.state, row.next_try_at) == ("dropped", None)
    assert row.error == "'kim@example.com\\nBcc: eve@example.com' is no e-mail address"


@dataclass(frozen=True, slots=True)
class Tell(Command):
    """A command that does nothing but queue a mail."""

    kind: ClassVar[str] = "tell"
    permission: ClassVar[Permission] = Permission.MANAGE_MAIL

    mail_key: str


def tell(context: Context, command: Tell) -> Outcome:
    context.begin()
    queue_mail(context, NewMail(command.mail_key, "gift_received", "kim@example.com", {"amount_micro": 5}))
    return Outcome(Receipt(command.kind, None, context.at), None, context.at)


@pytest.fixture
def with_tell() -> Iterator[None]:
    HANDLERS[Tell] = tell
    yield
    del HANDLERS[Tell]


@pytest.mark.usefixtures("with_tell")
def test_a_mail_is_queued_with_its_command_and_once(ledger: Ledger) -> None:
    ledger.preview(Tell("told"), actor=ADMIN)
    assert mails(ledger) == []
    receipt = ledger.execute(Tell("told"), actor=ADMIN, key="one")
    ledger.execute(Tell("told"), actor=ADMIN, key="one")
    # Another fact that would tell the same.
    ledger.execute(Tell("told"), actor=ADMIN, key="two")
    (row,) = mails(ledger)
    assert (row.key, row.variables, row.queued_at) == ("told", {"amount_micro": 5}, NOW)
    assert row.made_by_id == receipt.transaction_id

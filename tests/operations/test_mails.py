"""Mails of facts, queued in the transaction of the fact, and what people decide about mail."""

from typing import Any

import pytest
import sqlalchemy as sa

from ledger import (
    Actor,
    AllowAddress,
    AskApproval,
    ChangeCustomer,
    Command,
    CreditType,
    DecideApproval,
    GiftCredits,
    InvalidCommand,
    IssueGrant,
    Ledger,
    LedgerError,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    OpenAccount,
    Reason,
    RecordTopUp,
    Role,
    SendMailAgain,
    SendTestMail,
    TransferCredits,
)
from ledger.context import Rules
from ledger.core.amounts import MICRO
from ledger.mail import render
from ledger.models import mail, mail_block
from ledger.outbox import NewMail, claim_mail, forget_bodies, insert_mails, mark_bounced, mark_sent
from tests.kit.factories import ADMIN, BEA, NOW, REASON, grant, open_account

MARA = Actor("mara@example.com", Role.ACCOUNT_MANAGER)
GIFT = GiftCredits("acme", "globex", 40 * MICRO, REASON, "Thank you!\nAll of you.")
TOP_UP = RecordTopUp("acme", 500 * MICRO, Money(4_900, "EUR"), "INV-1", REASON)


def mails(ledger: Ledger) -> list[Any]:
    with ledger.database.reading() as connection:
        return list(connection.execute(sa.select(mail).order_by(mail.c.id)).all())


def letters(ledger: Ledger) -> list[tuple[str, str]]:
    """Address and subject of each mail, written: so the variables are what the template wants."""
    return [
        (
            row.to_address,
            render(row.template, row.variables, company="Test", public_url="https://credits.example").subject,
        )
        for row in mails(ledger)
    ]


@pytest.fixture
def shop(ledger: Ledger) -> Ledger:
    """Two customers of one organisation with an e-mail each, 100 credits for the first."""
    for account, name in (("acme", "Acme GmbH"), ("globex", "Globex")):
        open_account(ledger, account, name=name)
        ledger.execute(ChangeCustomer(account, organisation="both"), actor=ADMIN, key=f"organise:{account}")
    grant(ledger, "acme", 100)
    return ledger


def test_a_gift_tells_who_received_it_once(shop: Ledger) -> None:
    shop.preview(GIFT, actor=ADMIN)
    assert mails(shop) == []
    receipt = shop.execute(GIFT, actor=ADMIN, key="gift")
    assert shop.execute(GIFT, actor=ADMIN, key="gift").replayed
    (row,) = mails(shop)
    assert (row.key, row.made_by_id) == (f"gift:{receipt.transaction_id}", receipt.transaction_id)
    assert letters(shop) == [("billing@globex.example", "40 credits from Acme GmbH")]
    assert row.variables["message"] == "Thank you!\nAll of you."
    assert (row.variables["balance_micro"], row.variables["batches"][0]["amount_micro"]) == (40 * MICRO, 40 * MICRO)


def test_a_gift_that_is_refused_tells_nobody(shop: Ledger) -> None:
    with pytest.raises(LedgerError):
        shop.execute(GiftCredits("acme", "globex", 400 * MICRO, REASON, "Too much"), actor=ADMIN, key="gift")
    shop.execute(TransferCredits("acme", "globex", MICRO, REASON), actor=ADMIN, key="transfer")
    assert mails(shop) == []


def test_a_customer_without_an_address_gets_no_mail(ledger: Ledger) -> None:
    ledger.execute(OpenAccount("acme", "Acme", zone="Europe/Berlin"), actor=ADMIN, key="open")
    ledger.execute(TOP_UP, actor=ADMIN, key="top-up")
    assert mails(ledger) == []


def test_a_purchase_is_receipted(shop: Ledger) -> None:
    shop.preview(TOP_UP, actor=ADMIN)
    receipt = shop.execute(TOP_UP, actor=ADMIN, key="top-up")
    shop.execute(TOP_UP, actor=ADMIN, key="top-up")
    assert letters(shop) == [("billing@acme.example", "Receipt: 500 credits for EUR 49.00")]
    (row,) = mails(shop)
    assert row.variables["transaction_id"] == receipt.transaction_id
    assert (row.variables["paid_on"], row.variables["last_day"]) == ("2026-03-10", "2027-03-10")
    assert row.variables["balance_micro"] == 600 * MICRO


def ask(ledger: Ledger, command: Command, *, who: Actor = MARA, key: str = "ask") -> int:
    found = ledger.execute(AskApproval(command), actor=who, key=key).approval_id
    assert found is not None
    return found


BIG = IssueGrant("acme", CreditType.COMPENSATION, 250_000 * MICRO, Reason("contract", "agreed in the contract"))


def test_who_decides_is_told_of_a_request_and_who_asked_of_the_decision(shop: Ledger) -> None:
    shop.rules = Rules(approvers=("ada@example.com", "bea@example.com"))
    id_ = ask(shop, BIG, who=ADMIN)
    # Nobody is asked by mail about an own request.
    assert letters(shop) == [("bea@example.com", "Approval needed: issue credits, 250,000 credits")]
    shop.execute(DecideApproval(id_, True, "Fits."), actor=BEA, key="decide")
    shop.execute(DecideApproval(id_, True, "Fits."), actor=BEA, key="decide")
    assert letters(shop)[1:] == [("ada@example.com", f"Approved: your request {id_} to issue credits")]
    decided = mails(shop)[1].variables
    assert (decided["decided_by"], decided["note"], decided["account"]) == ("bea@example.com", "Fits.", "acme")


def test_a_refusal_is_told_and_a_withdrawal_is_not(shop: Ledger) -> None:
    withdrawn, refused = ask(shop, BIG), ask(shop, BIG, key="ask-2")
    shop.execute(DecideApproval(withdrawn, False, "No longer needed"), actor=MARA, key="one")
    shop.execute(DecideApproval(refused, False, "Too much"), actor=BEA, key="two")
    assert letters(shop) == [("mara@example.com", f"Refused: your request {refused} to issue credits")]
    assert mails(shop)[0].variables["account"] == "acme"


def test_what_a_request_would_tell_is_told_only_when_it_is_booked(shop: Ledger) -> None:
    id_ = ask(shop, GIFT)
    assert mails(shop) == []
    shop.execute(DecideApproval(id_, True, "Fine"), actor=BEA, key="decide")
    assert [to for to, _ in letters(shop)] == ["billing@globex.example", "mara@example.com"]


def test_a_program_that_asked_has_no_address(shop: Ledger) -> None:
    id_ = ask(shop, BIG, who=Actor("cli:kim", Role.ADMIN))
    shop.execute(DecideApproval(id_, False, "Too much"), actor=BEA, key="decide")
    assert mails(shop) == []


def put(ledger: Ledger, key: str, to: str = "kim@example.com") -> int:
    variables = {"sent_by": "ada", "sent_at": NOW.isoformat()}
    with ledger.database.engine.begin() as connection:
        insert_mails(connection, [NewMail(key, "test_mail", to, variables)], NOW)
    return int(mails(ledger)[-1].id)


def end(ledger: Ledger, *, is_bounced: bool = False) -> None:
    """Send the mail that is due, or let it bounce."""
    row = mails(ledger)[-1]
    letter = render(row.template, row.variables, company="Test", public_url="https://credits.example")
    claimed, _ = claim_mail(ledger)
    assert claimed is not None
    if is_bounced:
        assert mark_bounced(ledger, claimed, letter, "550 No such user")
    else:
        assert mark_sent(ledger, claimed, letter, message_id=f"<{row.id}@example.com>")


def test_a_mail_is_sent_again_under_a_key_of_its_own(ledger: Ledger) -> None:
    id_ = put(ledger, "test:1")
    again = SendMailAgain(id_, "Kim lost it")
    with pytest.raises(NotAllowedNow, match="waits to be sent already"):
        ledger.execute(again, actor=ADMIN, key="again")
    end(ledger)
    receipt = ledger.execute(again, actor=ADMIN, key="again")
    assert ledger.execute(again, actor=ADMIN, key="again").subject_id == receipt.subject_id
    first, second = mails(ledger)
    assert (second.id, second.key) == (receipt.subject_id, f"test:1:again:{receipt.transaction_id}")
    assert (second.state, second.to_address, second.variables) == ("queued", "kim@example.com", first.variables)
    ledger.execute(SendMailAgain(id_, "", "lee@example.com"), actor=ADMIN, key="other")
    assert mails(ledger)[-1].to_address == "lee@example.com"


def test_a_bounced_address_gets_mail_again_once_it_is_allowed(ledger: Ledger) -> None:
    id_ = put(ledger, "test:1")
    end(ledger, is_bounced=True)
    for command in (SendMailAgain(id_, ""), SendTestMail("KIM@example.com")):
        with pytest.raises(NotAllowedNow, match=r"bounced on 2026-03-10 .550 No such user. and gets no more mail"):
            ledger.execute(command, actor=ADMIN, key="again")
    allow = AllowAddress("Kim@Example.com", "the mailbox is back")
    assert ledger.execute(allow, actor=ADMIN, key="allow").transaction_id is not None
    assert ledger.execute(allow, actor=ADMIN, key="allow-2").transaction_id is None
    with ledger.database.reading() as connection:
        assert connection.execute(sa.select(mail_block)).all() == []
    ledger.execute(SendMailAgain(id_, ""), actor=ADMIN, key="again")
    assert [row.state for row in mails(ledger)] == ["bounced", "queued"]


def test_what_was_forgotten_or_never_there_is_not_sent_again(ledger: Ledger) -> None:
    id_ = put(ledger, "test:1")
    end(ledger)
    forget_bodies(ledger, before=NOW.replace(year=2027))
    with pytest.raises(NotAllowedNow, match="was removed after the time of retention"):
        ledger.execute(SendMailAgain(id_, ""), actor=ADMIN, key="again")
    with pytest.raises(NotFound, match="There is no mail '999'"):
        ledger.execute(SendMailAgain(999, ""), actor=ADMIN, key="again")
    no_address = put(ledger, "test:2", to="nobody")
    with pytest.raises(NotAllowedNow, match="give another one"):
        ledger.execute(SendMailAgain(no_address, ""), actor=ADMIN, key="again")


def test_a_test_mail_is_queued_for_one_address(ledger: Ledger) -> None:
    receipt = ledger.execute(SendTestMail(" kim@example.com "), actor=ADMIN, key="test")
    (row,) = mails(ledger)
    assert (row.id, row.to_address, row.template) == (receipt.subject_id, "kim@example.com", "test_mail")
    assert letters(ledger) == [("kim@example.com", "Test mail from Test")]
    for address in ("", "kim", "Kim <kim@example.com>", "kim@example.com\nBcc: eve@example.com"):
        with pytest.raises(InvalidCommand, match="must be one e-mail address"):
            ledger.execute(SendTestMail(address), actor=ADMIN, key="other")
    with pytest.raises(NotPermitted, match="send mail again"):
        ledger.execute(SendTestMail("kim@example.com"), actor=MARA, key="other")

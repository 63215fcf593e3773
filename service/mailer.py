"""One turn of the outbox: what is due is written, handed to the mail server, and marked with what became of it."""

from collections.abc import Callable
from dataclasses import replace

import sqlalchemy as sa

from ledger import Ledger, MailUnavailable
from ledger.gateways.mail import AddressRefused, Mailer, NotTaken, Sender, compose, open_mailer
from ledger.mail import LetterFault, render
from ledger.mail.words import web_address
from ledger.models import company
from ledger.outbox import (
    TRIES_MAX,
    ClaimedMail,
    claim_mail,
    is_mail_due,
    mark_bounced,
    mark_failed,
    mark_hopeless,
    mark_sent,
    note_delay,
)
from ledger.settings import settings

# So that a turn ends and its job can say how it went; the next turn goes on.
TURN_MAX = 500


def send_due(
    ledger: Ledger,
    *,
    sender: Sender | None = None,
    limit: int = TURN_MAX,
    progress: Callable[[int], None] | None = None,
) -> dict[str, int]:
    """Send the mails that are due, at most ``limit``; several senders at once send each mail once.

    Answers how many were sent, are tried again later, bounced, failed for good, were dropped. Raises MailUnavailable
    when the server cannot be reached or the connection is lost; the other mails stay due, with the reason beside them.
    """
    counts = dict.fromkeys(("sent", "later", "bounced", "failed", "dropped"), 0)
    if not is_mail_due(ledger):
        return counts
    with ledger.database.reading() as connection:
        name, is_demo = connection.execute(sa.select(company.c.name, company.c.is_demo)).one()
    sender = sender or Sender.of_settings(name)
    if is_demo:
        # Its customers are made up, and an address that somebody made up may be somebody's.
        sender = replace(sender, host="")
    try:
        _check_links(sender)
        with open_mailer(sender) as mailer:
            for done in range(1, limit + 1):
                claimed, dropped = claim_mail(ledger)
                counts["dropped"] += dropped
                if claimed is None:
                    break
                counts[_send(ledger, mailer, claimed, sender=sender, company_name=name)] += 1
                if progress is not None:
                    progress(done)
    except MailUnavailable as error:
        note_delay(ledger, error.detail)
        raise
    return counts


def _check_links(sender: Sender) -> None:
    """A wrong address of the product is a mistake of the settings, not of the mails: none of them may pay for it."""
    try:
        web_address(settings().public_url)
    except ValueError as error:
        raise MailUnavailable(place=sender.place, detail=f"PUBLIC_URL {error}") from error


def _send(ledger: Ledger, mailer: Mailer, claimed: ClaimedMail, *, sender: Sender, company_name: str) -> str:
    """Try one mail; answers the word of what became of it."""
    try:
        letter = render(
            claimed.template,
            claimed.variables,
            company=company_name,
            public_url=settings().public_url,
            zone=ledger.company_zone,
        )
        message = compose(letter, key=claimed.key, to_address=claimed.to_address, sender=sender, at=ledger.clock.now())
    except (LetterFault, ValueError) as error:
        mark_hopeless(ledger, claimed, str(error))
        return "failed"
    try:
        mailer.send(message)
    except AddressRefused as error:
        mark_bounced(ledger, claimed, letter, str(error))
        return "bounced"
    except NotTaken as error:
        mark_failed(ledger, claimed, str(error))
        return "failed" if claimed.tries >= TRIES_MAX else "later"
    except MailUnavailable as error:
        mark_failed(ledger, claimed, error.detail)
        raise
    # A process that dies here sends the mail again after its claim has run out, under the same Message-ID.
    mark_sent(ledger, claimed, letter, message_id=message["Message-ID"])
    return "sent"

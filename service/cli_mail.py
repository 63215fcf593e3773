"""Mail from the command line: `python -m service.cli mail send|list|show|preview|again|test|allow`."""

import uuid
from collections.abc import Mapping
from typing import Any

import click

from analytics import frames
from ledger import AllowAddress, SendMailAgain, SendTestMail
from ledger.mail import TEMPLATES, Letter, LetterFault, render
from ledger.models.service import MAIL_STATES
from ledger.queries import MailFilter
from ledger.settings import settings
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly
from service.mailer import TURN_MAX, send_due

KEY = click.option("--key", help="The same key queues once; a new one unless given.")


@click.group()
def mail() -> None:
    """The outbox: send what is due, read the log, look at the templates."""


@mail.command()
@click.option("--limit", default=TURN_MAX, show_default=True, type=click.IntRange(1), help="Mails at most.")
@refusing_clearly
def send(limit: int) -> None:
    """Send what is due now. The jobs do the same every minute; both at once send each mail once."""
    counts = send_due(opened_ledger(), limit=limit)
    click.echo(", ".join(f"{count} {word}" for word, count in counts.items()))


@mail.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(MAIL_STATES), help="Only these; all unless given.")
@click.option("--to", "text", default="", help="Part of the address.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@refusing_clearly
def list_mails(states: tuple[str, ...], text: str, limit: int) -> None:
    """The newest mails with what became of them."""
    with opened_ledger().database.reading() as connection:
        found = frames.load_mails(connection, wanted=MailFilter(states, text), limit=limit)
    columns = {"mail_id": "no.", "queued_at": "queued", "template": "template", "to_address": "to", "state": "state"}
    show.table(found, columns | {"tries": "tries", "sent_at": "sent", "error": "error"})


@mail.command("show")
@click.argument("mail_id", type=int)
@click.option("--html", is_flag=True, help="The HTML instead of the text.")
@refusing_clearly
def show_mail(mail_id: int, html: bool) -> None:
    """The exact words of a mail that was sent; before that, as it would be sent now."""
    with opened_ledger().database.reading() as connection:
        found = frames.load_mail(connection, mail_id=mail_id)
        company = frames.load_company(connection)
    for name, value in (("to", found.to_address), ("state", found.words), ("error", found.error)):
        if value:
            click.echo(f"{name}: {value}")
    if found.subject is not None and found.body_text is not None and found.body_html is not None:
        letter = Letter(found.subject, found.body_text, found.body_html)
    elif found.variables:
        letter = _written(found.template, found.variables, company)
    else:
        raise click.ClickException("its words were removed after the time of retention")
    _print(letter, html=html)


@mail.command()
@click.argument("template", type=click.Choice(list(TEMPLATES)))
@click.option("--html", is_flag=True, help="The HTML instead of the text.")
@refusing_clearly
def preview(template: str, html: bool) -> None:
    """A template filled with its sample."""
    with opened_ledger().database.reading() as connection:
        company = frames.load_company(connection)
    _print(_written(template, TEMPLATES[template].sample, company), html=html)


@mail.command()
@click.argument("mail_id", type=int)
@click.option("--to", default="", help="Another address; the same one unless given.")
@click.option("--note", default="", help="Why.")
@KEY
@refusing_clearly
def again(mail_id: int, to: str, note: str, key: str | None) -> None:
    """Queue a mail once more."""
    command = SendMailAgain(mail_id, note, to)
    receipt = opened_ledger().execute(command, actor=me(), key=key or f"cli:{uuid.uuid4()}")
    click.echo(f"queued as mail {receipt.subject_id}")


@mail.command()
@click.argument("to")
@KEY
@refusing_clearly
def test(to: str, key: str | None) -> None:
    """Queue a mail that says that it is a test."""
    receipt = opened_ledger().execute(SendTestMail(to), actor=me(), key=key or f"cli:{uuid.uuid4()}")
    click.echo(f"queued as mail {receipt.subject_id}")


@mail.command()
@click.argument("address")
@click.option("--note", default="", help="Why.")
@KEY
@refusing_clearly
def allow(address: str, note: str, key: str | None) -> None:
    """Send mail again to an address that was refused for good."""
    receipt = opened_ledger().execute(AllowAddress(address, note), actor=me(), key=key or f"cli:{uuid.uuid4()}")
    click.echo("allowed" if receipt.transaction_id else "was not blocked")


def _written(template: str, variables: Mapping[str, Any], company: frames.Company) -> Letter:
    try:
        return render(template, variables, company=company.name, public_url=settings().public_url, zone=company.zone)
    except LetterFault as error:
        raise click.ClickException(str(error)) from error


def _print(letter: Letter, *, html: bool) -> None:
    if html:
        click.echo(letter.html)
    else:
        click.echo(f"subject: {letter.subject}\n\n{letter.text}", nl=False)

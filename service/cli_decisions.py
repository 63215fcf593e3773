"""What needs a second person, from the command line: requests for approval, refunds, overdrafts.

Whoever runs the command is one person (the name of the operating system's user): asking and deciding takes two.
"""

from datetime import datetime
from decimal import Decimal

import click
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import (
    ApproveOverdraft,
    AskApproval,
    Command,
    DecideApproval,
    Ledger,
    Reason,
    RefundPurchase,
    RefundTo,
    micro_to_text,
)
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS, INSTANT


@click.group()
def approvals() -> None:
    """What waits for a second person."""


@approvals.command("list")
@click.option("--decided", is_flag=True, help="Those that were decided, instead of those that wait.")
@click.option("--limit", default=50, type=click.IntRange(1, 1000))
@refusing_clearly
def list_requests(decided: bool, limit: int) -> None:
    """Requests for approval: longest waiting first, or newest decision first."""
    with opened_ledger().database.reading() as connection:
        found = frames.load_approvals(connection, is_waiting=not decided, limit=limit)
    columns = {"approval_id": "request", "kind": "what", "account": "account", "weight_micro": "credits",
               "requester": "asked by", "asked_at": "asked", "note": "why"}  # fmt: skip
    if decided:
        columns |= {"state": "became", "decided_by": "by", "decision_note": "said"}
    show.table(found, columns)


@approvals.command()
@click.argument("request", type=int)
@click.option("--note", required=True, help="What you say to it; kept for good.")
@click.option("--key", help="Names this attempt; the same key again changes nothing.")
@refusing_clearly
def approve(request: int, note: str, key: str | None) -> None:
    """Let a request happen, as things are now; not your own."""
    run(opened_ledger(), DecideApproval(request, True, note), key)


@approvals.command()
@click.argument("request", type=int)
@click.option("--note", required=True, help="What you say to it; kept for good.")
@click.option("--key", help="Names this attempt; the same key again changes nothing.")
@refusing_clearly
def refuse(request: int, note: str, key: str | None) -> None:
    """Refuse a request; your own is withdrawn."""
    run(opened_ledger(), DecideApproval(request, False, note), key)


@click.command()
@click.argument("account_id")
@click.argument("batch_id", type=int)
@click.option("--credits", "amount", type=CREDITS, help="How many; all that is neither used nor held unless given.")
@click.option("--reason", "code", required=True, help="Reason code, such as contract.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option(
    "--to",
    "where",
    default=RefundTo.OUTSIDE.value,
    show_default=True,
    type=click.Choice([one.value for one in RefundTo]),
    help="Who gives the money back: somebody by hand, or the provider, to the card or to the balance there.",
)
@click.option("--ask", is_flag=True, help="Ask a second person for it; needed above the limit of one person.")
@click.option("--preview", is_flag=True, help="Only say what would be given back.")
@click.option("--key", help="Names this attempt; the same key again changes nothing.")
@refusing_clearly
def refund(
    account_id: str,
    batch_id: int,
    amount: int | None,
    code: str,
    note: str,
    ticket: str,
    where: str,
    ask: bool,
    preview: bool,
    key: str | None,
) -> None:
    """Take purchased credits off the shelf and say what money goes back for them; `batches` lists them."""
    command = RefundPurchase(account_id, batch_id, amount, Reason(code, note, ticket), RefundTo(where))
    ledger = opened_ledger()
    if preview:
        shown = ledger.preview(command, actor=me())
        assert shown.money is not None
        credits = micro_to_text(shown.takes[0].amount_micro)
        click.echo(f"{credits} credits would give back {_money(shown.money.cents, shown.money.currency)}.")
        return
    _ask_or_run(ledger, command, ask=ask, key=key)


@click.group()
def overdraft() -> None:
    """How far an account may go below zero. One person asks, another approves."""


@overdraft.command("ask")
@click.argument("account_id")
@click.argument("limit", type=CREDITS)
@click.option("--until", type=INSTANT, help="No new debt from then on; without an end unless given.")
@click.option("--reason", "code", required=True, help="Reason code, such as contract.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key", help="Names this attempt; the same key again changes nothing.")
@refusing_clearly
def ask_overdraft(
    account_id: str, limit: int, until: datetime | None, code: str, note: str, ticket: str, key: str | None
) -> None:
    """Ask that an account may owe up to LIMIT credits; 0 ends its overdraft."""
    command = ApproveOverdraft(account_id, limit, until, Reason(code, note, ticket))
    _ask_or_run(opened_ledger(), command, ask=True, key=key)


@overdraft.command("show")
@click.argument("account_id")
@refusing_clearly
def show_overdraft(account_id: str) -> None:
    """What an account owes and may owe."""
    with opened_ledger().database.reading() as connection:
        found = frames.load_overdraft(connection, account=account_id)
    ends = "without an end" if found.until is None else f"until {found.until:%Y-%m-%d %H:%M} UTC"
    by = f", asked by {found.requester}, approved by {found.approver}" if found.approver else ""
    click.echo(f"owes: {micro_to_text(found.owed_micro)}")
    click.echo(f"may owe: {micro_to_text(found.limit_micro)} {ends}{by}" if found.limit_micro else "may owe: nothing")


def _ask_or_run(ledger: Ledger, command: Command, *, ask: bool, key: str | None) -> None:
    receipt = run(ledger, AskApproval(command) if ask else command, key)
    if ask:
        click.echo(f"Request {receipt.approval_id} waits for a second person: approvals approve {receipt.approval_id}")
    elif receipt.money is not None:
        click.echo(f"Give back {_money(receipt.money.cents, receipt.money.currency)}.")


def _money(cents: int, currency: str) -> str:
    return f"{Decimal(cents).scaleb(-get_currency_precision(currency))} {currency}"

"""Corrections from the command line: `python -m service.cli adjust`, `… void`, `… reverse`, `… extend`."""

from datetime import date, datetime

import click

from ledger import AdjustBalance, CreditType, ExtendExpiry, Reason, ReverseTransaction, VoidBatch, micro_to_text
from service.cli_kit import opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS, DAY, INSTANT

UNPAID = click.Choice([kind.value for kind in CreditType if kind is not CreditType.PURCHASED])


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("account_id")
@click.argument("credits", type=CREDITS)
@click.option("--batch", "batch_id", type=int, help="Take from this batch alone; else in burn order.")
@click.option("--type", "credit_type", type=UNPAID, default="compensation", show_default=True, help="Of added credits.")
@click.option("--expires", type=DAY, help="Last usable day of added credits; the default of the type unless given.")
@click.option("--from", "effective_at", type=INSTANT, help="Since when added credits count; now unless given.")
@click.option("--reason", "code", required=True, help="Reason code, such as data_correction.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key", help="Names this attempt; the same key again changes nothing.")
@refusing_clearly
def adjust(
    account_id: str,
    credits: int,
    batch_id: int | None,
    credit_type: str,
    expires: date | None,
    effective_at: datetime | None,
    code: str,
    note: str,
    ticket: str,
    key: str | None,
) -> None:
    """Add CREDITS to a balance, or take them away when they are negative; a balance is never set."""
    reason = Reason(code, note, ticket)
    command = AdjustBalance(account_id, credits, reason, batch_id, CreditType(credit_type), expires, effective_at)
    run(opened_ledger(), command, key)


@click.command()
@click.argument("account_id")
@click.argument("batch_id", type=int)
@click.option("--reason", "code", required=True, help="Reason code, such as data_correction.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def void(account_id: str, batch_id: int, code: str, note: str, ticket: str, key: str | None) -> None:
    """Take away what is left of a batch that should not have been given; what was used stays used."""
    run(opened_ledger(), VoidBatch(account_id, batch_id, Reason(code, note, ticket)), key)


@click.command()
@click.argument("transaction_id", type=int)
@click.option("--reason", "code", required=True, help="Reason code, such as billing_error.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def reverse(transaction_id: int, code: str, note: str, ticket: str, key: str | None) -> None:
    """Take back everything that a transaction did, by entries that mirror its own. Its number is in the history."""
    receipt = run(opened_ledger(), ReverseTransaction(transaction_id, Reason(code, note, ticket)), key)
    if lost := sum(take.amount_micro for take in receipt.expired):
        click.echo(f"{micro_to_text(lost)} of them were past their date and expired again.")


@click.command()
@click.argument("account_id")
@click.argument("batch_id", type=int)
@click.argument("last_day", type=DAY, required=False)
@click.option("--never", is_flag=True, help="For ever, instead of through a last day.")
@click.option("--reason", "code", required=True, help="Reason code, such as goodwill.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def extend(
    account_id: str,
    batch_id: int,
    last_day: date | None,
    never: bool,
    code: str,
    note: str,
    ticket: str,
    key: str | None,
) -> None:
    """Let a batch be used through a later last day in the customer's zone; what of it had expired comes back."""
    command = ExtendExpiry(account_id, batch_id, Reason(code, note, ticket), expires_on=last_day, never_expires=never)
    receipt = run(opened_ledger(), command, key)
    if back := sum(take.amount_micro for take in receipt.returned):
        click.echo(f"{micro_to_text(back)} that had expired came back.")

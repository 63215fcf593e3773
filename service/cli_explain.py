"""Why an amount is what it is, from the command line: `python -m service.cli explain ACCOUNT`."""

from datetime import datetime

import click

from ledger import micro_to_text
from ledger.explain import DebitExplained, explain_balance, explain_transaction
from service.cli_kit import opened_ledger, refusing_clearly
from service.cli_words import INSTANT


@click.command()
@click.argument("account_id")
@click.option("--transaction", "transaction_id", type=int, help="What stands behind one transaction instead.")
@click.option("--at", type=INSTANT, help="The balance at an instant of the past; now unless given.")
@click.option("--known", type=INSTANT, help="As the books knew it then; now unless given.")
@refusing_clearly
def explain(account_id: str, transaction_id: int | None, at: datetime | None, known: datetime | None) -> None:
    """What the balance of an account is made of, part by part, or which batches paid a debit and why so much."""
    ledger = opened_ledger()
    now = ledger.clock.now()
    with ledger.database.reading() as connection:
        balance = explain_balance(connection, account_id, at=at or now, known_at=known or now)
        debit = None if transaction_id is None else explain_transaction(connection, transaction_id)
    if debit is not None:
        if account_id not in debit.accounts:
            raise click.ClickException(f"transaction {transaction_id} moved no credits of {account_id}")
        _tell_debit(debit)
        return
    for part in balance.parts:
        click.echo(f"{micro_to_text(part.amount_micro):>16}  {part.because.value} ({part.entries} entries)")
    click.echo(f"{micro_to_text(balance.balance_micro):>16}  balance")


def _tell_debit(debit: DebitExplained) -> None:
    click.echo(f"{debit.kind} {debit.transaction_id} by {debit.actor} ({debit.role}), key {debit.key}")
    if debit.approval_id is not None:
        click.echo(f"request {debit.approval_id}: asked for by {debit.asked_by}, approved by {debit.approved_by}")
    for use in debit.uses:
        click.echo(f"event {use.event_id}: {micro_to_text(use.quantity_micro)} {use.unit} of {use.feature}")
        if use.price_micro is not None:
            click.echo(
                f"  {micro_to_text(use.quantity_micro)} x {micro_to_text(use.price_micro)} "
                f"x {micro_to_text(use.factor_micro)} less {use.discount_ppm / 10_000:g} % "
                f"= {micro_to_text(use.cost_micro)}"
            )
        else:
            click.echo(f"  {micro_to_text(use.cost_micro)}, named when the hold was captured")
    for one in debit.payments:
        where = "debt" if one.batch_id is None else f"batch {one.batch_id} {one.credit_type}"
        paid = "" if one.cost is None else f", paid for with {one.cost.cents} cents {one.cost.currency}"
        click.echo(f"{micro_to_text(one.amount_micro):>16}  {where} {one.source}{paid}")

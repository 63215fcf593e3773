"""Files of grants and adjustments from the command line: `python -m service.cli file VERB`."""

from pathlib import Path

import click
import sqlalchemy as sa

from ledger import BookFile, InvalidCommand, Reason, UndoFile
from ledger.grant_file import FileUnreadable, read_grants, template
from ledger.models import account as account_table
from service.cli_kit import me, opened_ledger, refusing_clearly

SHOWN = 20


@click.group("file")
def file_group() -> None:
    """Many grants and adjustments at once, from a CSV file."""


@file_group.command("template")
def file_template() -> None:
    """A file with the header and one example row."""
    click.echo(template(), nl=False)


@file_group.command("book")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--note", required=True, help="Why, at least 10 characters.")
@click.option("--good-rows-only", is_flag=True, help="Book what can be booked; otherwise all rows or none.")
@click.option("--wrong", type=click.Path(path_type=Path), help="Write the wrong rows with a problem column here.")
@refusing_clearly
def file_book(path: Path, note: str, good_rows_only: bool, wrong: Path | None) -> None:
    """Book the rows of PATH. The same file again books nothing."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        customers = connection.execute(sa.select(account_table.c.external_id)).scalars().all()
    try:
        found = read_grants(path.read_text(encoding="utf-8-sig"), customers=customers)
    except (FileUnreadable, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from error
    for fault in found.faults[:SHOWN]:
        click.echo(str(fault), err=True)
    if found.faults and wrong is not None:
        wrong.write_text(found.wrong_rows(), encoding="utf-8-sig")
        click.echo(f"Wrong rows are in {wrong}.", err=True)
    if found.faults and not good_rows_only:
        raise click.ClickException(f"{len(found.faults)} faults; nothing was booked.")
    if not found.rows:
        raise click.ClickException("There is no row to book.")
    command = BookFile(path.name, found.rows, Reason("file", note), good_rows_only)
    # The rows themselves are what is booked once; the file as a whole may come again with other rows.
    key = f"file:{path.name}:{ledger.clock.now().isoformat()}"
    try:
        receipt = ledger.execute(command, actor=me(), key=key)
    except InvalidCommand as error:
        for one in error.faults[:SHOWN]:
            click.echo(f"{one.field}: {one.message}", err=True)
        raise click.ClickException(f"{len(error.faults)} rows cannot be booked; nothing was booked.") from error
    for refusal in receipt.refusals[:SHOWN]:
        click.echo(f"{refusal.event_id}: {refusal.message}", err=True)
    where = "" if receipt.transaction_id is None else f" Transaction {receipt.transaction_id}."
    click.echo(
        f"{receipt.events_recorded} rows booked, {receipt.events_replayed} were booked before, "
        f"{len(receipt.refusals)} refused.{where}"
    )


@file_group.command("undo")
@click.argument("transaction", type=int)
@click.option("--note", required=True, help="Why, at least 10 characters.")
@refusing_clearly
def file_undo(transaction: int, note: str) -> None:
    """Reverse every row of the file that was booked as TRANSACTION."""
    ledger = opened_ledger()
    receipt = ledger.execute(UndoFile(transaction, Reason("file", note)), actor=me(), key=f"undo-file:{transaction}")
    click.echo(f"{receipt.events_recorded} rows reversed.")

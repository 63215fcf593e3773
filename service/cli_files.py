"""Files of grants and adjustments from the command line: `python -m service.cli file VERB`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import sqlalchemy as sa

from ledger import BookFile, FileRow, Ledger, Reason, Receipt, UndoFile, micro_to_text
from ledger.grant_file import FileUnreadable, GrantFile, read_grants, rows_with_problems, template
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
@click.option("--preview", is_flag=True, help="Only say what would be booked, by type, and what is wrong.")
@refusing_clearly
def file_book(path: Path, note: str, good_rows_only: bool, wrong: Path | None, preview: bool) -> None:
    """Book the rows of PATH. The same file again books nothing."""
    ledger = opened_ledger()
    found = _read(ledger, path)
    problems = found.problems()
    receipt = None
    if found.rows:
        # Asked first for every row on its own: a refusal of one says nothing about the others.
        look = BookFile(path.name, found.rows, Reason("file", note), good_rows_only=True)
        receipt = ledger.preview(look, actor=me())
        problems |= {int(one.event_id.removeprefix("line ")): one.message for one in receipt.refusals}
    _tell_problems(found, problems, wrong)
    if problems and not (good_rows_only or preview):
        raise click.ClickException(f"{len(problems)} rows cannot be booked; nothing was booked.")
    if receipt is None:
        raise click.ClickException("There is no row to book.")
    if preview:
        _tell_sums([row for row in found.rows if row.line not in problems], receipt)
        return
    # The rows themselves are what is booked once; the file as a whole may come again with other rows.
    key = f"file:{path.name}:{ledger.clock.now().isoformat()}"
    command = BookFile(path.name, found.rows, Reason("file", note), good_rows_only)
    receipt = ledger.execute(command, actor=me(), key=key)
    where = "" if receipt.transaction_id is None else f" Transaction {receipt.transaction_id}."
    click.echo(
        f"{receipt.events_recorded} rows booked, {receipt.events_replayed} were booked before, "
        f"{len(receipt.refusals)} refused.{where}"
    )


def _read(ledger: Ledger, path: Path) -> GrantFile:
    with ledger.database.reading() as connection:
        customers = connection.execute(sa.select(account_table.c.external_id)).scalars().all()
    try:
        return read_grants(path.read_text(encoding="utf-8-sig"), customers=customers)
    except (FileUnreadable, UnicodeDecodeError) as error:
        raise click.ClickException(str(error)) from error


def _tell_problems(found: GrantFile, problems: Mapping[int, str], wrong: Path | None) -> None:
    for fault in found.faults[:SHOWN]:
        click.echo(str(fault), err=True)
    misread = {fault.line for fault in found.faults}
    refused = [f"line {line}: {problems[line]}" for line in sorted(problems) if line not in misread]
    for line in refused[:SHOWN]:
        click.echo(line, err=True)
    if problems and wrong is not None:
        wrong.write_text(rows_with_problems(found.typed, problems), encoding="utf-8-sig")
        click.echo(f"Wrong rows are in {wrong}.", err=True)


def _tell_sums(rows: Sequence[FileRow], receipt: Receipt) -> None:
    sums: Counter[str] = Counter()
    for row in rows:
        sums[row.command.credit_type] += row.command.amount_micro
    for credit_type, amount in sorted(sums.items()):
        click.echo(f"{credit_type}: {micro_to_text(amount)} credits")
    click.echo(
        f"{receipt.events_recorded} rows would be booked, {receipt.events_replayed} were booked before. "
        "Nothing was booked now."
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

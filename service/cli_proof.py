"""Verbs by which the books prove themselves: reconcile, rebuild, seal."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
import sqlalchemy as sa

from analytics import frames
from ledger import Reason, RebuildTotals, micro_to_text
from ledger.core.policy import SYSTEM
from ledger.models import account as account_table
from ledger.rebuild import Difference, differences
from ledger.reconcile import reconcile
from ledger.sealing import Head, head, seal_new, verify
from service.cli_kit import opened_ledger, refusing_clearly

SHOWN = 100


@click.command("reconcile")
@click.option("--account", help="Only this account.")
@refusing_clearly
def reconcile_books(account: str | None) -> None:
    """Prove every invariant of the books, of one account or of all. Changes nothing; exits with 1 on a finding."""
    ledger = opened_ledger()
    with ledger.database.snapshot() as connection:
        _refuse_unknown(connection, account)
        proof = reconcile(connection, account_name=account)
    for one in proof.findings[:SHOWN]:
        click.echo(f"{one.check}: {one.place} says {one.stated_micro}, proven {one.proven_micro} (micro)")
    click.echo(
        f"{len(proof.checks)} checks over {proof.accounts} accounts, {proof.transactions} transactions, "
        f"{proof.entries} entries: {len(proof.findings)} findings."
    )
    if proof.findings:
        raise SystemExit(1)


@click.command()
@click.option("--account", help="Only this account.")
@click.option("--write", is_flag=True, help="Repair what differs; without it the differences are only shown.")
@click.option("--note", default="totals rebuilt from entries", show_default=True, help="Why, for the ledger.")
@refusing_clearly
def rebuild(account: str | None, write: bool, note: str) -> None:
    """Compute totals and the daily rollup again from the entries and show what differs."""
    ledger = opened_ledger()
    with ledger.database.snapshot() as connection:
        _refuse_unknown(connection, account)
        found = list(
            differences(
                connection.execute,
                is_sqlite=ledger.database.is_sqlite,
                zone=ledger.company_zone,
                account_name=account,
            )
        )
        names = {
            row.id: row.external_id
            for row in connection.execute(sa.select(account_table.c.id, account_table.c.external_id))
        }
    for one in found[:SHOWN]:
        click.echo(_line(one, names))
    click.echo(f"{len(found)} figures differ." if found else "Every total is what its entries say.")
    if not found:
        return
    if not write:
        click.echo("Nothing was changed; --write repairs them.")
        raise SystemExit(1)
    for owner in sorted({names[one.account_id] for one in found}):
        command = RebuildTotals(owner, Reason("rebuild", note))
        receipt = ledger.execute(command, actor=SYSTEM, key=f"rebuild:{owner}:{ledger.clock.now().isoformat()}")
        click.echo(f"{owner}: {len(receipt.notes)} figures repaired, transaction {receipt.transaction_id}.")


def _refuse_unknown(connection: sa.Connection, account: str | None) -> None:
    # Nothing is proven of an account that is not there.
    if account is not None:
        frames.load_head(connection, account)


def _line(one: Difference, names: dict[int, str]) -> str:
    stated, proven = one.stated_micro, one.proven_micro
    amounts = (str(stated), str(proven)) if one.column == "events" else (micro_to_text(stated), micro_to_text(proven))
    key = "/".join(map(str, one.key))
    return f"{names[one.account_id]} {one.table} {key} {one.column}: says {amounts[0]}, entries say {amounts[1]}"


@click.group()
def seal() -> None:
    """The hash chain over everything booked."""


@seal.command("run")
@refusing_clearly
def seal_run() -> None:
    """Seal what is booked and not sealed yet."""
    click.echo(f"{seal_new(opened_ledger()):,} transactions sealed.")


@seal.command("head")
@refusing_clearly
def seal_head() -> None:
    """The newest link as JSON: keep it where nobody who can write to the database can."""
    with opened_ledger().database.reading() as connection:
        found = head(connection)
    if found is None:
        raise click.ClickException("nothing was sealed yet; run: seal run")
    click.echo(json.dumps(asdict(found), default=str))


@seal.command("verify")
@click.option("--head", "file", type=click.Path(exists=True, path_type=Path), help="Heads that were kept elsewhere.")
@refusing_clearly
def seal_verify(file: Path | None) -> None:
    """Compare the books with what was sealed; exits with 1 on a breach. tools/verify_seal.py does it without us."""
    kept = None if file is None else _kept(file)
    with opened_ledger().database.reading() as connection:
        breaches = verify(connection, kept=kept)
    for one in breaches:
        click.echo(f"{one.place}: {one.what}")
    click.echo("The books are what was sealed." if not breaches else f"{len(breaches)} breaches.")
    if breaches:
        raise SystemExit(1)


def _kept(file: Path) -> Head:
    """The newest of the heads that a file keeps, one a line."""
    try:
        said = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        return Head(**said | {"sealed_at": datetime.fromisoformat(said["sealed_at"])})
    except (ValueError, LookupError, TypeError) as error:
        raise click.ClickException(f"the last line of {file} is not what `seal head` prints") from error


VERBS = (reconcile_books, rebuild, seal)

"""Comparing with a provider from the command line: `python -m service.cli payments compare|findings|…`."""

import sys
from datetime import datetime, timedelta
from decimal import Decimal

import click
from babel.numbers import get_currency_precision

from analytics import frames
from analytics.finding_words import title
from ledger import AssignFinding, ExplainFinding, Ledger, Provider
from ledger.comparing import compare as compare_books
from ledger.gateways import registry
from ledger.selling.mending import mend as mend_finding
from service.cli_kit import me, opened_ledger, refusing_clearly, run

PROVIDER = click.option(
    "--provider",
    "name",
    type=click.Choice([one.value for one in Provider]),
    help="The one that takes the money of new purchases unless given.",
)
DAYS = 35
LISTED_MAX = 10_000


@click.group()
def payments() -> None:
    """Payments at providers, and whether their books and ours agree."""


@payments.command("compare")
@PROVIDER
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help=f"First day; {DAYS} days ago unless given.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="First day that is left out; now unless given.")
@refusing_clearly
def compare(name: str | None, since: datetime | None, until: datetime | None) -> None:
    """Hold our books against the provider's, with control sums; exits with 1 when something is open.

    Days are those of the company's zone.
    """
    ledger = opened_ledger()
    provider = _provider(ledger, name)
    end = ledger.clock.now() if until is None else until.replace(tzinfo=ledger.company_zone)
    begin = end - timedelta(days=DAYS) if since is None else since.replace(tzinfo=ledger.company_zone)
    found = compare_books(ledger, provider, since=begin, until=end, by=me())
    click.echo(f"{found.matched} of {found.objects} records agree; new findings: {found.begun}, gone: {found.fixed}.")
    for one in found.sums.values():
        ties = "ties" if not one.difference_cents else f"differs by {_money(one.difference_cents, one.currency)}"
        click.echo(
            f"{one.currency}: {one.here} settled here, {_money(one.here_cents, one.currency)}; {one.there} there, "
            f"{_money(one.there_cents, one.currency)}: {ties}"
        )
    if found.others:
        click.echo(f"Left out, because they name nothing of ours: {found.others} there.")
    if _list(ledger, provider, only_open=True):
        sys.exit(1)


@payments.command("findings")
@PROVIDER
@click.option("--all", "is_all", is_flag=True, help="Explained and fixed ones, too.")
@refusing_clearly
def findings(name: str | None, is_all: bool) -> None:
    """What the comparisons found and nobody has explained or mended yet."""
    ledger = opened_ledger()
    if not _list(ledger, _provider(ledger, name), only_open=not is_all):
        click.echo("No findings.")


@payments.command("mend")
@click.argument("finding", type=int)
@refusing_clearly
def mend(finding: int) -> None:
    """Ask the provider again about the payment of a finding, and book what it says."""
    made = mend_finding(opened_ledger(), finding, by=me())
    words = " ".join(made.receipt.notes) if made.receipt else made.why or "Nothing new."
    click.echo(f"Finding {finding} is {made.state}. {words}")


@payments.command("explain")
@click.argument("finding", type=int)
@click.argument("note")
@click.option("--key", help="The same key books once; a new one unless given.")
@refusing_clearly
def explain(finding: int, note: str, key: str | None) -> None:
    """Say why books and provider may differ at a finding."""
    run(opened_ledger(), ExplainFinding(finding, note), key)


@payments.command("assign")
@click.argument("finding", type=int)
@click.argument("owner")
@click.option("--key", help="The same key books once; a new one unless given.")
@refusing_clearly
def assign(finding: int, owner: str, key: str | None) -> None:
    """Say who deals with a finding: an e-mail address, or "" for nobody."""
    run(opened_ledger(), AssignFinding(finding, owner), key)


def _provider(ledger: Ledger, name: str | None) -> Provider:
    return registry.selling(ledger) if name is None else Provider(name)


def _list(ledger: Ledger, provider: Provider, *, only_open: bool) -> int:
    with ledger.database.reading() as connection:
        found = frames.load_findings(connection, provider=provider.value, limit=LISTED_MAX)
    if only_open:
        found = found[found["state"] == "open"]
    for row in found.to_dict("records"):
        sides = [
            f"{side} {_money(int(row[f'{column}_cents']), str(row[f'{column}_currency']))}"
            for side, column in (("here", "our"), ("there", "their"))
            if isinstance(row[f"{column}_currency"], str)
        ]
        what = title(str(row["kind"]), str(row["object_kind"]), str(row["figure"]), provider)
        owner = f", {row['owner']}" if row["owner"] else ""
        click.echo(
            f"{row['finding_id']:>6} {row['state']:<9} {row['object_ref']:<28} {what}: {', '.join(sides)}{owner}"
        )
    return len(found)


def _money(cents: int, currency: str) -> str:
    return f"{Decimal(cents).scaleb(-get_currency_precision(currency))} {currency}"

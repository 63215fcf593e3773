"""What providers know, from the command line: verbs of `catalog` and `account` that ask one of them."""

import uuid

import click

from ledger.core.payments import Provider
from ledger.core.selling import Difference
from ledger.gateways import registry
from ledger.selling import linking
from ledger.selling.catalog_sync import compare_catalog, push_catalog
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly

PROVIDER = click.option(
    "--provider", type=click.Choice([one.value for one in Provider]), help="Which one; the one that sells unless given."
)
KEY = click.option("--key", help="The same key books once; a new one unless given.")


@click.command("sync")
@PROVIDER
@click.option("--push", is_flag=True, help="Change the provider; without it only what would be done is said.")
@refusing_clearly
def sync(provider: str | None, push: bool) -> None:
    """Compare the packages for sale with a provider's products, and make it sell them."""
    ledger = opened_ledger()
    known = Provider(provider) if provider else registry.selling(ledger)
    if push:
        done = push_catalog(ledger, known, actor=me())
        for one in done:
            click.echo(f"done: {_line(one)}")
        click.echo(
            f"{len(done)} pushed to {known}." if done else f"Nothing to do: {known} sells what is for sale here."
        )
        return
    found = compare_catalog(ledger, known)
    for one in found:
        click.echo(_line(one))
    to_do = sum(one.is_pushed for one in found)
    click.echo(f"{to_do} to be pushed with --push." if to_do else f"{known} sells what is for sale here.")


@click.command("linked")
@PROVIDER
@refusing_clearly
def linked(provider: str | None) -> None:
    """List a provider's customers with ours: linked, or who seems to be the same."""
    ledger = opened_ledger()
    known = Provider(provider) if provider else registry.selling(ledger)
    for one in linking.provider_customers(ledger, known, actor=me()):
        whose = f"{one.account} ({one.match})" if one.account else "nobody here"
        click.echo(f"{one.theirs.ref}\t{one.theirs.name}\t{one.theirs.email}\t{whose}")


@click.command("link")
@click.argument("account")
@click.argument("ref")
@PROVIDER
@KEY
@refusing_clearly
def link(account: str, ref: str, provider: str | None, key: str | None) -> None:
    """Link ACCOUNT to the provider's customer REF, such as cus_…"""
    ledger = opened_ledger()
    known = Provider(provider) if provider else registry.selling(ledger)
    receipt = linking.link_customer(ledger, known, ref, account, actor=me(), key=key or f"cli:{uuid.uuid4()}")
    click.echo(show.receipt_line(receipt))


@click.command("import")
@click.argument("ref")
@click.option("--as", "account", help="Id of the new account; the provider's name of it unless given.")
@PROVIDER
@KEY
@refusing_clearly
def take_over(ref: str, account: str | None, provider: str | None, key: str | None) -> None:
    """Open an account for the provider's customer REF."""
    ledger = opened_ledger()
    known = Provider(provider) if provider else registry.selling(ledger)
    name = key or f"cli:{uuid.uuid4()}"
    receipt = linking.import_customer(ledger, known, ref, actor=me(), key=name, account_name=account)
    click.echo(show.receipt_line(receipt))


def _line(one: Difference) -> str:
    side = one.wanted or one.theirs
    assert side is not None
    ref = f" ({one.theirs.product_ref})" if one.theirs else ""
    why = f": {', '.join(one.differs_in)}" if one.differs_in else ""
    return f"{one.step.value} {one.package or side.label}{ref}, {show.money(side.price)}{why}"

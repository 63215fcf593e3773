"""Accounts from the command line: `python -m service.cli account VERB`."""

import click

from ledger import AccountType, ChangeCustomer, OpenAccount
from service import show
from service.cli_kit import opened_ledger, refusing_clearly, run

KEY = click.option("--key", help="Names this attempt; the same key again changes nothing.")


@click.group()
def account() -> None:
    """Open, change and list accounts."""


@account.command("open")
@click.argument("account_id")
@click.argument("name")
@click.option("--email", default="")
@click.option("--zone", default="UTC", help="Time zone in which the customer's credits expire.")
@click.option("--tier", default="")
@click.option("--owner", default="", help="E-mail of the account manager.")
@KEY
@refusing_clearly
def open_account(account_id: str, name: str, email: str, zone: str, tier: str, owner: str, key: str | None) -> None:
    """Open an account for a customer."""
    run(opened_ledger(), OpenAccount(account_id, name, email=email, zone=zone, tier=tier, owner=owner), key)


@account.command("change")
@click.argument("account_id")
@click.option("--name", help="As it is unless given; so are the others.")
@click.option("--email")
@click.option("--type", "account_type", type=click.Choice([one.value for one in AccountType]))
@click.option("--tier")
@click.option("--owner", help="E-mail of the account manager.")
@KEY
@refusing_clearly
def change(
    account_id: str,
    name: str | None,
    email: str | None,
    account_type: str | None,
    tier: str | None,
    owner: str | None,
    key: str | None,
) -> None:
    """Change what is known about a customer. Its id and its time zone stay: dates were cut in it."""
    chosen = None if account_type is None else AccountType(account_type)
    command = ChangeCustomer(account_id, name=name, email=email, account_type=chosen, tier=tier, owner=owner)
    if command == ChangeCustomer(account_id):
        raise click.UsageError("say what to change, such as --name")
    run(opened_ledger(), command, key)


@account.command("list")
@refusing_clearly
def list_accounts() -> None:
    """Every customer with what is available and held."""
    show.accounts(opened_ledger())

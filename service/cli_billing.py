"""Subscriptions at providers from the command line: `python -m service.cli subscription VERB`."""

import click

from ledger import LedgerError, Provider
from ledger.selling import metering, mirroring
from ledger.selling.subscriptions import find_subscriptions, follow_billed, follow_subscription
from service.cli_kit import opened_ledger, refusing_clearly

PROVIDER = click.option(
    "--provider",
    "name",
    type=click.Choice([Provider.STRIPE.value, Provider.MOCK.value]),
    default=Provider.STRIPE.value,
    show_default=True,
)
RETRY = click.option("--retry", is_flag=True, help="Also what the provider had refused.")


@click.group()
def subscription() -> None:
    """Plans that a provider bills: its subscriptions, the meter, the customer balance."""


@subscription.command("list")
@PROVIDER
@refusing_clearly
def list_(name: str) -> None:
    """List the provider's subscriptions, with who and which plan they mean here; changes nothing."""
    for one in find_subscriptions(opened_ledger(), Provider(name)):
        click.echo(_line(one.ref, one.status, one.account, one.customer_ref, one.plan, one.price_ref))


@subscription.command("import")
@PROVIDER
@click.option("--do", "is_meant", is_flag=True, help="Follow them; without it they are only listed.")
@refusing_clearly
def import_(name: str, is_meant: bool) -> None:
    """Let the provider's running subscriptions bill the plans of their customers, from their present period on.

    Customers are known by the metadata "account" of the subscription or the customer, or by their link; prices by
    `plan link`. Those that are not known are listed and left alone.
    """
    ledger, provider = opened_ledger(), Provider(name)
    followed = refused = 0
    for one in find_subscriptions(ledger, provider):
        line = _line(one.ref, one.status, one.account, one.customer_ref, one.plan, one.price_ref)
        if not one.can_be_followed or not is_meant:
            click.echo(f"{line}  {'would be followed' if one.can_be_followed else 'left alone'}")
            continue
        try:
            words = follow_subscription(ledger, provider, one.ref).words
            followed += 1
        except LedgerError as error:
            words = str(error)
            refused += 1
        click.echo(f"{line}  {words}")
    if is_meant:
        click.echo(f"{followed} followed, {refused} refused.")


@subscription.command("follow")
@click.argument("ref", required=False)
@PROVIDER
@refusing_clearly
def follow(ref: str | None, name: str) -> None:
    """Ask for one subscription, or for all that bill a plan here, and book what has changed."""
    ledger = opened_ledger()
    if ref is not None:
        click.echo(follow_subscription(ledger, Provider(name), ref).words)
        return
    done = follow_billed(ledger)
    click.echo(f"{done['followed']} followed, {done['refused']} refused.")


@subscription.command("meters")
@RETRY
@refusing_clearly
def meters(retry: bool) -> None:
    """Tell the meter what hybrid customers used beyond their credits: a job, safe to run again."""
    ledger = opened_ledger()
    if retry:
        metering.retry(ledger)
    done = metering.meter(ledger)
    click.echo(f"{done.made} events made, {done.sent} told, {done.failed} refused.")


@subscription.command("mirror")
@RETRY
@refusing_clearly
def mirror(retry: bool) -> None:
    """Repeat movements at the provider's customer balance, where MIRROR_BALANCE says so: a job, safe to run again."""
    ledger = opened_ledger()
    if retry:
        mirroring.retry(ledger)
    done = mirroring.mirror(ledger)
    click.echo(f"{done.made} rows made, {done.sent} sent, {done.failed} refused.")


def _line(ref: str, status: str, account: str | None, customer_ref: str, plan: str | None, price_ref: str) -> str:
    who = account or f"nobody ({customer_ref})"
    return f"{ref}  {status}  {who}  {plan or f'no plan ({price_ref})'}"

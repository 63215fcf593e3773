"""Auto-recharge from the command line, and money that a provider could not give back."""

from datetime import timedelta
from decimal import Decimal

import click
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import (
    Provider,
    Reason,
    RechargeTerms,
    RefundTo,
    ResumeRecharge,
    RetryProviderRefund,
    SetRechargeRule,
    micro_to_text,
)
from ledger.gateways import registry
from ledger.selling.recharging import recharge_due
from service.cli_kit import opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS

_CODE = click.option("--reason", "code", required=True, help="Reason code, such as contract.")
_NOTE = click.option("--note", required=True, help="Why, in at least ten characters.")
_TICKET = click.option("--ticket", default="")
_KEY = click.option("--key", help="Names this attempt; the same key again changes nothing.")
_PROVIDER = click.option(
    "--provider",
    type=click.Choice([one.value for one in Provider]),
    help="Whose saved card; the seller's by default.",
)


@click.group()
def recharge() -> None:
    """Rules by which saved cards are charged when credits run low."""


@recharge.command("show")
@click.argument("account_id")
@refusing_clearly
def show_rule(account_id: str) -> None:
    """The rule of a customer, and how it stands."""
    with opened_ledger().database.reading() as connection:
        found = frames.load_recharge_rule(connection, account_id)
    if found is None:
        click.echo(f"{account_id} has no rule of auto-recharge.")
        return
    terms = found.terms
    lines = []
    if terms.threshold_micro is not None:
        lines.append(f"fewer than {micro_to_text(terms.threshold_micro)} credits are left")
    if terms.runway_days is not None:
        lines.append(f"they last fewer than {terms.runway_days} days")
    click.echo(f"{'On' if found.is_on else 'Off'}: {terms.package}, when {' or '.join(lines)}")
    day, month = (_money(cents, found.currency) for cents in (terms.day_cap_cents, terms.month_cap_cents))
    click.echo(f"At most {day} a day and {month} a month; rests {terms.cool_down // timedelta(minutes=1)} minutes")
    click.echo(f"Charges {found.card or 'no card: none is saved'} at {found.provider.value}")
    click.echo(f"Declined {found.declines} of {terms.stop_after} times in a row")
    if found.stopped_at is not None:
        click.echo(f"Stopped {found.stopped_at:%Y-%m-%d %H:%M} UTC: {found.stopped_because}")


@recharge.command("set")
@click.argument("account_id")
@click.argument("package")
@click.option("--below", type=CREDITS, help="Charge when fewer credits can be used.")
@click.option("--days", type=int, help="Charge when they last fewer days by the forecast.")
@click.option("--day-cap", required=True, type=int, help="At most so many cents in any day of the customer's zone.")
@click.option("--month-cap", required=True, type=int, help="At most so many cents in any month.")
@click.option("--rest", default=60, show_default=True, help="Minutes of rest after each try.")
@click.option("--stop-after", default=3, show_default=True, help="Declines in a row after which it stops.")
@_PROVIDER
@_CODE
@_NOTE
@_TICKET
@_KEY
@refusing_clearly
def set_rule(
    account_id: str,
    package: str,
    below: int | None,
    days: int | None,
    day_cap: int,
    month_cap: int,
    rest: int,
    stop_after: int,
    provider: str | None,
    code: str,
    note: str,
    ticket: str,
    key: str | None,
) -> None:
    """Charge the saved card of a customer for PACKAGE when its credits run low."""
    ledger = opened_ledger()
    terms = RechargeTerms(package, below, days, day_cap, month_cap, timedelta(minutes=rest), stop_after)
    whose = Provider(provider) if provider else registry.selling(ledger)
    run(ledger, SetRechargeRule(account_id, terms, whose, Reason(code, note, ticket)), key)


@recharge.command("off")
@click.argument("account_id")
@_CODE
@_NOTE
@_TICKET
@_KEY
@refusing_clearly
def switch_off(account_id: str, code: str, note: str, ticket: str, key: str | None) -> None:
    """Charge no card of a customer by itself any more."""
    # Whose card it was does not matter any more.
    command = SetRechargeRule(account_id, None, Provider.STRIPE, Reason(code, note, ticket))
    run(opened_ledger(), command, key)


@recharge.command("resume")
@click.argument("account_id")
@_CODE
@_NOTE
@_TICKET
@_KEY
@refusing_clearly
def resume(account_id: str, code: str, note: str, ticket: str, key: str | None) -> None:
    """Let a rule charge again that stopped, because what stopped it was mended."""
    run(opened_ledger(), ResumeRecharge(account_id, Reason(code, note, ticket)), key)


@recharge.command("run")
@refusing_clearly
def run_due() -> None:
    """Charge the cards of all customers whose rule is due; the job does the same every minute."""
    done = recharge_due(opened_ledger())
    click.echo(", ".join(f"{count} {word.replace('_', ' ')}" for word, count in done.items()) or "Nobody is due.")


@click.command("refund-again")
@click.argument("refund")
@click.option(
    "--to",
    "where",
    required=True,
    type=click.Choice([one.value for one in RefundTo]),
    help="To the card, to the balance at the provider, or outside: it was given back by hand.",
)
@_CODE
@_NOTE
@_TICKET
@_KEY
@refusing_clearly
def refund_again(refund: str, where: str, code: str, note: str, ticket: str, key: str | None) -> None:
    """Give money back another way that a provider could not give back (ref_…)."""
    run(opened_ledger(), RetryProviderRefund(refund, RefundTo(where), Reason(code, note, ticket)), key)


def _money(cents: int, currency: str) -> str:
    return f"{Decimal(cents).scaleb(-get_currency_precision(currency))} {currency}"

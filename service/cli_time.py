"""Verbs about time: the sandbox clock, the daily jobs, balances of the past, closed periods."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import click

from ledger import Actor, ClosePeriod, Reason, Role, micro_to_text
from ledger.as_of import balance_as_of
from ledger.daily import advance, run_day
from ledger.sandbox import SandboxClock, start
from service.alerts import find_alerts
from service.cli_kit import me, opened_ledger, refusing_clearly
from service.cli_words import DAY, INSTANT


@click.group()
def sandbox() -> None:
    """A test clock: a database that takes the time you say."""


@sandbox.command("start")
@click.option("--at", type=INSTANT, required=True, help="The instant that it is from now on, with an offset.")
@refusing_clearly
def sandbox_start(at: datetime) -> None:
    """Turn an empty database into a sandbox."""
    start(opened_ledger().database, at)
    click.echo(f"It is {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC in this database until you advance it.")


@sandbox.command("advance")
@click.option("--to", type=INSTANT, help="The instant to advance to, with an offset.")
@click.option("--days", type=click.IntRange(1), help="Or by so many days.")
@refusing_clearly
def sandbox_advance(to: datetime | None, days: int | None) -> None:
    """Let time pass, day by day, with each day's jobs: expiries, renewals, rewards, the seal, alerts.

    Mails are queued and not sent: see alerts list, and the e-mail log.
    """
    ledger = opened_ledger()
    if not isinstance(ledger.clock, SandboxClock):
        raise click.ClickException("This database is no sandbox; its time is real. See: sandbox start")
    if (to is None) == (days is None):
        raise click.UsageError("give either --to or --days")
    until = to or ledger.clock.now() + timedelta(days=days or 0)
    try:
        # The first turn runs in any case: `advance` refuses a time that has passed.
        is_over = False
        while not is_over:
            at = min(ledger.clock.now() + timedelta(days=1), until)
            is_over = at == until
            for _, step in advance(ledger, at, ledger.clock.set):
                click.echo(f"{at:%Y-%m-%d %H:%M}  {step.name}: {step.count}")
            _say_alerts(at, find_alerts(ledger))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"It is {ledger.clock.now():%Y-%m-%d %H:%M} UTC.")


def _say_alerts(at: datetime, found: Mapping[str, int]) -> None:
    words = [f"{found[name]} {name}" for name in ("raised", "over", "mails") if found[name]]
    if words:
        click.echo(f"{at:%Y-%m-%d %H:%M}  alerts: {', '.join(words)}")


@click.command("run-day")
@refusing_clearly
def run_day_now() -> None:
    """Run the daily jobs once: expire, renew, qualify referrals, seal. Safe to repeat."""
    for step in run_day(opened_ledger()):
        click.echo(f"{step.name}: {step.count}")


@click.command("as-of")
@click.argument("account")
@click.option("--at", type=INSTANT, required=True, help="The instant whose balance is asked for, with an offset.")
@click.option("--known", type=INSTANT, help="As the books knew it then; now unless given.")
@refusing_clearly
def as_of(account: str, at: datetime, known: datetime | None) -> None:
    """The balance of ACCOUNT at an instant of the past, as known now or at another instant."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        found = balance_as_of(connection, account, at=at, known_at=known or ledger.clock.now())
    for word in ("available", "held", "scheduled", "owed"):
        click.echo(f"{word}: {micro_to_text(getattr(found, f'{word}_micro'))}")
    for one in found.batches:
        until = f"until {one.expires_at:%Y-%m-%d %H:%M} UTC" if one.expires_at else "never expires"
        click.echo(f"batch {one.id} {one.credit_type}: {micro_to_text(one.free_micro + one.held_micro)}, {until}")


@click.command("close-period")
@click.option("--through", type=DAY, required=True, help="The last day to be closed.")
@click.option("--note", required=True, help="Why, at least 10 characters.")
@click.option("--key", help="Idempotency key; the day unless given.")
@refusing_clearly
def close_period(through: date, note: str, key: str | None) -> None:
    """Close the books through a day: nothing becomes effective on or before it any more."""
    command = ClosePeriod(through, Reason("month_end", note))
    receipt = opened_ledger().execute(command, actor=Actor(me().id, Role.FINANCE), key=key or f"close:{through}")
    click.echo(f"The books are {receipt.notes[0]}.")


VERBS = (sandbox, run_day_now, as_of, close_period)

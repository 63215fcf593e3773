"""Holds and give-back from the command line: `python -m service.cli hold VERB`, `… give-back`."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import click

from analytics import frames
from ledger import (
    CaptureHold,
    ExtendHold,
    GiveBack,
    HoldReused,
    KeyReused,
    PlaceHold,
    Reason,
    ReleaseHold,
    micro_to_text,
)
from service import show
from service.cli_kit import opened_ledger, refusing_clearly, run
from service.cli_words import CREDITS, INSTANT
from service.repeats import hold_ends_at


@click.group()
def hold() -> None:
    """Set credits aside for work of unknown cost, then capture or release them."""


@hold.command()
@click.argument("account_id")
@click.argument("reference")
@click.argument("feature")
@click.argument("credits", type=CREDITS)
@click.option("--until", type=INSTANT, help="When it times out; never unless given.")
@click.option("--minutes", type=click.IntRange(min=1), help="Times out so many minutes from now.")
@click.option("--member", default="", help="Who of a pool it is for.")
@click.option("--key")
@refusing_clearly
def place(
    account_id: str,
    reference: str,
    feature: str,
    credits: int,
    until: datetime | None,
    minutes: int | None,
    member: str,
    key: str | None,
) -> None:
    """Set credits aside. The same reference with the same content again is answered as replayed."""
    if until is not None and minutes is not None:
        raise click.UsageError("Give --until or --minutes, not both.")
    ledger = opened_ledger()
    if minutes is not None:
        until = ledger.clock.now() + timedelta(minutes=minutes)
    command = PlaceHold(account_id, reference, feature, credits, until, member)
    try:
        run(ledger, command, key)
    except (KeyReused, HoldReused):
        known = hold_ends_at(ledger, account_id, reference) if minutes is not None else None
        if known is None:
            raise
        run(ledger, replace(command, expires_at=known), key)


@hold.command()
@click.argument("account_id")
@click.argument("reference")
@click.argument("credits", type=CREDITS, required=False)
@click.option("--event", help="The id of the usage event; makes a repeat harmless. A new one unless given.")
@click.option("--at", type=INSTANT, help="When the work happened; now unless given.")
@click.option("--key")
@refusing_clearly
def capture(
    account_id: str, reference: str, credits: int | None, event: str | None, at: datetime | None, key: str | None
) -> None:
    """Use held credits: all of them, or as many as given; the rest comes back."""
    event_id = event or f"cli:{uuid.uuid4()}"
    run(opened_ledger(), CaptureHold(account_id, reference, event_id, credits, at), key or event)


@hold.command()
@click.argument("account_id")
@click.argument("reference")
@click.option("--reason", "code", required=True, help="Reason code, such as service_problem.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def release(account_id: str, reference: str, code: str, note: str, ticket: str, key: str | None) -> None:
    """Give all held credits back; those past their date expire at once."""
    run(opened_ledger(), ReleaseHold(account_id, reference, Reason(code, note, ticket)), key)


@hold.command()
@click.argument("account_id")
@click.argument("reference")
@click.argument("until", type=INSTANT)
@click.option("--reason", "code", required=True, help="Reason code, such as contract.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def extend(
    account_id: str, reference: str, until: datetime, code: str, note: str, ticket: str, key: str | None
) -> None:
    """Let a hold time out later."""
    run(opened_ledger(), ExtendHold(account_id, reference, until, Reason(code, note, ticket)), key)


@hold.command("list")
@click.argument("account_id", required=False)
@refusing_clearly
def list_open(account_id: str | None) -> None:
    """Open holds of one account or of all, the next to time out first."""
    ledger = opened_ledger()
    at = ledger.clock.now()
    with ledger.database.reading() as connection:
        if account_id is not None:
            frames.load_head(connection, account_id)
        found = frames.load_open_holds(connection, at=at, account=account_id, limit=None)
    show.table(
        found,
        {
            "account": "account",
            "reference": "hold",
            "feature": "feature",
            "amount_micro": "credits",
            "placed_at": "placed",
            "expires_at": "times out",
        },
    )
    click.echo(f"held: {micro_to_text(int(found['amount_micro'].sum()))}")


@click.command("give-back")
@click.argument("account_id")
@click.argument("event_id")
@click.argument("credits", type=CREDITS, required=False)
@click.option("--reason", "code", required=True, help="Reason code, such as service_problem.")
@click.option("--note", required=True, help="Why, in at least ten characters.")
@click.option("--ticket", default="")
@click.option("--key")
@refusing_clearly
def give_back(
    account_id: str, event_id: str, credits: int | None, code: str, note: str, ticket: str, key: str | None
) -> None:
    """Return the credits of a usage event to the batches that paid: all that is left of it, or as many as given."""
    receipt = run(opened_ledger(), GiveBack(account_id, event_id, Reason(code, note, ticket), credits), key)
    if lost := sum(take.amount_micro for take in receipt.expired):
        click.echo(f"{micro_to_text(lost)} of them were past their date and expired again.")

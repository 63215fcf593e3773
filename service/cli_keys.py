"""Keys of the HTTP API from the command line: `python -m service.cli keys VERB`."""

import uuid
from datetime import date

import click

from analytics import frames
from ledger import CreateApiKey, Ledger, Reason, RevokeApiKey, RotateApiKey, Scope
from ledger.api_keys import NewKey, make_key
from ledger.core.lifecycle import end_of_day
from service import show
from service.cli_kit import me, opened_ledger, refusing_clearly, run
from service.cli_words import DAY

NOTE = click.option("--note", required=True, help="Why, in at least 10 characters.")
REASON_CODE = click.option("--reason", "code", default="contract", show_default=True, help="Reason code.")
_COLUMNS = {
    "key_id": "no.",
    "name": "name",
    "prefix": "begins with",
    "state": "state",
    "scopes": "may",
    "last_used_at": "last used",
    "ends_at": "ends",
}


@click.group()
def keys() -> None:
    """Who may call the HTTP API, and what for."""


@keys.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="May be given again.",
)
@click.option("--per-minute", type=int, help="Requests a minute; the setting unless given.")
@click.option("--through", type=DAY, help="Last day on which it works; no end unless given.")
@REASON_CODE
@NOTE
@refusing_clearly
def create(
    name: str, scopes: tuple[str, ...], per_minute: int | None, through: date | None, code: str, note: str
) -> None:
    """Make a key. It goes to standard output, once, and is stored nowhere."""
    ledger, made = opened_ledger(), make_key()
    until = None if through is None else end_of_day(through, ledger.company_zone)
    chosen = tuple(Scope(one) for one in scopes)
    command = CreateApiKey(name, made.prefix, made.secret_hash, chosen, Reason(code, note), per_minute, until)
    _show(ledger, command, made)


@keys.command("list")
@refusing_clearly
def list_keys() -> None:
    """Every key, the newest first, without what would sign anybody in."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        show.table(frames.load_api_keys(connection, at=ledger.clock.now()), _COLUMNS)


@keys.command()
@click.argument("key_id", type=int)
@click.option("--grace-hours", default=24, show_default=True, help="Hours that the old key works on.")
@REASON_CODE
@NOTE
@refusing_clearly
def rotate(key_id: int, grace_hours: int, code: str, note: str) -> None:
    """Make a successor of a key, which goes to standard output, once; requests named before keep their names."""
    made = make_key()
    command = RotateApiKey(key_id, made.prefix, made.secret_hash, Reason(code, note), grace_hours)
    _show(opened_ledger(), command, made)


@keys.command()
@click.argument("key_id", type=int)
@REASON_CODE
@NOTE
@refusing_clearly
def revoke(key_id: int, code: str, note: str) -> None:
    """Refuse a key from now on."""
    run(opened_ledger(), RevokeApiKey(key_id, Reason(code, note)), None)


def _show(ledger: Ledger, command: CreateApiKey | RotateApiKey, made: NewKey) -> None:
    # No key can be given: the secret is drawn anew each time, so no two calls are the same act.
    receipt = ledger.execute(command, actor=me(), key=f"cli:{uuid.uuid4()}")
    click.echo(f"{show.receipt_line(receipt)}; key {receipt.subject_id}", err=True)
    click.echo(made.text)

"""What every verb of the command line does the same way: open the ledger, act as the person, say what became of it."""

import getpass
import sys
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from pydantic import ValidationError

from ledger import Actor, Ledger, LedgerError, Receipt, Role, open_ledger
from ledger.database import BadAddress
from service import show
from service.usage_file import FileFault

# Exit code per error class; click itself uses 2 for wrong words on the command line.
EXIT_CODES = {
    "ledger_error": 1,
    "invalid_command": 2,
    "not_permitted": 3,
    "approval_required": 3,
    "scope_missing": 3,
    "unauthenticated": 3,
    "not_found": 4,
    "conflict": 5,
    "key_reused": 5,
    "batch_closed": 5,
    "reference_used": 5,
    "event_reused": 5,
    "hold_already_resolved": 5,
    "hold_reused": 5,
    "already_reversed": 5,
    "approval_decided": 5,
    "period_closed": 5,
    "not_allowed_now": 5,
    "insufficient_credits": 6,
    "limit_reached": 6,
    "too_many_requests": 6,
    "gateway_error": 7,
    "not_set_up": 7,
    "mail_unavailable": 7,
    "provider_unavailable": 7,
    "provider_refused": 7,
    "provider_not_set_up": 7,
    "unavailable": 7,
    "ledger_corrupt": 8,
}


def refusing_clearly(act: Callable[..., None]) -> Callable[..., None]:
    """Turn a refusal of the ledger into one line on stderr and the exit code of its class; wrong settings likewise."""

    @wraps(act)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            act(*args, **kwargs)
        except LedgerError as error:
            click.echo(f"{error.code}: {error}", err=True)
            sys.exit(EXIT_CODES[error.code])
        except ValidationError as error:
            for one in error.errors(include_context=False):
                name = str(one["loc"][0]).upper()
                click.echo(f"{name}={one['input']}: {one['msg'].removeprefix('Value error, ')}", err=True)
            sys.exit(2)
        except (FileFault, BadAddress) as error:
            raise click.ClickException(str(error)) from error

    return wrapped


def opened_ledger() -> Ledger:
    """The ledger of the settings, closed when the command ends."""
    ledger = open_ledger()
    click.get_current_context().call_on_close(ledger.database.dispose)
    return ledger


def me() -> Actor:
    """Who types: the person at this machine, as an admin."""
    return Actor(f"cli:{getpass.getuser()}", Role.ADMIN)


def run(ledger: Ledger, command: Any, key: str | None) -> Receipt:
    """Carry a command out and print its receipt as a line; without a key under a new one."""
    receipt = ledger.execute(command, actor=me(), key=key or f"cli:{uuid.uuid4()}")
    click.echo(show.receipt_line(receipt))
    return receipt

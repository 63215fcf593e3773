"""What the command line prints: frames as aligned text, amounts as exact credits."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import click
import pandas as pd
import sqlalchemy as sa
from babel.numbers import get_currency_precision

from analytics import frames
from ledger import Ledger, Money, Receipt, micro_to_text


def address(url: str) -> str:
    """A database address without its password."""
    return sa.make_url(url).render_as_string(hide_password=True)


def receipt_line(receipt: Receipt) -> str:
    """One line that says what a command did."""
    what = f"{receipt.kind} {receipt.account or ''}".strip()
    booked = "replayed, booked before as" if receipt.replayed else "booked as"
    number = "nothing to do" if receipt.transaction_id is None else f"{booked} transaction {receipt.transaction_id}"
    before, after = micro_to_text(receipt.available_before_micro), micro_to_text(receipt.available_after_micro)
    effect = "" if receipt.account is None else f"; available {before} -> {after}"
    return f"{what}: {number}{effect}"


def money(price: Money) -> str:
    """Money as a plain decimal with its currency."""
    return f"{Decimal(price.cents).scaleb(-get_currency_precision(price.currency))} {price.currency}"


def accounts(ledger: Ledger) -> None:
    """Every customer with what it has."""
    with ledger.database.reading() as connection:
        found = frames.load_customers(connection, at=ledger.clock.now(), zone=ledger.company_zone)
    table(found, {"account": "account", "name": "name", "tier": "tier", "available_micro": "available",
                   "held_micro": "held", "owed_micro": "owed", "expiring_30d_micro": "expiring 30 d"})  # fmt: skip


def balance(ledger: Ledger, account: str) -> None:
    """One account by credit type, and in all."""
    with ledger.database.reading() as connection:
        frames.load_customer(connection, account)
        found = frames.load_balance_by_type(connection, at=ledger.clock.now(), account=account)
        owes = frames.load_overdraft(connection, account=account).owed_micro
    table(found, {"credit_type": "type", "available_micro": "available", "held_micro": "held",
                   "scheduled_micro": "scheduled", "next_expiry_at": "next expiry"})  # fmt: skip
    click.echo(f"available: {micro_to_text(int(found['available_micro'].sum()))}")
    if owes:
        click.echo(f"owed: {micro_to_text(owes)}")


def batches(ledger: Ledger, account: str) -> None:
    """The batches of one account, open ones in burn order first."""
    with ledger.database.reading() as connection:
        frames.load_customer(connection, account)
        found = frames.load_batches(connection, account=account, at=ledger.clock.now())
    table(found, {"burn_number": "order", "batch_id": "batch", "credit_type": "type", "state": "state",
                   "granted_micro": "granted", "used_micro": "used", "left_micro": "left",
                   "expires_at": "expires", "only_for": "only for"})  # fmt: skip


def history(ledger: Ledger, account: str, limit: int) -> None:
    """The newest transactions of one account."""
    with ledger.database.reading() as connection:
        frames.load_customer(connection, account)
        found = frames.load_history(connection, account=account, limit=limit)
    table(found, {"transaction_id": "no.", "recorded_at": "booked", "words": "what", "amount_micro": "credits",
                   "balance_after_micro": "balance", "actor": "by", "reason_code": "reason"})  # fmt: skip


def table(frame: pd.DataFrame, names: Mapping[str, str]) -> None:
    """A frame as aligned text; ``names`` gives the columns, their order and their labels."""
    if frame.empty:
        click.echo("none")
        return
    shown = pd.DataFrame({label: frame[column].map(_writer(column)) for column, label in names.items()})
    click.echo(shown.to_string(index=False))


def _writer(column: str) -> Callable[[Any], str]:
    return _credits if column.endswith("_micro") else _text


def _credits(micro: Any) -> str:
    return "-" if pd.isna(micro) else micro_to_text(micro)


def _text(value: Any) -> str:
    if pd.isna(value):
        return "-"
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)

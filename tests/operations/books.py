"""The books as tests see them: every row of every table, and an audit in plain Python that trusts no total."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger import Ledger
from ledger.models import metadata

Rows = dict[str, list[dict[str, Any]]]

LEGAL = {("issued", "available"), ("available", "consumed"), ("available", "expired"), ("available", "removed")}


def all_rows(ledger: Ledger) -> Rows:
    """Every row of every table, sorted by its primary key."""
    with ledger.database.reader.connect() as connection:
        return {
            table.name: [
                dict(row._mapping) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in metadata.sorted_tables
        }


def row_counts(ledger: Ledger) -> dict[str, int]:
    """How many rows each table has."""
    with ledger.database.reader.connect() as connection:
        return {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


def audit(ledger: Ledger) -> list[str]:
    """What does not add up, as sentences: everything is added again from the entries."""
    rows = all_rows(ledger)
    return [*_of_entries(rows), *_of_totals(rows), *_of_usage(rows)]


def _of_entries(rows: Rows) -> Iterator[str]:
    """Each entry is a legal move of a batch of its account, at a time when it may happen, with the right balance."""
    batches = {row["id"]: row for row in rows["batch"]}
    left: dict[int, int] = defaultdict(int)
    balance: dict[int, int] = defaultdict(int)
    for entry in rows["entry"]:
        name, batch = f"entry {entry['id']}", batches[entry["batch_id"]]
        move, at, ends = (entry["from_bucket"], entry["to_bucket"]), entry["effective_at"], batch["expires_at"]
        if move not in LEGAL or entry["amount_micro"] <= 0 or entry["account_id"] != batch["account_id"]:
            yield f"{name} is illegal: {move} {entry['amount_micro']}"
        signed = _signed(entry)
        left[batch["id"]] += signed
        balance[batch["account_id"]] += signed
        if entry["balance_micro"] != balance[batch["account_id"]]:
            yield f"{name} says balance {entry['balance_micro']}, it is {balance[batch['account_id']]}"
        if left[batch["id"]] < 0:
            yield f"{name} takes batch {batch['id']} below zero"
        if move[1] == "consumed" and (at < batch["effective_at"] or (ends and at >= ends)):
            yield f"{name} used batch {batch['id']} outside its time"
        if move[1] == "expired" and at != ends:
            yield f"{name} expired batch {batch['id']} at {at} instead of {ends}"


def _of_totals(rows: Rows) -> Iterator[str]:
    """Batches and accounts say what their entries add up to."""
    left: dict[int, int] = defaultdict(int)
    issued: dict[int, int] = defaultdict(int)
    balance: dict[int, int] = defaultdict(int)
    for entry in rows["entry"]:
        left[entry["batch_id"]] += _signed(entry)
        balance[entry["account_id"]] += _signed(entry)
        issued[entry["batch_id"]] += max(0, _signed(entry))
    for batch in rows["batch"]:
        stated = (batch["remaining_micro"], batch["granted_micro"], batch["held_micro"])
        if stated != (left[batch["id"]], issued[batch["id"]], 0):
            yield f"batch {batch['id']} says {stated}, its entries {left[batch['id']]} of {issued[batch['id']]}"
    for account in rows["account"]:
        if (account["available_micro"], account["held_micro"]) != (balance[account["id"]], 0):
            yield f"account {account['external_id']} says {account['available_micro']}"


def _of_usage(rows: Rows) -> Iterator[str]:
    """Events were charged what they cost, and the rollup is what their entries add up to by company day."""
    types = {row["id"]: row["credit_type"] for row in rows["batch"]}
    events = {row["id"]: row for row in rows["usage_event"]}
    zone = ZoneInfo(rows["company"][0]["zone"])
    charged: dict[int, int] = defaultdict(int)
    used: dict[tuple[Any, ...], int] = defaultdict(int)
    for entry in rows["entry"]:
        if entry["to_bucket"] == "consumed":
            event = events[entry["usage_event_id"]]
            charged[event["id"]] += entry["amount_micro"]
            day = event["occurred_at"].astimezone(zone).date()
            used[event["account_id"], day, event["feature"], types[entry["batch_id"]]] += entry["amount_micro"]
    for id_, event in events.items():
        if event["cost_micro"] != charged[id_]:
            yield f"event {event['event_id']} costs {event['cost_micro']} but was charged {charged[id_]}"
    key = ("account_id", "day", "feature", "credit_type")
    daily = {tuple(row[name] for name in key): row["used_micro"] for row in rows["usage_daily"]}
    if daily != used:
        yield f"usage_daily is {daily}, the entries say {dict(used)}"
    if sum(row["events"] for row in rows["usage_daily"]) != len(events):
        yield "usage_daily counts other events than there are"


def _signed(entry: dict[str, Any]) -> int:
    amount: int = entry["amount_micro"]
    return amount if entry["to_bucket"] == "available" else -amount

"""The auditor's look at corrections: reversals mirror exactly and once, a batch's life only ever grew."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any

Rows = dict[str, list[dict[str, Any]]]

_WHAT = ("account_id", "batch_id", "amount_micro", "feature", "usage_event_id", "hold_id")
# What may follow in the transaction of a reversal because credits came back: they expire again, or repay debt.
_CONSEQUENCES = {("available", "expired"), ("available", "owed")}


def of_reversals(rows: Rows) -> Iterator[str]:
    """A reversal is its original's entries the other way round, and consequences; nothing is mirrored twice."""
    entries: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in rows["entry"]:
        entries[entry["transaction_id"]].append(entry)
    seen: set[int] = set()
    for transaction in rows["transaction"]:
        original = transaction["reverses_id"]
        if original is None:
            continue
        name = f"transaction {transaction['id']}"
        if original in seen:
            yield f"{name} reverses {original} once more"
        seen.add(original)
        wanted = Counter(_move(one, backwards=True) for one in entries[original])
        found = Counter(_move(one) for one in entries[transaction["id"]])
        if not wanted or wanted - found:
            yield f"{name} lacks parts of the mirror of {original}: {wanted - found}"
        for move in found - wanted:
            if move[:2] not in _CONSEQUENCES:
                yield f"{name} does more than mirror {original}: {move}"


def of_extensions(rows: Rows) -> Iterator[str]:
    """Each extension begins at the end that the batch had and ends later; the batch has the newest end."""
    newest: dict[int, datetime | None] = {}
    transactions = {row["id"]: row for row in rows["transaction"]}
    for row in rows["batch_extension"]:
        name, before, after = f"extension {row['id']}", row["expires_before"], row["expires_after"]
        if newest.setdefault(row["batch_id"], before) != before:
            yield f"{name} says that the batch ended at {before}, not at {newest[row['batch_id']]}"
        booked_at = transactions[row["transaction_id"]]["recorded_at"]
        if after is not None and (after <= before or after <= booked_at):
            yield f"{name} makes no life longer: from {before} to {after}, booked at {booked_at}"
        newest[row["batch_id"]] = after
    for batch in rows["batch"]:
        if newest.get(batch["id"], batch["expires_at"]) != batch["expires_at"]:
            yield f"batch {batch['id']} ends at {batch['expires_at']}, its extensions say {newest[batch['id']]}"


def ends_when(rows: Rows, entry: dict[str, Any]) -> datetime | None:
    """When the batch of an entry ended as things were when the entry was booked; None: never."""
    for row in rows["batch_extension"]:
        if row["batch_id"] == entry["batch_id"] and row["transaction_id"] > entry["transaction_id"]:
            found: datetime = row["expires_before"]
            return found
    ends: datetime | None = next(row["expires_at"] for row in rows["batch"] if row["id"] == entry["batch_id"])
    return ends


def _move(entry: dict[str, Any], *, backwards: bool = False) -> tuple[Any, ...]:
    sides = (entry["from_bucket"], entry["to_bucket"])
    return (*(sides[::-1] if backwards else sides), *(entry[name] for name in _WHAT))

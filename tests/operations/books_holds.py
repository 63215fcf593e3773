"""The auditor's part about holds and about what was given back."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Rows = dict[str, list[dict[str, Any]]]


def of_holds(rows: Rows) -> Iterator[str]:
    """A hold is its parts; what was set aside was captured or given back by what resolved it, and by nothing else."""
    parts: dict[int, dict[int, int]] = defaultdict(dict)
    for part in rows["hold_part"]:
        parts[part["hold_id"]][part["batch_id"]] = part["amount_micro"]
    moved: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for entry in rows["entry"]:
        if "held" in (entry["from_bucket"], entry["to_bucket"]):
            moved[entry["hold_id"]].append(entry)
        elif entry["hold_id"] is not None:
            yield f"entry {entry['id']} names a hold but moves none of its credits"
    holds = {row["id"]: row for row in rows["hold"]}
    for id_ in moved.keys() - holds.keys():
        yield f"credits are held for hold {id_}, which there is not"
    for id_, hold in holds.items():
        name = f"hold {hold['reference']}"
        yield from _of_entries(hold, name, parts[id_], moved[id_])
        yield from _of_time(hold, name)
        yield from _of_capture(rows, hold, name)
    for batch in rows["batch"]:
        held = sum(parts[id_].get(batch["id"], 0) for id_, hold in holds.items() if hold["state"] == "open")
        if batch["held_micro"] != held:
            yield f"batch {batch['id']} says {batch['held_micro']} held, open holds say {held}"


def of_give_backs(rows: Rows) -> Iterator[str]:
    """No batch gets back more of a use than it paid; what is past its date expires in the very same transaction."""
    ends = {row["id"]: row["expires_at"] for row in rows["batch"]}
    left: dict[tuple[int, int | None], int] = defaultdict(int)
    expired: dict[tuple[int, int], int] = defaultdict(int)
    for entry in rows["entry"]:
        if entry["to_bucket"] == "expired":
            expired[entry["transaction_id"], entry["batch_id"]] += entry["amount_micro"]
    for entry in rows["entry"]:
        use = (entry["usage_event_id"], entry["batch_id"])
        if entry["to_bucket"] == "consumed":
            left[use] += entry["amount_micro"]
        if entry["from_bucket"] != "consumed":
            continue
        left[use] -= entry["amount_micro"]
        if left[use] < 0:
            yield f"entry {entry['id']} gives back more than batch {entry['batch_id']} paid"
        end = ends.get(entry["batch_id"])
        is_over = end is not None and end <= entry["effective_at"]
        if is_over and expired[entry["transaction_id"], entry["batch_id"]] < entry["amount_micro"]:
            yield f"entry {entry['id']} gives back to batch {entry['batch_id']}, which has expired, and leaves it there"


def _by_batch(entries: list[dict[str, Any]], source: str, target: str, transaction_id: int | None) -> dict[int, int]:
    return {
        entry["batch_id"]: entry["amount_micro"]
        for entry in entries
        if (entry["from_bucket"], entry["to_bucket"], entry["transaction_id"]) == (source, target, transaction_id)
    }


def _of_entries(hold: dict[str, Any], name: str, parts: dict[int, int], moved: list[dict[str, Any]]) -> Iterator[str]:
    if sum(parts.values()) != hold["amount_micro"]:
        yield f"{name} is of {hold['amount_micro']}, its parts are {parts}"
    if any(entry["account_id"] != hold["account_id"] for entry in moved):
        yield f"{name} moved credits of another account"
    into = _by_batch(moved, "available", "held", hold["made_by_id"])
    used = _by_batch(moved, "held", "consumed", hold["resolved_by_id"])
    back = _by_batch(moved, "held", "available", hold["resolved_by_id"])
    if len(moved) != len(into) + len(used) + len(back):
        yield f"{name} was moved by others than what placed and resolved it: {moved}"
    if into != parts:
        yield f"{name} has parts {parts}, but {into} was set aside"
    if sum(used.values()) != hold["captured_micro"]:
        yield f"{name} says {hold['captured_micro']} captured, its entries {used}"
    out = {batch_id: used.get(batch_id, 0) + back.get(batch_id, 0) for batch_id in used.keys() | back.keys()}
    if out != ({} if hold["state"] == "open" else parts):
        yield f"{name} is {hold['state']}, but of {parts} went out {out}"


def _of_time(hold: dict[str, Any], name: str) -> Iterator[str]:
    ends, resolved = hold["expires_at"], hold["resolved_at"]
    if hold["state"] == "lapsed" and (ends is None or resolved != ends):
        yield f"{name} lapsed at {resolved}, not when it timed out at {ends}"
    if hold["state"] in ("captured", "released") and ends is not None and resolved >= ends:
        yield f"{name} was {hold['state']} at {resolved}, after it timed out at {ends}"


def _of_capture(rows: Rows, hold: dict[str, Any], name: str) -> Iterator[str]:
    if hold["state"] != "captured":
        return
    events = [row for row in rows["usage_event"] if row["transaction_id"] == hold["resolved_by_id"]]
    said = [(row["account_id"], row["feature"], row["member"], row["cost_micro"], row["price_id"]) for row in events]
    if said != [(hold["account_id"], hold["feature"], hold["member"], hold["captured_micro"], None)]:
        yield f"{name} was captured, but its use is {said}"

"""The auditor's part about what goes between customers: transfers, gift codes, pools."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Any
from zoneinfo import ZoneInfo

Rows = dict[str, list[dict[str, Any]]]

_KEPT = ("credit_type", "effective_at", "priority", "features", "reference", "source", "campaign", "currency")


def of_transfers(rows: Rows) -> Iterator[str]:
    """What arrives is what was sent, is what it was, and takes its share of the price along."""
    batches = {row["id"]: row for row in rows["batch"]}
    children = {
        (row["made_by_id"], row["parent_id"]): row
        for row in rows["batch"]
        if row["details"].get("transfer") is not None
    }
    reversing = {row["id"] for row in rows["transaction"] if row["reverses_id"] is not None}
    left: dict[int, int] = defaultdict(int)
    sent: dict[int, int] = defaultdict(int)
    arrived = set()
    for entry in rows["entry"]:
        id_, amount, transaction_id = entry["batch_id"], entry["amount_micro"], entry["transaction_id"]
        sent[transaction_id] += amount * (entry["to_bucket"] == "transferred")
        sent[transaction_id] -= amount * (entry["from_bucket"] == "transferred")
        if id_ is None:
            continue
        before = left[id_]
        shelf = ("available", "held")
        left[id_] += amount * ((entry["to_bucket"] in shelf) - (entry["from_bucket"] in shelf))
        if entry["to_bucket"] != "transferred" or transaction_id in reversing:
            continue
        parent, child = batches[id_], children.get((transaction_id, id_))
        if child is None or child["granted_micro"] != amount or child["account_id"] == parent["account_id"]:
            yield f"entry {entry['id']} sends credits that did not arrive elsewhere"
            continue
        arrived.add(child["id"])
        if changed := [name for name in _KEPT if child[name] != parent[name]]:
            yield f"batch {child['id']} lost what it was on its way from {id_}: {changed}"
        if parent["cost_cents"] is not None:
            cost = _cents(parent, before) - _cents(parent, left[id_])
            if child["cost_cents"] != cost:
                yield f"batch {child['id']} cost {child['cost_cents']}, its part of batch {id_} cost {cost}"
    if lost := {id_: amount for id_, amount in sent.items() if amount}:
        yield f"transactions send and receive different amounts: {lost}"
    if strays := {child["id"] for child in children.values()} - arrived:
        yield f"batches {strays} arrived without being sent"


def _cents(batch: dict[str, Any], part_micro: int) -> int:
    return floor(Fraction(batch["cost_cents"] * part_micro, batch["granted_micro"]) + Fraction(1, 2))


def of_gift_codes(rows: Rows) -> Iterator[str]:
    """Each code gave its credits at most once, to one customer, who got no more than the set allows."""
    sets = {row["id"]: row for row in rows["gift_code_set"]}
    made = {
        row["made_by_id"]: row for row in rows["batch"] if row["source"] == "gift_code" and row["parent_id"] is None
    }
    redeemed: dict[tuple[int, int], int] = defaultdict(int)
    for code in rows["gift_code"]:
        if code["redeemed_at"] is None:
            continue
        terms, batch = sets[code["set_id"]], made.pop(code["redeemed_in_id"], None)
        redeemed[terms["id"], code["redeemed_by_id"]] += 1
        given = batch and (batch["account_id"], batch["granted_micro"], batch["credit_type"], batch["campaign"])
        if given != (code["redeemed_by_id"], terms["amount_micro"], terms["credit_type"], terms["label"]):
            yield f"gift code {code['id']} gave {given}"
        if terms["valid_until"] is not None and code["redeemed_at"] >= terms["valid_until"]:
            yield f"gift code {code['id']} was redeemed too late"
    if made:
        yield f"credits of gift codes without a code: transactions {sorted(made)}"
    for (set_id, account_id), number in redeemed.items():
        if number > sets[set_id]["per_customer_limit"]:
            yield f"account {account_id} redeemed {number} codes of set {set_id}"


def of_pools(rows: Rows) -> Iterator[str]:
    """Counters of members are what was booked for them, less what was returned while the same window ran."""
    pools = {row["id"]: ZoneInfo(row["zone"]) for row in rows["account"] if row["kind"] == "pool"}
    members = {(row["pool_id"], row["member"]) for row in rows["pool_member"]}
    events = {row["id"]: row for row in rows["usage_event"]}
    booked_at = {row["id"]: row["recorded_at"] for row in rows["transaction"]}
    used: dict[tuple[Any, ...], int] = defaultdict(int)
    for entry in rows["entry"]:
        if entry["account_id"] not in pools or "consumed" not in (entry["from_bucket"], entry["to_bucket"]):
            continue
        event, zone = events[entry["usage_event_id"]], pools[entry["account_id"]]
        if (event["account_id"], event["member"]) not in members:
            yield f"event {event['event_id']} was used by {event['member']!r}, who is no member"
        then, now = _starts(booked_at[event["transaction_id"]], zone), _starts(entry["effective_at"], zone)
        for period, start in then.items():
            key = (entry["account_id"], event["member"], period, start)
            if entry["to_bucket"] == "consumed":
                used[key] += entry["amount_micro"]
            elif start == now[period]:
                used[key] -= entry["amount_micro"]
    names = ("pool_id", "member", "period", "starts_at")
    counted = {tuple(row[name] for name in names): row["used_micro"] for row in rows["pool_usage"]}
    wrong = {key for key in counted.keys() | used.keys() if counted.get(key, 0) != used.get(key, 0)}
    if wrong:
        yield f"pool_usage differs from the entries at {sorted(wrong)}"


def _starts(at: datetime, zone: ZoneInfo) -> dict[str, datetime]:
    local = at.astimezone(zone)
    hour = at.astimezone(UTC) - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    return {
        "hour": hour,
        "day": midnight.astimezone(UTC),
        "month": midnight.replace(day=1).astimezone(UTC),
    }

"""The part of the auditor that looks at refunds, requests for approval and overdrafts; see books.py.

Plain Python over plain rows, and the rules written down a second time on purpose: nothing of the product is used.
"""

from collections import defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

Rows = dict[str, list[dict[str, Any]]]


def of_refunds(rows: Rows) -> Iterator[str]:
    """Every refund has its entry, the right price to the cent and the account that paid; none exceeds the price."""
    batches = {row["id"]: row for row in rows["batch"]}
    refunds = {row["transaction_id"]: row for row in rows["refund"]}
    on_shelf: dict[int, int] = defaultdict(int)
    seen = set()
    # What follows money that left by itself is looked at with the payments.
    clawed = {row["transaction_id"] for row in rows["claw_back"]}
    for entry in rows["entry"]:
        if entry["batch_id"] is None:
            continue
        left = on_shelf[entry["batch_id"]]
        move = (entry["from_bucket"], entry["to_bucket"])
        on_shelf[entry["batch_id"]] += entry["amount_micro"] * (_shelf(move[1]) - _shelf(move[0]))
        if move != ("available", "refunded") or entry["transaction_id"] in clawed:
            continue
        found = refunds.get(entry["transaction_id"])
        if found is None or found["transaction_id"] in seen:
            yield f"entry {entry['id']} refunds without saying what money goes back"
            continue
        seen.add(found["transaction_id"])
        yield from _of_refund(found, entry, batches, left)
    for found in rows["refund"]:
        if found["transaction_id"] not in seen:
            yield f"refund {found['id']} moved no credits"
    given: dict[int, int] = defaultdict(int)
    for found in rows["refund"]:
        given[found["batch_id"]] += found["cents"]
    for batch_id, cents in given.items():
        if cents > batches[batch_id]["cost_cents"]:
            yield f"refunds of batch {batch_id} give back {cents}, it cost {batches[batch_id]['cost_cents']}"


def _of_refund(
    found: dict[str, Any], entry: dict[str, Any], batches: dict[int, dict[str, Any]], left: int
) -> Iterator[str]:
    name, batch = f"refund {found['id']}", batches[found["batch_id"]]
    if batch["credit_type"] != "purchased":
        yield f"{name} is of {batch['credit_type']} credits"
        return
    if (found["batch_id"], found["account_id"], found["amount_micro"]) != (
        entry["batch_id"],
        entry["account_id"],
        entry["amount_micro"],
    ):
        yield f"{name} is of other credits than its entry"
    if batch["expires_at"] is not None and entry["effective_at"] >= batch["expires_at"]:
        yield f"{name} is of expired credits"
    root = batch
    while root["parent_id"] is not None:
        root = batches[root["parent_id"]]
    if (found["payer_id"], found["payment_reference"]) != (root["account_id"], root["reference"]):
        yield f"{name} goes to another account or payment than the one that paid"
    cost, granted = batch["cost_cents"], batch["granted_micro"]
    by_use = _cents(cost, left, granted) - _cents(cost, left - found["amount_micro"], granted)
    if found["currency"] != batch["currency"] or found["cents"] <= 0 or found["cents"] > by_use:
        yield f"{name} gives {found['cents']} {found['currency']}, its credits cost {by_use} {batch['currency']}"
    if found["policy"] == "unused_share" and found["cents"] != by_use:
        yield f"{name} gives {found['cents']} of {by_use}"


def of_approvals(rows: Rows) -> Iterator[str]:
    """What was decided was decided once, by somebody else, and is what was booked."""
    transactions = {row["id"]: row for row in rows["transaction"]}
    by_approval: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for made in rows["transaction"]:
        if made["approval_id"] is not None:
            by_approval[made["approval_id"]].append(made)
    requests = {row["id"]: row for row in rows["approval"]}
    for id_ in by_approval:
        if id_ not in requests or requests[id_]["state"] != "approved":
            yield f"transactions name request {id_}, which was never approved"
    for id_, request in requests.items():
        asked = transactions[request["asked_in_id"]]
        if (asked["kind"], asked["actor"]) != ("ask_approval", request["requester"]):
            yield f"request {id_} was not asked by {request['requester']}"
        if request["state"] == "asked":
            continue
        decided = transactions[request["decided_in_id"]]
        is_own = request["decided_by"] == request["requester"]
        if decided["actor"] != request["decided_by"] or is_own != (request["state"] == "withdrawn"):
            yield f"request {id_} was {request['state']} by {request['decided_by']}, asked by {request['requester']}"
        if request["state"] == "approved" and decided not in by_approval[id_]:
            yield f"request {id_} was approved, but its decision does not say so"
        if request["state"] == "approved" and decided["kind"] != request["kind"]:
            yield f"request {id_} asked for {request['kind']}, booked was {decided['kind']}"
        if request["state"] != "approved" and decided["kind"] != "decide_approval":
            yield f"request {id_} was {request['state']} and booked {decided['kind']}"


def of_overdrafts(rows: Rows) -> Iterator[str]:
    """What an account may owe is what the newest overdraft says, which two people agreed on; it owes no more."""
    allowed: dict[int, tuple[int, Any]] = {}
    requests = {row["id"]: row for row in rows["approval"]}
    for made in rows["transaction"]:
        if made["kind"] != "overdraft":
            continue
        limit, until = made["receipt"]["overdraft"]
        allowed[made["account_id"]] = (limit, until)
        request = requests.get(made["approval_id"])
        if request is None or request["command"]["fields"]["limit_micro"] != limit:
            yield f"transaction {made['id']} allows {limit}, which nobody else approved"
    for account in rows["account"]:
        limit, until = allowed.get(account["id"], (0, None))
        stated = account["overdraft_until"]
        if (account["overdraft_limit_micro"], stated and stated.isoformat()) != (limit, until):
            yield f"account {account['external_id']} may owe what nobody allowed"
        if account["owed_micro"] > account["overdraft_limit_micro"] + account["claimed_micro"]:
            yield f"account {account['external_id']} owes more than it may"


def _shelf(bucket: str) -> int:
    return int(bucket in ("available", "held"))


def _cents(cost: int, part: int, whole: int) -> int:
    """The share of a cost, halves away from zero; amounts here are never negative."""
    return int(Fraction(cost * part, whole) + Fraction(1, 2))

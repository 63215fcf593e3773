"""The part of the auditor that looks at payments, what was clawed back of them, and what disputes froze; see books.py.

Plain Python over plain rows, and the rules written down a second time on purpose: nothing of the product is used.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def of_payments(rows: Rows) -> Iterator[str]:
    """Every paid payment is one batch at its price; its credits agree with the money that is left of it."""
    batches = {row["id"]: row for row in rows["batch"]}
    clawed: dict[int, list[Row]] = defaultdict(list)
    for row in rows["claw_back"]:
        clawed[row["payment_id"]].append(row)
    refs = Counter((row["provider"], row["payment_ref"]) for row in rows["payment"] if row["payment_ref"])
    yield from (f"{count} payments are {ref}" for ref, count in refs.items() if count > 1)
    for row in rows["payment"]:
        if (row["state"] == "credited") != (row["batch_id"] is not None):
            yield f"{row['name']} is {row['state']} with batch {row['batch_id']}"
        elif row["batch_id"] is not None:
            yield from _of_credited(row, batches[row["batch_id"]])
            yield from _of_clawed(row, batches[row["batch_id"]]["cost_cents"], clawed[row["id"]])
        elif clawed[row["id"]]:
            yield f"{row['name']} took credits back, though it brought none"
    brought = Counter(row["batch_id"] for row in rows["payment"] if row["batch_id"])
    for batch in rows["batch"]:
        is_bought = batch["credit_type"] == "purchased" and batch["parent_id"] is None
        if is_bought and "payment" in batch["details"] and brought[batch["id"]] != 1:
            yield f"batch {batch['id']} was bought by {brought[batch['id']]} payments"
    yield from _of_frozen(rows)
    yield from _of_entries(rows)


def _of_frozen(rows: Rows) -> Iterator[str]:
    """What a dispute has frozen is an open hold of one batch of its payment, and of nothing else."""
    holds = {row["id"]: row for row in rows["hold"]}
    parts = {row["hold_id"]: row["batch_id"] for row in rows["hold_part"]}
    used = {row["hold_id"]: row for row in rows["payment"] if row["hold_id"] is not None}
    for id_, row in used.items():
        said = (holds[id_]["state"], holds[id_]["expires_at"], parts[id_], row["disputed_cents"] > 0)
        if said != ("open", None, row["batch_id"], True):
            yield f"{row['name']} has frozen {said}"
    for hold in rows["hold"]:
        if hold["reference"].startswith("dispute:pay_") and hold["state"] == "open" and hold["id"] not in used:
            yield f"hold {hold['reference']} is of no payment"


def _of_credited(row: Row, batch: Row) -> Iterator[str]:
    said = (batch["account_id"], batch["granted_micro"], batch["cost_cents"], batch["currency"], batch["reference"])
    # Of an invoice the customer pays the plan, too: the credits cost what was asked for them.
    is_invoice = row["purpose"] == "invoice"
    cost = row["price_cents"] if is_invoice else row["total_cents"] - row["tax_cents"]
    ref = batch["reference"] if is_invoice else row["payment_ref"] or row["name"]
    if said != (row["account_id"], row["credits_micro"], cost, row["paid_currency"], ref):
        yield f"{row['name']} brought {said}"


def _of_clawed(row: Row, cost: int, clawed: list[Row]) -> Iterator[str]:
    """What was done is the sum of its rows, and comes to the share of the money that left, to the smallest unit."""
    for part in ("taken_micro", "claimed_micro", "gone_micro", "compensated_micro"):
        if row[part] != sum(one[part] for one in clawed):
            yield f"{row['name']} says {part} {row[part]}, its rows {sum(one[part] for one in clawed)}"
    net = row["taken_micro"] + row["gone_micro"] + row["claimed_micro"] - row["compensated_micro"]
    total, own = row["total_cents"], row["own_refunds_cents"]
    left = min(row["refunded_cents"] - own + row["lost_cents"], max(0, total - own))
    share = int(Fraction(row["credits_micro"] * left, total) + Fraction(1, 2))
    if net != share:
        yield f"{row['name']}: {left} of {total} cents left, which is {share}, but {net} credits are accounted for"
    cents = int(Fraction(cost * net, row["credits_micro"]) + Fraction(1, 2))
    if sum(one["cents"] for one in clawed) != cents:
        yield f"{row['name']}: claw-backs say {sum(one['cents'] for one in clawed)} cents, it is {cents}"


def _of_entries(rows: Rows) -> Iterator[str]:
    """Each claw-back moved what it says, and no claim was made otherwise."""
    taken: dict[tuple[int, int], int] = defaultdict(int)
    claimed: dict[tuple[int, int], int] = defaultdict(int)
    claims: dict[int, int] = defaultdict(int)
    for entry in rows["entry"]:
        sign = (entry["to_bucket"] == "refunded") - (entry["from_bucket"] == "refunded")
        if not sign:
            continue
        if entry["batch_id"] is None:
            claimed[entry["transaction_id"], entry["account_id"]] += sign * entry["amount_micro"]
            claims[entry["account_id"]] += sign * entry["amount_micro"]
        else:
            taken[entry["transaction_id"], entry["batch_id"]] += sign * entry["amount_micro"]
    for row in rows["refund"]:
        taken[row["transaction_id"], row["batch_id"]] -= row["amount_micro"]
    for row in rows["claw_back"]:
        taken[row["transaction_id"], row["batch_id"]] -= row["taken_micro"]
        claimed[row["transaction_id"], row["account_id"]] -= row["claimed_micro"]
    for name, left in (("taken", taken), ("claimed", claimed)):
        for key, amount in left.items():
            if amount:
                yield f"transaction {key[0]} has {name} {amount} more of {key[1]} than any row says"
    for account in rows["account"]:
        if account["claimed_micro"] != claims[account["id"]]:
            yield f"account {account['external_id']} says {account['claimed_micro']} claimed, it is {claims}"

"""The books as tests see them: every row of every table, and an audit in plain Python that trusts no total."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger import Ledger
from ledger.models import metadata
from tests.operations.books_corrections import ends_when, of_extensions, of_reversals
from tests.operations.books_decisions import of_approvals, of_overdrafts, of_refunds
from tests.operations.books_holds import of_give_backs, of_holds
from tests.operations.books_payments import of_payments
from tests.operations.books_plans import of_plans, of_referrals
from tests.operations.books_sharing import of_gift_codes, of_pools, of_transfers

Rows = dict[str, list[dict[str, Any]]]

# Written down here a second time on purpose: this is the auditor's copy of docs/accounting.md, rule 2.
_BOTH_WAYS = (
    ("issued", "available"),
    ("available", "consumed"),
    ("available", "held"),
    ("available", "expired"),
    ("available", "removed"),
    ("available", "refunded"),
    ("available", "transferred"),
    ("available", "owed"),
    ("owed", "consumed"),
    ("owed", "refunded"),
)
LEGAL = {*_BOTH_WAYS, *((b, a) for a, b in _BOTH_WAYS), ("held", "consumed")}


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
    return [
        *_of_entries(rows),
        *_of_totals(rows),
        *_of_usage(rows),
        *_of_prices(rows),
        *_of_packages(rows),
        *of_holds(rows),
        *of_give_backs(rows),
        *of_refunds(rows),
        *of_payments(rows),
        *of_approvals(rows),
        *of_reversals(rows),
        *of_extensions(rows),
        *of_overdrafts(rows),
        *of_plans(rows),
        *of_referrals(rows),
        *of_transfers(rows),
        *of_gift_codes(rows),
        *of_pools(rows),
    ]


def _of_entries(rows: Rows) -> Iterator[str]:
    """Each entry is a legal move of a batch of its account, at a time when it may happen, with the right balance."""
    batches = {row["id"]: row for row in rows["batch"]}
    extended = {row["batch_id"] for row in rows["batch_extension"]}
    left: dict[int, int] = defaultdict(int)
    held: dict[int, int] = defaultdict(int)
    balance: dict[int, int] = defaultdict(int)
    for entry in rows["entry"]:
        name, move = f"entry {entry['id']}", (entry["from_bucket"], entry["to_bucket"])
        on_debt = set(move) in ({"owed", "consumed"}, {"owed", "refunded"})
        if move not in LEGAL or entry["amount_micro"] <= 0 or (entry["batch_id"] is None) != on_debt:
            yield f"{name} is illegal: {move} {entry['amount_micro']}"
        balance[entry["account_id"]] += _moved(entry, "available")
        if entry["balance_micro"] != balance[entry["account_id"]]:
            yield f"{name} says balance {entry['balance_micro']}, it is {balance[entry['account_id']]}"
        if on_debt:
            continue
        batch = batches[entry["batch_id"]]
        at = entry["effective_at"]
        ends = ends_when(rows, entry) if batch["id"] in extended else batch["expires_at"]
        if entry["account_id"] != batch["account_id"]:
            yield f"{name} is of another account than its batch"
        left[batch["id"]] += _moved(entry, "available")
        held[batch["id"]] += _moved(entry, "held")
        if left[batch["id"]] < 0 or held[batch["id"]] < 0:
            yield f"{name} takes batch {batch['id']} below zero"
        if move == ("available", "consumed") and (at < batch["effective_at"] or (ends and at >= ends)):
            yield f"{name} used batch {batch['id']} outside its time"
        if move == ("available", "expired") and (ends is None or at < ends):
            yield f"{name} expired batch {batch['id']} at {at} before {ends}"


def _of_totals(rows: Rows) -> Iterator[str]:
    """Batches and accounts say what their entries add up to."""
    left: dict[int, int] = defaultdict(int)
    held: dict[int, int] = defaultdict(int)
    issued: dict[int, int] = defaultdict(int)
    of_account: dict[tuple[int, str], int] = defaultdict(int)
    abroad = 0
    for entry in rows["entry"]:
        for bucket in ("available", "held", "owed"):
            of_account[entry["account_id"], bucket] += _moved(entry, bucket)
        abroad += _moved(entry, "transferred")
        if entry["batch_id"] is None:
            continue
        left[entry["batch_id"]] += _moved(entry, "available") + _moved(entry, "held")
        held[entry["batch_id"]] += _moved(entry, "held")
    if abroad:
        yield f"{abroad} are on their way between accounts"
    # The first entry of a batch is the one that put it on the shelf.
    for entry in reversed(rows["entry"]):
        if entry["batch_id"] is not None:
            issued[entry["batch_id"]] = entry["amount_micro"]
    for batch in rows["batch"]:
        stated = (batch["remaining_micro"], batch["granted_micro"], batch["held_micro"])
        proven = (left[batch["id"]], issued[batch["id"]], held[batch["id"]])
        if stated != proven:
            yield f"batch {batch['id']} says {stated}, its entries {proven}"
    for account in rows["account"]:
        stated = (account["available_micro"], account["held_micro"], account["owed_micro"])
        proven = tuple(of_account[account["id"], bucket] for bucket in ("available", "held", "owed"))
        # What an account owes is what went out of `owed` and did not come back.
        if stated != (proven[0], proven[1], -proven[2]):
            yield f"account {account['external_id']} says {stated}, its entries {proven}"


def _of_usage(rows: Rows) -> Iterator[str]:
    """Events were charged what they cost, and the rollup is what their entries add up to by company day."""
    types = {None: "owed"} | {row["id"]: row["credit_type"] for row in rows["batch"]}
    events = {row["id"]: row for row in rows["usage_event"]}
    zone = ZoneInfo(rows["company"][0]["zone"])
    charged: dict[int, int] = defaultdict(int)
    used: dict[tuple[Any, ...], int] = defaultdict(int)
    for entry in rows["entry"]:
        consumed = _moved(entry, "consumed")
        if consumed:
            event = events[entry["usage_event_id"]]
            charged[event["id"]] += max(0, consumed)
            day = event["occurred_at"].astimezone(zone).date()
            used[event["account_id"], day, event["feature"], types[entry["batch_id"]]] += consumed
    for id_, event in events.items():
        if event["cost_micro"] != charged[id_]:
            yield f"event {event['event_id']} costs {event['cost_micro']} but was charged {charged[id_]}"
    key = ("account_id", "day", "feature", "credit_type")
    daily = {tuple(row[name] for name in key): row["used_micro"] for row in rows["usage_daily"]}
    if daily != used:
        yield f"usage_daily is {daily}, the entries say {dict(used)}"
    if sum(row["events"] for row in rows["usage_daily"]) != len(events):
        yield "usage_daily counts other events than there are"


def _of_prices(rows: Rows) -> Iterator[str]:
    """Every use costs its price version × quantity × complexity × what its bundle leaves, rounded up once."""
    prices = {row["id"]: row for row in rows["feature_price"]}
    bundles = {row["id"]: row for row in rows["bundle"]}
    in_bundle = {(row["bundle_id"], row["feature"]) for row in rows["bundle_feature"]}
    for event in rows["usage_event"]:
        name, at = f"event {event['event_id']}", event["occurred_at"]
        if event["price_id"] is None:
            continue
        price = prices[event["price_id"]]
        if price["feature"] != event["feature"] or not _in_force(price, at):
            yield f"{name} was charged at price {price['id']}, which was not in force"
        cost = Fraction(price["price_micro"] * event["quantity_micro"], 1_000_000)
        if event["complexity"]:
            cost *= Fraction(price["factors"][event["complexity"]], 1_000_000)
        if event["bundle_id"] is not None:
            bundle = bundles[event["bundle_id"]]
            if (bundle["id"], event["feature"]) not in in_bundle or not _in_force(bundle, at):
                yield f"{name} got the discount of bundle {bundle['id']}, which did not apply"
            cost *= 1 - Fraction(bundle["discount_ppm"], 1_000_000)
        if event["cost_micro"] != ceil(cost):
            yield f"{name} costs {event['cost_micro']}, its price makes it {cost}"


def _of_packages(rows: Rows) -> Iterator[str]:
    """Every sale of a package was of a version for sale then, at its price, and no customer bought too many."""
    versions = {row["id"]: row for row in rows["package"]}
    # What a person decided about is no sale of the shop.
    not_sold = {row["reverses_id"] for row in rows["transaction"]}
    not_sold |= {row["id"] for row in rows["transaction"] if row["kind"] == "decide_payment"}
    adopted = {row["batch_id"] for row in rows["payment"] if row["purpose"] == "external"}
    bought: dict[tuple[int, str], int] = defaultdict(int)
    for batch in rows["batch"]:
        details = batch["details"]
        if batch["parent_id"] is not None or "package_id" not in details or batch["made_by_id"] in not_sold:
            continue
        if batch["id"] in adopted:
            continue
        version = versions[details["package_id"]]
        # One payment may buy a package several times.
        count = details.get("quantity", 1)
        bought[batch["account_id"], version["code"]] += count
        sold = (batch["granted_micro"], batch["cost_cents"], batch["currency"])
        if sold != (count * version["credits_micro"], count * version["price_cents"], version["currency"]):
            yield f"batch {batch['id']} was not sold as package {version['code']}: {sold}"
        if details["package"] != version["code"] or not _in_force(version, batch["granted_at"]):
            yield f"batch {batch['id']} was sold as package {version['code']} when that was not for sale"
        limit = version["per_customer_limit"]
        if limit is not None and bought[batch["account_id"], version["code"]] > limit:
            yield f"batch {batch['id']} is more of package {version['code']} than one customer may buy"


def _in_force(version: dict[str, Any], at: datetime) -> bool:
    return bool(version["effective_at"] <= at and (version["ends_at"] is None or at < version["ends_at"]))


def _moved(entry: dict[str, Any], bucket: str) -> int:
    """What an entry brings to a bucket; negative when it takes away."""
    amount: int = entry["amount_micro"]
    return amount * ((entry["to_bucket"] == bucket) - (entry["from_bucket"] == bucket))

"""The part of the auditor that looks at plans and referrals; see books.py.

Plain Python over plain rows, and the rules written down a second time on purpose: nothing of the product is used.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
Rows = dict[str, list[Row]]


def of_plans(rows: Rows) -> Iterator[str]:
    """What plans gave stands on the shelf with the dates of its period; allowances of one customer never overlap."""
    batches = {row["id"]: row for row in rows["batch"]}
    plans = {row["id"]: row for row in rows["plan"]}
    of_account: dict[int, list[Row]] = defaultdict(list)
    seen: set[int] = set()
    for one in rows["allocation"]:
        of_account[one["account_id"]].append(one)
        if one["batch_id"] is None:
            if one["amount_micro"]:
                yield f"allocation {one['id']} gave credits without a batch"
            continue
        if one["batch_id"] in seen:
            yield f"batch {one['batch_id']} was allocated twice"
        seen.add(one["batch_id"])
        yield from _of_batch(rows, one, batches[one["batch_id"]], plans[one["plan_id"]])
    for batch in rows["batch"]:
        if batch["source"].startswith("plan:") and batch["parent_id"] is None and batch["id"] not in seen:
            yield f"batch {batch['id']} says it came from a plan, but was never allocated"
    for account_id, given in of_account.items():
        yield from _of_periods(rows, given, plans)
        yield from _of_invoices(rows, account_id, given)
        yield from _of_subscription(rows, account_id, given)
    for subscription in rows["subscription"]:
        if subscription["account_id"] not in of_account:
            yield f"account {subscription['account_id']} is on a plan that never gave anything"


def _of_batch(rows: Rows, one: Row, batch: Row, plan: Row) -> Iterator[str]:
    name = f"allocation {one['id']}"
    is_rollover = one["kind"] == "rollover"
    stated = (batch["account_id"], batch["credit_type"], batch["granted_micro"], batch["made_by_id"], batch["source"])
    credit_type = "rollover" if is_rollover else "promotional"
    right = (one["account_id"], credit_type, one["amount_micro"], one["transaction_id"], f"plan:{plan['code']}")
    if stated != right:
        yield f"{name} is {right}, its batch {stated}"
    zone = ZoneInfo(next(row["zone"] for row in rows["account"] if row["id"] == one["account_id"]))
    extended = [row for row in rows["batch_extension"] if row["batch_id"] == batch["id"]]
    ends = extended[0]["expires_before"] if extended else batch["expires_at"]
    if is_rollover:
        days = plan["months"] * plan["rollover_periods"]
        if not 28 * days <= (ends - _midnight(one["period_start"], zone)).days <= 31 * days + 1:
            yield f"{name} rolls over to {ends}, which is not {plan['rollover_periods']} periods"
    elif ends != _midnight(one["period_end"], zone):
        yield f"{name} ends with its period on {one['period_end']}, its batch at {ends}"
    if not _midnight(one["period_start"], zone) <= batch["effective_at"] < ends:
        yield f"{name} became usable outside its period"


def _of_periods(rows: Rows, given: list[Row], plans: dict[int, Row]) -> Iterator[str]:
    allowances = sorted((one for one in given if one["kind"] == "allowance"), key=lambda one: one["period_start"])
    kinds = {row["id"]: row["kind"] for row in rows["transaction"]}
    before: Row | None = None
    for one in allowances:
        # Only the first period of a plan may be a part of one.
        is_first = kinds[one["transaction_id"]] == "start_plan"
        is_billed = _invoice_of(rows, one) is not None
        if before is not None and before["period_end"] > one["period_start"] and not is_billed:
            yield f"allowances {before['id']} and {one['id']} overlap"
        promised = plans[one["plan_id"]]["credits_micro"]
        if one["amount_micro"] > promised or (one["amount_micro"] != promised and not is_first and not is_billed):
            yield f"allowance {one['id']} gave {one['amount_micro']} of {promised}"
        before = one
    bounds = {(one["period_start"], one["period_end"]) for one in allowances}
    for one in given:
        if (one["period_start"], one["period_end"]) not in bounds:
            yield f"allocation {one['id']} belongs to no period"
        if one["kind"] == "rollover":
            yield from _of_rollover(rows, one, given, plans)


def _invoice_of(rows: Rows, one: Row) -> Row | None:
    """The paid invoice that an allowance is of: the one whose period ends on the same day."""
    zone = ZoneInfo(next(row["zone"] for row in rows["account"] if row["id"] == one["account_id"]))
    ends = _midnight(one["period_end"], zone)
    return next(
        (
            row
            for row in rows["billed_invoice"]
            if row["account_id"] == one["account_id"]
            and row["period_end"] is not None
            and timedelta() <= ends - row["period_end"] < timedelta(hours=25)
        ),
        None,
    )


def _of_invoices(rows: Rows, account_id: int, given: list[Row]) -> Iterator[str]:
    """One allowance for the invoices of one period, never before they were paid."""
    ends = [one["period_end"] for one in given if one["kind"] == "allowance" and _invoice_of(rows, one)]
    for end in {end for end in ends if ends.count(end) > 1}:
        yield f"account {account_id} was given two allowances until {end}"
    batches = {row["id"]: row for row in rows["batch"]}
    for one in given:
        invoice = _invoice_of(rows, one)
        if (
            invoice
            and one["batch_id"]
            and batches[one["batch_id"]]["effective_at"]
            < min(row["paid_at"] for row in rows["billed_invoice"] if row["account_id"] == account_id)
        ):
            yield f"allocation {one['id']} was usable before anything was paid"


def _of_rollover(rows: Rows, one: Row, given: list[Row], plans: dict[int, Row]) -> Iterator[str]:
    ended = [row for row in given if row["kind"] != "rollover" and row["period_end"] == one["period_start"]]
    batch_ids = {row["batch_id"] for row in ended}
    lost = sum(
        entry["amount_micro"]
        for entry in rows["entry"]
        if entry["batch_id"] in batch_ids and entry["to_bucket"] == "expired"
    )
    plan = plans[one["plan_id"]]
    share = sum(row["amount_micro"] for row in ended) * plan["rollover_share_ppm"] // 1_000_000
    most = min(lost, share, plan["rollover_cap_micro"])
    if one["amount_micro"] > most:
        yield f"rollover {one['id']} gave {one['amount_micro']}, at most {most} rolls over"


def _of_subscription(rows: Rows, account_id: int, given: list[Row]) -> Iterator[str]:
    found = next(row for row in rows["subscription"] if row["account_id"] == account_id)
    # What was paid for late is given after what came later.
    newest = max((one for one in given if one["kind"] != "rollover"), key=lambda one: (one["period_start"], one["id"]))
    stated = (found["plan_id"], found["period_start"], found["period_end"])
    proven = (newest["plan_id"], newest["period_start"], newest["period_end"])
    if stated != proven:
        yield f"the plan of account {account_id} says {stated}, its allocations {proven}"
    if (found["state"] == "active") != bool(found["next_plan_code"]) or (found["state"] == "ended") != bool(
        found["ended_at"]
    ):
        yield f"the plan of account {account_id} is {found['state']} but does not look so"


def of_referrals(rows: Rows) -> Iterator[str]:
    """Rewards are what was promised, to both sides, capped; nobody stands above the one who brought them."""
    programmes = {row["id"]: row for row in rows["referral_programme"]}
    by_transaction: dict[int, list[Row]] = defaultdict(list)
    rewards = [row for row in rows["batch"] if row["source"].startswith("referral:") and row["parent_id"] is None]
    for batch in rewards:
        by_transaction[batch["made_by_id"]].append(batch)
    paid: dict[tuple[int, int], int] = defaultdict(int)
    for one in rows["referral"]:
        name, programme = f"referral {one['id']}", programmes[one["programme_id"]]
        yield from _of_state(name, one)
        given = {row["account_id"]: row["granted_micro"] for row in by_transaction.pop(one["rewarded_in_id"], [])}
        if one["state"] != "rewarded":
            continue
        if given.pop(one["referee_id"], 0) != programme["referee_micro"]:
            yield f"{name} did not give the customer what was promised"
        if one["referrer_id"] in given:
            paid[one["referrer_id"], one["programme_id"]] += 1
            if given.pop(one["referrer_id"]) != programme["referrer_micro"]:
                yield f"{name} did not give the referrer what was promised"
        if given:
            yield f"{name} rewarded strangers: {given}"
    if by_transaction:
        yield f"rewards without a referral in transactions {sorted(by_transaction)}"
    for (account_id, programme_id), times in paid.items():
        cap = programmes[programme_id]["cap"]
        if cap is not None and times > cap:
            yield f"account {account_id} was rewarded {times} times, at most {cap}"
    yield from _circles(rows)


def _of_state(name: str, one: Row) -> Iterator[str]:
    is_rewarded = one["state"] == "rewarded"
    if is_rewarded != (one["rewarded_in_id"] is not None) or is_rewarded != (one["rewarded_at"] is not None):
        yield f"{name} is {one['state']} but does not look so"
    if (one["state"] == "invited") and one["referee_id"] is not None:
        yield f"{name} is only invited but has joined"
    if one["referrer_id"] == one["referee_id"]:
        yield f"{name} refers itself"


def _circles(rows: Rows) -> Iterator[str]:
    above = {
        row["referee_id"]: row["referrer_id"]
        for row in rows["referral"]
        if row["referee_id"] is not None and row["state"] != "refused"
    }
    for account_id in above:
        at, steps = account_id, 0
        while at in above and steps <= len(above):
            at, steps = above[at], steps + 1
        if steps > len(above):
            yield f"account {account_id} stands above itself"


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)

"""Transactions and entries: what happened, in words, with the lines behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, day, instant, maybe_whole, micro, text, value, whole
from ledger import queries
from ledger.core.amounts import micro_to_text
from ledger.core.records import Bucket, CreditType
from ledger.errors import NotFound
from ledger.queries import TransactionFilter, TransactionSort

KIND_WORDS = {
    "open_account": "Account opened",
    "change_customer": "Customer changed",
    "set_feature_price": "Price set",
    "define_package": "Package defined",
    "define_bundle": "Bundle defined",
    "note_provider_prices": "Catalogue pushed to a provider",
    "grant": "Granted",
    "top_up": "Topped up",
    "adjust": "Adjusted",
    "file": "File booked",
    "undo_file": "File undone",
    "void": "Voided",
    "reverse": "Reversed",
    "extend_expiry": "Expiry extended",
    "usage": "Used",
    "place_hold": "Held",
    "capture_hold": "Hold captured",
    "release_hold": "Hold released",
    "extend_hold": "Hold extended",
    "lapse_hold": "Hold timed out",
    "give_back": "Given back",
    "transfer": "Transferred",
    "gift": "Given",
    "issue_gift_codes": "Gift codes issued",
    "redeem_gift_code": "Gift code redeemed",
    "disable_gift_codes": "Gift codes disabled",
    "open_pool": "Pool opened",
    "set_pool_members": "Members of a pool changed",
    "expire": "Expired",
    "refund": "Refunded",
    "start_purchase": "Purchase begun",
    "note_checkout": "Checkout opened",
    "adopt_payment": "Payment adopted",
    "decide_payment": "Blocked payment decided",
    "follow_payment": "Payment followed",
    "purchase": "Bought",
    "claw_back": "Taken back, its money is gone",
    "put_back": "Put back, its money is back",
    "freeze": "Frozen by a dispute",
    "thaw": "No longer frozen by a dispute",
    "overdraft": "Overdraft set",
    "define_plan": "Plan defined",
    "start_plan": "Plan started",
    "change_plan": "Plan changed",
    "cancel_plan": "Plan cancelled",
    "allocate": "Plan renewed",
    "link_plan_price": "Price linked to a plan",
    "follow_subscription": "Subscription followed",
    "open_lead": "Lead opened",
    "convert_lead": "Lead became a customer",
    "define_referral_programme": "Referral programme defined",
    "end_referral_programme": "Referral programme ended",
    "create_referral_code": "Referral code created",
    "disable_referral_code": "Referral code disabled",
    "invite_referral": "Invited by a referral",
    "join_referral": "Joined by a referral",
    "qualify_referral": "Referral qualified",
    "release_referral": "Referral released",
    "refuse_referral": "Referral refused",
    "repay_debt": "Debt repaid",
    "ask_approval": "Approval asked for",
    "decide_approval": "Request refused or withdrawn",
    "set_alert_rule": "Rule of alerts set",
    "drop_alert_rule": "Rule of alerts taken back",
    "mark_alerts": "Alerts marked",
    "snooze_alerts": "Alerts snoozed",
    "explain_finding": "Finding explained",
    "reopen_finding": "Finding opened again",
    "assign_finding": "Finding assigned",
    "set_recharge_rule": "Rule of auto-recharge set",
    "resume_recharge": "Auto-recharge resumed",
    "start_recharge": "Auto-recharge begun",
    "retry_refund": "Refund of money tried again",
}

_BETWEEN = frozenset({"transfer", "gift"})
HOLD_KINDS = frozenset({"place_hold", "capture_hold", "release_hold", "lapse_hold"})
_MOVEMENTS = ("issued", "used", "expired", "removed", "refunded", "transferred", "owed")

TRANSACTIONS = Schema(
    "one transaction, in the order asked for",
    (
        whole("transaction_id", "number"),
        text("kind", "what kind of fact: grant, top_up, adjust, usage, expire, …"),
        text("words", "what happened, in words"),
        instant("recorded_at", "booked"),
        instant("effective_at", "true from"),
        text("account", "external id; NaN when it concerns no account"),
        text("name", "customer; NaN when it concerns no account"),
        text("credit_types", "types moved, in their order, separated by ', '"),
        micro("amount_micro", "credits added (+) or taken (−)"),
        micro("available_after_micro", "usable right after it"),
        micro("balance_after_micro", "on the shelf right after it"),
        whole("events", "usage events in it"),
        text("actor", "who did it"),
        text("role", "as what"),
        text("reason_code", "reason, or empty"),
        text("note", "note, or empty"),
        text("ticket", "ticket, or empty"),
        text("key", "idempotency key"),
        maybe_whole("reverses_id", "transaction that it reverses"),
        maybe_whole("reversed_by_id", "transaction that reversed it"),
        value("batch_ids", "tuple of batches touched, in order"),
    ),
)
ENTRIES = Schema(
    "one line of a transaction, in booking order",
    (
        whole("entry_id", "number"),
        maybe_whole("batch_id", "batch; absent for usage on debt"),
        text("credit_type", "credit type; owed for usage on debt"),
        text("from_bucket", "where the credits left"),
        text("to_bucket", "where they went"),
        micro("amount_micro", "credits moved, more than 0"),
        micro("balance_micro", "raw total of the account after it, expired but unbooked credits included"),
        text("feature", "feature; NaN unless used"),
        text("event_id", "usage event; NaN unless used"),
        instant("occurred_at", "when the use happened; NaT unless used"),
        instant("effective_at", "true from"),
    ),
)
BATCH_ENTRIES = Schema(
    "one line that moved credits of a batch, newest first",
    (
        whole("entry_id", "number"),
        whole("transaction_id", "transaction"),
        text("from_bucket", "where the credits left"),
        text("to_bucket", "where they went"),
        micro("amount_micro", "credits moved, more than 0"),
        text("feature", "feature; NaN unless used"),
        instant("effective_at", "true from"),
    ),
)
MOVEMENTS = Schema(
    "one movement and credit type with credits moved in the period; types in their order",
    (
        text("movement", "issued, used, expired, removed, refunded, transferred or owed (debt repaid)"),
        text("credit_type", "credit type; owed for what was used on debt"),
        micro("amount_micro", "credits moved; negative when more came back than went"),
    ),
)
ACCOUNT_MOVEMENTS = Schema(
    "one move other than use on one day, oldest first",
    (
        day("day", "company-zone day from which it is true"),
        text("movement", "issued, expired, removed, refunded, transferred, owed (debt repaid) or held (still)"),
        whole("batch_id", "batch"),
        text("credit_type", "credit type"),
        micro("amount_micro", "credits that came (issued) or went (all others); negative when they came back"),
    ),
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction in full: its row of TRANSACTIONS as fields, and the fingerprint of the command behind it."""

    transaction_id: int
    kind: str
    words: str
    recorded_at: datetime
    effective_at: datetime
    account: str | None
    name: str | None
    credit_types: str
    amount_micro: int
    available_after_micro: int
    balance_after_micro: int
    events: int
    actor: str
    role: str
    reason_code: str
    note: str
    ticket: str
    key: str
    reverses_id: int | None
    reversed_by_id: int | None
    batch_ids: tuple[int, ...]
    digest: str


def load_transactions(
    connection: sa.Connection,
    wanted: TransactionFilter,
    *,
    sort: TransactionSort = TransactionSort.NEWEST,
    limit: int | None = 50,
    offset: int = 0,
) -> pd.DataFrame:
    """One page of the transactions that a filter lets through: see TRANSACTIONS. Reads receipts, not entries."""
    wanted = _with_arrivals(connection, wanted)
    answer = ask(connection, queries.transactions, wanted=wanted, sort=sort, limit=limit, offset=offset)
    found = answer.all()
    owners = _owners(connection, found)
    rows = [_transaction(row, owners, wanted.account) for row in found]
    return TRANSACTIONS.frame({name: [row[name] for row in rows] for name in TRANSACTIONS.names} if rows else {})


def count_transactions(connection: sa.Connection, wanted: TransactionFilter) -> int:
    """How many transactions a filter lets through."""
    return int(ask(connection, queries.transaction_count, wanted=_with_arrivals(connection, wanted)).scalar_one())


def _with_arrivals(connection: sa.Connection, wanted: TransactionFilter) -> TransactionFilter:
    """The same filter; with an account also for what others sent to it."""
    if wanted.account is None:
        return wanted
    return replace(wanted, others=tuple(ask(connection, queries.arrivals, account_name=wanted.account).scalars()))


def load_history(
    connection: sa.Connection,
    *,
    account: str,
    kinds: Sequence[str] = (),
    below_id: int | None = None,
    limit: int | None = 50,
    offset: int = 0,
) -> pd.DataFrame:
    """One page of what happened to one account, newest first: see TRANSACTIONS. Bulk usage is one row."""
    wanted = TransactionFilter(account=account, kinds=tuple(kinds), below_id=below_id)
    return load_transactions(connection, wanted, limit=limit, offset=offset)


def count_history(connection: sa.Connection, *, account: str, kinds: Sequence[str] = ()) -> int:
    """How many rows `load_history` has in all."""
    return count_transactions(connection, TransactionFilter(account=account, kinds=tuple(kinds)))


def load_transaction(connection: sa.Connection, transaction_id: int) -> Transaction:
    """One transaction. Raises NotFound."""
    row = ask(connection, queries.transaction_by_id, transaction_id=transaction_id).one_or_none()
    if row is None:
        raise NotFound(what="transaction", id=str(transaction_id))
    return Transaction(**_transaction(row, _owners(connection, [row])), digest=row.digest)


def load_entries(
    connection: sa.Connection, transaction_id: int, *, limit: int | None = 200, offset: int = 0
) -> pd.DataFrame:
    """The lines of one transaction: see ENTRIES."""
    return ENTRIES.load(ask(connection, queries.entries, transaction_id=transaction_id, limit=limit, offset=offset))


def load_batch_entries(
    connection: sa.Connection, batch_id: int, *, limit: int | None = 200, offset: int = 0
) -> pd.DataFrame:
    """The lines that moved credits of one batch: see BATCH_ENTRIES."""
    return BATCH_ENTRIES.load(ask(connection, queries.batch_entries, batch_id=batch_id, limit=limit, offset=offset))


def load_movements(
    connection: sa.Connection,
    *,
    since: datetime,
    until: datetime,
    at: datetime,
    zone: ZoneInfo,
    account: str | None = None,
) -> pd.DataFrame:
    """Credits issued, used, expired, removed and so on in [since, until): see MOVEMENTS.

    Issued counts from when a batch is effective, expired from the batch's own date whether the sweep has booked it or
    not (as of ``at``), used by the company-zone day of the event. ``since`` and ``until`` are midnights of that zone.
    """
    cuts = (since, until)
    sums: dict[tuple[str, str], int] = {}

    def add(movement: str, credit_type: str, amount: int) -> None:
        sums[movement, credit_type] = sums.get((movement, credit_type), 0) + amount

    for row in ask(connection, queries.movements, cuts=cuts, at=at, account_name=account):
        add(row.movement, row.credit_type, row.amount_micro)
    for row in ask(connection, queries.unswept, cuts=cuts, at=at, account_name=account):
        add("expired", row.credit_type, row.amount_micro)
    days = (since.astimezone(zone).date(), until.astimezone(zone).date())
    for row in ask(connection, queries.used, cuts=days, account_name=account):
        add("used", row.credit_type, row.amount_micro)
    types = [*(kind.value for kind in CreditType), Bucket.OWED.value]
    moved = [key for key, amount in sums.items() if amount]
    keys = sorted(moved, key=lambda key: (_MOVEMENTS.index(key[0]), types.index(key[1])))
    return MOVEMENTS.frame(
        {
            "movement": [movement for movement, _ in keys],
            "credit_type": [kind for _, kind in keys],
            "amount_micro": [sums[key] for key in keys],
        }
    )


def load_account_movements(
    connection: sa.Connection, *, account: str, since: datetime, at: datetime, zone: ZoneInfo
) -> pd.DataFrame:
    """Each booked move other than use of one account since an instant, and what holds keep: see ACCOUNT_MOVEMENTS."""
    rows = ask(connection, queries.account_movements, account_name=account, since=since, at=at).all()
    return ACCOUNT_MOVEMENTS.frame(
        {
            "day": [_day(row, zone) for row in rows],
            "movement": [row.movement for row in rows],
            "batch_id": [row.batch_id for row in rows],
            "credit_type": [row.credit_type for row in rows],
            "amount_micro": [row.amount_micro for row in rows],
        }
    )


def _day(row: Any, zone: ZoneInfo) -> date:
    found: date = row.effective_at.astimezone(zone).date()
    return found


def _owners(connection: sa.Connection, rows: Sequence[Any]) -> dict[int, str]:
    """Whose the batches are that transactions between two accounts touched, by batch."""
    parts = ("takes", "new_batches", "returned", "expired")
    between = [row for row in rows if row.counterpart]
    touched = frozenset(one[0] for row in between for part in parts for one in getattr(row, part) or ())
    if not touched:
        return {}
    return {row.batch_id: row.account for row in ask(connection, queries.batch_accounts, batch_ids=touched)}


def _transaction(row: Any, owners: Mapping[int, str], seen_by: str | None = None) -> dict[str, Any]:
    """A row of TRANSACTIONS. Between two accounts it is what one of them saw: ``seen_by``, or else its own account."""
    counted = row.events
    other, _, *others = row.counterpart or (None, 0, 0, 0)
    is_other = other is not None and other == seen_by != row.account
    side = other if is_other else row.account
    takes, made, returned, expired = (
        [one for one in part or () if owners.get(one[0], side) == side]
        for part in (row.takes, row.new_batches, row.returned, row.expired)
    )
    available, balance = others if is_other else ((row.available[1], row.balance[1]) if row.available else (0, 0))
    touched = [(one[0], one[1]) for one in (*made, *takes, *returned)]
    # Credits that are held stay on the shelf: what is set aside was not taken, what is released did not come.
    came = [*made, *([] if row.kind in HOLD_KINDS or row.kind == "thaw" else returned)]
    went = [*expired, *([] if row.kind in ("place_hold", "freeze") else takes)]
    amount = sum(one[2] for one in came) - sum(one[2] for one in went) - (0 if is_other else _owed(row))
    kinds = {kind for _, kind in touched}
    # A single event is charged by a receipt without counts.
    events = counted[0] if counted else int(row.kind == "usage")
    return {
        "transaction_id": row.transaction_id,
        "kind": row.kind,
        "words": _words_between(row, is_other=is_other)
        if row.kind in _BETWEEN
        else _words(row, amount, events, is_bulk=bool(counted)),
        "recorded_at": row.recorded_at,
        "effective_at": row.effective_at,
        "account": row.account,
        "name": row.name,
        "credit_types": ", ".join(kind.value for kind in CreditType if kind.value in kinds),
        "amount_micro": amount,
        "available_after_micro": available,
        "balance_after_micro": balance,
        "events": events,
        "actor": row.actor,
        "role": row.role,
        "reason_code": row.reason_code,
        "note": row.note,
        "ticket": row.ticket,
        "key": row.key,
        "reverses_id": row.reverses_id,
        "reversed_by_id": row.reversed_by_id,
        "batch_ids": tuple(dict.fromkeys(batch_id for batch_id, _ in touched)),
    }


def _owed(row: Any) -> int:
    """What a transaction used on debt, or took off the shelf to repay it; a grant that repays gave all the same."""
    before, after = row.owed or (0, 0)
    grown: int = after - before
    return -grown if row.kind == "repay_debt" else max(grown, 0)


def _words_between(row: Any, *, is_other: bool) -> str:
    return f"{KIND_WORDS[row.kind]} " + (f"by {row.account}" if is_other else f"to {row.counterpart[0]}")


def _words(row: Any, amount_micro: int, events: int, *, is_bulk: bool) -> str:
    match row.kind:
        case "usage" if is_bulk:
            return f"Used, {events:,} event{'s' if events != 1 else ''}"
        case "usage":
            return f"Used for {row.feature}"
        case "grant":
            return f"Granted {row.new_batches[0][1]} credits"
        case "adjust":
            return "Adjusted, credits added" if amount_micro > 0 else "Adjusted, credits taken"
        case "top_up":
            return "Topped up"
        case kind if kind in HOLD_KINDS:
            return _hold_words(row)
        case "give_back":
            return f"Given back for {row.feature}"
        case "void":
            return f"Voided what was left of batch {row.takes[0][0]}"
        case "reverse":
            return f"Reversed entry {row.reverses_id}"
        case "extend_expiry":
            return f"Expiry of batch {row.subject_id} extended"
        case str(kind):
            return KIND_WORDS.get(kind, kind.replace("_", " ").capitalize())
    raise AssertionError(f"kind {row.kind!r} is not text")


def _hold_words(row: Any) -> str:
    if row.kind == "capture_hold":
        return f"Hold captured, used for {row.feature}"
    moved = sum(take[2] for take in (row.takes or row.returned))
    credits = f"{micro_to_text(moved)} credits"
    return f"Held {credits}" if row.kind == "place_hold" else f"{KIND_WORDS[row.kind]}, {credits} no longer held"

"""Named SELECT statements: the questions that can be asked of the ledger. Nothing here runs one.

Every sum is cast back to BIGINT; every filter by time is in SQL, given ``at``; days are company-zone days; intervals
are half open. A statement about one account takes its external id and reads through indexes on account_id.
"""

from ledger.models import Instant
from ledger.queries.accounts import companies, customers, find_customers, forecast_head, head, profiles
from ledger.queries.approvals import approval_by_id, approvals, approvals_waiting
from ledger.queries.catalog import bundles, package_purchases, packages, plan_versions, quantities
from ledger.queries.files import given_since
from ledger.queries.holds import event_by_id, event_parts, open_holds, open_holds_total, past_holds
from ledger.queries.jobs import books_head, schema_version
from ledger.queries.journal import (
    TransactionFilter,
    TransactionSort,
    account_movements,
    arrivals,
    batch_accounts,
    batch_entries,
    entries,
    movements,
    transaction_by_id,
    transaction_count,
    transactions,
)
from ledger.queries.plans import allocations, subscriptions
from ledger.queries.referrals import referral_codes, referral_counts, referral_programmes, referrals
from ledger.queries.refunds import overdrafts, refundable, refunds
from ledger.queries.sharing import gift_code_sets, gift_codes, member_usage, pool_counters, pool_members, pools
from ledger.queries.shelf import (
    balances,
    batches,
    expiring,
    on_shelf,
    paid,
    payments,
    purchases,
    spendable,
    unswept,
)
from ledger.queries.usage import (
    account_daily_usage,
    daily_usage,
    daily_usage_by_type,
    events,
    feature_accounts,
    feature_prices,
    first_used_day,
    forecasts,
    used,
)

__all__ = [
    "Instant",
    "TransactionFilter",
    "TransactionSort",
    "account_daily_usage",
    "account_movements",
    "allocations",
    "approval_by_id",
    "approvals",
    "approvals_waiting",
    "arrivals",
    "balances",
    "batch_accounts",
    "batch_entries",
    "batches",
    "books_head",
    "bundles",
    "companies",
    "customers",
    "daily_usage",
    "daily_usage_by_type",
    "entries",
    "event_by_id",
    "event_parts",
    "events",
    "expiring",
    "feature_accounts",
    "feature_prices",
    "find_customers",
    "first_used_day",
    "forecast_head",
    "forecasts",
    "gift_code_sets",
    "gift_codes",
    "given_since",
    "head",
    "member_usage",
    "movements",
    "on_shelf",
    "open_holds",
    "open_holds_total",
    "overdrafts",
    "package_purchases",
    "packages",
    "paid",
    "past_holds",
    "payments",
    "plan_versions",
    "pool_counters",
    "pool_members",
    "pools",
    "profiles",
    "purchases",
    "quantities",
    "referral_codes",
    "referral_counts",
    "referral_programmes",
    "referrals",
    "refundable",
    "refunds",
    "schema_version",
    "spendable",
    "subscriptions",
    "transaction_by_id",
    "transaction_count",
    "transactions",
    "unswept",
    "used",
]

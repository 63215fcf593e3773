"""The tables, with the checks that the database itself enforces. History of the schema: ledger/migrations.

Amounts are BIGINT micro-credits or cents, instants aware UTC. What is append-only is so by trigger; the drift
check does not see triggers, so test databases are built by migrating.
"""

from ledger.models.base import Id, Instant, Json, metadata
from ledger.models.books import OWED, account, batch, company, customer, entry, transaction, usage_daily, usage_event
from ledger.models.catalog import allocation, bundle, bundle_feature, feature_price, package, plan, subscription
from ledger.models.derived import calibration, draft, forecast_run
from ledger.models.moves import approval, batch_extension, hold, hold_part, period_close, refund, seal
from ledger.models.people import (
    gift_code,
    gift_code_set,
    pool_member,
    pool_usage,
    referral,
    referral_code,
    referral_programme,
)
from ledger.models.service import (
    alert,
    alert_look,
    alert_rule,
    alert_watch,
    api_key,
    job,
    job_run,
    lease,
    mail,
    mail_block,
    rate_limit,
)

APPEND_ONLY = (
    transaction,
    entry,
    usage_event,
    feature_price,
    hold_part,
    batch_extension,
    refund,
    period_close,
    seal,
    bundle,
    bundle_feature,
    package,
    plan,
    allocation,
)

__all__ = [
    "APPEND_ONLY",
    "OWED",
    "Id",
    "Instant",
    "Json",
    "account",
    "alert",
    "alert_look",
    "alert_rule",
    "alert_watch",
    "allocation",
    "api_key",
    "approval",
    "batch",
    "batch_extension",
    "bundle",
    "bundle_feature",
    "calibration",
    "company",
    "customer",
    "draft",
    "entry",
    "feature_price",
    "forecast_run",
    "gift_code",
    "gift_code_set",
    "hold",
    "hold_part",
    "job",
    "job_run",
    "lease",
    "mail",
    "mail_block",
    "metadata",
    "package",
    "period_close",
    "plan",
    "pool_member",
    "pool_usage",
    "rate_limit",
    "referral",
    "referral_code",
    "referral_programme",
    "refund",
    "seal",
    "subscription",
    "transaction",
    "usage_daily",
    "usage_event",
]

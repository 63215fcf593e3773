"""What is for sale and what using it costs: versions, never edits."""

import sqlalchemy as sa

from ledger.models.base import Id, Instant, Json, Micro, metadata, row_id
from ledger.models.books import account, batch, transaction

feature_price = sa.Table(
    "feature_price",
    metadata,
    row_id(),
    sa.Column("feature", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("unit", sa.Text, nullable=False),
    sa.Column("price_micro", Micro, nullable=False),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=True, comment="the feature is not for sale from then on; null: no end"),
    sa.Column("factors", Json, nullable=False, server_default="{}", comment="complexity name to factor, in millionths"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.UniqueConstraint("feature", "effective_at"),
    sa.CheckConstraint("price_micro > 0", name="price"),
    comment="Versions of prices; the one in force is the newest whose effective_at has come",
)

bundle = sa.Table(
    "bundle",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("discount_ppm", sa.Integer, nullable=False, comment="millionths off the cost of its features"),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.CheckConstraint("discount_ppm > 0 AND discount_ppm < 1000000", name="discount"),
    sa.CheckConstraint("ends_at > effective_at", name="ends"),
    comment="Features at a discount for a limited time; the highest discount in force counts",
)

bundle_feature = sa.Table(
    "bundle_feature",
    metadata,
    sa.Column("feature", sa.Text, primary_key=True),
    sa.Column("bundle_id", Id, sa.ForeignKey(bundle.c.id), primary_key=True),
    comment="Which features a bundle makes cheaper",
)

package = sa.Table(
    "package",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("price_list", sa.Text, nullable=False),
    sa.Column("credits_micro", Micro, nullable=False),
    sa.Column("price_cents", Micro, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("per_customer_limit", sa.Integer, nullable=True, comment="purchases by one customer; null: any number"),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=True, comment="not for sale from then on; null: no end"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.UniqueConstraint("code", "effective_at"),
    sa.CheckConstraint("credits_micro > 0 AND price_cents > 0", name="worth"),
    sa.CheckConstraint("per_customer_limit IS NULL OR per_customer_limit > 0", name="limit"),
    comment="Versions of what is sold; the one in force is the newest whose effective_at has come",
)

plan = sa.Table(
    "plan",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("credits_micro", Micro, nullable=False, comment="allowance of one billing period"),
    sa.Column("price_cents", Micro, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("months", sa.Integer, nullable=False, comment="length of one billing period"),
    sa.Column("rollover_cap_micro", Micro, nullable=False, comment="most that rolls over; 0: nothing does"),
    sa.Column("rollover_share_ppm", sa.Integer, nullable=False, comment="most of the allowance that rolls over"),
    sa.Column("rollover_periods", sa.Integer, nullable=False, comment="billing periods that rolled-over credits last"),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.UniqueConstraint("code", "effective_at"),
    sa.CheckConstraint("credits_micro > 0 AND price_cents >= 0 AND months BETWEEN 1 AND 12", name="terms"),
    sa.CheckConstraint(
        "rollover_cap_micro >= 0 AND rollover_share_ppm BETWEEN 0 AND 1000000 AND rollover_periods BETWEEN 1 AND 24",
        name="rollover",
    ),
    comment="Versions of subscription plans; the one in force is the newest whose effective_at has come",
)

subscription = sa.Table(
    "subscription",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("plan_id", Id, sa.ForeignKey(plan.c.id), nullable=False, comment="version of the running period"),
    sa.Column("next_plan_code", sa.Text, nullable=False, comment="plan from the next period on"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("anchor_day", sa.Integer, nullable=False, comment="day of the month on which periods begin"),
    sa.Column("period_start", sa.Date, nullable=False, comment="first day of the running period, customer's zone"),
    sa.Column("period_end", sa.Date, nullable=False, comment="first day of the next period, customer's zone"),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("provider", sa.Text, nullable=True, comment="who bills it; null: periods begin by the calendar alone"),
    sa.Column("provider_ref", sa.Text, nullable=True, comment="the provider's subscription: sub_…"),
    sa.Column("customer_ref", sa.Text, nullable=True, comment="the provider's customer who pays for it: cus_…"),
    sa.Column("paid_through", sa.Date, nullable=True, comment="billed by a provider: first day that is not paid for"),
    sa.Column("followed_at", Instant, nullable=True, comment="when the provider was asked for what is followed here"),
    sa.CheckConstraint("state IN ('active', 'cancelled', 'ended')", name="state"),
    sa.CheckConstraint("period_end > period_start", name="period"),
    sa.Index("uq_subscription_provider_ref", "provider_ref", unique=True),
    comment="The plan that a customer is on; moves with renewals, whose facts are allocations",
)

allocation = sa.Table(
    "allocation",
    metadata,
    row_id(),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("plan_id", Id, sa.ForeignKey(plan.c.id), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("period_start", sa.Date, nullable=False),
    sa.Column("period_end", sa.Date, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True, comment="null: nothing was left to roll over"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.UniqueConstraint("account_id", "period_start", "kind", "plan_id"),
    sa.CheckConstraint("kind IN ('allowance', 'upgrade', 'rollover')", name="kind"),
    comment="What a plan gave for one billing period; append-only",
)

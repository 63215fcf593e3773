"""Money in and out: payments, what providers tell, rules of auto-recharge, comparisons with providers.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


# The moves that entries may make: as they were, and with claims and their way back.
LEGAL_BEFORE = (
    "' available>consumed available>expired available>held available>issued available>owed available>refunded "
    "available>removed available>transferred consumed>available consumed>owed expired>available held>available "
    "held>consumed issued>available owed>available owed>consumed refunded>available removed>available "
    "transferred>available '"
)
LEGAL_NOW = LEGAL_BEFORE.replace(
    "owed>consumed refunded>available ", "owed>consumed owed>refunded refunded>available refunded>owed "
)
DEBT_BEFORE = "(from_bucket = 'consumed' AND to_bucket = 'owed') OR (from_bucket = 'owed' AND to_bucket = 'consumed')"
DEBT_NOW = (
    "(from_bucket = 'consumed' AND to_bucket = 'owed') OR (from_bucket = 'refunded' AND to_bucket = 'owed') "
    "OR (from_bucket = 'owed' AND to_bucket = 'consumed') OR (from_bucket = 'owed' AND to_bucket = 'refunded')"
)
OWED_BEFORE = "owed_micro >= 0 AND owed_micro <= overdraft_limit_micro"
OWED_NOW = "owed_micro >= 0 AND claimed_micro >= 0 AND owed_micro <= overdraft_limit_micro + claimed_micro"


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    json = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    id_ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "provider_plan",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("price_ref", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False),
        sa.Column("linked_at", instant, nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_provider_plan_provider")),
        sa.PrimaryKeyConstraint("provider", "price_ref", name=op.f("pk_provider_plan")),
        comment="Which plan a subscription price at a provider stands for",
    )
    op.create_table(
        "provider_run",
        sa.Column("id", id_, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.Column("until", instant, nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("finished_at", instant, nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("counts", json, nullable=False, comment="records looked at and findings, by class"),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_provider_run_provider")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_run")),
        comment="Comparisons of our books with a provider's",
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("made_at", instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secret")),
        comment="Keys that the product draws for itself: what signs the links of mails",
    )
    op.create_table(
        "saved_card",
        sa.Column("account_id", id_, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("customer_ref", sa.Text(), nullable=False),
        sa.Column("card_ref", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False, comment="as people know it: visa •••• 4242, 12/27"),
        sa.Column("noted_at", instant, nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_saved_card_provider")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_saved_card_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "provider", name=op.f("pk_saved_card")),
        comment="The card that a provider keeps for a customer; never its number",
    )
    op.create_table(
        "balance_mirror",
        sa.Column("id", id_, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="key at the provider: sent twice is once"),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("transaction_id", id_, nullable=True, comment="the movement; else null"),
        sa.Column("day", sa.Date(), nullable=True, comment="of the use, company zone; else null"),
        sa.Column("happened_at", instant, nullable=False),
        sa.Column(
            "cents",
            sa.BigInteger(),
            nullable=False,
            comment="less than 0 is to the customer's credit, as Stripe counts",
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("details", json, nullable=False, comment="metadata: type, expires_at, source"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('opening', 'movement', 'usage')", name=op.f("ck_balance_mirror_kind")),
        sa.CheckConstraint("state IN ('asked', 'sent', 'failed')", name=op.f("ck_balance_mirror_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_balance_mirror_account_id_account")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_balance_mirror_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_mirror")),
        sa.UniqueConstraint("name", name=op.f("uq_balance_mirror_name")),
        comment="Movements repeated as customer balance transactions at the provider, where the company wants it",
    )
    op.create_index("ix_balance_mirror_account_id", "balance_mirror", ["account_id"], unique=False)
    op.create_table(
        "billed_invoice",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False, comment="the provider's invoice: in_…"),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("subscription_ref", sa.Text(), nullable=False),
        sa.Column("plan_code", sa.Text(), nullable=False, comment="what its price stood for when followed, or empty"),
        sa.Column("period_start", instant, nullable=True, comment="as the provider says; null: it bills no plan"),
        sa.Column("period_end", instant, nullable=True),
        sa.Column("paid_at", instant, nullable=False),
        sa.Column("total_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("payment_ref", sa.Text(), nullable=True, comment="the provider's payment of it: pi_…"),
        sa.Column("metered_micro", sa.BigInteger(), nullable=False, comment="billed for use beyond the credits"),
        sa.Column("metered_cents", sa.BigInteger(), nullable=False),
        sa.Column("batch_id", id_, nullable=True, comment="of what was metered"),
        sa.Column("transaction_id", id_, nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_billed_invoice_provider")),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_billed_invoice_period")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_billed_invoice_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_billed_invoice_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_billed_invoice_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("provider", "ref", name=op.f("pk_billed_invoice")),
        comment="Paid invoices of subscriptions that were followed, once each; append-only",
    )
    op.create_index("ix_billed_invoice_account_id", "billed_invoice", ["account_id"], unique=False)
    op.create_index("ix_billed_invoice_payment_ref", "billed_invoice", ["payment_ref"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False, comment="the provider's; of a body without one its hash"),
        sa.Column("kind", sa.Text(), nullable=False, comment="as the provider calls it"),
        sa.Column("about_kind", sa.Text(), nullable=False, comment="payment, checkout, customer, … or empty"),
        sa.Column("about_ref", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("happened_at", instant, nullable=True, comment="as the provider says"),
        sa.Column("received_at", instant, nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False, comment="how often it came"),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True),
        sa.Column("settled_at", instant, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False, comment="what became of it, in words, or why nothing yet"),
        sa.Column("transaction_id", id_, nullable=True),
        sa.Column("account_id", id_, nullable=True),
        sa.Column("body", sa.Text(), nullable=False, comment="as it came; emptied after the time of retention"),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_inbox_provider")),
        sa.CheckConstraint(
            "state IN ('new', 'waiting', 'settled', 'ignored', 'unmatched', 'failed')", name=op.f("ck_inbox_state")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_inbox_account_id_account")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_inbox_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("provider", "event_id", name=op.f("pk_inbox")),
        comment="What providers told us, once each",
    )
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"], unique=False)
    op.create_index(
        "ix_inbox_unsettled",
        "inbox",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('new', 'waiting')"),
        sqlite_where=sa.text("state IN ('new', 'waiting')"),
    )

    op.create_table(
        "recharge_rule",
        sa.Column("account_id", id_, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("package_code", sa.Text(), nullable=False),
        sa.Column("threshold_micro", sa.BigInteger(), nullable=True),
        sa.Column("runway_days", sa.Integer(), nullable=True),
        sa.Column("day_cap_cents", sa.BigInteger(), nullable=False),
        sa.Column("month_cap_cents", sa.BigInteger(), nullable=False),
        sa.Column(
            "currency",
            sa.String(length=3),
            nullable=False,
            comment="of the caps: that of the package when it was chosen",
        ),
        sa.Column("cool_down_minutes", sa.Integer(), nullable=False),
        sa.Column("stop_after", sa.Integer(), nullable=False, comment="declines in a row after which it stops"),
        sa.Column("declines", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("stopped_at", instant, nullable=True),
        sa.Column("stopped_because", sa.Text(), nullable=False),
        sa.Column("rests_until", instant, nullable=True, comment="no try before; kept whatever became of the last one"),
        sa.Column("made_by_id", id_, nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_recharge_rule_provider")),
        sa.CheckConstraint(
            "day_cap_cents > 0 AND month_cap_cents >= day_cap_cents", name=op.f("ck_recharge_rule_caps")
        ),
        sa.CheckConstraint(
            "threshold_micro IS NOT NULL OR runway_days IS NOT NULL", name=op.f("ck_recharge_rule_line")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_recharge_rule_account_id_account")),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["transaction.id"], name=op.f("fk_recharge_rule_made_by_id_transaction")
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_recharge_rule")),
        comment="When a customer's saved card is charged by itself; history is in the transactions",
    )
    op.create_table(
        "payment",
        sa.Column("id", id_, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="pay_… : ours, given to the provider and in links"),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("package_id", id_, nullable=True, comment="version sold; null: no package"),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False, comment="all that is bought"),
        sa.Column(
            "price_cents", sa.BigInteger(), nullable=False, comment="asked for all of it, without tax: the cost basis"
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("checkout_ref", sa.Text(), nullable=True, comment="the provider's name of its checkout page"),
        sa.Column("payment_ref", sa.Text(), nullable=True, comment="the provider's name of the payment: pi_…"),
        sa.Column("url", sa.Text(), nullable=False, comment="where the customer pays or confirms, or empty"),
        sa.Column("ends_at", instant, nullable=True, comment="the checkout can be paid until then"),
        sa.Column("saves_card", sa.Boolean(), nullable=False, comment="the checkout keeps the card for later charges"),
        sa.Column("customer_ref", sa.Text(), nullable=True, comment="the provider's name of who paid: cus_…"),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("paid_at", instant, nullable=True, comment="as the provider says"),
        sa.Column(
            "total_cents",
            sa.BigInteger(),
            nullable=True,
            comment="taken from the customer, with tax; null: not paid yet",
        ),
        sa.Column("tax_cents", sa.BigInteger(), nullable=True),
        sa.Column(
            "paid_currency",
            sa.String(length=3),
            nullable=True,
            comment="of total_cents, tax_cents and all that went back",
        ),
        sa.Column("error", sa.Text(), nullable=False, comment="why it failed or is blocked, or empty"),
        sa.Column("batch_id", id_, nullable=True),
        sa.Column("followed_at", instant, nullable=True, comment="what was asked before that is out of date"),
        sa.Column("asked_at", instant, nullable=True, comment="when a job asked the provider last, whatever it said"),
        sa.Column(
            "refunded_cents",
            sa.BigInteger(),
            nullable=False,
            comment="all refunds that the provider tells of, with tax",
        ),
        sa.Column(
            "own_refunds_cents", sa.BigInteger(), nullable=False, comment="of them those that this product asked for"
        ),
        sa.Column("disputed_cents", sa.BigInteger(), nullable=False, comment="in open disputes"),
        sa.Column("lost_cents", sa.BigInteger(), nullable=False, comment="in lost disputes"),
        sa.Column("taken_micro", sa.BigInteger(), nullable=False, comment="credits clawed back from the batch"),
        sa.Column(
            "claimed_micro",
            sa.BigInteger(),
            nullable=False,
            comment="credits that were used before: now owed by the account",
        ),
        sa.Column(
            "gone_micro",
            sa.BigInteger(),
            nullable=False,
            comment="had left the shelf unused: expired, removed, refunded by hand",
        ),
        sa.Column(
            "compensated_micro",
            sa.BigInteger(),
            nullable=False,
            comment="given anew for claims that had been repaid",
        ),
        sa.Column("hold_id", id_, nullable=True, comment="what an open dispute has frozen"),
        sa.Column("made_by_id", id_, nullable=False),
        sa.CheckConstraint("(state = 'credited') = (batch_id IS NOT NULL)", name=op.f("ck_payment_credited")),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_payment_provider")),
        sa.CheckConstraint(
            "purpose IN ('checkout', 'recharge', 'invoice', 'external')", name=op.f("ck_payment_purpose")
        ),
        sa.CheckConstraint(
            "state IN ('created', 'open', 'processing', 'needs_action', 'credited', 'blocked', 'failed', 'expired')",
            name=op.f("ck_payment_state"),
        ),
        sa.CheckConstraint("quantity > 0 AND credits_micro > 0 AND price_cents > 0", name=op.f("ck_payment_worth")),
        sa.CheckConstraint(
            "refunded_cents >= 0 AND own_refunds_cents >= 0 AND disputed_cents >= 0 AND lost_cents >= 0",
            name=op.f("ck_payment_back"),
        ),
        sa.CheckConstraint(
            "taken_micro >= 0 AND gone_micro >= 0 AND compensated_micro >= 0 AND claimed_micro >= compensated_micro "
            "AND taken_micro + gone_micro + claimed_micro - compensated_micro <= credits_micro",
            name=op.f("ck_payment_taken"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_payment_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_payment_batch_id_batch")),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name=op.f("fk_payment_hold_id_hold")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_payment_made_by_id_transaction")),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_payment_package_id_package")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("name", name=op.f("uq_payment_name")),
        sa.UniqueConstraint("provider", "checkout_ref", name=op.f("uq_payment_provider_checkout_ref")),
        sa.UniqueConstraint("provider", "payment_ref", name=op.f("uq_payment_provider_payment_ref")),
        comment="One payment at a provider; what moved credits is in its transactions",
    )
    op.create_index("ix_payment_account_id", "payment", ["account_id"], unique=False)
    op.create_index("ix_payment_created_at", "payment", ["created_at"], unique=False)
    op.create_index(
        "uq_payment_recharge_in_flight",
        "payment",
        ["account_id"],
        unique=True,
        postgresql_where=sa.text("purpose = 'recharge' AND state IN ('created', 'open', 'processing', 'needs_action')"),
        sqlite_where=sa.text("purpose = 'recharge' AND state IN ('created', 'open', 'processing', 'needs_action')"),
    )

    op.create_table(
        "provider_price",
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("package_id", id_, nullable=False, comment="version of the package"),
        sa.Column("product_ref", sa.Text(), nullable=False),
        sa.Column("price_ref", sa.Text(), nullable=False),
        sa.Column("synced_at", instant, nullable=False),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_provider_price_provider")),
        sa.ForeignKeyConstraint(["package_id"], ["package.id"], name=op.f("fk_provider_price_package_id_package")),
        sa.PrimaryKeyConstraint("provider", "package_id", name=op.f("pk_provider_price")),
        comment="What a package is called at a provider",
    )
    op.create_table(
        "claw_back",
        sa.Column("id", id_, nullable=False),
        sa.Column("payment_id", id_, nullable=False),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("batch_id", id_, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("taken_micro", sa.BigInteger(), nullable=False, comment="from the batch; less than 0: put back"),
        sa.Column("claimed_micro", sa.BigInteger(), nullable=False, comment="now owed; less than 0: owed no longer"),
        sa.Column("gone_micro", sa.BigInteger(), nullable=False, comment="had left the shelf unused, so nothing moved"),
        sa.Column(
            "compensated_micro",
            sa.BigInteger(),
            nullable=False,
            comment="given anew for a claim that had been repaid",
        ),
        sa.Column(
            "cents",
            sa.BigInteger(),
            nullable=False,
            comment="share of the cost basis, without tax; less than 0: put back",
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("transaction_id", id_, nullable=False),
        sa.CheckConstraint(
            "cause IN ('refund', 'dispute', 'refund_failed', 'dispute_won')", name=op.f("ck_claw_back_cause")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_claw_back_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_claw_back_batch_id_batch")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_claw_back_payment_id_payment")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_claw_back_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_claw_back")),
        comment="Credits that followed money which left again at the provider, or came back; append-only",
    )
    op.create_index("ix_claw_back_batch_id", "claw_back", ["batch_id"], unique=False)
    op.create_index("ix_claw_back_payment_id", "claw_back", ["payment_id"], unique=False)

    op.create_table(
        "finding",
        sa.Column("id", id_, nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("object_kind", sa.Text(), nullable=False, comment="payment, refund, dispute, batch"),
        sa.Column("object_ref", sa.Text(), nullable=False, comment="the provider's name, or ours where it has none"),
        sa.Column("figure", sa.Text(), nullable=False, comment="what of it differs: see ledger.core.matching.Figure"),
        sa.Column("payment_ref", sa.Text(), nullable=True, comment="the provider's name of the payment it belongs to"),
        sa.Column("payment_id", id_, nullable=True),
        sa.Column("batch_id", id_, nullable=True),
        sa.Column("account_id", id_, nullable=True),
        sa.Column("our_cents", sa.BigInteger(), nullable=True),
        sa.Column("our_currency", sa.String(length=3), nullable=True),
        sa.Column("their_cents", sa.BigInteger(), nullable=True),
        sa.Column("their_currency", sa.String(length=3), nullable=True),
        sa.Column(
            "credits_micro",
            sa.BigInteger(),
            nullable=True,
            comment="credits that hang on it, as far as known here",
        ),
        sa.Column("ours", json, nullable=True, comment="our record, to be shown beside theirs"),
        sa.Column("theirs", json, nullable=True),
        sa.Column("happened_at", instant, nullable=True),
        sa.Column("found_at", instant, nullable=False),
        sa.Column("seen_at", instant, nullable=False, comment="last comparison that found it"),
        sa.Column("run_id", id_, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("transaction_id", id_, nullable=True, comment="of the decision about it"),
        sa.CheckConstraint(
            "kind IN ('timing', 'missing_here', 'missing_there', 'amount', 'currency', 'duplicate')",
            name=op.f("ck_finding_kind"),
        ),
        sa.CheckConstraint("provider IN ('stripe', 'polar', 'mock')", name=op.f("ck_finding_provider")),
        sa.CheckConstraint("state IN ('open', 'explained', 'fixed')", name=op.f("ck_finding_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_finding_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_finding_batch_id_batch")),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_finding_payment_id_payment")),
        sa.ForeignKeyConstraint(["run_id"], ["provider_run.id"], name=op.f("fk_finding_run_id_provider_run")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_finding_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_finding")),
        sa.UniqueConstraint(
            "provider",
            "kind",
            "object_kind",
            "object_ref",
            name=op.f("uq_finding_provider_kind_object_kind_object_ref"),
        ),
        comment="Where our books and a provider's disagree",
    )
    op.create_index("ix_finding_state", "finding", ["state"], unique=False)

    op.create_table(
        "meter_event",
        sa.Column("id", id_, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="identifier at the provider: sent twice is once"),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False, comment="used beyond the credits"),
        sa.Column("through_entry_id", id_, nullable=False, comment="last entry that is in it"),
        sa.Column("happened_at", instant, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('asked', 'sent', 'failed')", name=op.f("ck_meter_event_state")),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_meter_event_amount")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_meter_event_account_id_account")),
        sa.ForeignKeyConstraint(["through_entry_id"], ["entry.id"], name=op.f("fk_meter_event_through_entry_id_entry")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_meter_event")),
        sa.UniqueConstraint("account_id", "through_entry_id", name=op.f("uq_meter_event_account_id_through_entry_id")),
        sa.UniqueConstraint("name", name=op.f("uq_meter_event_name")),
        comment="Use beyond the credits that a provider is told of, to be billed by it",
    )
    op.create_table(
        "provider_refund",
        sa.Column("id", id_, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="ref_… : ours, given to the provider"),
        sa.Column("refund_id", id_, nullable=True, comment="null: of a blocked payment"),
        sa.Column("payment_id", id_, nullable=False),
        sa.Column("sent_to", sa.Text(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False, comment="with tax"),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("provider_ref", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("asked_at", instant, nullable=False),
        sa.Column("ended_at", instant, nullable=True),
        sa.Column("made_by_id", id_, nullable=False),
        sa.CheckConstraint("sent_to IN ('card', 'balance')", name=op.f("ck_provider_refund_sent_to")),
        sa.CheckConstraint(
            "state IN ('asked', 'sent', 'done', 'failed', 'replaced')", name=op.f("ck_provider_refund_state")
        ),
        sa.CheckConstraint("cents > 0", name=op.f("ck_provider_refund_cents")),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["transaction.id"], name=op.f("fk_provider_refund_made_by_id_transaction")
        ),
        sa.ForeignKeyConstraint(["payment_id"], ["payment.id"], name=op.f("fk_provider_refund_payment_id_payment")),
        sa.ForeignKeyConstraint(["refund_id"], ["refund.id"], name=op.f("fk_provider_refund_refund_id_refund")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_refund")),
        sa.UniqueConstraint("name", name=op.f("uq_provider_refund_name")),
        comment="Money that a provider is to give back for us, and how far that is",
    )
    op.create_index("ix_provider_refund_payment_id", "provider_refund", ["payment_id"], unique=False)
    op.create_index(
        "ix_provider_refund_unsent",
        "provider_refund",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('asked', 'sent')"),
        sqlite_where=sa.text("state IN ('asked', 'sent')"),
    )

    op.add_column(
        "account",
        sa.Column(
            "claimed_micro",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="ever owed because money was taken back for credits already used; lets owed pass the limit",
        ),
    )

    _widen_checks()
    op.add_column(
        "subscription",
        sa.Column(
            "provider", sa.Text(), nullable=True, comment="who bills it; null: periods begin by the calendar alone"
        ),
    )
    op.add_column(
        "subscription",
        sa.Column("provider_ref", sa.Text(), nullable=True, comment="the provider's subscription: sub_…"),
    )
    op.add_column(
        "subscription",
        sa.Column(
            "paid_through", sa.Date(), nullable=True, comment="billed by a provider: first day that is not paid for"
        ),
    )
    op.add_column(
        "subscription",
        sa.Column("customer_ref", sa.Text(), nullable=True, comment="the provider's customer who pays for it: cus_…"),
    )
    op.add_column(
        "subscription",
        sa.Column(
            "followed_at",
            instant,
            nullable=True,
            comment="when the provider was asked for what is followed here",
        ),
    )
    op.create_index("uq_subscription_provider_ref", "subscription", ["provider_ref"], unique=True)
    op.create_index(
        "ix_entry_debt",
        "entry",
        ["account_id", "id"],
        unique=False,
        postgresql_where=sa.text("batch_id IS NULL"),
        sqlite_where=sa.text("batch_id IS NULL"),
    )

    _forbid_changes("claw_back")
    _forbid_changes("billed_invoice")


def _widen_checks() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for table, name, check in (
            ("entry", "ck_entry_legal_move", f"{LEGAL_NOW} LIKE '% ' || from_bucket || '>' || to_bucket || ' %'"),
            ("entry", "ck_entry_debt", f"(batch_id IS NULL) = ({DEBT_NOW})"),
            ("account", "ck_account_owed", OWED_NOW),
        ):
            op.drop_constraint(op.f(name), table)
            op.create_check_constraint(op.f(name), table, check)
        return
    # SQLite cannot change a check, and account cannot be made anew while others refer to it; rows that were good stay
    # good, so the text of the check is changed where SQLite keeps it (the procedure of its own manual).
    bind = op.get_bind()
    op.execute("PRAGMA writable_schema = ON")
    for table, before, now in (
        ("entry", LEGAL_BEFORE, LEGAL_NOW),
        ("entry", DEBT_BEFORE, DEBT_NOW),
        ("account", OWED_BEFORE, OWED_NOW),
    ):
        done = bind.execute(
            sa.text(
                "UPDATE sqlite_schema SET sql = replace(sql, :before, :now) "
                "WHERE type = 'table' AND name = :name AND instr(sql, :before) > 0"
            ),
            {"name": table, "before": before, "now": now},
        )
        assert done.rowcount == 1, f"the check of {table} is not the one that 0002 made"
    op.execute("PRAGMA writable_schema = RESET")


def _forbid_changes(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )
        return
    for act in ("UPDATE", "DELETE"):
        op.execute(
            f'CREATE TRIGGER append_only_{table}_{act.lower()} BEFORE {act} ON "{table}" '
            f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
        )


def downgrade() -> None:
    raise NotImplementedError("facts are never thrown away: restore a backup made before the upgrade instead")

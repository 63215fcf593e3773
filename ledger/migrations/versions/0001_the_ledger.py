"""The ledger: accounts, batches, transactions, entries, usage, prices; append-only by trigger.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


APPEND_ONLY = ("transaction", "entry", "usage_event", "feature_price")


def _forbid_changes() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("""
            CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation'; END $$
        """)
        for table in APPEND_ONLY:
            op.execute(
                f'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        return
    for table in APPEND_ONLY:
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f'CREATE TRIGGER append_only_{table}_{act.lower()} BEFORE {act} ON "{table}" '
                f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
            )


# The hot path in two calls: everything that a charge has to know under the account's lock, and everything that a
# transaction writes. Neither decides anything; that is ledger/core (docs/decisions/0002). Each statement of a
# function has a snapshot of its own under READ COMMITTED, so what follows the lock sees all earlier writers.
LOAD_FOR_USAGE = """
CREATE FUNCTION load_for_usage(
    p_account text, p_actor text, p_key text, p_feature text, p_at timestamptz, p_event text
) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
    a record;
BEGIN
    SELECT id, external_id, zone, available_micro, held_micro INTO a
        FROM account WHERE external_id = p_account FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    RETURN json_build_object(
        'account', json_build_array(a.id, a.external_id, a.zone, a.available_micro, a.held_micro),
        'batches', (
            SELECT json_agg(json_build_array(
                id, credit_type, remaining_micro, held_micro, priority,
                (extract(epoch FROM effective_at) * 1000000)::bigint,
                (extract(epoch FROM expires_at) * 1000000)::bigint))
            FROM batch WHERE account_id = a.id AND NOT is_spent),
        'known', (
            SELECT json_build_array(id, digest, receipt)
            FROM transaction WHERE actor = p_actor AND key = p_key),
        'event', (
            SELECT json_build_array(transaction_id, feature, quantity_micro,
                (extract(epoch FROM occurred_at) * 1000000)::bigint)
            FROM usage_event WHERE account_id = a.id AND event_id = p_event),
        'price', (
            SELECT json_build_array(id, price_micro) FROM feature_price
            WHERE feature = p_feature AND effective_at <= p_at ORDER BY effective_at DESC LIMIT 1),
        'transaction_id', nextval('transaction_id_seq'),
        'event_row_id', nextval('usage_event_id_seq')
    );
END $$
"""
POST_TO_LEDGER = """
CREATE FUNCTION post_to_ledger(p_body text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    body CONSTANT jsonb := p_body;
    t CONSTANT jsonb := body->'transaction';
    r jsonb;
BEGIN
    -- Row by row with values, not from a set: joins with a set of unknown size are planned as scans of whole tables.
    INSERT INTO transaction (id, kind, account_id, actor, role, key, digest, reason_code, note, ticket, effective_at,
                             recorded_at, reverses_id, receipt)
        VALUES ((t->>'id')::bigint, t->>'kind', (t->>'account_id')::bigint, t->>'actor', t->>'role', t->>'key',
                t->>'digest', t->>'reason_code', t->>'note', t->>'ticket', (t->>'effective_at')::timestamptz,
                (t->>'recorded_at')::timestamptz, (t->>'reverses_id')::bigint, t->'receipt');
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'batches'), 0) - 1 LOOP
        r := body->'batches'->i;
        INSERT INTO batch (id, account_id, credit_type, granted_micro, remaining_micro, held_micro, priority,
                           granted_at, effective_at, expires_at, cost_cents, currency, source, campaign, reference,
                           parent_id, made_by_id, details)
            VALUES ((r->>'id')::bigint, (r->>'account_id')::bigint, r->>'credit_type', (r->>'granted_micro')::bigint,
                    (r->>'remaining_micro')::bigint, (r->>'held_micro')::bigint, (r->>'priority')::int,
                    (r->>'granted_at')::timestamptz, (r->>'effective_at')::timestamptz,
                    (r->>'expires_at')::timestamptz, (r->>'cost_cents')::bigint, r->>'currency', r->>'source',
                    r->>'campaign', r->>'reference', (r->>'parent_id')::bigint, (r->>'made_by_id')::bigint,
                    r->'details');
    END LOOP;
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'events'), 0) - 1 LOOP
        r := body->'events'->i;
        INSERT INTO usage_event (id, account_id, event_id, feature, quantity_micro, occurred_at, cost_micro, price_id,
                                 transaction_id)
            VALUES ((r->>0)::bigint, (r->>1)::bigint, r->>2, r->>3, (r->>4)::bigint, (r->>5)::timestamptz,
                    (r->>6)::bigint, (r->>7)::bigint, (r->>8)::bigint);
    END LOOP;
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'entries'), 0) - 1 LOOP
        r := body->'entries'->i;
        INSERT INTO entry (transaction_id, account_id, batch_id, from_bucket, to_bucket, amount_micro, balance_micro,
                           feature, usage_event_id, effective_at)
            VALUES ((r->>0)::bigint, (r->>1)::bigint, (r->>2)::bigint, r->>3, r->>4, (r->>5)::bigint, (r->>6)::bigint,
                    r->>7, (r->>8)::bigint, (r->>9)::timestamptz);
    END LOOP;
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'batch_moves'), 0) - 1 LOOP
        r := body->'batch_moves'->i;
        UPDATE batch SET remaining_micro = remaining_micro + (r->>1)::bigint, held_micro = held_micro + (r->>2)::bigint
            WHERE id = (r->>0)::bigint;
    END LOOP;
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'account_moves'), 0) - 1 LOOP
        r := body->'account_moves'->i;
        UPDATE account SET available_micro = available_micro + (r->>1)::bigint,
                           held_micro = held_micro + (r->>2)::bigint, version = version + 1
            WHERE id = (r->>0)::bigint;
    END LOOP;
    FOR i IN 0 .. coalesce(jsonb_array_length(body->'days'), 0) - 1 LOOP
        r := body->'days'->i;
        INSERT INTO usage_daily (account_id, day, feature, credit_type, used_micro, events)
            VALUES ((r->>0)::bigint, (r->>1)::date, r->>2, r->>3, (r->>4)::bigint, (r->>5)::bigint)
            ON CONFLICT (account_id, day, feature, credit_type) DO UPDATE
            SET used_micro = usage_daily.used_micro + excluded.used_micro,
                events = usage_daily.events + excluded.events;
    END LOOP;
END $$
"""
# Room on each page for the next versions of rows that every charge updates, so that no index has to be touched.
ROOM_FOR_UPDATES = {"account": 50, "batch": 50, "usage_daily": 80}


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("available_micro", sa.BigInteger(), nullable=False),
        sa.Column("held_micro", sa.BigInteger(), nullable=False),
        sa.Column("owed_micro", sa.BigInteger(), nullable=False),
        sa.Column("overdraft_limit_micro", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="moves with every write: key of every cache"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('customer', 'pool')", name=op.f("ck_account_kind")),
        sa.CheckConstraint("available_micro >= 0", name=op.f("ck_account_available")),
        sa.CheckConstraint("held_micro >= 0", name=op.f("ck_account_held")),
        sa.CheckConstraint("owed_micro >= 0 AND owed_micro <= overdraft_limit_micro", name=op.f("ck_account_owed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
        sa.UniqueConstraint("external_id", name=op.f("uq_account_external_id")),
        comment="Who holds batches. Totals are sums over the batches, expired or not yet effective ones included",
    )
    op.create_table(
        "company",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("fiscal_year_start", sa.Integer(), nullable=False),
        sa.Column("is_demo", sa.Boolean(), nullable=False),
        sa.CheckConstraint("fiscal_year_start BETWEEN 1 AND 12", name=op.f("ck_company_fiscal_year_start")),
        sa.CheckConstraint("id = 1", name=op.f("ck_company_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
        comment="One row: what the whole ledger agrees on. zone cuts usage_daily and so is fixed at the start",
    )
    op.create_table(
        "draft",
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column(
            "body", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name=op.f("pk_draft")),
        comment="Half-filled forms, so that a reload loses nothing; removed when the outcome is known",
    )
    op.create_index("ix_draft_actor_form", "draft", ["actor", "form"], unique=False)

    op.create_table(
        "customer",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("account_type", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False, comment="e-mail of the account manager, or empty"),
        sa.Column("stripe_id", sa.Text(), nullable=True),
        sa.Column(
            "details", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.CheckConstraint(
            "account_type IN ('prepaid', 'hybrid', 'subscription', 'lead')", name=op.f("ck_customer_account_type")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_customer_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_customer")),
        sa.UniqueConstraint("stripe_id", name=op.f("uq_customer_stripe_id")),
        comment="The person or company behind a customer account",
    )
    op.create_table(
        "forecast_run",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="last complete day in the company zone"),
        sa.Column("computed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "body", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_forecast_run_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "as_of", name=op.f("pk_forecast_run")),
        comment="Derived: daily burn ahead per customer; can be thrown away and computed again",
    )
    op.create_table(
        "transaction",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("reason_code", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("ticket", sa.Text(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reverses_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "receipt", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_transaction_account_id_account")),
        sa.ForeignKeyConstraint(
            ["reverses_id"], ["transaction.id"], name=op.f("fk_transaction_reverses_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transaction")),
        sa.UniqueConstraint("actor", "key", name=op.f("uq_transaction_actor_key")),
        comment="One immutable business fact; append-only",
    )
    op.create_index("ix_transaction_account_id_id", "transaction", ["account_id", "id"], unique=False)
    op.create_index("ix_transaction_recorded_at", "transaction", ["recorded_at"], unique=False, postgresql_using="brin")
    op.create_index(
        "uq_transaction_reverses_id",
        "transaction",
        ["reverses_id"],
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
        sqlite_where=sa.text("reverses_id IS NOT NULL"),
    )

    op.create_table(
        "usage_daily",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="by occurred_at, cut in the company zone"),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("credit_type", sa.Text(), nullable=False),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used_micro >= 0 AND events >= 0", name=op.f("ck_usage_daily_used")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_usage_daily_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "day", "feature", "credit_type", name=op.f("pk_usage_daily")),
        comment="Rollup of consumed entries, kept in the same transaction; an event counts at its first batch's type",
    )
    op.create_index("ix_usage_daily_day", "usage_daily", ["day"], unique=False)

    op.create_table(
        "batch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("credit_type", sa.Text(), nullable=False),
        sa.Column("granted_micro", sa.BigInteger(), nullable=False),
        sa.Column("remaining_micro", sa.BigInteger(), nullable=False),
        sa.Column("is_spent", sa.Boolean(), sa.Computed("remaining_micro = 0", persisted=True), nullable=False),
        sa.Column("held_micro", sa.BigInteger(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cost_cents", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="payment or document behind it"),
        sa.Column("parent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "details", sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"), nullable=False
        ),
        sa.CheckConstraint(
            "(credit_type = 'purchased') = (cost_cents IS NOT NULL)", name=op.f("ck_batch_purchased_cost")
        ),
        sa.CheckConstraint(
            "credit_type IN ('purchased', 'promotional', 'referral', 'compensation', 'rollover')",
            name=op.f("ck_batch_credit_type"),
        ),
        sa.CheckConstraint("(cost_cents IS NULL) = (currency IS NULL)", name=op.f("ck_batch_cost")),
        sa.CheckConstraint(
            "0 <= held_micro AND held_micro <= remaining_micro AND remaining_micro <= granted_micro",
            name=op.f("ck_batch_remaining"),
        ),
        sa.CheckConstraint("expires_at IS NULL OR expires_at > effective_at", name=op.f("ck_batch_expires")),
        sa.CheckConstraint("granted_micro > 0", name=op.f("ck_batch_granted")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_batch_account_id_account")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_batch_made_by_id_transaction")),
        sa.ForeignKeyConstraint(["parent_id"], ["batch.id"], name=op.f("fk_batch_parent_id_batch")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        comment="What one grant left on the shelf",
    )
    op.create_index("ix_batch_account_id", "batch", ["account_id"], unique=False)
    op.create_index(
        "ix_batch_due",
        "batch",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    )
    op.create_index(
        "ix_batch_open",
        "batch",
        ["account_id"],
        unique=False,
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    )
    op.create_index(
        "uq_batch_payment",
        "batch",
        ["reference"],
        unique=True,
        postgresql_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        sqlite_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
    )

    op.create_table(
        "feature_price",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("price_micro", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("price_micro > 0", name=op.f("ck_feature_price_price")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_feature_price_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feature_price")),
        sa.UniqueConstraint("feature", "effective_at", name=op.f("uq_feature_price_feature_effective_at")),
        comment="Versions of prices; the one in force is the newest whose effective_at has come",
    )
    op.create_table(
        "usage_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("quantity_micro", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("price_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_event")),
        sa.UniqueConstraint("account_id", "event_id", name=op.f("uq_usage_event_account_id_event_id")),
        comment="What the customer used, as told by the caller; append-only",
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("from_bucket", sa.Text(), nullable=False),
        sa.Column("to_bucket", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column(
            "balance_micro", sa.BigInteger(), nullable=False, comment="available total of the account after this entry"
        ),
        sa.Column("feature", sa.Text(), nullable=True),
        sa.Column("usage_event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_entry_amount")),
        sa.CheckConstraint(
            "' available>consumed available>expired available>removed issued>available ' "
            "LIKE '% ' || from_bucket || '>' || to_bucket || ' %'",
            name=op.f("ck_entry_legal_move"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_entry_batch_id_batch")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        comment="One move of credits of one batch from one bucket to another; append-only",
    )
    op.create_index("ix_entry_account_id_id", "entry", ["account_id", "id"], unique=False)
    op.create_index("ix_entry_batch_id", "entry", ["batch_id"], unique=False)
    op.create_index(
        "ix_entry_movement",
        "entry",
        ["effective_at"],
        unique=False,
        postgresql_where=sa.text("to_bucket <> 'consumed'"),
        sqlite_where=sa.text("to_bucket <> 'consumed'"),
    )
    op.create_index("ix_entry_transaction_id", "entry", ["transaction_id"], unique=False)
    _forbid_changes()
    if op.get_bind().dialect.name == "postgresql":
        op.execute(LOAD_FOR_USAGE)
        op.execute(POST_TO_LEDGER)
        for table, fill in ROOM_FOR_UPDATES.items():
            op.execute(f"ALTER TABLE {table} SET (fillfactor = {fill})")


def downgrade() -> None:
    op.drop_index("ix_entry_transaction_id", table_name="entry")
    op.drop_index(
        "ix_entry_movement",
        table_name="entry",
        postgresql_where=sa.text("to_bucket <> 'consumed'"),
        sqlite_where=sa.text("to_bucket <> 'consumed'"),
    )
    op.drop_index("ix_entry_batch_id", table_name="entry")
    op.drop_index("ix_entry_account_id_id", table_name="entry")

    op.drop_table("entry")
    op.drop_table("usage_event")
    op.drop_table("feature_price")
    op.drop_index(
        "ix_batch_open",
        table_name="batch",
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    )
    op.drop_index(
        "ix_batch_due",
        table_name="batch",
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    )
    op.drop_index(
        "uq_batch_payment",
        table_name="batch",
        postgresql_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        sqlite_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
    )
    op.drop_index("ix_batch_account_id", table_name="batch")

    op.drop_table("batch")
    op.drop_index("ix_usage_daily_day", table_name="usage_daily")

    op.drop_table("usage_daily")
    op.drop_index("uq_transaction_reverses_id", table_name="transaction")
    op.drop_index("ix_transaction_recorded_at", table_name="transaction")
    op.drop_index("ix_transaction_account_id_id", table_name="transaction")

    op.drop_table("transaction")
    op.drop_table("forecast_run")
    op.drop_table("customer")
    op.drop_index("ix_draft_actor_form", table_name="draft")

    op.drop_table("draft")
    op.drop_table("company")
    op.drop_table("account")
    if op.get_bind().dialect.name == "postgresql":
        for function in ("refuse_change", "load_for_usage", "post_to_ledger"):
            op.execute(f"DROP FUNCTION {function}")

"""Every way credits can move: holds, debt, approvals, refunds, pools, codes, referrals, plans, catalogue, seal.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ledger.migrations.functions_0002 import LOAD_FOR_CHARGES, LOAD_FOR_USAGE, POST_TO_LEDGER

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "hold_part",
    "batch_extension",
    "refund",
    "period_close",
    "seal",
    "bundle",
    "bundle_feature",
    "package",
    "plan",
    "allocation",
)
LEGAL_MOVE = (
    "' available>consumed available>expired available>held available>issued available>owed available>refunded "
    "available>removed available>transferred consumed>available consumed>owed expired>available held>available "
    "held>consumed issued>available owed>available owed>consumed refunded>available removed>available "
    "transferred>available ' LIKE '% ' || from_bucket || '>' || to_bucket || ' %'"
)
DEBT = (
    "(batch_id IS NULL) = ((from_bucket = 'consumed' AND to_bucket = 'owed') "
    "OR (from_bucket = 'owed' AND to_bucket = 'consumed'))"
)
MOVEMENT = "to_bucket <> 'consumed' AND to_bucket <> 'held' AND from_bucket <> 'consumed' AND from_bucket <> 'held'"


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    _new_tables()
    _new_columns()
    if is_postgresql:
        op.alter_column("entry", "batch_id", nullable=True)
        op.alter_column("usage_event", "price_id", nullable=True)
        op.drop_constraint("ck_entry_legal_move", "entry")
        op.create_check_constraint(op.f("ck_entry_legal_move"), "entry", LEGAL_MOVE)
        op.create_check_constraint(op.f("ck_entry_debt"), "entry", DEBT)
        op.execute("DROP FUNCTION load_for_usage")
        op.execute("DROP FUNCTION post_to_ledger")
        for function in (LOAD_FOR_USAGE, LOAD_FOR_CHARGES, POST_TO_LEDGER):
            op.execute(function)
    else:
        _rebuild_entries()
        _rebuild_events()
    op.create_index(
        "ix_entry_given_back",
        "entry",
        ["usage_event_id"],
        postgresql_where=sa.text("from_bucket = 'consumed'"),
        sqlite_where=sa.text("from_bucket = 'consumed'"),
    )
    file_row = sa.text("key LIKE 'row:%'")
    op.create_index("ix_transaction_file_row", "transaction", ["key"], postgresql_where=file_row, sqlite_where=file_row)
    # Holds come and go with usage, so they leave the index of what is rare.
    if is_postgresql:
        op.drop_index("ix_entry_movement", table_name="entry")
    movement = sa.text(MOVEMENT)
    for name, columns in (
        ("ix_entry_movement", ["effective_at"]),
        ("ix_entry_account_movement", ["account_id", "effective_at"]),
    ):
        op.create_index(name, "entry", columns, postgresql_where=movement, sqlite_where=movement)
    _forbid_changes(is_postgresql)


def downgrade() -> None:
    raise NotImplementedError("facts are never thrown away: restore a backup made before the upgrade instead")


def _new_columns() -> None:
    instant = sa.DateTime(timezone=True)
    json = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    id_ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for table, column in (
        (
            "company",
            sa.Column(
                "sandbox_now", instant, comment="a sandbox: the instant that its ledger takes for now; else null"
            ),
        ),
        ("account", sa.Column("overdraft_until", instant, comment="from then on no more debt; null: no end")),
        (
            "account",
            sa.Column(
                "organisation",
                sa.Text(),
                nullable=False,
                server_default="",
                comment="accounts of one may move credits among each other",
            ),
        ),
        ("batch", sa.Column("features", json, comment="list of the only features that it pays for; null: all")),
        ("transaction", sa.Column("approval_id", id_, comment="the approval by which a second person let it happen")),
        (
            "feature_price",
            sa.Column("ends_at", instant, comment="the feature is not for sale from then on; null: no end"),
        ),
        (
            "feature_price",
            sa.Column(
                "factors",
                json,
                nullable=False,
                server_default="{}",
                comment="complexity name to factor, in millionths",
            ),
        ),
        (
            "usage_event",
            sa.Column("member", sa.Text(), nullable=False, server_default="", comment="who of a pool used it"),
        ),
        (
            "usage_event",
            sa.Column("complexity", sa.Text(), nullable=False, server_default="", comment="name of the price's factor"),
        ),
        ("usage_event", sa.Column("bundle_id", id_, comment="the bundle that gave a discount")),
        ("entry", sa.Column("hold_id", id_)),
    ):
        op.add_column(table, column)
    op.create_index(
        "ix_batch_parent_id",
        "batch",
        ["parent_id"],
        postgresql_where=sa.text("parent_id IS NOT NULL"),
        sqlite_where=sa.text("parent_id IS NOT NULL"),
    )


def _rebuild_entries() -> None:
    """SQLite cannot change a check or take NOT NULL away: the table is made anew, its rows keep their ids."""
    columns = (
        "id, transaction_id, account_id, batch_id, from_bucket, to_bucket, amount_micro, balance_micro, feature, "
        "usage_event_id, hold_id, effective_at"
    )
    op.create_table(
        "entry_next",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("from_bucket", sa.Text(), nullable=False),
        sa.Column("to_bucket", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("balance_micro", sa.BigInteger(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=True),
        sa.Column("usage_event_id", sa.Integer(), nullable=True),
        sa.Column("hold_id", sa.Integer(), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_entry_amount")),
        sa.CheckConstraint(LEGAL_MOVE, name=op.f("ck_entry_legal_move")),
        sa.CheckConstraint(DEBT, name=op.f("ck_entry_debt")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_entry_batch_id_batch")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
    )
    _replace("entry", columns)
    for name, column in (
        ("ix_entry_account_id_id", ["account_id", "id"]),
        ("ix_entry_batch_id", ["batch_id"]),
        ("ix_entry_transaction_id", ["transaction_id"]),
    ):
        op.create_index(name, "entry", column)


def _rebuild_events() -> None:
    columns = (
        "id, account_id, event_id, feature, quantity_micro, occurred_at, cost_micro, price_id, transaction_id, member, "
        "complexity, bundle_id"
    )
    op.create_table(
        "usage_event_next",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("quantity_micro", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cost_micro", sa.BigInteger(), nullable=False),
        sa.Column("price_id", sa.Integer(), nullable=True),
        sa.Column("transaction_id", sa.Integer(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False, server_default=""),
        sa.Column("complexity", sa.Text(), nullable=False, server_default=""),
        sa.Column("bundle_id", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_usage_event")),
        sa.UniqueConstraint("account_id", "event_id", name=op.f("uq_usage_event_account_id_event_id")),
    )
    _replace("usage_event", columns)


def _replace(table: str, columns: str) -> None:
    # The old table's triggers go with it.
    op.execute(f"INSERT INTO {table}_next ({columns}) SELECT {columns} FROM {table}")  # noqa: S608 - names of ours
    op.drop_table(table)
    op.rename_table(f"{table}_next", table)
    for act in ("UPDATE", "DELETE"):
        _forbid_on_sqlite(table, act)


def _forbid_changes(is_postgresql: bool) -> None:
    for table in APPEND_ONLY:
        if is_postgresql:
            op.execute(
                f'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )
        else:
            for act in ("UPDATE", "DELETE"):
                _forbid_on_sqlite(table, act)


def _forbid_on_sqlite(table: str, act: str) -> None:
    op.execute(
        f'CREATE TRIGGER append_only_{table}_{act.lower()} BEFORE {act} ON "{table}" '
        f"BEGIN SELECT RAISE(ABORT, 'table {table} is append-only'); END"
    )


def _new_tables() -> None:
    op.create_table(
        "seal",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="place in the chain, from 1, without gaps",
        ),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "hash", sa.String(length=64), nullable=False, comment="SHA-256 over the hash before it and the transaction"
        ),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_seal")),
        sa.UniqueConstraint("transaction_id", name=op.f("uq_seal_transaction_id")),
        comment="Hash chain over transactions with their entries and events, made by a job; append-only",
    )
    op.create_table(
        "pool_member",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("pool_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member", sa.Text(), nullable=False, comment="as usage names it: a person, a key, a team"),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("hour_limit_micro", sa.BigInteger(), nullable=True, comment="null: no limit"),
        sa.Column("day_limit_micro", sa.BigInteger(), nullable=True, comment="null: no limit"),
        sa.Column("month_limit_micro", sa.BigInteger(), nullable=True, comment="null: no limit"),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["pool_id"], ["account.id"], name=op.f("fk_pool_member_pool_id_account")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_member")),
        sa.UniqueConstraint("pool_id", "member", name=op.f("uq_pool_member_pool_id_member")),
        comment="Who may use a pool's credits, and how many in an hour, a day, a month",
    )
    op.create_table(
        "pool_usage",
        sa.Column("pool_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column(
            "starts_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="start of the hour, day or month in the pool's zone",
        ),
        sa.Column("used_micro", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("period IN ('hour', 'day', 'month')", name=op.f("ck_pool_usage_period")),
        sa.CheckConstraint("used_micro >= 0", name=op.f("ck_pool_usage_used")),
        sa.ForeignKeyConstraint(["pool_id"], ["account.id"], name=op.f("fk_pool_usage_pool_id_account")),
        sa.PrimaryKeyConstraint("pool_id", "member", "period", "starts_at", name=op.f("pk_pool_usage")),
        comment="Rollup of a member's usage by period of booking, kept in the same transaction; can be computed again",
    )
    op.create_table(
        "approval",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="kind of the command that is asked for"),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column(
            "command",
            sa.JSON(none_as_null=True).with_variant(
                postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
            ),
            nullable=False,
            comment="the command, see ledger/operations/codec.py",
        ),
        sa.Column(
            "weight_micro",
            sa.BigInteger(),
            nullable=False,
            comment="credits that it moves, as counted against the limit",
        ),
        sa.Column("requester", sa.Text(), nullable=False),
        sa.Column("requester_role", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decision_note", sa.Text(), nullable=False),
        sa.Column("asked_in_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("decided_in_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("(state = 'asked') = (decided_by IS NULL)", name=op.f("ck_approval_decided")),
        sa.CheckConstraint("state IN ('asked', 'approved', 'refused', 'withdrawn')", name=op.f("ck_approval_state")),
        sa.CheckConstraint(
            "state NOT IN ('approved', 'refused') OR decided_by <> requester", name=op.f("ck_approval_second_person")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_approval_account_id_account")),
        sa.ForeignKeyConstraint(["asked_in_id"], ["transaction.id"], name=op.f("fk_approval_asked_in_id_transaction")),
        sa.ForeignKeyConstraint(
            ["decided_in_id"], ["transaction.id"], name=op.f("fk_approval_decided_in_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
        comment="A command that waits for, or was let through by, a second person",
    )
    op.create_index("ix_approval_account_id", "approval", ["account_id"], unique=False)
    op.create_index(
        "ix_approval_asked",
        "approval",
        ["asked_at"],
        unique=False,
        postgresql_where=sa.text("state = 'asked'"),
        sqlite_where=sa.text("state = 'asked'"),
    )

    op.create_table(
        "bundle",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("discount_ppm", sa.Integer(), nullable=False, comment="millionths off the cost of its features"),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("discount_ppm > 0 AND discount_ppm < 1000000", name=op.f("ck_bundle_discount")),
        sa.CheckConstraint("ends_at > effective_at", name=op.f("ck_bundle_ends")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_bundle_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bundle")),
        sa.UniqueConstraint("code", name=op.f("uq_bundle_code")),
        comment="Features at a discount for a limited time; the highest discount in force counts",
    )
    op.create_table(
        "gift_code_set",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("credit_type", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column(
            "expires_days", sa.Integer(), nullable=True, comment="life of the credits once redeemed; null: default"
        ),
        sa.Column(
            "valid_until",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="codes can be redeemed before then; null: no end",
        ),
        sa.Column("per_customer_limit", sa.Integer(), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint(
            "credit_type IN ('promotional', 'referral', 'compensation', 'rollover')",
            name=op.f("ck_gift_code_set_credit_type"),
        ),
        sa.CheckConstraint("amount_micro > 0 AND per_customer_limit > 0", name=op.f("ck_gift_code_set_amount")),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["transaction.id"], name=op.f("fk_gift_code_set_made_by_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_code_set")),
        comment="Gift codes made together, with what each of them is worth",
    )
    op.create_table(
        "hold",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False, comment="the caller's name of it"),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("member", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("captured_micro", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True, comment="lapses then; null: never"),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("resolved_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("(state = 'open') = (resolved_by_id IS NULL)", name=op.f("ck_hold_resolved")),
        sa.CheckConstraint("state IN ('open', 'captured', 'released', 'lapsed')", name=op.f("ck_hold_state")),
        sa.CheckConstraint(
            "amount_micro > 0 AND captured_micro BETWEEN 0 AND amount_micro", name=op.f("ck_hold_amount")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_hold_account_id_account")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_hold_made_by_id_transaction")),
        sa.ForeignKeyConstraint(
            ["resolved_by_id"], ["transaction.id"], name=op.f("fk_hold_resolved_by_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hold")),
        sa.UniqueConstraint("account_id", "reference", name=op.f("uq_hold_account_id_reference")),
        comment="Credits set aside; state is a projection of the transactions that placed and resolved it",
    )
    op.create_index(
        "ix_hold_open",
        "hold",
        ["account_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    )

    op.create_table(
        "package",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("price_list", sa.Text(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "per_customer_limit", sa.Integer(), nullable=True, comment="purchases by one customer; null: any number"
        ),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "ends_at", sa.DateTime(timezone=True), nullable=True, comment="not for sale from then on; null: no end"
        ),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("credits_micro > 0 AND price_cents > 0", name=op.f("ck_package_worth")),
        sa.CheckConstraint("per_customer_limit IS NULL OR per_customer_limit > 0", name=op.f("ck_package_limit")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_package_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_package")),
        sa.UniqueConstraint("code", "effective_at", name=op.f("uq_package_code_effective_at")),
        comment="Versions of what is sold; the one in force is the newest whose effective_at has come",
    )
    op.create_table(
        "period_close",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "closed_through", sa.Date(), nullable=True, comment="last closed company day; null: everything is open"
        ),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_period_close_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_period_close")),
        comment="The newest row says through which day the books are closed; append-only",
    )
    op.create_table(
        "plan",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("credits_micro", sa.BigInteger(), nullable=False, comment="allowance of one billing period"),
        sa.Column("price_cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False, comment="length of one billing period"),
        sa.Column(
            "rollover_cap_micro", sa.BigInteger(), nullable=False, comment="most that rolls over; 0: nothing does"
        ),
        sa.Column("rollover_share_ppm", sa.Integer(), nullable=False, comment="most of the allowance that rolls over"),
        sa.Column(
            "rollover_periods", sa.Integer(), nullable=False, comment="billing periods that rolled-over credits last"
        ),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint(
            "credits_micro > 0 AND price_cents >= 0 AND months BETWEEN 1 AND 12", name=op.f("ck_plan_terms")
        ),
        sa.CheckConstraint(
            "rollover_cap_micro >= 0 AND rollover_share_ppm BETWEEN 0 AND 1000000 "
            "AND rollover_periods BETWEEN 1 AND 24",
            name=op.f("ck_plan_rollover"),
        ),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_plan_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan")),
        sa.UniqueConstraint("code", "effective_at", name=op.f("uq_plan_code_effective_at")),
        comment="Versions of subscription plans; the one in force is the newest whose effective_at has come",
    )
    op.create_table(
        "referral_programme",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("referrer_micro", sa.BigInteger(), nullable=False, comment="reward of who invites"),
        sa.Column("referee_micro", sa.BigInteger(), nullable=False, comment="reward of who joins"),
        sa.Column("cap", sa.Integer(), nullable=True, comment="rewarded referrals of one referrer; null: no cap"),
        sa.Column("expires_months", sa.Integer(), nullable=False, comment="life of the rewards"),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("cap IS NULL OR cap > 0", name=op.f("ck_referral_programme_cap")),
        sa.CheckConstraint(
            "referrer_micro >= 0 AND referee_micro >= 0 AND referrer_micro + referee_micro > 0",
            name=op.f("ck_referral_programme_reward"),
        ),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["transaction.id"], name=op.f("fk_referral_programme_made_by_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral_programme")),
        sa.UniqueConstraint("code", name=op.f("uq_referral_programme_code")),
        comment="What both sides of a referral get",
    )
    op.create_table(
        "allocation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("plan_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column(
            "batch_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=True,
            comment="null: nothing was left to roll over",
        ),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("kind IN ('allowance', 'upgrade', 'rollover')", name=op.f("ck_allocation_kind")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_allocation_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_allocation_batch_id_batch")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_allocation_plan_id_plan")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_allocation_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation")),
        sa.UniqueConstraint(
            "account_id",
            "period_start",
            "kind",
            "plan_id",
            name=op.f("uq_allocation_account_id_period_start_kind_plan_id"),
        ),
        comment="What a plan gave for one billing period; append-only",
    )
    op.create_table(
        "batch_extension",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_after", sa.DateTime(timezone=True), nullable=True, comment="null: never"),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_extension_batch_id_batch")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_batch_extension_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch_extension")),
        comment="A batch was given a longer life; batch.expires_at is the newest; append-only",
    )
    op.create_index("ix_batch_extension_batch_id", "batch_extension", ["batch_id"], unique=False)

    op.create_table(
        "bundle_feature",
        sa.Column("feature", sa.Text(), nullable=False),
        sa.Column("bundle_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["bundle_id"], ["bundle.id"], name=op.f("fk_bundle_feature_bundle_id_bundle")),
        sa.PrimaryKeyConstraint("feature", "bundle_id", name=op.f("pk_bundle_feature")),
        comment="Which features a bundle makes cheaper",
    )
    op.create_table(
        "gift_code",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("set_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False, comment="SHA-256; the code itself is not kept"),
        sa.Column("hint", sa.Text(), nullable=False, comment="last characters, to recognise it by"),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redeemed_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("redeemed_in_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint("(redeemed_at IS NULL) = (redeemed_by_id IS NULL)", name=op.f("ck_gift_code_redeemed")),
        sa.ForeignKeyConstraint(["redeemed_by_id"], ["account.id"], name=op.f("fk_gift_code_redeemed_by_id_account")),
        sa.ForeignKeyConstraint(
            ["redeemed_in_id"], ["transaction.id"], name=op.f("fk_gift_code_redeemed_in_id_transaction")
        ),
        sa.ForeignKeyConstraint(["set_id"], ["gift_code_set.id"], name=op.f("fk_gift_code_set_id_gift_code_set")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gift_code")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_gift_code_code_hash")),
        comment="One gift code; redeemed at most once",
    )
    op.create_index("ix_gift_code_redeemed_by_id", "gift_code", ["redeemed_by_id"], unique=False)
    op.create_index("ix_gift_code_set_id", "gift_code", ["set_id"], unique=False)

    op.create_table(
        "hold_part",
        sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="burn order, from 0"),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_micro > 0", name=op.f("ck_hold_part_amount")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_hold_part_batch_id_batch")),
        sa.ForeignKeyConstraint(["hold_id"], ["hold.id"], name=op.f("fk_hold_part_hold_id_hold")),
        sa.PrimaryKeyConstraint("hold_id", "position", name=op.f("pk_hold_part")),
        comment="What a hold took from each batch; append-only",
    )
    op.create_index("ix_hold_part_batch_id", "hold_part", ["batch_id"], unique=False)

    op.create_table(
        "referral_code",
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, comment="the referrer"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_referral_code_account_id_account")),
        sa.ForeignKeyConstraint(
            ["made_by_id"], ["transaction.id"], name=op.f("fk_referral_code_made_by_id_transaction")
        ),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["referral_programme.id"], name=op.f("fk_referral_code_programme_id_referral_programme")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_referral_code")),
        sa.UniqueConstraint("programme_id", "account_id", name=op.f("uq_referral_code_programme_id_account_id")),
        comment="The code by which a customer invites others",
    )
    op.create_table(
        "refund",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "payer_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="account that paid for the credits",
        ),
        sa.Column("payment_reference", sa.Text(), nullable=False),
        sa.Column("amount_micro", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("policy IN ('unused_share', 'time_left')", name=op.f("ck_refund_policy")),
        sa.CheckConstraint("amount_micro > 0 AND cents >= 0", name=op.f("ck_refund_amount")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_refund_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_refund_batch_id_batch")),
        sa.ForeignKeyConstraint(["payer_id"], ["account.id"], name=op.f("fk_refund_payer_id_account")),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transaction.id"], name=op.f("fk_refund_transaction_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        comment="Money to be given back for credits taken off the shelf; append-only",
    )
    op.create_index("ix_refund_batch_id", "refund", ["batch_id"], unique=False)

    op.create_table(
        "subscription",
        sa.Column("account_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "plan_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            comment="version of the running period",
        ),
        sa.Column("next_plan_code", sa.Text(), nullable=False, comment="plan from the next period on"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("anchor_day", sa.Integer(), nullable=False, comment="day of the month on which periods begin"),
        sa.Column(
            "period_start", sa.Date(), nullable=False, comment="first day of the running period, customer's zone"
        ),
        sa.Column("period_end", sa.Date(), nullable=False, comment="first day of the next period, customer's zone"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('active', 'cancelled', 'ended')", name=op.f("ck_subscription_state")),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_subscription_period")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_subscription_account_id_account")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.id"], name=op.f("fk_subscription_plan_id_plan")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_subscription")),
        comment="The plan that a customer is on; moves with renewals, whose facts are allocations",
    )
    op.create_table(
        "referral",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("programme_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("referrer_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("invited", sa.Text(), nullable=False, comment="e-mail of who was invited, or empty"),
        sa.Column("referee_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("held_because", sa.Text(), nullable=False, comment="why somebody has to look at it first, or empty"),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("qualified_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rewarded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("made_by_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rewarded_in_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.CheckConstraint(
            "state IN ('invited', 'joined', 'qualified', 'rewarded', 'refused')", name=op.f("ck_referral_state")
        ),
        sa.ForeignKeyConstraint(["code"], ["referral_code.code"], name=op.f("fk_referral_code_referral_code")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_referral_made_by_id_transaction")),
        sa.ForeignKeyConstraint(
            ["programme_id"], ["referral_programme.id"], name=op.f("fk_referral_programme_id_referral_programme")
        ),
        sa.ForeignKeyConstraint(["referee_id"], ["account.id"], name=op.f("fk_referral_referee_id_account")),
        sa.ForeignKeyConstraint(["referrer_id"], ["account.id"], name=op.f("fk_referral_referrer_id_account")),
        sa.ForeignKeyConstraint(
            ["rewarded_in_id"], ["transaction.id"], name=op.f("fk_referral_rewarded_in_id_transaction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral")),
        sa.UniqueConstraint("referee_id", name=op.f("uq_referral_referee_id")),
        comment="One customer brought by another: invited, joined, qualified, rewarded",
    )
    op.create_index("ix_referral_referrer_id", "referral", ["referrer_id"], unique=False)

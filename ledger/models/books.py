"""The books proper: company, accounts, transactions, batches, entries, usage and its rollup.

Rows that one transaction writes together refer to each other by id; where the row referred to is append-only or locked
by that very transaction, reconciliation proves the reference and no foreign key checks it on every charge.
"""

import sqlalchemy as sa

from ledger.core.records import DEBT_MOVES, LEGAL_MOVES, AccountKind, AccountType, Bucket, CreditType
from ledger.models.base import Id, Instant, Json, Micro, metadata, one_of, row_id

_LEGAL = " " + " ".join(sorted(f"{a}>{b}" for a, b in LEGAL_MOVES)) + " "
_DEBT = " OR ".join(
    f"(from_bucket = '{a}' AND to_bucket = '{b}')"
    for a, b in sorted(DEBT_MOVES, key=lambda move: (move[0] is Bucket.OWED, move))
)
# Neither usage nor holds: what is rare among entries.
MOVEMENT = sa.text(
    "to_bucket <> 'consumed' AND to_bucket <> 'held' AND from_bucket <> 'consumed' AND from_bucket <> 'held'"
)
FILE_ROW = sa.text("key LIKE 'row:%'")
# How usage on debt is counted in usage_daily: it has no batch, so it has no credit type.
OWED = Bucket.OWED.value

company = sa.Table(
    "company",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("fiscal_year_start", sa.Integer, nullable=False),
    sa.Column("is_demo", sa.Boolean, nullable=False),
    sa.Column(
        "sandbox_now", Instant, nullable=True, comment="a sandbox: the instant that its ledger takes for now; else null"
    ),
    sa.Column(
        "catalog_version",
        Micro,
        nullable=False,
        server_default="0",
        comment="moves with every new price and bundle, by triggers",
    ),
    sa.CheckConstraint("id = 1", name="single"),
    sa.CheckConstraint("fiscal_year_start BETWEEN 1 AND 12", name="fiscal_year_start"),
    comment="One row: what the whole ledger agrees on. zone cuts usage_daily and so is fixed at the start",
)

account = sa.Table(
    "account",
    metadata,
    row_id(),
    sa.Column("external_id", sa.Text, nullable=False, unique=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("zone", sa.Text, nullable=False),
    sa.Column("available_micro", Micro, nullable=False),
    sa.Column("held_micro", Micro, nullable=False),
    sa.Column("owed_micro", Micro, nullable=False),
    sa.Column("overdraft_limit_micro", Micro, nullable=False),
    sa.Column(
        "claimed_micro",
        Micro,
        nullable=False,
        server_default="0",
        comment="ever owed because money was taken back for credits already used; lets owed pass the limit",
    ),
    sa.Column("overdraft_until", Instant, nullable=True, comment="from then on no more debt; null: no end"),
    sa.Column(
        "organisation",
        sa.Text,
        nullable=False,
        server_default="",
        comment="accounts of one may move credits among each other",
    ),
    sa.Column("version", Micro, nullable=False, comment="moves with every write: key of every cache"),
    sa.Column("opened_at", Instant, nullable=False),
    one_of("kind", AccountKind),
    sa.CheckConstraint("available_micro >= 0", name="available"),
    sa.CheckConstraint("held_micro >= 0", name="held"),
    sa.CheckConstraint(
        "owed_micro >= 0 AND claimed_micro >= 0 AND owed_micro <= overdraft_limit_micro + claimed_micro", name="owed"
    ),
    comment="Who holds batches. Totals are sums over the batches, expired or not yet effective ones included",
)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("email", sa.Text, nullable=False),
    sa.Column("account_type", sa.Text, nullable=False),
    sa.Column("tier", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False, comment="e-mail of the account manager, or empty"),
    sa.Column("stripe_id", sa.Text, nullable=True, unique=True),
    sa.Column("details", Json, nullable=False),
    one_of("account_type", AccountType),
    comment="The person or company behind a customer account",
)

transaction = sa.Table(
    "transaction",
    metadata,
    row_id(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("account_id", Id, nullable=True),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("ticket", sa.Text, nullable=False),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
    sa.Column("reverses_id", Id, sa.ForeignKey("transaction.id"), nullable=True),
    sa.Column("approval_id", Id, nullable=True, comment="the approval by which a second person let it happen"),
    sa.Column("receipt", Json, nullable=False),
    sa.UniqueConstraint("actor", "key"),
    sa.Index("ix_transaction_account_id_id", "account_id", "id"),
    sa.Index("ix_transaction_recorded_at", "recorded_at", postgresql_using="brin"),
    # A row of a file is booked once, whoever brings the file.
    sa.Index("ix_transaction_file_row", "key", postgresql_where=FILE_ROW, sqlite_where=FILE_ROW),
    sa.Index(
        "uq_transaction_reverses_id",
        "reverses_id",
        unique=True,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
        sqlite_where=sa.text("reverses_id IS NOT NULL"),
    ),
    comment="One immutable business fact; append-only",
)

batch = sa.Table(
    "batch",
    metadata,
    row_id(),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("credit_type", sa.Text, nullable=False),
    sa.Column("granted_micro", Micro, nullable=False),
    sa.Column("remaining_micro", Micro, nullable=False),
    # What the partial indexes go by: it changes once in a batch's life, remaining_micro with every charge.
    sa.Column("is_spent", sa.Boolean, sa.Computed("remaining_micro = 0", persisted=True), nullable=False),
    sa.Column("held_micro", Micro, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("granted_at", Instant, nullable=False),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=True),
    sa.Column("cost_cents", Micro, nullable=True),
    sa.Column("currency", sa.String(3), nullable=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, comment="payment or document behind it"),
    sa.Column("parent_id", Id, sa.ForeignKey("batch.id"), nullable=True),
    sa.Column("features", Json, nullable=True, comment="list of the only features that it pays for; null: all"),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.Column("details", Json, nullable=False),
    one_of("credit_type", CreditType),
    sa.CheckConstraint("granted_micro > 0", name="granted"),
    sa.CheckConstraint(
        "0 <= held_micro AND held_micro <= remaining_micro AND remaining_micro <= granted_micro", name="remaining"
    ),
    sa.CheckConstraint("expires_at IS NULL OR expires_at > effective_at", name="expires"),
    sa.CheckConstraint("(cost_cents IS NULL) = (currency IS NULL)", name="cost"),
    sa.CheckConstraint("(credit_type = 'purchased') = (cost_cents IS NOT NULL)", name="purchased_cost"),
    # One payment is booked once, also by two accounts at the same instant; parts of a batch keep its reference.
    sa.Index(
        "uq_batch_payment",
        "reference",
        unique=True,
        postgresql_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
        sqlite_where=sa.text("credit_type = 'purchased' AND parent_id IS NULL"),
    ),
    sa.Index("ix_batch_account_id", "account_id"),
    sa.Index(
        "ix_batch_parent_id",
        "parent_id",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
        sqlite_where=sa.text("parent_id IS NOT NULL"),
    ),
    sa.Index(
        "ix_batch_open",
        "account_id",
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    ),
    sa.Index(
        "ix_batch_due",
        "expires_at",
        postgresql_where=sa.text("NOT is_spent"),
        sqlite_where=sa.text("is_spent = 0"),
    ),
    comment="What one grant left on the shelf",
)

usage_event = sa.Table(
    "usage_event",
    metadata,
    row_id(),
    sa.Column("account_id", Id, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("feature", sa.Text, nullable=False),
    sa.Column("quantity_micro", Micro, nullable=False),
    sa.Column("occurred_at", Instant, nullable=False),
    sa.Column("cost_micro", Micro, nullable=False),
    sa.Column("price_id", Id, nullable=True, comment="null: the caller named the cost, by capturing a hold"),
    sa.Column("transaction_id", Id, nullable=False),
    sa.Column("member", sa.Text, nullable=False, server_default="", comment="who of a pool used it"),
    sa.Column("complexity", sa.Text, nullable=False, server_default="", comment="name of the price's factor"),
    sa.Column("bundle_id", Id, nullable=True, comment="the bundle that gave a discount"),
    sa.UniqueConstraint("account_id", "event_id"),
    comment="What the customer used, as told by the caller; append-only",
)

entry = sa.Table(
    "entry",
    metadata,
    row_id(),
    sa.Column("transaction_id", Id, nullable=False),
    sa.Column("account_id", Id, nullable=False),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True, comment="null only for usage on debt"),
    sa.Column("from_bucket", sa.Text, nullable=False),
    sa.Column("to_bucket", sa.Text, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.Column("balance_micro", Micro, nullable=False, comment="available total of the account after this entry"),
    sa.Column("feature", sa.Text, nullable=True),
    sa.Column("usage_event_id", Id, nullable=True),
    sa.Column("hold_id", Id, nullable=True),
    sa.Column("effective_at", Instant, nullable=False),
    sa.CheckConstraint("amount_micro > 0", name="amount"),
    # One text to search in, because PostgreSQL reads every check anew for every statement and a list of words is slow.
    sa.CheckConstraint(f"'{_LEGAL}' LIKE '% ' || from_bucket || '>' || to_bucket || ' %'", name="legal_move"),
    sa.CheckConstraint(f"(batch_id IS NULL) = ({_DEBT})", name="debt"),
    sa.Index("ix_entry_account_id_id", "account_id", "id"),
    sa.Index("ix_entry_transaction_id", "transaction_id"),
    sa.Index("ix_entry_batch_id", "batch_id"),
    # Everything but usage and holds is rare: grants, expiries and corrections of a period are read from here.
    sa.Index("ix_entry_movement", "effective_at", postgresql_where=MOVEMENT, sqlite_where=MOVEMENT),
    sa.Index(
        "ix_entry_account_movement", "account_id", "effective_at", postgresql_where=MOVEMENT, sqlite_where=MOVEMENT
    ),
    # Use on debt and claims are rare, too; meters look for new ones every minute.
    sa.Index(
        "ix_entry_debt",
        "account_id",
        "id",
        postgresql_where=sa.text("batch_id IS NULL"),
        sqlite_where=sa.text("batch_id IS NULL"),
    ),
    # What was given back of a use is rarer still, and asked for with every list of events.
    sa.Index(
        "ix_entry_given_back",
        "usage_event_id",
        postgresql_where=sa.text("from_bucket = 'consumed'"),
        sqlite_where=sa.text("from_bucket = 'consumed'"),
    ),
    comment="One move of credits of one batch from one bucket to another; append-only",
)

usage_daily = sa.Table(
    "usage_daily",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("day", sa.Date, primary_key=True, comment="by occurred_at, cut in the company zone"),
    sa.Column("feature", sa.Text, primary_key=True),
    sa.Column("credit_type", sa.Text, primary_key=True),
    sa.Column("used_micro", Micro, nullable=False),
    sa.Column("events", Micro, nullable=False),
    sa.CheckConstraint("used_micro >= 0 AND events >= 0", name="used"),
    sa.Index("ix_usage_daily_day", "day"),
    comment="Rollup of consumed entries, kept in the same transaction; an event counts at its first batch's type",
)

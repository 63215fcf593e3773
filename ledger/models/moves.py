"""Facts beside the entries: holds, longer lives of batches, refunds, approvals, closed periods, the seal."""

import sqlalchemy as sa

from ledger.models.base import Id, Instant, Json, Micro, metadata, one_of, row_id
from ledger.models.books import account, batch, transaction

hold = sa.Table(
    "hold",
    metadata,
    row_id(),
    sa.Column("account_id", Id, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, comment="the caller's name of it"),
    sa.Column("feature", sa.Text, nullable=False),
    sa.Column("member", sa.Text, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.Column("captured_micro", Micro, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("placed_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=True, comment="lapses then; null: never"),
    sa.Column("resolved_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, nullable=False),
    sa.Column("resolved_by_id", Id, nullable=True),
    one_of("state", ("open", "captured", "released", "lapsed")),
    sa.CheckConstraint("amount_micro > 0 AND captured_micro BETWEEN 0 AND amount_micro", name="amount"),
    sa.CheckConstraint("(state = 'open') = (resolved_by_id IS NULL)", name="resolved"),
    sa.UniqueConstraint("account_id", "reference"),
    sa.Index(
        "ix_hold_open",
        "account_id",
        "expires_at",
        postgresql_where=sa.text("state = 'open'"),
        sqlite_where=sa.text("state = 'open'"),
    ),
    comment="Credits set aside; state is a projection of the transactions that placed and resolved it",
)

hold_part = sa.Table(
    "hold_part",
    metadata,
    sa.Column("hold_id", Id, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, comment="burn order, from 0"),
    sa.Column("batch_id", Id, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.CheckConstraint("amount_micro > 0", name="amount"),
    sa.Index("ix_hold_part_batch_id", "batch_id"),
    comment="What a hold took from each batch; append-only",
)

batch_extension = sa.Table(
    "batch_extension",
    metadata,
    row_id(),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=False),
    sa.Column("expires_before", Instant, nullable=False),
    sa.Column("expires_after", Instant, nullable=True, comment="null: never"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.Index("ix_batch_extension_batch_id", "batch_id"),
    comment="A batch was given a longer life; batch.expires_at is the newest; append-only",
)

refund = sa.Table(
    "refund",
    metadata,
    row_id(),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=False),
    sa.Column("payer_id", Id, sa.ForeignKey(account.c.id), nullable=False, comment="account that paid for the credits"),
    sa.Column("payment_reference", sa.Text, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.Column("cents", Micro, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("policy", sa.Text, nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.CheckConstraint("amount_micro > 0 AND cents >= 0", name="amount"),
    one_of("policy", ("unused_share", "time_left")),
    sa.Index("ix_refund_batch_id", "batch_id"),
    comment="Money to be given back for credits taken off the shelf; append-only",
)

approval = sa.Table(
    "approval",
    metadata,
    row_id(),
    sa.Column("kind", sa.Text, nullable=False, comment="kind of the command that is asked for"),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=True),
    sa.Column("command", Json, nullable=False, comment="the command, see ledger/operations/codec.py"),
    sa.Column("weight_micro", Micro, nullable=False, comment="credits that it moves, as counted against the limit"),
    sa.Column("requester", sa.Text, nullable=False),
    sa.Column("requester_role", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text, nullable=True),
    sa.Column("decided_at", Instant, nullable=True),
    sa.Column("decision_note", sa.Text, nullable=False),
    sa.Column("asked_in_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.Column("decided_in_id", Id, sa.ForeignKey(transaction.c.id), nullable=True),
    one_of("state", ("asked", "approved", "refused", "withdrawn")),
    sa.CheckConstraint("(state = 'asked') = (decided_by IS NULL)", name="decided"),
    sa.CheckConstraint("state NOT IN ('approved', 'refused') OR decided_by <> requester", name="second_person"),
    sa.Index(
        "ix_approval_asked",
        "asked_at",
        postgresql_where=sa.text("state = 'asked'"),
        sqlite_where=sa.text("state = 'asked'"),
    ),
    sa.Index("ix_approval_account_id", "account_id"),
    comment="A command that waits for, or was let through by, a second person",
)

period_close = sa.Table(
    "period_close",
    metadata,
    row_id(),
    sa.Column("closed_through", sa.Date, nullable=True, comment="last closed company day; null: everything is open"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    comment="The newest row says through which day the books are closed; append-only",
)

seal = sa.Table(
    "seal",
    metadata,
    sa.Column("position", Id, primary_key=True, comment="place in the chain, from 1, without gaps"),
    sa.Column("transaction_id", Id, nullable=False, unique=True),
    sa.Column("hash", sa.String(64), nullable=False, comment="SHA-256 over the hash before it and the transaction"),
    sa.Column("sealed_at", Instant, nullable=False),
    comment="Hash chain over transactions with their entries and events, made by a job; append-only",
)

"""Between customers: pools and their members, gift codes, referrals."""

import sqlalchemy as sa

from ledger.core.records import CreditType
from ledger.models.base import Id, Instant, Micro, metadata, one_of, row_id
from ledger.models.books import account, transaction

PERIODS = ("hour", "day", "month")

pool_member = sa.Table(
    "pool_member",
    metadata,
    row_id(),
    sa.Column("pool_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("member", sa.Text, nullable=False, comment="as usage names it: a person, a key, a team"),
    sa.Column("label", sa.Text, nullable=False),
    *(sa.Column(f"{period}_limit_micro", Micro, nullable=True, comment="null: no limit") for period in PERIODS),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("joined_at", Instant, nullable=False),
    sa.UniqueConstraint("pool_id", "member"),
    comment="Who may use a pool's credits, and how many in an hour, a day, a month",
)

pool_usage = sa.Table(
    "pool_usage",
    metadata,
    sa.Column("pool_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("member", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("starts_at", Instant, primary_key=True, comment="start of the hour, day or month in the pool's zone"),
    sa.Column("used_micro", Micro, nullable=False),
    one_of("period", PERIODS),
    sa.CheckConstraint("used_micro >= 0", name="used"),
    comment="Rollup of a member's usage by period of booking, kept in the same transaction; can be computed again",
)

gift_code_set = sa.Table(
    "gift_code_set",
    metadata,
    row_id(),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("credit_type", sa.Text, nullable=False),
    sa.Column("amount_micro", Micro, nullable=False),
    sa.Column("expires_days", sa.Integer, nullable=True, comment="life of the credits once redeemed; null: default"),
    sa.Column("valid_until", Instant, nullable=True, comment="codes can be redeemed before then; null: no end"),
    sa.Column("per_customer_limit", sa.Integer, nullable=False),
    sa.Column("disabled_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("credit_type", [kind for kind in CreditType if kind is not CreditType.PURCHASED]),
    sa.CheckConstraint("amount_micro > 0 AND per_customer_limit > 0", name="amount"),
    comment="Gift codes made together, with what each of them is worth",
)

gift_code = sa.Table(
    "gift_code",
    metadata,
    row_id(),
    sa.Column("set_id", Id, sa.ForeignKey(gift_code_set.c.id), nullable=False),
    sa.Column("code_hash", sa.String(64), nullable=False, unique=True, comment="SHA-256; the code itself is not kept"),
    sa.Column("hint", sa.Text, nullable=False, comment="last characters, to recognise it by"),
    sa.Column("disabled_at", Instant, nullable=True),
    sa.Column("redeemed_at", Instant, nullable=True),
    sa.Column("redeemed_by_id", Id, sa.ForeignKey(account.c.id), nullable=True),
    sa.Column("redeemed_in_id", Id, sa.ForeignKey(transaction.c.id), nullable=True),
    sa.CheckConstraint("(redeemed_at IS NULL) = (redeemed_by_id IS NULL)", name="redeemed"),
    sa.Index("ix_gift_code_set_id", "set_id"),
    sa.Index("ix_gift_code_redeemed_by_id", "redeemed_by_id"),
    comment="One gift code; redeemed at most once",
)

referral_programme = sa.Table(
    "referral_programme",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("referrer_micro", Micro, nullable=False, comment="reward of who invites"),
    sa.Column("referee_micro", Micro, nullable=False, comment="reward of who joins"),
    sa.Column("cap", sa.Integer, nullable=True, comment="rewarded referrals of one referrer; null: no cap"),
    sa.Column("expires_months", sa.Integer, nullable=False, comment="life of the rewards"),
    sa.Column("effective_at", Instant, nullable=False),
    sa.Column("ends_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.CheckConstraint(
        "referrer_micro >= 0 AND referee_micro >= 0 AND referrer_micro + referee_micro > 0", name="reward"
    ),
    sa.CheckConstraint("cap IS NULL OR cap > 0", name="cap"),
    comment="What both sides of a referral get",
)

referral_code = sa.Table(
    "referral_code",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("programme_id", Id, sa.ForeignKey(referral_programme.c.id), nullable=False),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False, comment="the referrer"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("disabled_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.UniqueConstraint("programme_id", "account_id"),
    comment="The code by which a customer invites others",
)

referral = sa.Table(
    "referral",
    metadata,
    row_id(),
    sa.Column("code", sa.Text, sa.ForeignKey(referral_code.c.code), nullable=False),
    sa.Column("programme_id", Id, sa.ForeignKey(referral_programme.c.id), nullable=False),
    sa.Column("referrer_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("invited", sa.Text, nullable=False, comment="e-mail of who was invited, or empty"),
    sa.Column("referee_id", Id, sa.ForeignKey(account.c.id), nullable=True, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("held_because", sa.Text, nullable=False, comment="why somebody has to look at it first, or empty"),
    sa.Column("invited_at", Instant, nullable=True),
    sa.Column("joined_at", Instant, nullable=True),
    sa.Column("qualified_at", Instant, nullable=True),
    sa.Column("rewarded_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.Column("rewarded_in_id", Id, sa.ForeignKey(transaction.c.id), nullable=True),
    one_of("state", ("invited", "joined", "qualified", "rewarded", "refused")),
    sa.Index("ix_referral_referrer_id", "referrer_id"),
    comment="One customer brought by another: invited, joined, qualified, rewarded",
)

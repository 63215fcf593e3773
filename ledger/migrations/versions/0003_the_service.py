"""Around the books: keys of the HTTP API, rate limits, leases, jobs, mail, alerts, calibration of forecasts.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    json = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    id_ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "calibration",
        sa.Column("as_of", sa.Date(), nullable=False, comment="last complete day in the company zone"),
        sa.Column("computed_at", instant, nullable=False),
        sa.Column("body", json, nullable=False),
        sa.PrimaryKeyConstraint("as_of", name=op.f("pk_calibration")),
        comment="Derived: how wrong forecasts of the past were, pooled; can be thrown away and computed again",
    )
    op.create_table(
        "job",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", instant, nullable=False),
        sa.Column("started_at", instant, nullable=True),
        sa.Column("finished_at", instant, nullable=True),
        sa.Column("succeeded_at", instant, nullable=True, comment="last good end"),
        sa.Column("fails", sa.Integer(), nullable=False, comment="failures in a row"),
        sa.Column("error", sa.Text(), nullable=False, comment="of the last failure, or empty"),
        sa.Column("result", json, nullable=True, comment="figures of the last good run"),
        sa.Column("done", sa.Integer(), nullable=True, comment="progress of the present run"),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'running', 'failed')", name=op.f("ck_job_state")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_job")),
        comment="Each job with its last run and when it is due again",
    )
    op.create_table(
        "job_run",
        sa.Column("id", id_, nullable=False),
        sa.Column("job", sa.Text(), nullable=False),
        sa.Column("runner", sa.Text(), nullable=False),
        sa.Column("started_at", instant, nullable=False),
        sa.Column("finished_at", instant, nullable=False),
        sa.Column("is_good", sa.Boolean(), nullable=False),
        sa.Column("result", json, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_run")),
        comment="Log of runs of jobs; removed after the time of retention",
    )
    op.create_index("ix_job_run_job_started_at", "job_run", ["job", "started_at"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False, comment="host, process and a random part"),
        sa.Column("until", instant, nullable=False, comment="free for others from then on"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        comment="One process at a time may do what is named; runs out when its holder dies",
    )
    op.create_table(
        "mail_block",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_mail_block")),
        comment="Addresses that bounced for good: nothing more is sent there",
    )
    op.create_table(
        "rate_limit",
        sa.Column("name", sa.Text(), nullable=False, comment="key:<id> or customer:<id>"),
        sa.Column("full_at", instant, nullable=False, comment="when the bucket is full again; earlier is more tokens"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_limit")),
        comment="Token buckets shared by all processes; can be emptied at any time",
    )
    op.create_table(
        "alert_watch",
        sa.Column("account_id", id_, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("is_armed", sa.Boolean(), nullable=False, comment="false: crossed, and not yet recovered"),
        sa.Column("crossing", sa.Integer(), nullable=False),
        sa.Column("crossed_at", instant, nullable=True),
        sa.Column(
            "better_since", instant, nullable=True, comment="beyond the margin since then; recovers when long enough"
        ),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_alert_watch_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", "kind", "level", "subject", name=op.f("pk_alert_watch")),
        comment="Where each line stands: a line that was crossed tells again only after it recovered",
    )
    op.create_table(
        "alert_look",
        sa.Column("account_id", id_, nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="of the account, when it was looked at"),
        sa.Column("looked_at", instant, nullable=False),
        sa.Column("looked_on", sa.Date(), nullable=False, comment="day in the company zone"),
        sa.Column("again_at", instant, nullable=True, comment="look again then, though nothing moved; null: no need"),
        sa.Column("forecast_as_of", sa.Date(), nullable=True, comment="newest forecast that was looked at"),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_alert_look_account_id_account")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_alert_look")),
        comment="How far the search for alerts has come with each account; can be emptied at any time",
    )
    op.create_table(
        "alert_rule",
        sa.Column("id", id_, nullable=False),
        sa.Column("account_id", id_, nullable=True, comment="null: the default of all"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("levels", json, nullable=False, comment="list of whole numbers in the unit of the kind"),
        sa.Column("threshold_micro", sa.BigInteger(), nullable=True, comment="own line in credits; null: none"),
        sa.Column("runway_days", sa.Integer(), nullable=True, comment="own line in days; null: none"),
        sa.Column("tells", json, nullable=False, comment="list out of owner, customer, operators"),
        sa.Column("changed_at", instant, nullable=False),
        sa.Column("made_by_id", id_, nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_alert_rule_account_id_account")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_alert_rule_made_by_id_transaction")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_rule")),
        sa.UniqueConstraint("account_id", "kind", name=op.f("uq_alert_rule_account_id_kind")),
        comment="Which alerts are raised, at which levels, and who is told",
    )
    op.create_index(
        "uq_alert_rule_default",
        "alert_rule",
        ["kind"],
        unique=True,
        postgresql_where=sa.text("account_id IS NULL"),
        sqlite_where=sa.text("account_id IS NULL"),
    )
    op.create_table(
        "api_key",
        sa.Column("id", id_, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="what people call it"),
        sa.Column("prefix", sa.Text(), nullable=False, comment="first characters of the key, to find it by"),
        sa.Column(
            "secret_hash", sa.String(length=64), nullable=False, comment="SHA-256 of the whole key; the key is not kept"
        ),
        sa.Column("scopes", json, nullable=False, comment="list of names, see ledger/core/policy.py"),
        sa.Column("per_minute", sa.Integer(), nullable=True, comment="requests allowed a minute; null: the setting"),
        sa.Column("made_at", instant, nullable=False),
        sa.Column("expires_at", instant, nullable=True, comment="refused from then on; null: no end"),
        sa.Column("revoked_at", instant, nullable=True),
        sa.Column("last_used_at", instant, nullable=True, comment="to the minute"),
        sa.Column("replaces_id", id_, nullable=True, comment="the key that it was rotated from"),
        sa.Column("made_by_id", id_, nullable=False),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_api_key_made_by_id_transaction")),
        sa.ForeignKeyConstraint(["replaces_id"], ["api_key.id"], name=op.f("fk_api_key_replaces_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
        comment="Who may call the HTTP API, and what for",
    )
    op.create_table(
        "mail",
        sa.Column("id", id_, nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the same key is the same mail: never sent twice"),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("to_address", sa.Text(), nullable=False),
        sa.Column("account_id", id_, nullable=True),
        sa.Column("variables", json, nullable=False, comment="what the template is filled with"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("queued_at", instant, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", instant, nullable=True, comment="null: no more tries"),
        sa.Column("claimed_until", instant, nullable=True, comment="a sender is at it until then"),
        sa.Column("sent_at", instant, nullable=True),
        sa.Column("bounced_at", instant, nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False, comment="of the last try, or why it bounced"),
        sa.Column("subject", sa.Text(), nullable=True, comment="as sent; null before"),
        sa.Column("body_text", sa.Text(), nullable=True),
        sa.Column("body_html", sa.Text(), nullable=True),
        sa.Column("made_by_id", id_, nullable=True, comment="the fact that it tells of"),
        sa.CheckConstraint("state IN ('queued', 'sent', 'failed', 'bounced', 'dropped')", name=op.f("ck_mail_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_mail_account_id_account")),
        sa.ForeignKeyConstraint(["made_by_id"], ["transaction.id"], name=op.f("fk_mail_made_by_id_transaction")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail")),
        sa.UniqueConstraint("key", name=op.f("uq_mail_key")),
        sa.UniqueConstraint("message_id", name=op.f("uq_mail_message_id")),
        comment="Outbox and log of mail: queued with the fact that it tells of, sent by a job",
    )
    op.create_index("ix_mail_account_id_id", "mail", ["account_id", "id"], unique=False)
    op.create_index(
        "ix_mail_queued",
        "mail",
        ["next_try_at"],
        unique=False,
        postgresql_where=sa.text("state = 'queued'"),
        sqlite_where=sa.text("state = 'queued'"),
    )
    op.create_table(
        "alert",
        sa.Column("id", id_, nullable=False),
        sa.Column("account_id", id_, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False, comment="days, per cent, or 0 for kinds without levels"),
        sa.Column(
            "subject",
            sa.Text(),
            nullable=False,
            comment="batch:<id>, period:<day>, feature:<key>, own:<unit>, or empty",
        ),
        sa.Column("crossing", sa.Integer(), nullable=False, comment="from 1: how often the line was crossed"),
        sa.Column("batch_id", id_, nullable=True),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("raised_at", instant, nullable=False),
        sa.Column("figures", json, nullable=False, comment="what was seen when it was raised"),
        sa.Column("recovered_at", instant, nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("snoozed_until", instant, nullable=True),
        sa.Column("handled_by", sa.Text(), nullable=True),
        sa.Column("handled_at", instant, nullable=True),
        sa.Column("untold", json, nullable=True, comment="addresses still to be told by mail, and who they are"),
        sa.CheckConstraint("(state = 'snoozed') = (snoozed_until IS NOT NULL)", name=op.f("ck_alert_snoozed")),
        sa.CheckConstraint("severity IN ('info', 'warning', 'critical')", name=op.f("ck_alert_severity")),
        sa.CheckConstraint("state IN ('new', 'seen', 'snoozed', 'done')", name=op.f("ck_alert_state")),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_alert_account_id_account")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_alert_batch_id_batch")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
        sa.UniqueConstraint(
            "account_id",
            "kind",
            "level",
            "subject",
            "crossing",
            name=op.f("uq_alert_account_id_kind_level_subject_crossing"),
        ),
        comment="One line crossed by one customer, told once",
    )
    op.create_index(
        "ix_alert_open",
        "alert",
        ["raised_at"],
        unique=False,
        postgresql_where=sa.text("state <> 'done'"),
        sqlite_where=sa.text("state <> 'done'"),
    )
    op.create_index(
        "ix_alert_untold",
        "alert",
        ["raised_at"],
        unique=False,
        postgresql_where=sa.text("untold IS NOT NULL"),
        sqlite_where=sa.text("untold IS NOT NULL"),
    )


def downgrade() -> None:
    raise NotImplementedError("facts are never thrown away: restore a backup made before the upgrade instead")

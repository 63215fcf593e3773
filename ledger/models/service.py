"""Around the books: keys of the HTTP API, rate limits, leases and jobs, mail, alerts.

None of these rows moves credits. What people decide about them (keys, rules, alerts) is a command; what the product
notes for itself (attempts, leases, crossings) goes through doors of its own (docs/decisions/0008).
"""

import sqlalchemy as sa

from ledger.models.base import Id, Instant, Json, Micro, metadata, one_of, row_id
from ledger.models.books import account, batch, transaction

api_key = sa.Table(
    "api_key",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, comment="what people call it"),
    sa.Column("prefix", sa.Text, nullable=False, unique=True, comment="first characters of the key, to find it by"),
    sa.Column("secret_hash", sa.String(64), nullable=False, comment="SHA-256 of the whole key; the key is not kept"),
    sa.Column("scopes", Json, nullable=False, comment="list of names, see ledger/core/policy.py"),
    sa.Column("per_minute", sa.Integer, nullable=True, comment="requests allowed a minute; null: the setting"),
    sa.Column("made_at", Instant, nullable=False),
    sa.Column("expires_at", Instant, nullable=True, comment="refused from then on; null: no end"),
    sa.Column("revoked_at", Instant, nullable=True),
    sa.Column("last_used_at", Instant, nullable=True, comment="to the minute"),
    sa.Column(
        "replaces_id", Id, sa.ForeignKey("api_key.id"), nullable=True, comment="the key that it was rotated from"
    ),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    comment="Who may call the HTTP API, and what for",
)

rate_limit = sa.Table(
    "rate_limit",
    metadata,
    sa.Column("name", sa.Text, primary_key=True, comment="key:<id> or customer:<id>"),
    sa.Column("full_at", Instant, nullable=False, comment="when the bucket is full again; earlier is more tokens"),
    comment="Token buckets shared by all processes; can be emptied at any time",
)

lease = sa.Table(
    "lease",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("holder", sa.Text, nullable=False, comment="host, process and a random part"),
    sa.Column("until", Instant, nullable=False, comment="free for others from then on"),
    comment="One process at a time may do what is named; runs out when its holder dies",
)

JOB_STATES = ("waiting", "running", "failed")

job = sa.Table(
    "job",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("due_at", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=True),
    sa.Column("finished_at", Instant, nullable=True),
    sa.Column("succeeded_at", Instant, nullable=True, comment="last good end"),
    sa.Column("fails", sa.Integer, nullable=False, comment="failures in a row"),
    sa.Column("error", sa.Text, nullable=False, comment="of the last failure, or empty"),
    sa.Column("result", Json, nullable=True, comment="figures of the last good run"),
    sa.Column("done", sa.Integer, nullable=True, comment="progress of the present run"),
    sa.Column("total", sa.Integer, nullable=True),
    one_of("state", JOB_STATES),
    comment="Each job with its last run and when it is due again",
)

job_run = sa.Table(
    "job_run",
    metadata,
    row_id(),
    sa.Column("job", sa.Text, nullable=False),
    sa.Column("runner", sa.Text, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=False),
    sa.Column("is_good", sa.Boolean, nullable=False),
    sa.Column("result", Json, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    sa.Index("ix_job_run_job_started_at", "job", "started_at"),
    comment="Log of runs of jobs; removed after the time of retention",
)

MAIL_STATES = ("queued", "sent", "failed", "bounced", "dropped")

mail = sa.Table(
    "mail",
    metadata,
    row_id(),
    sa.Column("key", sa.Text, nullable=False, unique=True, comment="the same key is the same mail: never sent twice"),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("to_address", sa.Text, nullable=False),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=True),
    sa.Column("variables", Json, nullable=False, comment="what the template is filled with"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("queued_at", Instant, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", Instant, nullable=True, comment="null: no more tries"),
    sa.Column("claimed_until", Instant, nullable=True, comment="a sender is at it until then"),
    sa.Column("sent_at", Instant, nullable=True),
    sa.Column("bounced_at", Instant, nullable=True),
    sa.Column("message_id", sa.Text, nullable=True, unique=True),
    sa.Column("error", sa.Text, nullable=False, comment="of the last try, or why it bounced"),
    sa.Column("subject", sa.Text, nullable=True, comment="as sent; null before"),
    sa.Column("body_text", sa.Text, nullable=True),
    sa.Column("body_html", sa.Text, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=True, comment="the fact that it tells of"),
    one_of("state", MAIL_STATES),
    sa.Index(
        "ix_mail_queued",
        "next_try_at",
        postgresql_where=sa.text("state = 'queued'"),
        sqlite_where=sa.text("state = 'queued'"),
    ),
    sa.Index("ix_mail_account_id_id", "account_id", "id"),
    comment="Outbox and log of mail: queued with the fact that it tells of, sent by a job",
)

mail_block = sa.Table(
    "mail_block",
    metadata,
    sa.Column("address", sa.Text, primary_key=True),
    sa.Column("since", Instant, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    comment="Addresses that bounced for good: nothing more is sent there",
)

alert_rule = sa.Table(
    "alert_rule",
    metadata,
    row_id(),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=True, comment="null: the default of all"),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("levels", Json, nullable=False, comment="list of whole numbers in the unit of the kind"),
    sa.Column("threshold_micro", Micro, nullable=True, comment="own line in credits; null: none"),
    sa.Column("runway_days", sa.Integer, nullable=True, comment="own line in days; null: none"),
    sa.Column("tells", Json, nullable=False, comment="list out of owner, customer, operators"),
    sa.Column("changed_at", Instant, nullable=False),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    sa.Index(
        "uq_alert_rule_default",
        "kind",
        unique=True,
        postgresql_where=sa.text("account_id IS NULL"),
        sqlite_where=sa.text("account_id IS NULL"),
    ),
    sa.UniqueConstraint("account_id", "kind"),
    comment="Which alerts are raised, at which levels, and who is told",
)

ALERT_STATES = ("new", "seen", "snoozed", "done")
SEVERITIES = ("info", "warning", "critical")

alert = sa.Table(
    "alert",
    metadata,
    row_id(),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("level", sa.Integer, nullable=False, comment="days, per cent, or 0 for kinds without levels"),
    sa.Column(
        "subject", sa.Text, nullable=False, comment="batch:<id>, period:<day>, feature:<key>, own:<unit>, or empty"
    ),
    sa.Column("crossing", sa.Integer, nullable=False, comment="from 1: how often the line was crossed"),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True),
    sa.Column("severity", sa.Text, nullable=False),
    sa.Column("raised_at", Instant, nullable=False),
    sa.Column("figures", Json, nullable=False, comment="what was seen when it was raised"),
    sa.Column("recovered_at", Instant, nullable=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("snoozed_until", Instant, nullable=True),
    sa.Column("handled_by", sa.Text, nullable=True),
    sa.Column("handled_at", Instant, nullable=True),
    sa.Column("untold", Json, nullable=True, comment="addresses still to be told by mail, and who they are"),
    one_of("severity", SEVERITIES),
    one_of("state", ALERT_STATES),
    sa.CheckConstraint("(state = 'snoozed') = (snoozed_until IS NOT NULL)", name="snoozed"),
    sa.UniqueConstraint("account_id", "kind", "level", "subject", "crossing"),
    sa.Index(
        "ix_alert_open",
        "raised_at",
        postgresql_where=sa.text("state <> 'done'"),
        sqlite_where=sa.text("state <> 'done'"),
    ),
    sa.Index(
        "ix_alert_untold",
        "raised_at",
        postgresql_where=sa.text("untold IS NOT NULL"),
        sqlite_where=sa.text("untold IS NOT NULL"),
    ),
    comment="One line crossed by one customer, told once",
)

alert_watch = sa.Table(
    "alert_watch",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("is_armed", sa.Boolean, nullable=False, comment="false: crossed, and not yet recovered"),
    sa.Column("crossing", sa.Integer, nullable=False),
    sa.Column("crossed_at", Instant, nullable=True),
    sa.Column(
        "better_since", Instant, nullable=True, comment="beyond the margin since then; recovers when long enough"
    ),
    comment="Where each line stands: a line that was crossed tells again only after it recovered",
)

alert_look = sa.Table(
    "alert_look",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("version", Micro, nullable=False, comment="of the account, when it was looked at"),
    sa.Column("looked_at", Instant, nullable=False),
    sa.Column("looked_on", sa.Date, nullable=False, comment="day in the company zone"),
    sa.Column("again_at", Instant, nullable=True, comment="look again then, though nothing moved; null: no need"),
    sa.Column("forecast_as_of", sa.Date, nullable=True, comment="newest forecast that was looked at"),
    comment="How far the search for alerts has come with each account; can be emptied at any time",
)

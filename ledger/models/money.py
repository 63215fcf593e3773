"""Money in and out: payments at providers and what became of them. Money in cents of ``currency``.

What a provider says is kept where it is followed (payment) and as it came (inbox, finding); credits move by
transactions alone.
"""

import sqlalchemy as sa

from ledger.core.payments import IN_FLIGHT, ClawBackCause, PaymentState, Provider, Purpose, RefundTo
from ledger.models.base import Id, Instant, Json, Micro, metadata, one_of, row_id
from ledger.models.books import account, batch, entry, transaction
from ledger.models.catalog import package
from ledger.models.moves import hold, refund

_RECHARGE_IN_FLIGHT = sa.text(
    "purpose = 'recharge' AND state IN (" + ", ".join(f"'{state.value}'" for state in IN_FLIGHT) + ")"
)
_UNSETTLED = sa.text("state IN ('new', 'waiting')")
_UNSENT = sa.text("state IN ('asked', 'sent')")

payment = sa.Table(
    "payment",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="pay_… : ours, given to the provider and in links"),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("package_id", Id, sa.ForeignKey(package.c.id), nullable=True, comment="version sold; null: no package"),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("credits_micro", Micro, nullable=False, comment="all that is bought"),
    sa.Column("price_cents", Micro, nullable=False, comment="asked for all of it, without tax: the cost basis"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("checkout_ref", sa.Text, nullable=True, comment="the provider's name of its checkout page"),
    sa.Column("payment_ref", sa.Text, nullable=True, comment="the provider's name of the payment: pi_…"),
    sa.Column("url", sa.Text, nullable=False, comment="where the customer pays or confirms, or empty"),
    sa.Column("ends_at", Instant, nullable=True, comment="the checkout can be paid until then"),
    sa.Column("saves_card", sa.Boolean, nullable=False, comment="the checkout keeps the card for later charges"),
    sa.Column("customer_ref", sa.Text, nullable=True, comment="the provider's name of who paid: cus_…"),
    sa.Column("created_at", Instant, nullable=False),
    sa.Column("paid_at", Instant, nullable=True, comment="as the provider says"),
    sa.Column("total_cents", Micro, nullable=True, comment="taken from the customer, with tax; null: not paid yet"),
    sa.Column("tax_cents", Micro, nullable=True),
    sa.Column("paid_currency", sa.String(3), nullable=True, comment="of total_cents, tax_cents and all that went back"),
    sa.Column("error", sa.Text, nullable=False, comment="why it failed or is blocked, or empty"),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True),
    sa.Column("followed_at", Instant, nullable=True, comment="what was asked before that is out of date"),
    sa.Column("asked_at", Instant, nullable=True, comment="when a job asked the provider last, whatever it said"),
    sa.Column("refunded_cents", Micro, nullable=False, comment="all refunds that the provider tells of, with tax"),
    sa.Column("own_refunds_cents", Micro, nullable=False, comment="of them those that this product asked for"),
    sa.Column("disputed_cents", Micro, nullable=False, comment="in open disputes"),
    sa.Column("lost_cents", Micro, nullable=False, comment="in lost disputes"),
    sa.Column("taken_micro", Micro, nullable=False, comment="credits clawed back from the batch"),
    sa.Column("claimed_micro", Micro, nullable=False, comment="credits that were used before: now owed by the account"),
    sa.Column(
        "gone_micro", Micro, nullable=False, comment="had left the shelf unused: expired, removed, refunded by hand"
    ),
    sa.Column("compensated_micro", Micro, nullable=False, comment="given anew for claims that had been repaid"),
    sa.Column("hold_id", Id, sa.ForeignKey(hold.c.id), nullable=True, comment="what an open dispute has frozen"),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("provider", Provider),
    one_of("purpose", Purpose),
    one_of("state", PaymentState),
    sa.CheckConstraint("quantity > 0 AND credits_micro > 0 AND price_cents > 0", name="worth"),
    sa.CheckConstraint("(state = 'credited') = (batch_id IS NOT NULL)", name="credited"),
    sa.CheckConstraint(
        "refunded_cents >= 0 AND own_refunds_cents >= 0 AND disputed_cents >= 0 AND lost_cents >= 0", name="back"
    ),
    sa.CheckConstraint(
        "taken_micro >= 0 AND gone_micro >= 0 AND compensated_micro >= 0 AND claimed_micro >= compensated_micro "
        "AND taken_micro + gone_micro + claimed_micro - compensated_micro <= credits_micro",
        name="taken",
    ),
    sa.UniqueConstraint("provider", "payment_ref"),
    sa.UniqueConstraint("provider", "checkout_ref"),
    sa.Index("ix_payment_account_id", "account_id"),
    sa.Index("ix_payment_created_at", "created_at"),
    sa.Index(
        "uq_payment_recharge_in_flight",
        "account_id",
        unique=True,
        postgresql_where=_RECHARGE_IN_FLIGHT,
        sqlite_where=_RECHARGE_IN_FLIGHT,
    ),
    comment="One payment at a provider; what moved credits is in its transactions",
)

claw_back = sa.Table(
    "claw_back",
    metadata,
    row_id(),
    sa.Column("payment_id", Id, sa.ForeignKey(payment.c.id), nullable=False),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("taken_micro", Micro, nullable=False, comment="from the batch; less than 0: put back"),
    sa.Column("claimed_micro", Micro, nullable=False, comment="now owed; less than 0: owed no longer"),
    sa.Column("gone_micro", Micro, nullable=False, comment="had left the shelf unused, so nothing moved"),
    sa.Column("compensated_micro", Micro, nullable=False, comment="given anew for a claim that had been repaid"),
    sa.Column("cents", Micro, nullable=False, comment="share of the cost basis, without tax; less than 0: put back"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("cause", ClawBackCause),
    sa.Index("ix_claw_back_payment_id", "payment_id"),
    sa.Index("ix_claw_back_batch_id", "batch_id"),
    comment="Credits that followed money which left again at the provider, or came back; append-only",
)

provider_refund = sa.Table(
    "provider_refund",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="ref_… : ours, given to the provider"),
    sa.Column("refund_id", Id, sa.ForeignKey(refund.c.id), nullable=True, comment="null: of a blocked payment"),
    sa.Column("payment_id", Id, sa.ForeignKey(payment.c.id), nullable=False),
    sa.Column("sent_to", sa.Text, nullable=False),
    sa.Column("cents", Micro, nullable=False, comment="with tax"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("provider_ref", sa.Text, nullable=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", Instant, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("ended_at", Instant, nullable=True),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("sent_to", (RefundTo.CARD, RefundTo.BALANCE)),
    # replaced: it failed, and somebody decided to give the money back again or by hand.
    one_of("state", ("asked", "sent", "done", "failed", "replaced")),
    sa.CheckConstraint("cents > 0", name="cents"),
    sa.Index("ix_provider_refund_payment_id", "payment_id"),
    sa.Index("ix_provider_refund_unsent", "next_try_at", postgresql_where=_UNSENT, sqlite_where=_UNSENT),
    comment="Money that a provider is to give back for us, and how far that is",
)

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("event_id", sa.Text, primary_key=True, comment="the provider's; of a body without one its hash"),
    sa.Column("kind", sa.Text, nullable=False, comment="as the provider calls it"),
    sa.Column("about_kind", sa.Text, nullable=False, comment="payment, checkout, customer, … or empty"),
    sa.Column("about_ref", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("happened_at", Instant, nullable=True, comment="as the provider says"),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False, comment="how often it came"),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", Instant, nullable=True),
    sa.Column("settled_at", Instant, nullable=True),
    sa.Column("outcome", sa.Text, nullable=False, comment="what became of it, in words, or why nothing yet"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=True),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=True),
    sa.Column("body", sa.Text, nullable=False, comment="as it came; emptied after the time of retention"),
    one_of("provider", Provider),
    # waiting: will be tried again; unmatched: nobody here is meant; failed: tries ran out, or it cannot be read.
    one_of("state", ("new", "waiting", "settled", "ignored", "unmatched", "failed")),
    sa.Index("ix_inbox_unsettled", "next_try_at", postgresql_where=_UNSETTLED, sqlite_where=_UNSETTLED),
    sa.Index("ix_inbox_received_at", "received_at"),
    comment="What providers told us, once each",
)

recharge_rule = sa.Table(
    "recharge_rule",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("package_code", sa.Text, nullable=False),
    sa.Column("threshold_micro", Micro, nullable=True),
    sa.Column("runway_days", sa.Integer, nullable=True),
    sa.Column("day_cap_cents", Micro, nullable=False),
    sa.Column("month_cap_cents", Micro, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False, comment="of the caps: that of the package when it was chosen"),
    sa.Column("cool_down_minutes", sa.Integer, nullable=False),
    sa.Column("stop_after", sa.Integer, nullable=False, comment="declines in a row after which it stops"),
    sa.Column("declines", sa.Integer, nullable=False, comment="in a row"),
    sa.Column("stopped_at", Instant, nullable=True),
    sa.Column("stopped_because", sa.Text, nullable=False),
    sa.Column("rests_until", Instant, nullable=True, comment="no try before; kept whatever became of the last one"),
    sa.Column("made_by_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("provider", Provider),
    sa.CheckConstraint("threshold_micro IS NOT NULL OR runway_days IS NOT NULL", name="line"),
    sa.CheckConstraint("day_cap_cents > 0 AND month_cap_cents >= day_cap_cents", name="caps"),
    comment="When a customer's saved card is charged by itself; history is in the transactions",
)

saved_card = sa.Table(
    "saved_card",
    metadata,
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("customer_ref", sa.Text, nullable=False),
    sa.Column("card_ref", sa.Text, nullable=False),
    sa.Column("words", sa.Text, nullable=False, comment="as people know it: visa •••• 4242, 12/27"),
    sa.Column("noted_at", Instant, nullable=False),
    one_of("provider", Provider),
    comment="The card that a provider keeps for a customer; never its number",
)

provider_price = sa.Table(
    "provider_price",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("package_id", Id, sa.ForeignKey(package.c.id), primary_key=True, comment="version of the package"),
    sa.Column("product_ref", sa.Text, nullable=False),
    sa.Column("price_ref", sa.Text, nullable=False),
    sa.Column("synced_at", Instant, nullable=False),
    one_of("provider", Provider),
    comment="What a package is called at a provider",
)

provider_plan = sa.Table(
    "provider_plan",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("price_ref", sa.Text, primary_key=True),
    sa.Column("plan_code", sa.Text, nullable=False),
    sa.Column("linked_at", Instant, nullable=False),
    one_of("provider", Provider),
    comment="Which plan a subscription price at a provider stands for",
)

meter_event = sa.Table(
    "meter_event",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="identifier at the provider: sent twice is once"),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("amount_micro", Micro, nullable=False, comment="used beyond the credits"),
    sa.Column("through_entry_id", Id, sa.ForeignKey(entry.c.id), nullable=False, comment="last entry that is in it"),
    sa.Column("happened_at", Instant, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", Instant, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    one_of("state", ("asked", "sent", "failed")),
    sa.CheckConstraint("amount_micro > 0", name="amount"),
    sa.UniqueConstraint("account_id", "through_entry_id"),
    comment="Use beyond the credits that a provider is told of, to be billed by it",
)

balance_mirror = sa.Table(
    "balance_mirror",
    metadata,
    row_id(),
    sa.Column("name", sa.Text, nullable=False, unique=True, comment="key at the provider: sent twice is once"),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=True, comment="the movement; else null"),
    sa.Column("day", sa.Date, nullable=True, comment="of the use, company zone; else null"),
    sa.Column("happened_at", Instant, nullable=False),
    sa.Column("cents", Micro, nullable=False, comment="less than 0 is to the customer's credit, as Stripe counts"),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("details", Json, nullable=False, comment="metadata: type, expires_at, source"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("provider_ref", sa.Text, nullable=True),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try_at", Instant, nullable=True),
    sa.Column("error", sa.Text, nullable=False),
    one_of("kind", ("opening", "movement", "usage")),
    one_of("state", ("asked", "sent", "failed")),
    sa.Index("ix_balance_mirror_account_id", "account_id"),
    comment="Movements repeated as customer balance transactions at the provider, where the company wants it",
)

billed_invoice = sa.Table(
    "billed_invoice",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("ref", sa.Text, primary_key=True, comment="the provider's invoice: in_…"),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=False),
    sa.Column("subscription_ref", sa.Text, nullable=False),
    sa.Column("plan_code", sa.Text, nullable=False, comment="what its price stood for when followed, or empty"),
    sa.Column("period_start", Instant, nullable=True, comment="as the provider says; null: it bills no plan"),
    sa.Column("period_end", Instant, nullable=True),
    sa.Column("paid_at", Instant, nullable=False),
    sa.Column("total_cents", Micro, nullable=False),
    sa.Column("currency", sa.String(3), nullable=False),
    sa.Column("payment_ref", sa.Text, nullable=True, comment="the provider's payment of it: pi_…"),
    sa.Column("metered_micro", Micro, nullable=False, comment="billed for use beyond the credits"),
    sa.Column("metered_cents", Micro, nullable=False),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True, comment="of what was metered"),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=False),
    one_of("provider", Provider),
    sa.CheckConstraint("period_end > period_start", name="period"),
    sa.Index("ix_billed_invoice_account_id", "account_id"),
    sa.Index("ix_billed_invoice_payment_ref", "payment_ref"),
    comment="Paid invoices of subscriptions that were followed, once each; append-only",
)

provider_run = sa.Table(
    "provider_run",
    metadata,
    row_id(),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("since", Instant, nullable=False),
    sa.Column("until", Instant, nullable=False),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant, nullable=True),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("done", sa.Integer, nullable=False),
    sa.Column("counts", Json, nullable=False, comment="records looked at and findings, by class"),
    sa.Column("error", sa.Text, nullable=False),
    one_of("provider", Provider),
    comment="Comparisons of our books with a provider's",
)

finding = sa.Table(
    "finding",
    metadata,
    row_id(),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("object_kind", sa.Text, nullable=False, comment="payment, refund, dispute, batch"),
    sa.Column("object_ref", sa.Text, nullable=False, comment="the provider's name, or ours where it has none"),
    sa.Column("figure", sa.Text, nullable=False, comment="what of it differs: see ledger.core.matching.Figure"),
    sa.Column("payment_ref", sa.Text, nullable=True, comment="the provider's name of the payment it belongs to"),
    sa.Column("payment_id", Id, sa.ForeignKey(payment.c.id), nullable=True),
    sa.Column("batch_id", Id, sa.ForeignKey(batch.c.id), nullable=True),
    sa.Column("account_id", Id, sa.ForeignKey(account.c.id), nullable=True),
    sa.Column("our_cents", Micro, nullable=True),
    sa.Column("our_currency", sa.String(3), nullable=True),
    sa.Column("their_cents", Micro, nullable=True),
    sa.Column("their_currency", sa.String(3), nullable=True),
    sa.Column("credits_micro", Micro, nullable=True, comment="credits that hang on it, as far as known here"),
    sa.Column("ours", Json, nullable=True, comment="our record, to be shown beside theirs"),
    sa.Column("theirs", Json, nullable=True),
    sa.Column("happened_at", Instant, nullable=True),
    sa.Column("found_at", Instant, nullable=False),
    sa.Column("seen_at", Instant, nullable=False, comment="last comparison that found it"),
    sa.Column("run_id", Id, sa.ForeignKey(provider_run.c.id), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("transaction_id", Id, sa.ForeignKey(transaction.c.id), nullable=True, comment="of the decision about it"),
    one_of("provider", Provider),
    one_of("kind", ("timing", "missing_here", "missing_there", "amount", "currency", "duplicate")),
    one_of("state", ("open", "explained", "fixed")),
    sa.UniqueConstraint("provider", "kind", "object_kind", "object_ref"),
    sa.Index("ix_finding_state", "state"),
    comment="Where our books and a provider's disagree",
)

secret = sa.Table(
    "secret",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("made_at", Instant, nullable=False),
    comment="Keys that the product draws for itself: what signs the links of mails",
)

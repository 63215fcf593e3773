"""Payments at providers: lists, one in full, and the line of steps from its beginning to its receipt."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, maybe_whole, micro, text, whole
from ledger import queries
from ledger.core.payments import PaymentState
from ledger.errors import NotFound
from ledger.queries import PaymentFilter

PAYMENTS = Schema(
    "one payment at a provider, newest first",
    (
        whole("payment_id", "id"),
        text("payment", "our name of it: pay_…"),
        text("account", "whose credits"),
        text("name", "customer; NaN for an account without one"),
        text("provider", "stripe, polar or mock"),
        text("purpose", "checkout, recharge, invoice or external"),
        text("package", "code of what was bought; NaN without one"),
        text("package_label", "its name"),
        whole("quantity", "how many of it"),
        micro("credits_micro", "bought in all"),
        whole("price_cents", "asked for all of it, without tax, cents"),
        text("currency", "of the price"),
        text("state", "how far it has come, see PaymentState"),
        maybe_whole("total_cents", "paid, with tax; absent as long as nothing is"),
        maybe_whole("tax_cents", "of it tax"),
        text("paid_currency", "of what was paid and of all that went back"),
        whole("refunded_cents", "refunded, with tax, whoever asked for it"),
        whole("own_refunds_cents", "of it asked for here"),
        whole("disputed_cents", "in open disputes"),
        whole("lost_cents", "in lost disputes"),
        micro("taken_micro", "taken back from its batch"),
        micro("claimed_micro", "had been used, so owed since"),
        micro("gone_micro", "had left the shelf unused"),
        micro("compensated_micro", "given anew for what had been repaid"),
        maybe_whole("batch_id", "what it bought; absent as long as it is not credited"),
        text("payment_ref", "the provider's name of it"),
        text("checkout_ref", "the provider's name of its page"),
        text("url", "where the customer pays or confirms, or empty"),
        text("error", "why it failed or is blocked, or empty"),
        instant("created_at", "begun"),
        instant("ends_at", "the page can be paid until then"),
        instant("paid_at", "paid, as the provider says"),
        instant("credited_at", "its credits came"),
        maybe_whole("credited_by_id", "the transaction that brought them"),
    ),
)
CLAW_BACKS = Schema(
    "one time that credits followed the money of a payment, oldest first",
    (
        text("cause", "refund, dispute, refund_failed or dispute_won"),
        micro("taken_micro", "taken from the batch; less than 0: put back"),
        micro("claimed_micro", "owed since; less than 0: owed no longer"),
        micro("gone_micro", "had left the shelf unused"),
        micro("compensated_micro", "given anew"),
        whole("cents", "share of the price without tax, cents; less than 0: put back"),
        text("currency", "of the money"),
        instant("recorded_at", "when it was booked"),
        whole("transaction_id", "transaction"),
    ),
)
PAYMENT_REFUNDS = Schema(
    "money of a payment that the provider is to give back for us, oldest first",
    (
        text("refund", "our name of it: ref_…"),
        text("sent_to", "card or balance"),
        whole("cents", "with tax, cents"),
        text("currency", "of the money"),
        text("state", "asked, sent, done, failed or replaced"),
        text("error", "why it failed, or empty"),
        instant("asked_at", "when it was asked for"),
        instant("ended_at", "when the provider was done with it"),
    ),
)


class StepState(StrEnum):
    """How far a step of a payment is. BAD: it ended here, or somebody has to do something."""

    DONE = "done"
    NOW = "now"
    AHEAD = "ahead"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the line created → paid → credited → receipt; ``at`` None: not yet, or not known."""

    word: str
    state: StepState
    at: datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class PaymentInFull:
    """One payment: a row of PAYMENTS, its steps, and what went back of it. ``frozen_micro`` is what a dispute keeps."""

    row: dict[str, Any]
    steps: tuple[Step, ...]
    claw_backs: pd.DataFrame
    refunds: pd.DataFrame
    frozen_micro: int
    begun_by: str
    begun_in_id: int

    @property
    def is_final(self) -> bool:
        """Whether it will not move by itself any more, so that a page need not look again."""
        return self.row["state"] in (
            PaymentState.CREDITED,
            PaymentState.BLOCKED,
            PaymentState.FAILED,
            PaymentState.EXPIRED,
        )


def load_payments(
    connection: sa.Connection,
    wanted: PaymentFilter | None = None,
    *,
    account: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> pd.DataFrame:
    """Payments at providers, newest first: see PAYMENTS. ``account`` is short for a filter by it."""
    chosen = wanted or PaymentFilter()
    if account is not None:
        chosen = replace(chosen, account=account)
    return PAYMENTS.load(ask(connection, queries.provider_payments, wanted=chosen, limit=limit, offset=offset))


def count_payments(connection: sa.Connection, wanted: PaymentFilter) -> int:
    """How many `load_payments` would answer without a limit."""
    found: int = ask(connection, queries.provider_payments_count, wanted=wanted).scalar_one()
    return found


def load_payment(connection: sa.Connection, name: str) -> PaymentInFull:
    """One payment by our name of it. Raises NotFound."""
    row = ask(connection, queries.provider_payment, name=name).one_or_none()
    if row is None:
        raise NotFound(what="payment", id=name)
    values = {column: getattr(row, column) for column in PAYMENTS.names}
    return PaymentInFull(
        values,
        tuple(payment_steps(row)),
        CLAW_BACKS.load(ask(connection, queries.claw_backs, payment_id=row.payment_id)),
        PAYMENT_REFUNDS.load(ask(connection, queries.payment_refunds, payment_id=row.payment_id)),
        row.frozen_micro or 0,
        row.actor,
        row.made_by_id,
    )


def payment_steps(row: Any) -> Iterator[Step]:
    """The line of steps of a payment, from a row of `queries.provider_payment`."""
    state = PaymentState(row.state)
    yield Step("created", StepState.DONE, row.created_at)
    if row.paid_at is not None:
        yield Step("paid", StepState.DONE, row.paid_at)
    else:
        yield Step("paid", _unpaid(state), None, row.error)
    if state is PaymentState.CREDITED:
        yield Step("credited", StepState.DONE, row.credited_at)
    elif row.paid_at is not None:
        yield Step("credited", StepState.BAD, None, row.error)
    else:
        yield Step("credited", StepState.AHEAD, None)
    yield _receipt_step(row, state)
    if gone := row.refunded_cents + row.lost_cents:
        is_whole = gone >= (row.total_cents or 0)
        yield Step("refunded" if is_whole else "partly refunded", StepState.BAD, None)
    if row.disputed_cents:
        yield Step("disputed", StepState.BAD, None)


def _unpaid(state: PaymentState) -> StepState:
    return StepState.BAD if state in (PaymentState.FAILED, PaymentState.EXPIRED) else StepState.NOW


def _receipt_step(row: Any, state: PaymentState) -> Step:
    if row.receipt_sent_at is not None:
        return Step("receipt", StepState.DONE, row.receipt_sent_at, row.receipt_to)
    if row.receipt_state in ("failed", "bounced"):
        return Step("receipt", StepState.BAD, None, "the mail did not arrive")
    if state is PaymentState.CREDITED and row.receipt_state is None:
        return Step("receipt", StepState.BAD, None, "no address to send it to")
    return Step("receipt", StepState.NOW if state is PaymentState.CREDITED else StepState.AHEAD, None)

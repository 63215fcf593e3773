"""What a payment buys is put on the shelf, or why it may not be."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from ledger.context import Context, Rows
from ledger.core.payments import PaymentState, Purpose
from ledger.core.records import CreditType
from ledger.errors import NotAllowedNow
from ledger.journal import AccountState, BatchTerms
from ledger.operations import told
from ledger.operations.grants import validity
from ledger.operations.payment_rows import Owner, PaymentRow
from ledger.operations.sales import instant_text, package_of, price_text, refuse_beyond_limit
from ledger.receipt import NewBatch


def why_blocked(
    row: PaymentRow, owner: Owner, *, paid_at: datetime, booked: Rows, of_package: tuple[Rows, Rows]
) -> str:
    """Why a payment that is paid may not be credited without a decision, as a sentence; empty when it may.

    Args: the row with what was paid; ``booked`` rows of a batch with that payment as its reference; all versions of
    the package and how often the customer bought it.
    """
    paid = row.paid
    assert paid is not None
    if booked:
        return f"The payment {row.payment_ref} is booked already, as batch {booked[0][0]}."
    if paid.currency != row.currency:
        return f"{price_text(paid)} was paid, but {price_text(row.price)} was asked: another currency."
    if paid.cents < row.price_cents:
        return f"{price_text(paid)} was paid, which is less than the {price_text(row.price)} that was asked."
    # A person has decided about a payment from outside, package and all.
    if row.package_id is None or row.purpose is Purpose.EXTERNAL:
        return ""
    return _why_not_sold(row, owner, paid_at, *of_package)


def _why_not_sold(row: PaymentRow, owner: Owner, paid_at: datetime, versions: Rows, bought: Rows) -> str:
    known = [package_of(one) for one in versions]
    # What was agreed at the checkout is sold, also when its price has changed meanwhile; its time may be over, though.
    current = [one for one in known if one.effective_at <= paid_at][-1:]
    for version in current:
        if version.ends_at is not None and version.ends_at <= paid_at:
            return (
                f"{version.label} was for sale until {instant_text(version.ends_at)}, and was paid at "
                f"{instant_text(paid_at)}."
            )
    sold = next(one for one in known if one.id == row.package_id)
    try:
        refuse_beyond_limit(owner.account, sold, bought, quantity=row.quantity)
    except NotAllowedNow as refusal:
        return refusal.why
    return ""


def put_credits(
    context: Context, state: AccountState, row: PaymentRow, owner: Owner, *, batch_id: int, contact: Rows
) -> tuple[PaymentRow, NewBatch]:
    """Put what a paid payment bought on the shelf and send the receipt; answers the row as credited, and the batch.

    The reference of the batch is the provider's name of the payment, which can be used once; its cost basis is what
    was paid without tax.
    """
    starts, ends = validity(context, state, CreditType.PURCHASED, effective_at=None, expires_on=None)
    reference = row.payment_ref or row.name
    details: dict[str, Any] = {"payment": row.name}
    if row.package_id is not None:
        details |= {"package": owner.package, "package_id": row.package_id, "quantity": row.quantity}
    terms = BatchTerms(
        CreditType.PURCHASED,
        context.at,
        starts,
        ends,
        source=row.provider.value,
        reference=reference,
        cost_cents=row.cost.cents,
        currency=row.cost.currency,
        details=details,
    )
    new = context.open_batch(state, batch_id, row.credits_micro, terms)
    told.tell_purchase(
        context,
        state,
        contact=contact,
        batch=new,
        price_cents=row.cost.cents,
        currency=row.cost.currency,
        package=owner.package_label,
        reference=reference,
    )
    return replace(row, state=PaymentState.CREDITED, batch_id=batch_id, error=""), new

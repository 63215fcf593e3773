"""Mails about facts of the ledger, queued by the handler in the transaction of the fact (docs/decisions/0008).

Who is told is read with the locks, so a mail costs a command no round trip of its own. Where no address is known, no
mail is queued: a customer without e-mail, a pool, a request by a program.
"""

import sqlalchemy as sa

from ledger.commands import Outcome
from ledger.context import Context, Read, Rows
from ledger.core.lifecycle import last_day
from ledger.core.policy import ACT_WORDS, Permission
from ledger.journal import AccountState
from ledger.models import account, customer
from ledger.outbox import NewMail, is_address, queue_mail
from ledger.receipt import NewBatch
from ledger.statements import Prepared

_CONTACT = Prepared(
    sa.select(customer.c.name, customer.c.email)
    .join(account, account.c.id == customer.c.account_id)
    .where(account.c.external_id == sa.bindparam("account"))
)


def contact_of(external_id: str) -> Read:
    """A read for `Context.load`: name and e-mail of the customer behind an account, no row for a pool."""
    return _CONTACT, {"account": external_id}


def tell_gift(
    context: Context,
    receiver: AccountState,
    *,
    sender: tuple[str, Rows],
    contact: Rows,
    message: str,
    batches: tuple[NewBatch, ...],
) -> None:
    """Tell the receiver of a gift; ``sender`` is the account that gave, and its contact."""
    if not contact or not contact[0][1]:
        return
    account_name, found = sender
    name, address = contact[0]
    variables = {
        "customer": name,
        "account": receiver.external_id,
        "sender": found[0][0] if found else account_name,
        "amount_micro": sum(one.amount_micro for one in batches),
        "message": message,
        "balance_micro": receiver.usable_micro(context.at),
        "batches": [
            {
                "credit_type": one.credit_type.value,
                "amount_micro": one.amount_micro,
                "last_day": _last_day(one, receiver),
                "label": "",
            }
            for one in batches
        ],
    }
    queue_mail(context, NewMail(f"gift:{context.transaction_id}", "gift_received", address, variables, receiver.id))


def tell_purchase(
    context: Context,
    state: AccountState,
    *,
    contact: Rows,
    batch: NewBatch,
    price_cents: int,
    currency: str,
    package: str,
    reference: str,
) -> None:
    """Send the customer a receipt of a payment that was booked."""
    if not contact or not contact[0][1]:
        return
    name, address = contact[0]
    variables = {
        "customer": name,
        "account": state.external_id,
        "amount_micro": batch.amount_micro,
        "price_cents": price_cents,
        "currency": currency,
        "package": package,
        "reference": reference,
        "paid_on": context.at.astimezone(state.zone).date().isoformat(),
        "last_day": _last_day(batch, state),
        "balance_micro": state.usable_micro(context.at),
        "transaction_id": context.transaction_id,
    }
    queue_mail(context, NewMail(f"receipt:{context.transaction_id}", "purchase_receipt", address, variables, state.id))


def tell_approvers(context: Context, approval_id: int, permission: Permission, outcome: Outcome) -> None:
    """Tell those who decide (setting APPROVERS_MAIL) about a request, except who asks."""
    variables = {
        "request_id": approval_id,
        "act": ACT_WORDS[permission],
        "amount_micro": outcome.weight_micro,
        "account": outcome.receipt.account or "",
        "requester": context.actor.id,
        "note": outcome.reason.note.strip(),
    }
    for address in context.rules.approvers:
        if address.casefold() != context.actor.id.casefold():
            queue_mail(context, NewMail(f"approval:{approval_id}:{address}", "approval_needed", address, variables))


def tell_requester(
    context: Context, approval_id: int, permission: Permission, *, requester: str, state: str, account: str, note: str
) -> None:
    """Tell who asked what another person decided. Programs and people at the command line have no address."""
    if not is_address(requester):
        return
    variables = {
        "request_id": approval_id,
        "act": ACT_WORDS[permission],
        "state": state,
        "account": account,
        "decided_by": context.actor.id,
        "note": note.strip(),
    }
    queue_mail(context, NewMail(f"approval:{approval_id}:decided", "approval_decided", requester, variables))


def _last_day(one: NewBatch, state: AccountState) -> str:
    return "" if one.expires_at is None else last_day(one.expires_at, state.zone).isoformat()

"""Money that a provider is to give back for us: how it is written down, and what is done when it could not be.

Source: docs/accounting.md, rule 19.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, Reason, effect, text_faults
from ledger.context import Context
from ledger.core.amounts import Money
from ledger.core.payments import Provider, RefundTo
from ledger.core.policy import Permission
from ledger.errors import Fault, NotAllowedNow, NotFound
from ledger.models import account, payment, provider_refund
from ledger.operations.sales import price_text
from ledger.statements import Prepared

_INSERT = Prepared(
    sa.insert(provider_refund)
    .inline()
    .values({c.name: sa.bindparam(c.name, type_=c.type) for c in provider_refund.c if c.name != "id"})
)
_NAMED = Prepared(
    sa.select(
        provider_refund.c.state,
        provider_refund.c.refund_id,
        provider_refund.c.payment_id,
        provider_refund.c.cents,
        provider_refund.c.currency,
        payment.c.provider,
        account.c.external_id,
    )
    .join(payment, payment.c.id == provider_refund.c.payment_id)
    .join(account, account.c.id == payment.c.account_id)
    .where(provider_refund.c.name == sa.bindparam("refund", type_=sa.Text))
)
_REPLACE = Prepared(
    sa.update(provider_refund)
    .where(provider_refund.c.name == sa.bindparam("refund", type_=sa.Text))
    .values(state="replaced", next_try_at=sa.null())
)


@dataclass(frozen=True, slots=True)
class RetryProviderRefund(Command):
    """Give money back once more that a provider could not give back; outside: somebody has done so by hand.

    ``refund`` is our name of it (ref_…). A new attempt has a name of its own, because a provider answers the same about
    the same name.
    """

    kind: ClassVar[str] = "retry_refund"
    permission: ClassVar[Permission] = Permission.MANAGE_PAYMENTS

    refund: str
    to: RefundTo
    reason: Reason

    def faults(self) -> list[Fault]:
        return text_faults("refund", self.refund, longest=60) + self.reason.faults()


def retry_refund(context: Context, command: RetryProviderRefund) -> Outcome:
    named = {"refund": command.refund}
    (found,) = context.work.fetch((_NAMED, named))
    if not found:
        raise NotFound(what="refund at a provider", id=command.refund)
    # Read again under the lock: somebody else may have retried it, or the provider may have thought better of it.
    state, (found,) = context.load(found[0][-1], (_NAMED, named))
    was, refund_id, payment_id, cents, currency, provider, _ = found[0]
    if was != "failed":
        raise NotAllowedNow(f"{command.refund} is {was}; only a refund that failed is given back another way.")
    refuse_no_balance(command.to, provider)
    before = Before.of(state, context.at)
    context.queue(_REPLACE, named)
    money = Money(cents, currency)
    if command.to is RefundTo.OUTSIDE:
        note = f"{price_text(money)} were given back by hand"
    else:
        queue_sending(
            context, payment_id=payment_id, refund_id=refund_id, to=command.to, cents=cents, currency=currency
        )
        note = sending_text(provider, command.to, money)
    receipt = effect(command.kind, state, context.at, before, money=money, notes=(note,))
    return Outcome(receipt, state.id, context.at, command.reason)


def queue_sending(
    context: Context, *, payment_id: int, refund_id: int | None, to: RefundTo, cents: int, currency: str
) -> str:
    """Write down money that a provider is to give back, for the job that asks it; answers our name of that.

    Of one key of a command there is one.
    """
    name = "ref_" + hashlib.sha256(f"{context.actor.id}|{context.key}".encode()).hexdigest()[:24]
    values = {
        "name": name,
        "refund_id": refund_id,
        "payment_id": payment_id,
        "sent_to": to.value,
        "cents": cents,
        "currency": currency,
        "state": "asked",
        "provider_ref": None,
        "tries": 0,
        "next_try_at": context.at,
        "error": "",
        "asked_at": context.at,
        "ended_at": None,
        "made_by_id": context.transaction_id,
    }
    context.queue(_INSERT, values)
    return name


def refuse_no_balance(to: RefundTo, provider: str) -> None:
    """Raise NotAllowedNow when money is to go to a balance that the provider does not keep."""
    if to is RefundTo.BALANCE and provider == Provider.POLAR.value:
        raise NotAllowedNow("Polar keeps no balance for its customers; choose the card, or give it back by hand.")


def sending_text(provider: str, to: RefundTo, money: Money) -> str:
    """Such as "Stripe gives back 11.90 EUR to the card"."""
    where = "to the card" if to is RefundTo.CARD else "to the customer's balance there"
    return f"{provider.capitalize()} gives back {price_text(money)} {where}"

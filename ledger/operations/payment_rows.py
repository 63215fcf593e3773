"""One payment under the lock of its account: read whole, changed as a value, written back."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from ledger.context import Context, Read, Rows
from ledger.core.agreement import Taken
from ledger.core.amounts import Money
from ledger.core.payments import PaymentState, Provider, Purpose
from ledger.errors import LedgerCorrupt, NotFound
from ledger.journal import AccountState
from ledger.models import account, package, payment
from ledger.statements import Prepared


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A row of the table payment; see ledger/models/money.py for what its fields mean."""

    id: int
    name: str
    account_id: int
    provider: Provider
    purpose: Purpose
    package_id: int | None
    quantity: int
    credits_micro: int
    price_cents: int
    currency: str
    created_at: datetime
    made_by_id: int
    # From here on what may change.
    state: PaymentState
    checkout_ref: str | None
    payment_ref: str | None
    customer_ref: str | None
    url: str
    ends_at: datetime | None
    paid_at: datetime | None
    total_cents: int | None
    tax_cents: int | None
    paid_currency: str | None
    error: str
    batch_id: int | None
    followed_at: datetime | None
    refunded_cents: int
    own_refunds_cents: int
    disputed_cents: int
    lost_cents: int
    taken_micro: int
    gone_micro: int
    claimed_micro: int
    compensated_micro: int
    hold_id: int | None

    @property
    def price(self) -> Money:
        """What was asked, without tax."""
        return Money(self.price_cents, self.currency)

    @property
    def paid(self) -> Money | None:
        """What the customer paid, with tax; None as long as nothing is."""
        if self.total_cents is None or self.paid_currency is None:
            return None
        return Money(self.total_cents, self.paid_currency)

    @property
    def cost(self) -> Money:
        """What was paid without tax: the cost basis of its credits. Raises LedgerCorrupt when nothing is paid."""
        if self.paid is None:
            raise LedgerCorrupt(place=f"payment {self.name}", detail="has no cost, for it was not paid")
        return Money(self.paid.cents - (self.tax_cents or 0), self.paid.currency)

    @property
    def taken(self) -> Taken:
        """What was clawed back so far."""
        return Taken(self.taken_micro, self.gone_micro, self.claimed_micro, self.compensated_micro)


_FIELDS = tuple(one.name for one in fields(PaymentRow))
_CHANGING = _FIELDS[_FIELDS.index("state") :]
_NAME = sa.bindparam("payment", type_=sa.Text)
# What never changes of a payment, and so can be read before the account is locked.
_OWNER = Prepared(
    sa.select(account.c.external_id, sa.func.coalesce(package.c.code, ""), sa.func.coalesce(package.c.label, ""))
    .select_from(
        payment.join(account, account.c.id == payment.c.account_id).outerjoin(
            package, package.c.id == payment.c.package_id
        )
    )
    .where(payment.c.name == _NAME)
)
_PAYMENT = Prepared(sa.select(*(payment.c[name] for name in _FIELDS)).where(payment.c.name == _NAME))
_CHANGE = Prepared(
    sa.update(payment)
    .where(payment.c.id == sa.bindparam("of_payment", type_=sa.BigInteger))
    .values({name: sa.bindparam(f"new_{name}", type_=payment.c[name].type) for name in _CHANGING})
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a payment is, and the package that it pays for; both empty without one."""

    account: str
    package: str
    package_label: str


def owner_of(context: Context, name: str) -> Owner:
    """Whose a payment is, read without a lock: it never changes. Raises NotFound."""
    (rows,) = context.work.fetch((_OWNER, {"payment": name}))
    if not rows:
        raise NotFound(what="payment", id=name)
    return Owner(*rows[0])


def load_payment(context: Context, name: str, *reads: Read) -> tuple[AccountState, PaymentRow, list[Rows]]:
    """Lock the account of a payment and read the payment with whatever else is asked. Raises NotFound."""
    return load_payment_of(context, owner_of(context, name).account, name, *reads)


def load_payment_of(
    context: Context, account_name: str, name: str, *reads: Read
) -> tuple[AccountState, PaymentRow, list[Rows]]:
    """As `load_payment`, for who knows the account."""
    state, (rows, *rest) = context.load(account_name, (_PAYMENT, {"payment": name}), *reads)
    values: dict[str, Any] = dict(zip(_FIELDS, rows[0], strict=True))
    for word, kind in (("provider", Provider), ("purpose", Purpose), ("state", PaymentState)):
        values[word] = kind(values[word])
    return state, PaymentRow(**values), rest


def change_payment(context: Context, row: PaymentRow) -> None:
    """Queue what has changed of a payment."""
    context.queue(_CHANGE, {"of_payment": row.id} | {f"new_{name}": getattr(row, name) for name in _CHANGING})

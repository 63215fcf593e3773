"""What every sale of a package is checked by, and the rows of payments, for all commands that begin or settle one."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from babel.numbers import get_currency_precision

from ledger.context import Context, Read, Rows
from ledger.core.amounts import Money
from ledger.core.packages import Package
from ledger.core.payments import PaymentState, Provider, Purpose
from ledger.errors import NotAllowedNow, NotFound
from ledger.journal import AccountState
from ledger.models import account, batch, package, payment, transaction
from ledger.statements import Prepared

# Written out as in the index that keeps a payment single, so that the planner may use it.
PAID_FOR = sa.text("credit_type = 'purchased' AND parent_id IS NULL")
SAME_REFERENCE = Prepared(sa.select(batch.c.id).where(PAID_FOR, batch.c.reference == sa.bindparam("reference")))
PACKAGE_COLUMNS = (
    package.c.id,
    package.c.code,
    package.c.label,
    package.c.price_list,
    package.c.credits_micro,
    package.c.price_cents,
    package.c.currency,
    package.c.per_customer_limit,
    package.c.effective_at,
    package.c.ends_at,
)
PACKAGE_VERSIONS = Prepared(
    sa.select(*PACKAGE_COLUMNS).where(package.c.code == sa.bindparam("package")).order_by(package.c.effective_at)
)
_reversal = transaction.alias("reversal")
_BOUGHT = Prepared(
    sa.select(
        sa.cast(
            # One payment may buy a package several times.
            sa.func.coalesce(sa.func.sum(sa.func.coalesce(batch.c.details["quantity"].as_integer(), 1)), 0),
            sa.BigInteger,
        )
    ).where(
        batch.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery(),
        PAID_FOR,
        batch.c.details["package"].as_string() == sa.bindparam("package"),
        # A purchase that was booked by mistake and reversed was none; a refunded one was.
        ~sa.exists().where(_reversal.c.reverses_id == batch.c.made_by_id),
    )
)
_INSERT_PAYMENT = Prepared(sa.insert(payment).inline())


@dataclass(frozen=True, slots=True)
class Sale:
    """What a payment is to pay for. ``price`` is for all of it, without tax; ``package_id`` None: no package."""

    provider: Provider
    purpose: Purpose
    credits_micro: int
    price: Money
    quantity: int = 1
    package_id: int | None = None
    saves_card: bool = False
    payment_ref: str | None = None

    @classmethod
    def of(cls, version: Package, quantity: int, *, provider: Provider, purpose: Purpose) -> "Sale":
        """So many of one package at its price."""
        price = Money(version.price.cents * quantity, version.price.currency)
        return cls(provider, purpose, version.credits_micro * quantity, price, quantity, version.id)


def package_reads(account_name: str, code: str) -> tuple[Read, Read]:
    """Reads for `Context.load`: all versions of a package, and how often that account bought it."""
    return (PACKAGE_VERSIONS, {"package": code}), (_BOUGHT, {"package": code, "account": account_name})


def package_of(row: tuple[Any, ...]) -> Package:
    """A package version from a row of `PACKAGE_COLUMNS`."""
    id_, code, label, price_list, credits_micro, cents, currency, limit, starts, ends = row
    return Package(id_, code, label, price_list, credits_micro, Money(cents, currency), limit, starts, ends)


def version_at(code: str, versions: Rows, at: datetime, *, instead: str) -> Package:
    """The version of a package that is for sale at an instant.

    Raises NotFound, and NotAllowedNow that says when it is or was for sale, and to choose another package ``instead``.
    """
    if not versions:
        raise NotFound(what="package", id=code)
    begun = [one for one in map(package_of, versions) if one.effective_at <= at]
    if not begun:
        raise NotAllowedNow(f"{code} is for sale from {instant_text(package_of(versions[0]).effective_at)} on.")
    version = begun[-1]
    if version.ends_at is not None and not version.is_for_sale(at):
        raise NotAllowedNow(f"{version.label} was for sale until {instant_text(version.ends_at)}; {instead}")
    return version


def refuse_beyond_limit(account_name: str, version: Package, bought: Rows, *, quantity: int = 1) -> None:
    """Raise NotAllowedNow when a customer may not buy a package so many times more."""
    before = bought[0][0]
    left = version.left_for(before)
    if left is not None and left < quantity:
        raise NotAllowedNow(
            f"{account_name} has bought {version.label} {times(before)} and may buy it "
            f"{times(version.per_customer_limit or 0)}; choose another package."
        )


def begin_payment(context: Context, state: AccountState, sale: Sale, *, payment_id: int) -> str:
    """Queue the row of a payment of a locked account in the state created; answers its name.

    The name comes from the key of the command: the same command under the same key names the same payment, whether the
    provider has heard of it or not. Of one key there is one payment.
    """
    name = "pay_" + hashlib.sha256(f"{context.actor.id}|{context.key}".encode()).hexdigest()[:24]
    nothing_yet = ("refunded_cents", "own_refunds_cents", "disputed_cents", "lost_cents")
    nothing_taken = ("taken_micro", "claimed_micro", "gone_micro", "compensated_micro")
    later = (
        "checkout_ref",
        "customer_ref",
        "ends_at",
        "paid_at",
        "total_cents",
        "tax_cents",
        "paid_currency",
        "asked_at",
    )
    context.queue(
        _INSERT_PAYMENT,
        {
            "id": payment_id,
            "name": name,
            "account_id": state.id,
            "provider": sale.provider.value,
            "purpose": sale.purpose.value,
            "package_id": sale.package_id,
            "quantity": sale.quantity,
            "credits_micro": sale.credits_micro,
            "price_cents": sale.price.cents,
            "currency": sale.price.currency,
            "state": PaymentState.CREATED.value,
            "payment_ref": sale.payment_ref,
            "url": "",
            "saves_card": sale.saves_card,
            "created_at": context.at,
            "error": "",
            "batch_id": None,
            "followed_at": None,
            "hold_id": None,
            "made_by_id": context.transaction_id,
            **dict.fromkeys(later),
            **dict.fromkeys(nothing_yet + nothing_taken, 0),
        },
    )
    return name


def times(count: int) -> str:
    """Such as "once" or "3 times"."""
    return "once" if count == 1 else f"{count} times"


def price_text(price: Money) -> str:
    """Such as "99.00 EUR"."""
    return f"{Decimal(price.cents).scaleb(-get_currency_precision(price.currency))} {price.currency}"


def instant_text(at: datetime) -> str:
    """Such as "2026-03-10 12:00 UTC"."""
    return f"{at:%Y-%m-%d %H:%M} UTC"

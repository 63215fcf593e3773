"""Opening and changing accounts: what has to be there before credits can move."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar
from zoneinfo import available_timezones

import sqlalchemy as sa

from ledger.commands import Before, Command, Outcome, details_faults, effect, text_faults
from ledger.context import Context, Read, Rows
from ledger.core.policy import Permission
from ledger.core.records import AccountKind, AccountType
from ledger.errors import Fault, InvalidCommand
from ledger.models import account, customer
from ledger.receipt import Receipt
from ledger.statements import Prepared

_ACCOUNT_NAMED = Prepared(sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")))
_INSERT_ACCOUNT = Prepared(sa.insert(account).inline())
_INSERT_CUSTOMER = Prepared(sa.insert(customer).inline())
_CUSTOMER = Prepared(
    sa.select(
        customer.c.name,
        customer.c.email,
        customer.c.account_type,
        customer.c.tier,
        customer.c.owner,
        customer.c.stripe_id,
        customer.c.details,
    ).where(
        customer.c.account_id
        == sa.select(account.c.id).where(account.c.external_id == sa.bindparam("account")).scalar_subquery()
    )
)
# The other customer behind a payment provider's id.
_PAYER = Prepared(
    sa.select(account.c.external_id)
    .join(customer, customer.c.account_id == account.c.id)
    .where(
        customer.c.stripe_id == sa.bindparam("stripe_id", type_=sa.Text),
        account.c.external_id != sa.bindparam("account"),
    )
)
_CHANGE_CUSTOMER = Prepared(
    sa.update(customer)
    .where(customer.c.account_id == sa.bindparam("id", type_=sa.BigInteger))
    .values(
        name=sa.bindparam("new_name"),
        email=sa.bindparam("new_email"),
        account_type=sa.bindparam("new_account_type"),
        tier=sa.bindparam("new_tier"),
        owner=sa.bindparam("new_owner"),
        stripe_id=sa.bindparam("new_stripe_id"),
        details=sa.bindparam("new_details", type_=customer.c.details.type),
    )
)
_TOUCH_ACCOUNT = Prepared(
    sa.update(account)
    .where(account.c.id == sa.bindparam("account_id", type_=sa.BigInteger))
    .values(
        version=account.c.version + 1,
        organisation=sa.func.coalesce(sa.bindparam("new_organisation", type_=sa.Text), account.c.organisation),
    )
)


@dataclass(frozen=True, slots=True)
class OpenAccount(Command):
    """Open an account for a customer. ``account`` is the id by which everybody names it from then on."""

    kind: ClassVar[str] = "open_account"
    permission: ClassVar[Permission] = Permission.MANAGE_CUSTOMERS

    account: str
    name: str
    email: str = ""
    zone: str = "UTC"
    account_type: AccountType = AccountType.PREPAID
    tier: str = ""
    owner: str = ""
    stripe_id: str | None = None
    # Accounts of one organisation may move credits among each other.
    organisation: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account, longest=120) + text_faults("name", self.name)
        if self.account != self.account.strip():
            found.append(Fault("account", "must not begin or end with a space"))
        return found + _profile_faults(self) + _zone_faults(self.zone)


@dataclass(frozen=True, slots=True)
class ChangeCustomer(Command):
    """Change what is known about a customer; fields left at None stay as they are."""

    kind: ClassVar[str] = "change_customer"
    permission: ClassVar[Permission] = Permission.MANAGE_CUSTOMERS

    account: str
    name: str | None = None
    email: str | None = None
    account_type: AccountType | None = None
    tier: str | None = None
    owner: str | None = None
    stripe_id: str | None = None
    organisation: str | None = None
    details: dict[str, Any] | None = None

    def faults(self) -> list[Fault]:
        found = text_faults("account", self.account) + _profile_faults(self)
        return found + ([] if self.name is None else text_faults("name", self.name))


def open_account(context: Context, command: OpenAccount) -> Outcome:
    add_account(context, command)
    # No account id on the transaction row: nothing has happened to the account yet.
    return Outcome(Receipt(command.kind, command.account, context.at), None, context.at)


def add_account(
    context: Context, command: OpenAccount, *reads: Read, kind: AccountKind = AccountKind.CUSTOMER
) -> tuple[int, list[Rows]]:
    """Queue the rows of a new account ahead of the transaction; answers its id and the rows of the given reads.

    Raises InvalidCommand when the account exists already, or another customer has that payment provider's id.
    """
    work = context.work
    same, known_payer, next_id, *rest = context.begin(
        (_ACCOUNT_NAMED, {"account": command.account}),
        (_PAYER, {"account": command.account, "stripe_id": command.stripe_id}),
        work.next_ids(account),
        *reads,
    )
    if same:
        raise InvalidCommand([Fault("account", f"{command.account!r} exists already; choose another id")])
    _refuse_second_payer(command, known_payer)
    id_ = work.ids_of(next_id)[0]
    context.queue_ahead(
        _INSERT_ACCOUNT,
        {
            "id": id_,
            "external_id": command.account,
            "kind": kind.value,
            "zone": command.zone,
            "available_micro": 0,
            "held_micro": 0,
            "owed_micro": 0,
            "overdraft_limit_micro": 0,
            "claimed_micro": 0,
            "overdraft_until": None,
            "organisation": command.organisation.strip(),
            "version": 1,
            "opened_at": context.at,
        },
    )
    context.queue_ahead(
        _INSERT_CUSTOMER,
        {
            "account_id": id_,
            "name": command.name.strip(),
            "email": command.email.strip(),
            "account_type": command.account_type.value,
            "tier": command.tier.strip(),
            "owner": command.owner.strip(),
            "stripe_id": command.stripe_id,
            "details": command.details,
        },
    )
    return id_, rest


def change_customer(context: Context, command: ChangeCustomer) -> Outcome:
    state, (rows, known_payer) = context.load(
        command.account,
        (_CUSTOMER, {"account": command.account}),
        (_PAYER, {"account": command.account, "stripe_id": command.stripe_id}),
    )
    _refuse_second_payer(command, known_payer)
    names = ("name", "email", "account_type", "tier", "owner", "stripe_id", "details")
    values: dict[str, Any] = {"id": state.id}
    for name, old in zip(names, rows[0], strict=True):
        new = getattr(command, name)
        values[f"new_{name}"] = old if new is None else _as_stored(new)
    context.queue(_CHANGE_CUSTOMER, values)
    organisation = None if command.organisation is None else command.organisation.strip()
    context.queue(_TOUCH_ACCOUNT, {"account_id": state.id, "new_organisation": organisation})
    before = Before.of(state, context.at)
    receipt = effect(command.kind, state, context.at, before)
    return Outcome(receipt, state.id, context.at)


def _as_stored(value: Any) -> Any:
    if isinstance(value, AccountType):
        return value.value
    return value.strip() if isinstance(value, str) else value


def _refuse_second_payer(command: OpenAccount | ChangeCustomer, known: list[tuple[Any, ...]]) -> None:
    if known:
        raise InvalidCommand([Fault("stripe_id", f"{command.stripe_id!r} belongs to the customer {known[0][0]!r}")])


def _profile_faults(command: OpenAccount | ChangeCustomer) -> list[Fault]:
    found = []
    for name in ("email", "tier", "owner", "stripe_id", "organisation"):
        found += text_faults(name, getattr(command, name) or "", required=False)
    if command.email and "@" not in command.email:
        found.append(Fault("email", f"{command.email!r} is not an e-mail address"))
    return found + details_faults(command.details)


def _zone_faults(zone: str) -> list[Fault]:
    if zone not in _zones():
        return [Fault("zone", f"{zone!r} is not a time zone; use a name such as Europe/Berlin")]
    return []


@cache
def _zones() -> frozenset[str]:
    # Walks a folder tree: once is enough.
    return frozenset(available_timezones())

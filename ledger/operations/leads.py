"""Leads: people who try the product with free credits before they become customers."""

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ledger.commands import Command, Outcome, Reason
from ledger.context import Context
from ledger.core.plans import LEAD_CREDITS_MICRO
from ledger.core.policy import Permission
from ledger.core.records import AccountType, CreditType
from ledger.errors import Fault, NotAllowedNow
from ledger.journal import AccountState, BatchTerms
from ledger.models import account, batch, customer
from ledger.operations.grants import put_on_shelf, validity
from ledger.operations.setup import ChangeCustomer, OpenAccount, add_account, change_customer
from ledger.statements import Prepared

_ACCOUNT_TYPE = Prepared(
    sa.select(customer.c.account_type)
    .join(account, account.c.id == customer.c.account_id)
    .where(account.c.external_id == sa.bindparam("account"))
)


@dataclass(frozen=True, slots=True)
class OpenLead(Command):
    """Open an account for somebody who tries the product, with the free credits that every lead gets."""

    kind: ClassVar[str] = "open_lead"
    permission: ClassVar[Permission] = Permission.MANAGE_CUSTOMERS

    account: str
    name: str
    email: str = ""
    zone: str = "UTC"
    owner: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def faults(self) -> list[Fault]:
        return _opening(self).faults()


@dataclass(frozen=True, slots=True)
class ConvertLead(Command):
    """Make a lead a customer: the same account with its credits and history; fields left at None stay as they are."""

    kind: ClassVar[str] = "convert_lead"
    permission: ClassVar[Permission] = Permission.MANAGE_CUSTOMERS

    account: str
    account_type: AccountType = AccountType.PREPAID
    name: str | None = None
    email: str | None = None
    tier: str | None = None
    owner: str | None = None
    stripe_id: str | None = None
    organisation: str | None = None

    def faults(self) -> list[Fault]:
        found = _changing(self).faults()
        if self.account_type is AccountType.LEAD:
            found.append(Fault("account_type", "a customer is prepaid, hybrid or on a subscription"))
        return found


def open_lead(context: Context, command: OpenLead) -> Outcome:
    id_, (ids,) = add_account(context, _opening(command), context.work.next_ids(batch))
    state = AccountState(id_, command.account, ZoneInfo(command.zone), 0, 0)
    starts, ends = validity(context, state, CreditType.PROMOTIONAL, effective_at=None, expires_on=None)
    terms = BatchTerms(CreditType.PROMOTIONAL, context.at, starts, ends, source="lead")
    reason = Reason("lead", "Free credits of a new lead")
    batch_id = context.work.ids_of(ids)[0]
    return put_on_shelf(context, state, batch_id, command.kind, LEAD_CREDITS_MICRO, terms, reason)


def convert_lead(context: Context, command: ConvertLead) -> Outcome:
    _, (rows,) = context.load(command.account, (_ACCOUNT_TYPE, {"account": command.account}))
    if not rows or rows[0][0] != AccountType.LEAD:
        raise NotAllowedNow(f"{command.account} is no lead; change the customer instead.")
    changed = change_customer(context, _changing(command))
    return replace(changed, receipt=replace(changed.receipt, kind=command.kind))


def _opening(command: OpenLead) -> OpenAccount:
    return OpenAccount(
        command.account,
        command.name,
        email=command.email,
        zone=command.zone,
        account_type=AccountType.LEAD,
        owner=command.owner,
        details=command.details,
    )


def _changing(command: ConvertLead) -> ChangeCustomer:
    return ChangeCustomer(
        command.account,
        name=command.name,
        email=command.email,
        account_type=command.account_type,
        tier=command.tier,
        owner=command.owner,
        stripe_id=command.stripe_id,
        organisation=command.organisation,
    )

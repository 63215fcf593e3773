"""Customers of a provider beside ours: who is linked, who seems to be the same, and who can be taken over.

Stripe's name of a customer is kept with ours (`ChangeCustomer(stripe_id=…)`). The other providers keep our name of the
account instead, so that there the link is made on their side.
"""

from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from ledger.core.payments import Provider
from ledger.core.policy import Actor, Permission
from ledger.errors import NotAllowedNow, NotFound
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.provider import ProviderCustomer
from ledger.models import account, customer
from ledger.operations.setup import ChangeCustomer, OpenAccount
from ledger.receipt import Receipt


class Match(StrEnum):
    """How a provider's customer and one of ours belong together."""

    LINKED = "linked"
    # Their metadata names our account.
    METADATA = "metadata"
    # Both have the same e-mail address, and nobody else has.
    EMAIL = "email"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """One customer of a provider; ``account`` is ours that it is, or seems to be, None: nobody's."""

    theirs: ProviderCustomer
    match: Match
    account: str | None = None

    @property
    def suggested_id(self) -> str:
        """The id of a new account for it."""
        return self.theirs.account or self.theirs.ref


def provider_customers(ledger: Ledger, provider: Provider, *, actor: Actor) -> list[ProviderLink]:
    """All customers of a provider with ours beside them; those that are linked last, else by name.

    Raises NotPermitted, ProviderNotSetUp, ProviderUnavailable, ProviderRefused.
    """
    ledger.require(actor, Permission.MANAGE_CUSTOMERS)
    theirs = list(registry.gateway(ledger, provider).customers())
    ours = _ours(ledger)
    found = [_match(one, ours, provider) for one in theirs]
    return sorted(found, key=lambda one: (one.match is Match.LINKED, one.theirs.name.casefold(), one.theirs.ref))


def link_command(provider: Provider, ref: str, account_name: str) -> ChangeCustomer:
    """What links a provider's customer to one of ours. Raises NotAllowedNow where the link is made on their side."""
    if provider is not Provider.STRIPE:
        raise NotAllowedNow(
            f"{provider.value.capitalize()} knows customers by our ids: set {account_name!r} there as the external id "
            "of that customer."
        )
    return ChangeCustomer(account_name, stripe_id=ref)


def import_command(provider: Provider, theirs: ProviderCustomer, account_name: str) -> OpenAccount:
    """What takes a provider's customer over as a new one of ours."""
    return OpenAccount(
        account_name,
        theirs.name or theirs.email or account_name,
        theirs.email,
        stripe_id=theirs.ref if provider is Provider.STRIPE else None,
    )


def link_customer(
    ledger: Ledger, provider: Provider, ref: str, account_name: str, *, actor: Actor, key: str
) -> Receipt:
    """Link one customer of a provider to one of ours; it has to exist there. Raises NotFound, NotAllowedNow."""
    theirs = _existing(ledger, provider, ref, actor)
    return ledger.execute(link_command(provider, theirs.ref, account_name), actor=actor, key=key)


def import_customer(
    ledger: Ledger, provider: Provider, ref: str, *, actor: Actor, key: str, account_name: str | None = None
) -> Receipt:
    """Take one customer of a provider over as a new one of ours, under its own id unless another is given.

    Raises NotFound, InvalidCommand when that id, or the link, is taken.
    """
    theirs = _existing(ledger, provider, ref, actor)
    name = account_name or theirs.account or theirs.ref
    return ledger.execute(import_command(provider, theirs, name), actor=actor, key=key)


def _existing(ledger: Ledger, provider: Provider, ref: str, actor: Actor) -> ProviderCustomer:
    ledger.require(actor, Permission.MANAGE_CUSTOMERS)
    found = registry.gateway(ledger, provider).customer(ref)
    if found is None or found.is_deleted:
        raise NotFound(what=f"customer at {provider.value}", id=ref)
    return found


@dataclass(frozen=True, slots=True)
class _Ours:
    """Our customers by what a provider may know of them."""

    accounts: frozenset[str]
    by_link: dict[str, str]
    # Of addresses that one customer alone has.
    by_email: dict[str, str]


def _ours(ledger: Ledger) -> _Ours:
    statement = sa.select(account.c.external_id, customer.c.email, customer.c.stripe_id).join(
        customer, customer.c.account_id == account.c.id
    )
    with ledger.database.reading() as connection:
        rows = connection.execute(statement.order_by(account.c.id)).all()
    mails: dict[str, list[str]] = {}
    for row in rows:
        if row.email:
            mails.setdefault(row.email.strip().casefold(), []).append(row.external_id)
    return _Ours(
        frozenset(row.external_id for row in rows),
        {row.stripe_id: row.external_id for row in rows if row.stripe_id},
        {mail: names[0] for mail, names in mails.items() if len(names) == 1},
    )


def _match(theirs: ProviderCustomer, ours: _Ours, provider: Provider) -> ProviderLink:
    named = theirs.account if theirs.account in ours.accounts else None
    if provider is Provider.STRIPE and theirs.ref in ours.by_link:
        return ProviderLink(theirs, Match.LINKED, ours.by_link[theirs.ref])
    if named is not None:
        # Where they keep our name, that is the link.
        return ProviderLink(theirs, Match.METADATA if provider is Provider.STRIPE else Match.LINKED, named)
    alike = ours.by_email.get(theirs.email.strip().casefold()) if theirs.email else None
    if alike is not None:
        return ProviderLink(theirs, Match.EMAIL, alike)
    return ProviderLink(theirs, Match.NONE)

"""What a provider tells of a customer: the card that it keeps is followed; the contact stays ours and is compared."""

from dataclasses import dataclass

import sqlalchemy as sa

from ledger.core.payments import Provider
from ledger.database import answering
from ledger.facade import Ledger
from ledger.gateways.provider import Gateway, ProviderCustomer
from ledger.models import account, customer, saved_card


@dataclass(frozen=True, slots=True)
class Followed:
    """What was found and done, in words; ``account_id`` None: nobody here is that customer."""

    words: str
    account_id: int | None = None


def follow_customer(ledger: Ledger, gateway: Gateway, ref: str) -> Followed:
    """Ask a provider about one of its customers, and keep what it says of the saved card.

    Raises ProviderUnavailable, ProviderRefused.
    """
    provider = gateway.provider
    found = gateway.customer(ref)
    known = _known(ledger, provider, ref, found)
    if known is None:
        return Followed(f"Nobody here is the customer {ref}.")
    account_id, email = known
    if found is None or found.is_deleted:
        count = _forget_cards(ledger, provider, ref)
        more = " Its saved card is forgotten." if count else ""
        return Followed(f"The customer {ref} was deleted at the provider.{more}", account_id)
    notes = []
    if found.card is not None and _keep_card(ledger, provider, found):
        notes.append(f"The saved card is now {found.card.words}.")
    if found.email and found.email.strip().casefold() != email.strip().casefold():
        notes.append(f"The provider writes to {found.email}, we write to {email or 'nobody'}; ours stays as it is.")
    return Followed(" ".join(notes) or "Nothing that concerns us has changed.", account_id)


def _known(ledger: Ledger, provider: Provider, ref: str, found: ProviderCustomer | None) -> tuple[int, str] | None:
    """Our account and its e-mail: by our link, by the saved card, or by the name that we gave the provider."""
    by_card = sa.select(saved_card.c.account_id).where(
        saved_card.c.provider == provider.value, saved_card.c.customer_ref == ref
    )
    ways: list[sa.ColumnElement[bool]] = [customer.c.account_id.in_(by_card)]
    if provider is Provider.STRIPE:
        ways.insert(0, customer.c.stripe_id == ref)
    if found is not None and found.account:
        ways.append(account.c.external_id == found.account)
    for condition in ways:
        statement = (
            sa.select(customer.c.account_id, customer.c.email)
            .join(account, account.c.id == customer.c.account_id)
            .where(condition)
            .limit(1)
        )
        with ledger.database.reading() as connection:
            row = connection.execute(statement).one_or_none()
        if row is not None:
            return row.account_id, row.email
    return None


def _forget_cards(ledger: Ledger, provider: Provider, ref: str) -> int:
    gone = sa.delete(saved_card).where(saved_card.c.provider == provider.value, saved_card.c.customer_ref == ref)
    with answering(), ledger.database.engine.begin() as connection:
        return connection.execute(gone).rowcount


def _keep_card(ledger: Ledger, provider: Provider, found: ProviderCustomer) -> bool:
    """Note another card in place of the one we know; a first one comes with the payment that saved it."""
    assert found.card is not None
    change = (
        sa.update(saved_card)
        .where(
            saved_card.c.provider == provider.value,
            saved_card.c.customer_ref == found.ref,
            sa.or_(saved_card.c.card_ref != found.card.ref, saved_card.c.words != found.card.words),
        )
        .values(card_ref=found.card.ref, words=found.card.words, noted_at=ledger.clock.now())
    )
    with answering(), ledger.database.engine.begin() as connection:
        return bool(connection.execute(change).rowcount)

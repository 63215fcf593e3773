"""What a customer of ours is called at a provider, from what is known here without asking it."""

from collections.abc import Mapping

import sqlalchemy as sa

from ledger.core.payments import Provider
from ledger.facade import Ledger
from ledger.models import account, customer, payment, saved_card, subscription


def customer_ref(ledger: Ledger, account_name: str, provider: Provider) -> str | None:
    """The provider's name of a customer; None when it has none that we know of."""
    return customer_refs(ledger, provider, account_name).get(account_name)


def customer_refs(ledger: Ledger, provider: Provider, account_name: str | None = None) -> Mapping[str, str]:
    """The provider's names of all customers that have one, or of one, by our names.

    By the link that people made, else by the subscription, the saved card, the newest payment, in this order.
    """
    paid = (
        sa.select(payment.c.account_id, sa.func.max(payment.c.id).label("id"))
        .where(payment.c.provider == provider.value, payment.c.customer_ref.is_not(None))
        .group_by(payment.c.account_id)
        .subquery()
    )
    ways = [
        sa.select(payment.c.account_id, payment.c.customer_ref.label("ref")).join(paid, paid.c.id == payment.c.id),
        sa.select(saved_card.c.account_id, saved_card.c.customer_ref).where(saved_card.c.provider == provider.value),
        sa.select(subscription.c.account_id, subscription.c.customer_ref).where(
            subscription.c.provider == provider.value, subscription.c.customer_ref.is_not(None)
        ),
    ]
    if provider is Provider.STRIPE:
        ways.append(sa.select(customer.c.account_id, customer.c.stripe_id).where(customer.c.stripe_id.is_not(None)))
    found: dict[str, str] = {}
    with ledger.database.reading() as connection:
        for way in ways:
            known = way.subquery()
            rows = sa.select(account.c.external_id, list(known.c)[1]).join(known, known.c.account_id == account.c.id)
            if account_name is not None:
                rows = rows.where(account.c.external_id == account_name)
            found |= {row[0]: row[1] for row in connection.execute(rows)}
    return found

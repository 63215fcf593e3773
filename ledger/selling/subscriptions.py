"""Subscriptions of a provider: each is asked for whole, with all its invoices, and followed by one command.

An event is a hint (docs/decisions/0009): what it is about is asked anew, so events may come late, twice, in any order,
or not at all; once a day every subscription is asked for without one.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import sqlalchemy as sa

from ledger.core.payments import Provider
from ledger.core.policy import SYSTEM
from ledger.digest import digest_of
from ledger.errors import LedgerError, NotFound
from ledger.facade import Ledger
from ledger.gateways import registry
from ledger.gateways.billing import Billing, SubscriptionFacts
from ledger.models import account, billed_invoice, customer, saved_card, subscription
from ledger.operations.billed_plans import OVER, FollowSubscription
from ledger.queries.billing import plan_prices
from ledger.receipt import Receipt

# A subscription that ended is asked for so much longer, because its last invoice may still be paid.
AFTERWARDS = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a subscription or an invoice that was asked for, in words.

    ``account`` is None when nobody here is meant; ``receipt`` is None when nothing was to be booked.
    """

    words: str
    account: str | None = None
    receipt: Receipt | None = None

    @property
    def is_matched(self) -> bool:
        """Whether somebody here is meant."""
        return self.account is not None


def follow_subscription(ledger: Ledger, provider: Provider, ref: str) -> Followed:
    """Ask for a subscription with its invoices and book what has changed.

    Raises: ProviderUnavailable and ProviderNotSetUp (ask again later), NotFound when the provider knows none of that
    name, NotAllowedNow when its price stands for no plan or another subscription bills the customer.
    """
    billing = registry.billing(ledger, provider)
    facts = billing.subscription(ref)
    if facts is None:
        raise NotFound(what=f"subscription at {provider}", id=ref)
    name = account_of(ledger, provider, facts, billing)
    if name is None:
        return Followed(f"subscription {ref} is of the customer {facts.customer_ref}, who is nobody here")
    invoices = tuple(replace(one, raw={}) for one in billing.invoices(ref))
    command = FollowSubscription(name, provider, replace(facts, raw={}), invoices)
    # The same answer is followed once; what it says has the time in it at which it was given.
    key = f"follow:{provider}:{digest_of(command)}"
    receipt = ledger.execute(command, actor=SYSTEM, key=key)
    if receipt.transaction_id is None:
        return Followed(f"subscription {ref} of {name}: nothing has changed", name)
    return Followed(f"subscription {ref} of {name} is followed", name, receipt)


def follow_invoice(ledger: Ledger, provider: Provider, ref: str) -> Followed:
    """Ask for an invoice and follow the subscription that it is of; raises as `follow_subscription` does."""
    invoice = registry.billing(ledger, provider).invoice(ref)
    if invoice is None:
        raise NotFound(what=f"invoice at {provider}", id=ref)
    if invoice.subscription_ref is None:
        return Followed(f"invoice {ref} is of no subscription, so it pays for no plan")
    return follow_subscription(ledger, provider, invoice.subscription_ref)


def follow_billed(ledger: Ledger) -> dict[str, int]:
    """Ask for every subscription that bills a plan here; answers how many were followed and how many refused.

    One that cannot be followed does not keep the others waiting; it is asked for again the next time.
    """
    since = ledger.clock.now() - AFTERWARDS
    wanted = sa.select(subscription.c.provider, subscription.c.provider_ref).where(
        subscription.c.provider_ref.is_not(None),
        sa.or_(subscription.c.state != "ended", subscription.c.ended_at > since),
    )
    with ledger.database.reading() as connection:
        found = connection.execute(wanted.order_by(subscription.c.account_id)).all()
    counts = {"followed": 0, "refused": 0}
    for row in found:
        try:
            follow_subscription(ledger, Provider(row.provider), row.provider_ref)
        except LedgerError:
            counts["refused"] += 1
        else:
            counts["followed"] += 1
    return counts


@dataclass(frozen=True, slots=True)
class Found:
    """A subscription at a provider and what it would mean here, before anything is followed.

    ``account`` and ``plan`` are None where nobody, or no plan, here is meant.
    """

    ref: str
    customer_ref: str
    status: str
    price_ref: str
    account: str | None
    plan: str | None

    @property
    def can_be_followed(self) -> bool:
        """Whether it runs, and both its customer and its plan are known."""
        return self.status not in OVER and self.account is not None and self.plan is not None


def find_subscriptions(ledger: Ledger, provider: Provider) -> list[Found]:
    """All subscriptions of a provider with what they mean here; nothing is changed.

    Raises ProviderUnavailable, ProviderRefused, ProviderNotSetUp.
    """
    billing = registry.billing(ledger, provider)
    with ledger.database.reading() as connection:
        plans = {row.price_ref: row.plan_code for row in connection.execute(plan_prices()) if row.provider == provider}
    return [
        Found(
            facts.ref,
            facts.customer_ref,
            facts.status,
            facts.price_ref,
            account_of(ledger, provider, facts, billing),
            plans.get(facts.price_ref),
        )
        for facts in billing.subscriptions()
    ]


def account_of(ledger: Ledger, provider: Provider, facts: SubscriptionFacts, billing: Billing) -> str | None:
    """Which of our accounts a subscription is of: the one whose plan it bills already, else by its metadata, by the
    customer linked here, or by that one's metadata.

    None when nobody here is meant.
    """
    named = _billed(ledger, facts.ref) or _named(ledger, facts.account) or _linked(ledger, provider, facts.customer_ref)
    if named is not None:
        return named
    known = billing.customer(facts.customer_ref)
    return None if known is None else _named(ledger, known.account)


def plan_payment(ledger: Ledger, provider: Provider, payment_ref: str) -> tuple[str, str] | None:
    """Account and invoice of a provider's payment that paid for a plan; None when it did not, or is not followed yet.

    Such a payment is no sale of credits: a message about it is of no consequence.
    """
    wanted = (
        sa.select(account.c.external_id, billed_invoice.c.ref)
        .join(account, account.c.id == billed_invoice.c.account_id)
        .where(billed_invoice.c.provider == provider.value, billed_invoice.c.payment_ref == payment_ref)
    )
    with ledger.database.reading() as connection:
        found = connection.execute(wanted).first()
    return None if found is None else (found.external_id, found.ref)


def _billed(ledger: Ledger, ref: str) -> str | None:
    wanted = (
        sa.select(account.c.external_id)
        .join(subscription, subscription.c.account_id == account.c.id)
        .where(subscription.c.provider_ref == ref)
    )
    with ledger.database.reading() as connection:
        return connection.execute(wanted).scalar_one_or_none()


def _named(ledger: Ledger, name: str | None) -> str | None:
    if not name:
        return None
    wanted = (
        sa.select(account.c.external_id)
        .join(customer, customer.c.account_id == account.c.id)
        .where(account.c.external_id == name)
    )
    with ledger.database.reading() as connection:
        return connection.execute(wanted).scalar_one_or_none()


def _linked(ledger: Ledger, provider: Provider, customer_ref: str) -> str | None:
    by_card = sa.select(saved_card.c.account_id).where(
        saved_card.c.provider == provider.value, saved_card.c.customer_ref == customer_ref
    )
    by_plan = sa.select(subscription.c.account_id).where(
        subscription.c.provider == provider.value, subscription.c.customer_ref == customer_ref
    )
    means: list[sa.ColumnElement[bool]] = [customer.c.account_id.in_(by_plan), customer.c.account_id.in_(by_card)]
    if provider is Provider.STRIPE:
        means.insert(0, customer.c.stripe_id == customer_ref)
    wanted = sa.select(account.c.external_id).join(customer, customer.c.account_id == account.c.id)
    with ledger.database.reading() as connection:
        return connection.execute(wanted.where(sa.or_(*means)).order_by(account.c.id)).scalars().first()

"""What the mock provider keeps, in the words of the seam."""

from datetime import datetime
from typing import Any

from ledger.core.amounts import Money
from ledger.core.payments import Provider
from ledger.gateways.mock_store import Document, Turn, new_ref
from ledger.gateways.provider import (
    Card,
    DisputeFacts,
    Offer,
    PaymentFacts,
    Product,
    Progress,
    ProviderCustomer,
    RefundFacts,
)


def payment_facts(turn: Turn, known: Document, *, at: datetime, page_url: str) -> PaymentFacts:
    """A payment as it stands; ``page_url`` is where the provider has its pages."""
    progress = Progress(known["progress"])
    customer = turn.get("customer", known["customer"])
    card = turn.get("card", customer["card"]) if customer and customer["card"] else None
    return PaymentFacts(
        Provider.MOCK,
        progress,
        at,
        instant(known["created_at"]),
        Money(known["cents"], known["currency"]),
        payment_ref=known["ref"],
        checkout_ref=known["checkout_ref"],
        payment=known["payment"],
        account=known["account"],
        customer_ref=known["customer"],
        package=known["offer"]["package"],
        quantity=known["offer"]["quantity"],
        paid_at=instant(known["paid_at"]) if known["paid_at"] else None,
        failure=known["failure"].replace("_", " "),
        failure_code=known["failure"],
        action_url=f"{page_url}/confirm/{known['ref']}" if progress is Progress.NEEDS_ACTION else "",
        refunds=tuple(map(refund_of, known["refunds"])),
        disputes=tuple(
            DisputeFacts(one["ref"], one["cents"], one["state"], one["reason"], instant(one["at"]))
            for one in known["disputes"]
        ),
        card=Card(card["ref"], card["words"]) if card else None,
        raw=known,
    )


def unpaid_facts(checkout: Document, *, at: datetime) -> PaymentFacts:
    """A checkout that nobody has paid."""
    return PaymentFacts(
        Provider.MOCK,
        Progress.EXPIRED if checkout["state"] == "expired" else Progress.OPEN,
        at,
        instant(checkout["created_at"]),
        Money(checkout["offer"]["cents"], checkout["offer"]["currency"]),
        checkout_ref=checkout["ref"],
        payment=checkout["payment"],
        account=checkout["account"],
        customer_ref=checkout["customer"],
        package=checkout["offer"]["package"],
        quantity=checkout["offer"]["quantity"],
        raw=checkout,
    )


def offer_of(offer: Offer) -> Document:
    """An offer as the provider keeps it."""
    return {
        "package": offer.package,
        "label": offer.label,
        "credits_micro": offer.credits_micro,
        "quantity": offer.quantity,
        "cents": offer.price.cents,
        "currency": offer.price.currency,
    }


def new_customer(account: str, name: str, email: str) -> Document:
    """A customer for one of our accounts, with no card yet."""
    return {
        "ref": new_ref("cus"),
        "account": account,
        "name": name,
        "email": email,
        "card": None,
        "is_deleted": False,
    }


def customer_of(turn: Turn, known: Document) -> ProviderCustomer:
    """A customer as it stands."""
    card = turn.get("card", known["card"]) if known["card"] else None
    return ProviderCustomer(
        known["ref"],
        known["name"],
        known["email"],
        known["account"],
        is_deleted=known["is_deleted"],
        card=Card(card["ref"], card["words"]) if card else None,
        raw=known,
    )


def product_of(known: Document) -> Product:
    """A product as it stands."""
    return Product(
        known["package"],
        known["label"],
        Money(known["cents"], known["currency"]),
        known["credits"],
        is_active=known["is_active"],
        product_ref=known["ref"],
        price_ref=known["price_ref"],
        metadata=known["metadata"],
    )


def refund_of(made: Document) -> RefundFacts:
    """A refund as it stands."""
    return RefundFacts(made["ref"], made["cents"], made["state"], instant(made["at"]), made["ours"])


def instant(text: Any) -> datetime:
    """An instant as documents keep it."""
    return datetime.fromisoformat(text)

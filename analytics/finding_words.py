"""Findings of a comparison in words: what differs, and what to do about it. Plain text.

``{there}`` stands for the provider's name. Source: docs/accounting.md, rule 35.
"""

from ledger import Provider
from ledger.core.matching import Figure, Kind, ObjectKind

PROVIDER_NAMES = {Provider.STRIPE: "Stripe", Provider.POLAR: "Polar", Provider.MOCK: "the mock provider"}
KIND_WORDS = {
    Kind.TIMING: "Timing",
    Kind.MISSING_HERE: "Only theirs",
    Kind.MISSING_THERE: "Only ours",
    Kind.AMOUNT: "Amount differs",
    Kind.CURRENCY: "Currency differs",
    Kind.DUPLICATE: "Twice",
}
OBJECT_WORDS = {
    ObjectKind.PAYMENT: "Payment",
    ObjectKind.REFUND: "Refund",
    ObjectKind.DISPUTE: "Dispute",
    ObjectKind.BATCH: "Purchased batch",
}
STATE_WORDS = {"open": "Open", "explained": "Explained", "fixed": "Fixed"}

_TITLES: dict[tuple[Kind, ObjectKind, Figure], str] = {
    (Kind.MISSING_HERE, ObjectKind.PAYMENT, Figure.EXISTENCE): "Paid at {there}, not booked here",
    (Kind.MISSING_THERE, ObjectKind.PAYMENT, Figure.EXISTENCE): "Booked as paid here, not paid at {there}",
    (Kind.DUPLICATE, ObjectKind.PAYMENT, Figure.EXISTENCE): "The same purchase was paid a second time",
    (Kind.AMOUNT, ObjectKind.PAYMENT, Figure.TOTAL): "Another sum was paid",
    (Kind.AMOUNT, ObjectKind.PAYMENT, Figure.TAX): "The tax in it differs",
    (Kind.CURRENCY, ObjectKind.PAYMENT, Figure.CURRENCY): "Paid in another currency",
    (Kind.MISSING_HERE, ObjectKind.REFUND, Figure.EXISTENCE): "Refunded at {there}, not booked here",
    (Kind.MISSING_HERE, ObjectKind.REFUND, Figure.SUM): "Refunded at {there}, not booked here",
    (Kind.MISSING_THERE, ObjectKind.REFUND, Figure.EXISTENCE): "Refunded here, no money left {there}",
    (Kind.MISSING_THERE, ObjectKind.REFUND, Figure.SUM): "Refunded here, no money left {there}",
    (Kind.AMOUNT, ObjectKind.REFUND, Figure.TOTAL): "Another sum was refunded",
    (Kind.AMOUNT, ObjectKind.REFUND, Figure.SUM): "The refunds add up to another sum",
    (Kind.CURRENCY, ObjectKind.REFUND, Figure.CURRENCY): "Refunded in another currency",
    (Kind.MISSING_HERE, ObjectKind.DISPUTE, Figure.EXISTENCE): "Disputed at {there}, not followed here",
    (Kind.MISSING_HERE, ObjectKind.DISPUTE, Figure.OUTCOME): "The dispute is decided on one side only",
    (Kind.MISSING_THERE, ObjectKind.DISPUTE, Figure.EXISTENCE): "Disputed here, no longer at {there}",
    (Kind.AMOUNT, ObjectKind.DISPUTE, Figure.SUM): "Another sum is disputed",
    (Kind.MISSING_HERE, ObjectKind.BATCH, Figure.REFERENCE): "The batch names another payment",
    (Kind.MISSING_THERE, ObjectKind.BATCH, Figure.EXISTENCE): "Recorded by hand, not paid at {there}",
    (Kind.DUPLICATE, ObjectKind.BATCH, Figure.EXISTENCE): "Recorded by hand besides the payment itself",
    (Kind.CURRENCY, ObjectKind.BATCH, Figure.CURRENCY): "The batch cost another currency",
    (Kind.AMOUNT, ObjectKind.BATCH, Figure.COST): "The batch cost another sum than was paid",
    (Kind.AMOUNT, ObjectKind.BATCH, Figure.CREDITS): "Other credits on the shelf than were bought",
    (Kind.AMOUNT, ObjectKind.BATCH, Figure.JOURNAL): "The batch and its entries disagree",
}
_ADVICE: dict[tuple[Kind, ObjectKind], str] = {
    (Kind.MISSING_HERE, ObjectKind.PAYMENT): (
        "Ask {there} again: what this product began is booked by that. What was sold without it can be adopted."
    ),
    (Kind.MISSING_THERE, ObjectKind.PAYMENT): (
        "Look for it at {there}: another account of theirs, test mode, a removed record. If no money came, take the "
        "credits away by a correction and explain the finding."
    ),
    (Kind.DUPLICATE, ObjectKind.PAYMENT): (
        "Give the money of the second payment back at {there}, or adopt it as a purchase of its own."
    ),
    (Kind.AMOUNT, ObjectKind.PAYMENT): "The sum of a payment does not change by itself: find out who changed which.",
    (Kind.CURRENCY, ObjectKind.PAYMENT): "Compare the price at {there} with that of the package.",
    (Kind.MISSING_HERE, ObjectKind.REFUND): "Ask {there} again: following books the refund and takes the credits back.",
    (Kind.MISSING_THERE, ObjectKind.REFUND): (
        "Ask {there} again; a refund that failed can be sent once more from the customer's page."
    ),
    (Kind.AMOUNT, ObjectKind.REFUND): "Ask {there} again: following takes the sum of all refunds there for true.",
    (Kind.MISSING_HERE, ObjectKind.DISPUTE): "Ask {there} again: following freezes or takes back the credits.",
    (Kind.MISSING_THERE, ObjectKind.DISPUTE): "Ask {there} again: following sets the frozen credits free.",
    (Kind.AMOUNT, ObjectKind.DISPUTE): "Ask {there} again: following takes what is disputed there for true.",
    (Kind.MISSING_HERE, ObjectKind.BATCH): "Nobody should have changed that: compare both with the ledger entry.",
    (Kind.MISSING_THERE, ObjectKind.BATCH): (
        "Somebody recorded it as paid at {there}. If it was paid otherwise, explain it; if not at all, void the batch."
    ),
    (Kind.DUPLICATE, ObjectKind.BATCH): "The payment was credited by itself: void the batch that was recorded by hand.",
    (
        Kind.CURRENCY,
        ObjectKind.BATCH,
    ): "Look at the ledger entry of the purchase; the batch keeps what it was booked at.",
    (Kind.AMOUNT, ObjectKind.BATCH): "Look at the ledger entry of the purchase, and at the proof of the books.",
}
_ALWAYS = {
    Kind.TIMING: "It is less than an hour old and mends itself in nearly every case; the next comparison tells.",
}


def title(kind: str, object_kind: str, figure: str, provider: Provider) -> str:
    """What differs, in a few words."""
    if kind == Kind.TIMING:
        return f"{OBJECT_WORDS[ObjectKind(object_kind)]}: books and provider are not in step yet"
    words = _TITLES.get((Kind(kind), ObjectKind(object_kind), Figure(figure)))
    words = words or f"{OBJECT_WORDS[ObjectKind(object_kind)]}: {KIND_WORDS[Kind(kind)].lower()}"
    return words.format(there=PROVIDER_NAMES[provider])


def advice(kind: str, object_kind: str, provider: Provider) -> str:
    """What to do about it, in a sentence or two."""
    words = _ALWAYS.get(Kind(kind)) or _ADVICE.get((Kind(kind), ObjectKind(object_kind)), "")
    return words.format(there=PROVIDER_NAMES[provider])

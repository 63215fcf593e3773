"""What can be taken back by its exact mirror, and what has a better way back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.core.records import Bucket

# Acts that are nothing but their entries: once those are mirrored, nothing of the act is left.
REVERSIBLE = frozenset({"grant", "top_up", "adjust", "void", "usage", "transfer", "gift"})
# Why the other acts have no mirror, and what undoes them.
INSTEAD = {
    "reverse": "A reversal is not reversed; book once more what was meant.",
    "extend_expiry": "An extension stays a fact; void what is left of the batch.",
    "expire": "An expiry follows from a date; extend the expiry of the batch.",
    "place_hold": "Credits that are set aside are freed by releasing the hold.",
    "capture_hold": "What a capture used is given back by its usage event.",
    "release_hold": "Credits that were released are set aside by placing a new hold.",
    "lapse_hold": "A hold lapses by itself; place a new one.",
    "extend_hold": "It moved no credits; release the hold.",
    "give_back": "Credits that were given back are charged by recording the usage once more, under a new event id.",
    "refund": "The money of a refund is on its way back; record a top-up when it is paid again.",
    "purchase": "Credits that were bought go back by a refund, which gives their money back as well.",
    "decide_payment": "A decision stays; refund the credits, or give the money back at the provider.",
    **dict.fromkeys(
        ("claw_back", "put_back", "freeze", "thaw"),
        "Credits follow the money at the provider: when it moves again, they do so by themselves.",
    ),
    "follow_subscription": "What was paid for stays given; refund and change it at the provider, and it is followed.",
    "link_plan_price": "It moved no credits; link the price to another plan.",
    "follow_payment": "It moved no credits; what the provider says next is followed next.",
    "start_purchase": "It moved no credits; cancel the payment, or let its page end.",
    "adopt_payment": "It moved no credits; those that came with the payment go back by a refund.",
    "repay_debt": "Debt is repaid first from whatever comes; issue a grant when the customer is to have credits.",
}
IN_GENERAL = "More than credits hangs on it; void the batch that it made, or adjust the balance."
NOTHING_MOVED = "It moved no credits, so there is nothing to reverse."

# Of each act the moves that say how much it moved; a transfer has two entries for the same credits, and what a grant
# repaid of a debt was granted first.
_NOT_COUNTED = frozenset({(Bucket.TRANSFERRED, Bucket.AVAILABLE), (Bucket.AVAILABLE, Bucket.OWED)})


@dataclass(frozen=True, slots=True)
class Booked:
    """One entry as it was booked: what a mirror needs of it."""

    account_id: int
    batch_id: int | None
    from_bucket: Bucket
    to_bucket: Bucket
    amount_micro: int
    feature: str | None = None
    usage_event_id: int | None = None

    def mirrored(self) -> "Booked":
        """The entry that takes this one back."""
        return Booked(
            self.account_id,
            self.batch_id,
            self.to_bucket,
            self.from_bucket,
            self.amount_micro,
            self.feature,
            self.usage_event_id,
        )


def why_final(kind: str, entries: Sequence[Booked]) -> str | None:
    """Why a transaction cannot be reversed whatever happened since, with what to do instead; None when it can."""
    if kind in REVERSIBLE:
        return None if entries else NOTHING_MOVED
    return INSTEAD.get(kind, IN_GENERAL if entries else NOTHING_MOVED)


def plan_mirror(entries: Sequence[Booked]) -> list[Booked]:
    """The entries that take a transaction back: from and to exchanged, last first, so that no step lacks credits.

    Source: docs/accounting.md, rule 16.
    """
    return [one.mirrored() for one in reversed(entries)]


def net_available(entries: Iterable[Booked]) -> dict[int, int]:
    """What entries bring to each batch in all; negative when they take from it. Batches in the order of the entries."""
    found: dict[int, int] = {}
    for one in entries:
        if one.batch_id is not None:
            came = (one.to_bucket is Bucket.AVAILABLE) - (one.from_bucket is Bucket.AVAILABLE)
            found[one.batch_id] = found.get(one.batch_id, 0) + came * one.amount_micro
    return found


def net_owed(entries: Iterable[Booked]) -> int:
    """How much more an account owes after entries; negative when less."""
    return sum(
        one.amount_micro * ((one.from_bucket is Bucket.OWED) - (one.to_bucket is Bucket.OWED)) for one in entries
    )


def moved_micro(entries: Iterable[Booked]) -> int:
    """How many credits a transaction moved: each counted once, however many entries it took."""
    return sum(one.amount_micro for one in entries if (one.from_bucket, one.to_bucket) not in _NOT_COUNTED)

"""Words about payments at a provider, which is made up here: it says what the story says it does.

purchase acme starter [2 times] as p1                 begins a payment; p1 is its name in the story
at the provider p1 is paid [12.00 USD] [of which 2.00 USD tax]     the price unless said; nothing happens here before:
follow payment p1                                 ask the provider, and book what it says
at the provider p1 fails                              or: expires
at the provider 4.00 USD of p1 is refunded            by somebody there
at the provider the refund of p1 fails                the newest one
at the provider p1 is disputed [for 4.00 USD]         all that was paid unless said
at the provider the dispute of p1 is won              or: lost; the oldest open one
decide p1 credit                                      of a blocked payment; or: decide p1 give back
expect payment p1 credited
expect clawed back p1 taken 30, gone 10, claimed 20, compensated 5     what is not said is 0
expect back p1 10.00 USD                              sum of what claw-backs took of the price, less what they put back
"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ledger import (
    SYSTEM,
    Command,
    DecidePayment,
    FollowPayment,
    Money,
    PaymentState,
    Provider,
    StartPurchase,
    credits_to_micro,
    micro_to_text,
)
from ledger.gateways.provider import DisputeFacts, PaymentFacts, Progress, RefundFacts
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, REASON, Line, Story, StoryError

_MONEY = r"([\d.]+) ([A-Z]{3})"
_PARTS = ("taken", "gone", "claimed", "compensated")


def _purchase(story: Story, found: re.Match[str], line: Line) -> Command:
    # The payment that is begun by it is the next one.
    story.memory[f"payment {found[4]}"] = len(all_rows(story.ledger)["payment"])
    return StartPurchase(found[1], found[2], Provider.MOCK, int(found[3] or 1))


def _row(story: Story, name: str) -> dict[str, Any]:
    if f"payment {name}" not in story.memory:
        raise StoryError(f"there is no payment {name}")
    return all_rows(story.ledger)["payment"][story.memory[f"payment {name}"]]


def _facts(story: Story, name: str) -> PaymentFacts:
    """What the provider would say of a payment if it were asked."""
    known: PaymentFacts | None = story.memory.get(f"facts {name}")
    if known is not None:
        return known
    row, now = _row(story, name), story.clock.now()
    price = Money(row["price_cents"], row["currency"])
    return PaymentFacts(Provider.MOCK, Progress.OPEN, now, now, price, payment_ref=f"pi_{name}", payment=row["name"])


def _keep(story: Story, name: str, facts: PaymentFacts) -> None:
    story.memory[f"facts {name}"] = facts


def _follow(story: Story, found: re.Match[str], line: Line) -> Command:
    story.actor = SYSTEM
    facts = _facts(story, found[1])
    return FollowPayment(_row(story, found[1])["name"], replace(facts, asked_at=story.clock.now()))


def _decide(story: Story, found: re.Match[str], line: Line) -> Command:
    return DecidePayment(_row(story, found[1])["name"], found[2] == "credit", REASON)


def _is_paid(story: Story, found: re.Match[str], line: Line) -> None:
    facts = _facts(story, found[1])
    total = Money(_cents(found[2]), found[3]) if found[2] else facts.total
    tax = _cents(found[4]) if found[4] else 0
    paid_at = story.clock.now()
    _keep(story, found[1], replace(facts, progress=Progress.PAID, total=total, tax_cents=tax, paid_at=paid_at))


def _ends(story: Story, found: re.Match[str], line: Line) -> None:
    progress = Progress.FAILED if found[2] == "fails" else Progress.EXPIRED
    _keep(story, found[1], replace(_facts(story, found[1]), progress=progress, failure="card declined"))


def _is_refunded(story: Story, found: re.Match[str], line: Line) -> None:
    facts = _facts(story, found[3])
    made = RefundFacts(f"re_{len(facts.refunds)}", _cents(found[1]), "done", story.clock.now())
    _keep(story, found[3], replace(facts, refunds=(*facts.refunds, made)))


def _refund_fails(story: Story, found: re.Match[str], line: Line) -> None:
    facts = _facts(story, found[1])
    *others, last = facts.refunds
    _keep(story, found[1], replace(facts, refunds=(*others, replace(last, state="failed"))))


def _is_disputed(story: Story, found: re.Match[str], line: Line) -> None:
    facts = _facts(story, found[1])
    cents = _cents(found[2]) if found[2] else facts.total.cents
    opened = DisputeFacts(f"dp_{len(facts.disputes)}", cents, "open", "fraudulent", story.clock.now())
    _keep(story, found[1], replace(facts, disputes=(*facts.disputes, opened)))


def _dispute_ends(story: Story, found: re.Match[str], line: Line) -> None:
    facts = _facts(story, found[1])
    number = next(place for place, one in enumerate(facts.disputes) if one.state == "open")
    ended = replace(facts.disputes[number], state=found[2])
    _keep(story, found[1], replace(facts, disputes=(*facts.disputes[:number], ended, *facts.disputes[number + 1 :])))


def _expect_payment(story: Story, found: re.Match[str], line: Line) -> None:
    row = _row(story, found[1])
    if row["state"] != found[2]:
        raise StoryError(f"the payment is {row['state']}: {row['error']}")


def _expect_clawed(story: Story, found: re.Match[str], line: Line) -> None:
    row = _row(story, found[1])
    said = dict.fromkeys(_PARTS, 0)
    for part in found[2].split(", "):
        word, amount = part.split(" ")
        said[word] = credits_to_micro(amount)
    true = {part: row[f"{part}_micro"] for part in _PARTS}
    if said != true:
        raise StoryError(", ".join(f"{word} {micro_to_text(amount)}" for word, amount in true.items()))


def _expect_back(story: Story, found: re.Match[str], line: Line) -> None:
    row = _row(story, found[1])
    cents = sum(one["cents"] for one in all_rows(story.ledger)["claw_back"] if one["payment_id"] == row["id"])
    if cents != _cents(found[2]):
        raise StoryError(f"claw-backs took {Decimal(cents) / 100:.2f}")


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"purchase (\S+) (\S+)(?: (\d+) times)? as (\S+)": _purchase,
    r"follow payment (\S+)": _follow,
    r"decide (\S+) (credit|give back)": _decide,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"at the provider (\S+) is paid(?: {_MONEY})?(?: of which ([\d.]+) [A-Z]{{3}} tax)?": _is_paid,
    r"at the provider (\S+) (fails|expires)": _ends,
    rf"at the provider {_MONEY} of (\S+) is refunded": _is_refunded,
    r"at the provider the refund of (\S+) fails": _refund_fails,
    rf"at the provider (\S+) is disputed(?: for {_MONEY})?": _is_disputed,
    r"at the provider the dispute of (\S+) is (won|lost)": _dispute_ends,
    rf"expect payment (\S+) ({'|'.join(PaymentState)})": _expect_payment,
    rf"expect clawed back (\S+) ((?:(?:{'|'.join(_PARTS)}) {NUMBER}(?:, )?)+)": _expect_clawed,
    rf"expect back (\S+) {_MONEY}": _expect_back,
}

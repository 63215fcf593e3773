"""Words about a provider's books and the comparison with ours.

provider took pi_1 100.00 EUR for acme          a payment there, which names that customer of ours
provider took pi_9 20.00 EUR                    one that names nothing of ours
provider gave back 10.00 of pi_1                a refund there, behind our back
provider forgot pi_1
compare                                         the last 35 days
explain pi_1 because sold at the fair           the finding about it needs nothing more
expect findings none                            or a line for each that is open:
    missing_here payment pi_1
expect settled EUR 100.00 here, 120.00 there    control sums of the last comparison
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast

from ledger import Command, ExplainFinding, Money, Provider
from ledger.comparing import Comparison, compare
from ledger.gateways.provider import Gateway, PaymentFacts, Progress, RefundFacts
from tests.kit.factories import ADMIN
from tests.operations.books import all_rows
from tests.scenarios.interpreter import Line, Story, StoryError


@dataclass
class Told:
    """The provider of a story: what it took and gave back, by its names."""

    payments_there: dict[str, PaymentFacts] = field(default_factory=dict)
    provider: Provider = Provider.STRIPE
    is_test: bool = True

    def payments(self, *, since: datetime, until: datetime) -> Iterator[PaymentFacts]:
        """Everything begun in [since, until)."""
        yield from [one for one in self.payments_there.values() if since <= one.created_at < until]

    def look(self, *, payment_ref: str | None = None, checkout_ref: str | None = None) -> PaymentFacts | None:
        """One payment, or None."""
        return self.payments_there.get(payment_ref or checkout_ref or "")


def _there(story: Story) -> Told:
    told: Told = story.memory.setdefault("provider", Told())
    return told


def _took(story: Story, found: re.Match[str], line: Line) -> None:
    ref, cents, now = found[1], int(Decimal(found[2]) * 100), story.clock.now()
    _there(story).payments_there[ref] = PaymentFacts(
        Provider.STRIPE,
        Progress.PAID,
        now,
        now,
        Money(cents, found[3]),
        payment_ref=ref,
        account=found[4],
        paid_at=now,
    )


def _gave_back(story: Story, found: re.Match[str], line: Line) -> None:
    books, ref = _there(story).payments_there, found[2]
    refund = RefundFacts(f"re_{ref}", int(Decimal(found[1]) * 100), "done", story.clock.now())
    books[ref] = replace(books[ref], refunds=(*books[ref].refunds, refund))


def _forgot(story: Story, found: re.Match[str], line: Line) -> None:
    del _there(story).payments_there[found[1]]


def _compare(story: Story, found: re.Match[str], line: Line) -> None:
    now = story.clock.now()
    story.memory["comparison"] = compare(
        story.ledger,
        Provider.STRIPE,
        since=now - timedelta(days=35),
        until=now + timedelta(seconds=1),
        by=ADMIN,
        gateway=cast(Gateway, _there(story)),
    )


def _explain(story: Story, found: re.Match[str], line: Line) -> Command:
    rows = [
        one for one in all_rows(story.ledger)["finding"] if one["object_ref"] == found[1] and one["state"] == "open"
    ]
    if len(rows) != 1:
        raise StoryError(f"{len(rows)} findings about {found[1]} are open")
    return ExplainFinding(int(str(rows[0]["id"])), found[2])


def _expect_findings(story: Story, found: re.Match[str], line: Line) -> None:
    rows = [one for one in all_rows(story.ledger)["finding"] if one["state"] == "open"]
    there = sorted(f"{one['kind']} {one['object_kind']} {one['object_ref']}" for one in rows)
    if there != sorted(line.below):
        raise StoryError(f"open are: {', '.join(there) or 'none'}")


def _expect_settled(story: Story, found: re.Match[str], line: Line) -> None:
    made: Comparison = story.memory["comparison"]
    sums = made.sums[found[1]]
    here, there = (f"{Decimal(cents) / 100:.2f}" for cents in (sums.here_cents, sums.there_cents))
    if (here, there) != (found[2], found[3]):
        raise StoryError(f"settled are {here} here and {there} there")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {r"explain (\S+) because (.+)": _explain}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"provider took (\S+) ([\d.]+) ([A-Z]{3})(?: for (\S+))?": _took,
    r"provider gave back ([\d.]+) of (\S+)": _gave_back,
    r"provider forgot (\S+)": _forgot,
    r"compare": _compare,
    r"expect findings(?: none)?": _expect_findings,
    r"expect settled ([A-Z]{3}) ([\d.]+) here, ([\d.]+) there": _expect_settled,
}

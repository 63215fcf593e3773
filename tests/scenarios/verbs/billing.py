"""Words about plans that a provider bills, and about what was used beyond the credits.

basic is billed                                                its price there stands for it
subscribe acme to basic from 2026-04-10 [12:00] to 2026-05-10 [12:00] [unpaid]     also: renew, raise
pay invoice of acme                                            the newest that was not paid is paid now
bill acme 30 beyond for 0.60                                   on the next invoice, in EUR
stop acme                                                      the subscription ends with its period
follow acme                                                    ask the provider, and book what it says
hybrid acme
meter                                                          the job that tells the meter; there is no provider
expect metered acme 30                                         in all
"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from ledger import (
    SYSTEM,
    AccountType,
    ChangeCustomer,
    Command,
    LinkPlanPrice,
    Money,
    Provider,
    credits_to_micro,
    micro_to_text,
)
from ledger.gateways.billing import InvoiceFacts, SubscriptionFacts
from ledger.operations.billed_plans import FollowSubscription
from ledger.selling.metering import collect
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, WHEN, Line, Story, StoryError

Books = dict[str, tuple[SubscriptionFacts, list[InvoiceFacts]]]


def _books(story: Story) -> Books:
    books: Books = story.memory.setdefault("billing", {})
    return books


def _link(story: Story, found: re.Match[str], line: Line) -> Command:
    return LinkPlanPrice(Provider.STRIPE, f"price_{found[1]}", found[1])


def _bill(story: Story, found: re.Match[str], line: Line) -> None:
    account, plan, unpaid = found[2], found[3], found[8]
    start, end = story.instant(found[4], found[5]), story.instant(found[6], found[7])
    now, price = story.clock.now(), f"price_{plan}"
    facts = SubscriptionFacts(f"sub_{account}", f"cus_{account}", account, "active", price, start, end, now)
    invoices = _books(story)[account][1] if account in _books(story) else []
    micro, cents = story.memory.pop(f"beyond {account}", (0, 0))
    invoice = InvoiceFacts(
        f"in_{account}_{len(invoices)}",
        facts.customer_ref,
        not unpaid,
        Money(1_000 + cents, "EUR"),
        now,
        now,
        facts.ref,
        price,
        start,
        end,
        paid_at=None if unpaid else now,
        payment_ref=f"pi_{account}_{len(invoices)}",
        metered_micro=micro,
        metered_cents=cents,
    )
    _books(story)[account] = (facts, [*invoices, invoice])


def _pay(story: Story, found: re.Match[str], line: Line) -> None:
    facts, invoices = _of(story, found[1])
    unpaid = next((one for one in reversed(invoices) if not one.is_paid), None)
    if unpaid is None:
        raise StoryError(f"every invoice of {found[1]} is paid")
    paid = replace(unpaid, is_paid=True, paid_at=story.clock.now())
    _books(story)[found[1]] = (facts, [paid if one is unpaid else one for one in invoices])


def _beyond(story: Story, found: re.Match[str], line: Line) -> None:
    story.memory[f"beyond {found[1]}"] = (credits_to_micro(found[2]), int(Decimal(found[3]) * 100))


def _stop(story: Story, found: re.Match[str], line: Line) -> None:
    facts, invoices = _of(story, found[1])
    _books(story)[found[1]] = (replace(facts, ends_at_period_end=True), invoices)


def _follow(story: Story, found: re.Match[str], line: Line) -> Command:
    facts, invoices = _of(story, found[1])
    story.actor = SYSTEM
    asked = replace(facts, asked_at=story.clock.now())
    return FollowSubscription(found[1], Provider.STRIPE, asked, tuple(invoices))


def _of(story: Story, account: str) -> tuple[SubscriptionFacts, list[InvoiceFacts]]:
    if account not in _books(story):
        raise StoryError(f"{account} has no subscription")
    return _books(story)[account]


def _hybrid(story: Story, found: re.Match[str], line: Line) -> Command:
    return ChangeCustomer(found[1], account_type=AccountType.HYBRID)


def _meter(story: Story, found: re.Match[str], line: Line) -> None:
    collect(story.ledger)


def _expect_metered(story: Story, found: re.Match[str], line: Line) -> None:
    rows = all_rows(story.ledger)
    ids = {row["id"] for row in rows["account"] if row["external_id"] == found[1]}
    told = micro_to_text(sum(row["amount_micro"] for row in rows["meter_event"] if row["account_id"] in ids))
    if told != found[2]:
        raise StoryError(f"the meter is told {told} of {found[1]}, not {found[2]}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    r"(\S+) is billed": _link,
    r"follow (\S+)": _follow,
    r"hybrid (\S+)": _hybrid,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"(subscribe|renew|raise) (\S+) to (\S+) from {WHEN} to {WHEN}( unpaid)?": _bill,
    r"pay invoice of (\S+)": _pay,
    rf"bill (\S+) ({NUMBER}) beyond for ([\d.]+)": _beyond,
    r"stop (\S+)": _stop,
    r"meter": _meter,
    rf"expect metered (\S+) ({NUMBER})": _expect_metered,
}

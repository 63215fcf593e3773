"""Words about what is for sale.

price linux 10 until 2026-04-01                      not for sale from then on; also: from 2026-03-10 until 2026-04-01
price linux 10 with simple 0.5, complex 2            uses of some complexity
bundle spring 10 % off linux,macos until 2026-04-01  also: from 2026-03-10 [09:00] until …
package starter 1000 for 10.00 USD [limit 1] [from 2026-03-10] [until 2026-04-01]
buy acme starter 1000 for 10.00 USD ref INV-1        a top-up that names its package
use acme linux 3 as complex                          a use of some complexity
expect estimate acme linux 3 costs 30, short 0       also: linux 3 as complex
"""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from ledger import (
    Command,
    DefineBundle,
    DefinePackage,
    Money,
    RecordTopUp,
    RecordUsage,
    SetFeaturePrice,
    UsageEvent,
    credits_to_micro,
    estimate_cost,
    micro_to_text,
)
from tests.scenarios.interpreter import LONG_AGO, NUMBER, REASON, WHEN, Line, Story, StoryError

_MONEY = r"for ([\d.]+) ([A-Z]{3})"


def _instant(story: Story, day: str | None, hour: str | None) -> datetime | None:
    return story.instant(day, hour, default="00:00") if day else None


def _price(story: Story, found: re.Match[str], line: Line) -> Command:
    starts = _instant(story, found[3], found[4]) or LONG_AGO
    ends = _instant(story, found[5], found[6])
    factors = {}
    for part in (found[7] or "").split(", "):
        if part:
            name, factor = part.split()
            factors[name] = credits_to_micro(factor)
    return SetFeaturePrice(found[1], credits_to_micro(found[2]), effective_at=starts, ends_at=ends, factors=factors)


def _bundle(story: Story, found: re.Match[str], line: Line) -> Command:
    ends = story.instant(found[6], found[7], default="00:00")
    discount_ppm = int(Decimal(found[2]) * 10_000)
    starts = _instant(story, found[4], found[5])
    return DefineBundle(found[1], found[1].title(), tuple(found[3].split(",")), discount_ppm, ends, effective_at=starts)


def _package(story: Story, found: re.Match[str], line: Line) -> Command:
    return DefinePackage(
        found[1],
        found[1].title(),
        credits_to_micro(found[2]),
        _money(found[3], found[4]),
        per_customer_limit=int(found[5]) if found[5] else None,
        effective_at=_instant(story, found[6], found[7]),
        ends_at=_instant(story, found[8], found[9]),
    )


def _buy(story: Story, found: re.Match[str], line: Line) -> Command:
    price = _money(found[4], found[5])
    return RecordTopUp(found[1], credits_to_micro(found[3]), price, found[6], REASON, package=found[2])


def _usage_as(story: Story, found: re.Match[str], line: Line) -> Command:
    event_id = f"event-{line.number}"
    quantity = credits_to_micro(found[3])
    return RecordUsage(found[1], UsageEvent(event_id, found[2], story.clock.now(), quantity, found[4]))


def _expect_estimate(story: Story, found: re.Match[str], line: Line) -> None:
    made = estimate_cost(
        story.ledger, found[2], quantity_micro=credits_to_micro(found[3]), complexity=found[4] or "", account=found[1]
    )
    said = (micro_to_text(made.cost_micro), micro_to_text(made.short_micro))
    if said != (found[5], found[6]):
        raise StoryError(f"the estimate costs {said[0]}, short {said[1]}")


def _money(amount: str, currency: str) -> Money:
    return Money(int(Decimal(amount) * 100), currency)


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"price (\S+) ({NUMBER})(?: from {WHEN})? until {WHEN}((?=$))": _price,
    rf"price (\S+) ({NUMBER})(?: from {WHEN})?(?: until {WHEN})? with (.+)": _price,
    rf"bundle (\S+) ({NUMBER}) % off (\S+)(?: from {WHEN})? until {WHEN}": _bundle,
    rf"package (\S+) ({NUMBER}) {_MONEY}(?: limit (\d+))?(?: from {WHEN})?(?: until {WHEN})?": _package,
    rf"buy (\S+) (\S+) ({NUMBER}) {_MONEY} ref (\S+)": _buy,
    rf"use (\S+) (\S+) ({NUMBER}) as (\S+)": _usage_as,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    rf"expect estimate (\S+) (\S+) ({NUMBER})(?: as (\S+))? costs ({NUMBER}), short ({NUMBER})": _expect_estimate,
}

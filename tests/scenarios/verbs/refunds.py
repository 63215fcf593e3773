"""Words about refunds.

refund acme [30] from batch 1             credits of a batch, all that is free unless said; batches count per customer
refund policy time left                   from now on; or: unused share
expect refund 3.34 USD to acme for INV-1  what the newest refund gives back, to whom, for which payment
"""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from ledger import Command, RefundPurchase, credits_to_micro
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, REASON, Line, Story, StoryError


def _refund(story: Story, found: re.Match[str], line: Line) -> Command:
    batch_id = int(str(story.batches(found[1])[int(found[3]) - 1]["id"]))
    return RefundPurchase(found[1], batch_id, credits_to_micro(found[2]) if found[2] else None, REASON)


def _policy(story: Story, found: re.Match[str], line: Line) -> None:
    story.ledger.rules = replace(story.ledger.rules, refund_policy=found[1].replace(" ", "_"))


def _expect_refund(story: Story, found: re.Match[str], line: Line) -> None:
    rows = all_rows(story.ledger)
    if not rows["refund"]:
        raise StoryError("nothing was refunded")
    names = {row["id"]: row["external_id"] for row in rows["account"]}
    last = rows["refund"][-1]
    amount = f"{Decimal(last['cents']) / 100:.2f}"
    said = (amount, last["currency"], names[last["payer_id"]], last["payment_reference"])
    if said != (found[1], found[2], found[3], found[4]):
        raise StoryError(f"the refund is {said[0]} {said[1]} to {said[2]} for {said[3]}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"refund (\S+)(?: ({NUMBER}))? from batch (\d+)": _refund,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"refund policy (unused share|time left)": _policy,
    r"expect refund ([\d.]+) ([A-Z]{3}) to (\S+) for (\S+)": _expect_refund,
}

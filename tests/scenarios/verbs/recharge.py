"""Words about auto-recharge, with the mock provider behind them.

saved card acme [that is declined later]      a package team is bought with a card that is kept
recharge acme team below 50 day cap 120.00 month cap 200.00 [stop after 2]     in the package's currency
resume recharge acme
refund acme [30] from batch 1 to card         as without the last words, and the provider gives the money back
expect recharge acme nothing                  the job runs; or: declined; or: 2 for 80.00 USD
expect given back acme 23.80 USD              the job of refunds runs; what the provider gave back in all
tax 19 %                                      was in all payments so far
"""

import os
import re
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from ledger import Command, Provider, RechargeTerms, RefundPurchase, RefundTo, ResumeRecharge, SetRechargeRule
from ledger.core.amounts import credits_to_micro
from ledger.gateways import registry
from ledger.gateways.mock import GOOD_CARD, LATER_DECLINED_CARD, MockGateway
from ledger.models import payment
from ledger.selling.recharging import recharge_due
from ledger.selling.refunding import send_due
from ledger.settings import settings
from tests.kit.recharging import recharges, save_card
from tests.operations.books import all_rows
from tests.scenarios.interpreter import NUMBER, REASON, Line, Story, StoryError

_CENTS = r"([\d.]+)"


def _mock(story: Story) -> MockGateway:
    """The mock provider with books of this story's own."""
    if "mock" not in story.memory:
        os.environ["MOCK_PROVIDER_FILE"] = str(Path(tempfile.mkdtemp()) / "mock_provider.sqlite")
        settings.cache_clear()
        story.ledger.is_demo = True
        story.memory["mock"] = registry.mock(story.ledger)
    mock: MockGateway = story.memory["mock"]
    return mock


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


def _card(story: Story, found: re.Match[str], line: Line) -> None:
    save_card(story.ledger, _mock(story), LATER_DECLINED_CARD if found[2] else GOOD_CARD, account=found[1])


def _rule(story: Story, found: re.Match[str], line: Line) -> Command:
    terms = RechargeTerms(
        found[2],
        credits_to_micro(found[3]),
        None,
        _cents(found[4]),
        _cents(found[5]),
        stop_after=int(found[6] or 3),
    )
    return SetRechargeRule(found[1], terms, Provider.MOCK, REASON)


def _resume(story: Story, found: re.Match[str], line: Line) -> Command:
    return ResumeRecharge(found[1], REASON)


def _refund(story: Story, found: re.Match[str], line: Line) -> Command:
    batch_id = int(str(story.batches(found[1])[int(found[3]) - 1]["id"]))
    amount = credits_to_micro(found[2]) if found[2] else None
    return RefundPurchase(found[1], batch_id, amount, REASON, RefundTo.CARD)


def _tax(story: Story, found: re.Match[str], line: Line) -> None:
    """What the provider would have told with each payment."""
    tax = payment.c.price_cents * int(found[1]) / 100
    with story.ledger.database.engine.begin() as connection:
        connection.execute(
            sa.update(payment).values(
                tax_cents=sa.cast(tax, sa.Integer), total_cents=payment.c.price_cents + sa.cast(tax, sa.Integer)
            )
        )
    with _mock(story).store.turn() as turn:
        for one in turn.all("payment"):
            turn.put("payment", one["ref"], one | {"cents": one["cents"] * (100 + int(found[1])) // 100})


def _expect_recharge(story: Story, found: re.Match[str], line: Line) -> None:
    _mock(story)
    before = {row.id for row in recharges(story.ledger)}
    recharge_due(story.ledger)
    new = [row for row in recharges(story.ledger) if row.id not in before]
    said = "nothing"
    if new:
        (made,) = new
        price = f"{made.quantity} for {Decimal(made.price_cents) / 100:.2f} {made.currency}"
        said = "declined" if made.state == "failed" else price
    if said != found[2]:
        raise StoryError(f"it is {said}")


def _expect_back(story: Story, found: re.Match[str], line: Line) -> None:
    send_due(story.ledger)
    done = sum(row["cents"] for row in all_rows(story.ledger)["provider_refund"] if row["state"] == "done")
    if done != _cents(found[2]):
        raise StoryError(f"the provider gave back {Decimal(done) / 100:.2f} {found[3]}")


ACTS: dict[str, Callable[[Story, re.Match[str], Line], Command]] = {
    rf"recharge (\S+) (\S+) below ({NUMBER}) day cap {_CENTS} month cap {_CENTS}(?: stop after (\d+))?": _rule,
    r"resume recharge (\S+)": _resume,
    rf"refund (\S+)(?: ({NUMBER}))? from batch (\d+) to card": _refund,
}
SENTENCES: dict[str, Callable[[Story, re.Match[str], Line], None]] = {
    r"saved card (\S+)( that is declined later)?": _card,
    r"tax (\d+) %": _tax,
    r"expect recharge (\S+) (nothing|declined|\d+ for [\d.]+ [A-Z]{3})": _expect_recharge,
    r"expect given back (\S+) ([\d.]+) ([A-Z]{3})": _expect_back,
}

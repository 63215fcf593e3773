"""docs/stripe.md lists the events that the gateways know, no more and no fewer."""

import re
from pathlib import Path

import pytest

from ledger.gateways import polar, stripe_events

TEXT = (Path(__file__).parents[2] / "docs/stripe.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "kinds"), [("stripe", stripe_events.EVENT_KINDS), ("polar", polar.EVENT_KINDS)], ids=["stripe", "polar"]
)
def test_the_events_to_subscribe_to_are_those_that_are_understood(name: str, kinds: tuple[str, ...]) -> None:
    (listed,) = re.findall(rf"```events {name}\n(.*?)```", TEXT, re.DOTALL)
    assert listed.split() == list(kinds)

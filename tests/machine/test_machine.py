"""Random commands in random order against an independent auditor: after each one both have the same books."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import initialize, run_state_machine_as_test

from ledger import CreditType, open_ledger
from ledger.clock import FixedClock
from tests.machine.acts_codes import Codes
from tests.machine.acts_corrections import Corrections
from tests.machine.acts_credits import Credits
from tests.machine.acts_holds import Holds
from tests.machine.acts_sharing import Sharing
from tests.machine.auditor import MICRO
from tests.machine.story import START
from tests.operations.books import audit


class Books(Credits, Holds, Corrections, Sharing, Codes):
    """A story of all of them."""

    @initialize()
    def begin(self) -> None:
        for name, zone in (("acme", "America/New_York"), ("bolt", "Asia/Tokyo")):
            self.open(name, zone)
        self.set_price("images", MICRO, timedelta(days=100))
        self.set_price("units", MICRO, timedelta(days=100))
        self.grant("acme", CreditType.REFERRAL, 30 * MICRO, None, None, 0)
        self.top_up("bolt", 30 * MICRO, 1000, 1)


@pytest.fixture
def machine(database_url: str) -> Iterator[type[Books]]:
    opened = open_ledger(database_url, clock=FixedClock(START))
    yield type("BooksHere", (Books,), {"ledger": opened, "clock": opened.clock, "fates": Counter()})
    assert audit(opened) == []
    opened.database.dispose()


def play(machine: Callable[[], Books], *, examples: int, steps: int) -> None:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    limits = settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks)
    run_state_machine_as_test(machine, settings=limits)


def test_the_ledger_agrees_with_the_auditor(machine: type[Books], request: pytest.FixtureRequest) -> None:
    play(machine, examples=30 if machine.ledger.database.is_sqlite else 15, steps=30)


def test_meetings_that_chance_seldom_arranges(machine: type[Books]) -> None:
    """A use of two batches given back in part, a hold that outlives its batch, a debt that a reversal brings back."""
    story = machine()
    story.begin()
    story.grant("acme", CreditType.COMPENSATION, 10 * MICRO, 1, None, 0)
    story.use_up("acme", 1, -5 * MICRO)
    story.give_back(0, None, 7 * MICRO)
    story.give_back(0, None, None)
    story.place_hold("acme", "job-1", "images", 6 * MICRO, timedelta(days=60))
    story.place_hold("acme", "job-2", "images", 6 * MICRO, timedelta(days=60))
    story.wait(timedelta(days=45))
    story.capture(1, None, "e2", MICRO, None)
    story.wait(timedelta(days=45))
    story.ask_overdraft("acme", 60 * MICRO, None, True)
    story.use_up("acme", 3, 20 * MICRO)
    story.grant("acme", CreditType.COMPENSATION, 5 * MICRO, None, None, 0)
    story.reverse(0)
    story.give_back(0, None, 21 * MICRO)
    story.transfer("bolt", "acme", 3 * MICRO, None, False)
    story.reverse(0)
    story.refund(2, None, MICRO)
    story.the_books_are_the_same()
    story.teardown()


@pytest.mark.slow
@pytest.mark.skipif("'slow' not in config.getoption('-m')", reason="long; ask for it with -m slow")
def test_the_ledger_agrees_with_the_auditor_for_a_long_time(machine: type[Books]) -> None:
    play(machine, examples=100, steps=50)

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


@pytest.mark.slow
@pytest.mark.skipif("'slow' not in config.getoption('-m')", reason="long; ask for it with -m slow")
def test_the_ledger_agrees_with_the_auditor_for_a_long_time(machine: type[Books]) -> None:
    play(machine, examples=100, steps=50)

"""Two years of daily jobs under the test clock: run twice, crashed in the middle, they end in the same state."""

import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from ledger import MICRO, Ledger, NotAllowedNow, PlaceHold, open_ledger
from ledger.daily import advance, run_day
from ledger.reconcile import reconcile
from ledger.sandbox import SandboxClock, start
from ledger.sealing import verify
from ledger.seeds import seed_plans
from tests.kit.factories import ADMIN, fresh_key, grant, open_account, price_feature, run, start_plan, top_up, use
from tests.operations.books import all_rows, audit

# Two years take minutes on two databases: LONG_TESTS=1 runs them, every run does two months.
DAYS = 730 if os.environ.get("LONG_TESTS") else 62
BEGIN = datetime(2026, 1, 31, 6, tzinfo=UTC)


def told(ledger: Ledger) -> dict[str, list[Any]]:
    """What the books say, without ids, keys and the times at which somebody wrote them down."""
    rows = all_rows(ledger)
    left_out = {"id", "recorded_at", "transaction_id", "made_by_id", "batch_id", "usage_event_id", "version", "hold_id"}
    left_out |= {"reference", "granted_at", "details", "parent_id", "plan_id"}
    return {
        name: sorted(
            tuple((key, str(value)) for key, value in row.items() if key not in left_out) for row in rows[name]
        )
        for name in ("account", "batch", "entry", "usage_daily", "allocation", "subscription")
    }


def live(ledger: Ledger, day: int, dice: random.Random) -> None:
    """What people do on a day; drawn from the day alone."""
    now = ledger.clock.now()
    if day % 45 == 0:
        top_up(ledger, "acme", 300, expires_on=now.date() + timedelta(days=120))
    if day % 20 == 3:
        grant(ledger, "acme", 40)
    if day % 30 == 7:
        run(ledger, PlaceHold("zeta", fresh_key("hold"), "images", 5 * MICRO, now + timedelta(days=2)))
    for account in ("acme", "zeta"):
        quantity = dice.randint(0, 4)
        if quantity:
            use(ledger, account, quantity)


def years(url: str, jobs: Callable[[Ledger], None], days: int) -> dict[str, list[Any]]:
    """A company's days, with ``jobs`` every morning."""
    empty = open_ledger(url)
    start(empty.database, BEGIN)
    empty.database.dispose()
    ledger = open_ledger(url)
    clock = ledger.clock
    assert isinstance(clock, SandboxClock)
    seed_plans(ledger, actor=ADMIN, currency="EUR")
    price_feature(ledger)
    for account, plan in (("acme", "basic"), ("zeta", "pro")):
        open_account(ledger, account)
        start_plan(ledger, account, plan=plan)
    for day in range(1, days):
        clock.set(BEGIN + timedelta(days=day))
        jobs(ledger)
        live(ledger, day, random.Random(day))
    with ledger.database.reader.connect() as connection:
        assert reconcile(connection).findings == ()
        assert verify(connection) == []
    assert audit(ledger) == []
    found = told(ledger)
    ledger.database.dispose()
    return found


def plainly(ledger: Ledger) -> None:
    """The day's jobs as they run when nothing goes wrong."""
    run_day(ledger)


def stumbling(ledger: Ledger) -> None:
    """The day's jobs as they run when the machine is bad: killed at a random act, started again, and run twice."""
    dice = random.Random(ledger.clock.now().isoformat())
    execute, left = ledger.execute, dice.randint(0, 3)

    def failing(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise RuntimeError("killed")
        return execute(*args, **kwargs)

    ledger.execute = failing  # type: ignore[method-assign]
    with suppress(RuntimeError):
        run_day(ledger)
    del ledger.execute
    run_day(ledger)
    run_day(ledger)


@pytest.mark.slow
def test_years_of_jobs_run_twice_and_crashed_end_the_same(sqlite_url: str, postgres_url: str) -> None:
    plain = years(sqlite_url, plainly, DAYS)
    assert len(plain["allocation"]) >= DAYS // 20
    assert any("expired" in str(row) for row in plain["entry"])
    stumbled = years(postgres_url, stumbling, DAYS)
    for table, rows in plain.items():
        assert stumbled[table] == rows, table


def test_time_in_a_sandbox_shows_what_will_happen(database_url: str) -> None:
    ledger = open_ledger(database_url)
    start(ledger.database, datetime(2026, 3, 1, 12, tzinfo=UTC))
    ledger.database.dispose()
    ledger = open_ledger(database_url)
    assert isinstance(ledger.clock, SandboxClock)
    seed_plans(ledger, actor=ADMIN, currency="EUR")
    open_account(ledger)
    start_plan(ledger, plan="basic")
    grant(ledger, credits=10, expires_on=date(2026, 4, 10))
    happened = advance(ledger, datetime(2026, 5, 2, 12, tzinfo=UTC), ledger.clock.set)
    expired = {at.date() for at, step in happened if step.name == "expire"}
    renewed = {at.date() for at, step in happened if step.name == "renew"}
    assert expired == {date(2026, 4, 1), date(2026, 4, 11), date(2026, 5, 1)}
    assert renewed == {date(2026, 4, 1), date(2026, 5, 1)}
    with pytest.raises(ValueError, match="only goes forward"):
        advance(ledger, datetime(2026, 5, 1, tzinfo=UTC), ledger.clock.set)
    with pytest.raises(NotAllowedNow, match="never goes back"):
        ledger.clock.set(datetime(2026, 3, 1, tzinfo=UTC))
    ledger.database.dispose()


def test_a_database_with_real_bookings_becomes_no_sandbox(ledger: Ledger) -> None:
    open_account(ledger)
    with pytest.raises(NotAllowedNow, match="begins with an empty one"):
        start(ledger.database, BEGIN)

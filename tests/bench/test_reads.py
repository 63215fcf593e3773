"""Reading at a million entries: all data of the Customer page, and of Overview with its KPIs, against one full scan."""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from analytics import expiry, frames, kpis
from analytics.periods import Period
from ledger import MICRO, SYSTEM, Ledger, RecordUsageBulk, UsageEvent, open_ledger
from ledger.models import entry
from ledger.reconcile import reconcile
from tests.bench.kit import ACCOUNTS, prepare_ledger
from tests.kit.postgres import running

pytestmark = pytest.mark.bench

EVENTS_PER_ACCOUNT = 5_000
DAYS = 500
TIMES = 20


@pytest.fixture(scope="module")
def filled() -> Iterator[Ledger]:
    """Two hundred customers with five thousand events each, ten a day over five hundred days."""
    with running() as cluster:
        url = cluster.create("reads")
        prepare_ledger(url)
        ledger = open_ledger(url)
        now = datetime.now(UTC)
        started = time.perf_counter()
        for number in range(ACCOUNTS):
            events = tuple(
                UsageEvent(f"e{n}", "call", now - timedelta(days=n % DAYS, seconds=n), MICRO)
                for n in range(EVENTS_PER_ACCOUNT)
            )
            ledger.execute(RecordUsageBulk(f"a{number}", events), actor=SYSTEM, key=f"fill-{number}")
        print(f"\n  filled in {time.perf_counter() - started:.0f} s")
        with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
        yield ledger
        ledger.database.dispose()


def milliseconds(act: Callable[[sa.Connection], object], ledger: Ledger) -> float:
    """The median of several runs, each on a connection from the pool, the first two thrown away."""
    times = []
    for _ in range(TIMES + 2):
        started = time.perf_counter()
        with ledger.database.reader.connect() as connection:
            act(connection)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[2:])


def scan(connection: sa.Connection) -> None:
    """The yardstick: one sum over the whole journal."""
    connection.execute(sa.select(sa.func.sum(entry.c.amount_micro))).scalar_one()


def test_a_million_entries_do_not_slow_the_pages(filled: Ledger) -> None:
    at, zone = datetime.now(UTC), filled.company_zone
    today = frames.today(at, zone)
    month = Period(today.replace(day=1), today + timedelta(days=1))
    before = Period(month.since - (month.until - month.since), month.since)

    def customer(connection: sa.Connection) -> None:
        wanted = {"account": "a7"}
        frames.load_head(connection)
        frames.load_customer(connection, **wanted)
        frames.load_holdings(connection, at=at, zone=zone, **wanted)
        frames.load_forecast_head(connection)
        frames.load_forecasts(connection, as_of=today, **wanted)
        frames.load_core_batches(connection, at=at, **wanted)
        frames.load_daily_usage_by_type(connection, since=today - timedelta(days=90), until=month.until, **wanted)
        frames.load_account_movements(connection, since=at - timedelta(days=91), at=at, zone=zone, **wanted)
        frames.count_history(connection, **wanted)
        frames.load_history(connection, **wanted)

    def overview(connection: sa.Connection) -> None:
        frames.load_head(connection)
        customers = frames.load_customers(connection, at=at, zone=zone)
        held = frames.load_portfolio(connection, at=at, zone=zone, within_days=90, customers=customers)
        pace = dict(zip(customers["account"], customers["used_28d_micro"].tolist(), strict=True))
        expiry.with_waste(held.expiring, held.batches, pace, at=at)
        usage = frames.load_daily_usage_by_type(connection, since=today - timedelta(days=60), until=month.until)
        known = {"at": at, "zone": zone, "currency": "USD", "customers": customers, "usage": usage}
        kpis.load_scorecards(connection, (month, before), **known)
        frames.load_forecasts(connection, as_of=today)

    with filled.database.reader.connect() as connection:
        entries = connection.execute(sa.select(sa.func.count()).select_from(entry)).scalar_one()
    whole = milliseconds(scan, filled)
    one, all_ = milliseconds(customer, filled), milliseconds(overview, filled)
    print(f"  {entries:,} entries; one scan of the journal {whole:.0f} ms")
    print(f"  Customer page: {one:.1f} ms = {one / whole:.3f} scans")
    print(f"  Overview and KPIs: {all_:.1f} ms = {all_ / whole:.3f} scans")
    assert entries >= 1_000_000
    assert one < whole / 2
    assert all_ < whole


def test_a_million_entries_are_proven(filled: Ledger) -> None:
    started = time.perf_counter()
    with filled.database.reader.connect() as connection:
        proof = reconcile(connection)
    print(f"\n  {len(proof.checks)} invariants over {proof.entries:,} entries in {time.perf_counter() - started:.1f} s")
    assert proof.findings == ()

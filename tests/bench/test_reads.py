"""Reading at a million entries: all data of the Customer page, and of Overview with its KPIs, against one full scan.

BENCH_EVENTS=50000 fills ten million entries; their filling takes ten times as long.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from analytics import expiry, frames, kpis, outlook
from analytics.periods import Period
from ledger import (
    MICRO,
    SYSTEM,
    CreditType,
    IssueGrant,
    Ledger,
    Money,
    RecordTopUp,
    RecordUsageBulk,
    UsageEvent,
    open_ledger,
)
from ledger.derived import StoredForecast, save_forecasts
from ledger.models import entry
from ledger.reconcile import reconcile
from tests.bench.kit import ACCOUNTS, REASON, prepare_ledger
from tests.kit.postgres import running

pytestmark = pytest.mark.bench

EVENTS_PER_ACCOUNT = int(os.environ.get("BENCH_EVENTS", "5000"))
CHUNK = 5_000
DAYS = 500
TIMES = 20


@pytest.fixture(scope="module")
def filled() -> Iterator[Ledger]:
    """Two hundred customers with five thousand events each over five hundred days.

    Each has seven batches, three of them bought and one that ends soon, and a stored forecast.
    """
    with running() as cluster:
        url = cluster.create("reads")
        prepare_ledger(url)
        ledger = open_ledger(url)
        now = datetime.now(UTC)
        started = time.perf_counter()
        for number in range(ACCOUNTS):
            for first in range(0, EVENTS_PER_ACCOUNT, CHUNK):
                events = tuple(
                    UsageEvent(f"e{n}", "call", now - timedelta(days=n % DAYS, seconds=n), MICRO)
                    for n in range(first, min(first + CHUNK, EVENTS_PER_ACCOUNT))
                )
                ledger.execute(RecordUsageBulk(f"a{number}", events), actor=SYSTEM, key=f"fill-{number}-{first}")
            give(ledger, f"a{number}", until=now.date() + timedelta(days=45))
        store_forecasts(ledger, now)
        print(f"\n  filled in {time.perf_counter() - started:.0f} s")
        with ledger.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
        yield ledger
        ledger.database.dispose()


def give(ledger: Ledger, account: str, *, until: date) -> None:
    """Three top-ups and a grant that ends soon."""
    for cents in (1_000, 2_000, 3_000):
        top_up = RecordTopUp(account, cents * MICRO, Money(cents, "USD"), f"pay-{account}-{cents}", REASON)
        ledger.execute(top_up, actor=SYSTEM, key=f"top-up-{account}-{cents}")
    grant = IssueGrant(account, CreditType.PROMOTIONAL, 500 * MICRO, REASON, expires_on=until)
    ledger.execute(grant, actor=SYSTEM, key=f"ends-soon-{account}")


def store_forecasts(ledger: Ledger, now: datetime) -> None:
    """The forecast of one customer, stored for all: their use is the same."""
    known_until = outlook.as_of(frames.today(now, ledger.company_zone))
    with ledger.database.reading() as connection:
        made = outlook.make_one(connection, account="a0", known_until=known_until)
    save_forecasts(ledger, [StoredForecast(f"a{number}", known_until, made.to_body()) for number in range(ACCOUNTS)])


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
        frames.load_overdraft(connection, **wanted)
        frames.load_holdings(connection, at=at, zone=zone, **wanted)
        frames.load_forecast_head(connection)
        frames.load_forecasts(connection, as_of=today, **wanted)
        frames.load_core_batches(connection, at=at, **wanted)
        frames.load_daily_usage_by_type(connection, since=today - timedelta(days=90), until=month.until, **wanted)
        frames.load_account_movements(connection, since=at - timedelta(days=91), at=at, zone=zone, **wanted)
        frames.load_packages(connection)
        frames.load_open_holds_total(connection, at=at, **wanted)
        frames.count_history(connection, **wanted)
        frames.load_history(connection, **wanted)

    def overview(connection: sa.Connection) -> None:
        frames.load_head(connection)
        customers = frames.load_customers(connection, at=at, zone=zone)
        held = frames.load_portfolio(connection, at=at, zone=zone, within_days=90, customers=customers)
        pace = dict(zip(customers["account"].tolist(), customers["used_28d_micro"].tolist(), strict=True))
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
    assert entries >= ACCOUNTS * EVENTS_PER_ACCOUNT
    assert one < whole / 2
    assert all_ < whole


def test_a_million_entries_are_proven(filled: Ledger) -> None:
    started = time.perf_counter()
    with filled.database.reader.connect() as connection:
        proof = reconcile(connection)
    print(f"\n  {len(proof.checks)} invariants over {proof.entries:,} entries in {time.perf_counter() - started:.1f} s")
    assert proof.findings == ()

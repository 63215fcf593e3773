"""Real usage into an empty ledger: accounts, prices, three years of events, and a funding history made up around them.

The usage is real (customers.csv, usage.csv.gz; see the data folder's own README), the funding is not: it follows
one rule, without chance. Each month a customer whose credits would not last the month buys enough for two months more;
every seventh customer is given promotional credits each spring, every fifth buys far ahead, and some credits expire.
"""

import csv
import gzip
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    Actor,
    CreditType,
    IssueGrant,
    Ledger,
    Money,
    OpenAccount,
    Reason,
    RecordTopUp,
    RecordUsageBulk,
    Role,
    SetFeaturePrice,
    UsageEvent,
)
from ledger.clock import FixedClock
from ledger.context import Rules
from ledger.core.amounts import MAX_MICRO
from ledger.core.lifecycle import add_months
from ledger.database import Database
from ledger.migrations import upgrade
from ledger.models import account
from ledger.reconcile import reconcile
from ledger.sweep import expire_due_everywhere
from service.show import address
from service.usage_file import FileFault, RowFault, UsageRow, read_usage, reading

FUNDER = Actor("funding@real-data.example", Role.ADMIN)
PRICES = {"linux": 1, "macos": 5, "windows": 10, "other_os": 25}
CENTS_PER_1000 = 800
SMALLEST_PURCHASE = 1_000


def count_rows(path: Path) -> int:
    """Rows of a CSV file, gzipped or not, for a progress bar. Raises FileFault when it is cut off or not gzipped."""
    with reading(path), gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
        return max(sum(1 for _ in handle) - 1, 0)


def load(url: str, folder: Path, *, say: Callable[[str], None]) -> None:
    """Import a data folder into an empty database and prove the books afterwards.

    Raises FileFault when a row is wrong or the database holds accounts already.
    """
    upgrade(url, name="Real usage", zone="UTC", currency="USD")
    started = time.perf_counter()
    events = _read(folder / "usage.csv.gz")
    with (folder / "customers.csv").open(encoding="utf-8", newline="") as handle:
        customers = [(row["customer_id"], date.fromisoformat(row["first_day"])) for row in csv.DictReader(handle)]
    database = Database(url)
    with database.reader.connect() as connection:
        if connection.execute(sa.select(account.c.id).limit(1)).first() is not None:
            raise FileFault(f"{url} holds accounts already; import into a database of its own")
    clock = FixedClock(_midnight(min(day for _, day in customers)))
    # Whole histories are made up at once: there is no second person to ask.
    ledger = Ledger(database, clock, Rules(approval_limit_micro=MAX_MICRO))
    _Funded(ledger, clock, events, customers).run()
    seconds = time.perf_counter() - started
    rows = sum(len(days) for months in events.values() for days in months.values())
    say(f"{len(customers)} customers, {rows:,} rows of usage in {seconds:.1f} s: {rows / seconds:,.0f} rows/s")
    with database.reader.connect() as connection:
        proof = reconcile(connection)
    say(
        f"{proof.transactions:,} transactions, {proof.entries:,} entries; {len(proof.checks)} invariants checked, "
        f"{len(proof.findings)} disagreements"
    )
    say("To look at it as of the last day:")
    say(f"DATABASE_URL={address(url)} SANDBOX_CLOCK={clock.now().isoformat()} DEV_IDENTITY=1 make run")
    database.dispose()


Months = dict[date, list[UsageEvent]]


def _read(path: Path) -> dict[str, Months]:
    """Events by customer and first day of month."""
    events: dict[str, Months] = defaultdict(lambda: defaultdict(list))
    for row in read_usage(path):
        if isinstance(row, RowFault):
            raise FileFault(f"{path}: {row}")
        assert isinstance(row, UsageRow)
        events[row.account][row.event.occurred_at.date().replace(day=1)].append(row.event)
    return events


class _Funded:
    """Lives through the months: each customer pays ahead for what it is going to use."""

    def __init__(
        self,
        ledger: Ledger,
        clock: FixedClock,
        events: dict[str, Months],
        customers: list[tuple[str, date]],
    ) -> None:
        self._ledger, self._clock, self._events, self._customers = ledger, clock, events, customers
        self._available: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        for feature, price in PRICES.items():
            command = SetFeaturePrice(feature, price * MICRO, label=feature, unit="download")
            self._ledger.execute(command, actor=FUNDER, key=f"price:{feature}")
        month = self._clock.now().date().replace(day=1)
        end = max(month for months in self._events.values() for month in months)
        # The last month ends the morning after the last day of use: nobody knows more then.
        close = max(event.occurred_at for months in self._events.values() for event in months.get(end, ()))
        close += timedelta(hours=20)
        while month <= end:
            for number, (name, first) in enumerate(self._customers):
                if first < add_months(month, 1):
                    self._fund(number, name, month, is_new=first >= month)
            self._clock.set(min(_midnight(add_months(month, 1)), close))
            for receipt in expire_due_everywhere(self._ledger):
                assert receipt.account is not None
                self._available[receipt.account] = receipt.available_after_micro
            for number, (name, _) in enumerate(self._customers):
                # What expired during the month may be missing now.
                self._buy_if_low(number, name, month, self._cost(name, month))
                self._use(name, month)
            month = add_months(month, 1)

    def _fund(self, number: int, name: str, month: date, *, is_new: bool) -> None:
        self._clock.set(_midnight(month) + timedelta(hours=8))
        if is_new:
            self._ledger.execute(OpenAccount(name, name, tier="open source"), actor=FUNDER, key=f"open:{name}")
        if number % 7 == 0 and month.month == 4:
            reason = Reason("spring campaign", "Promotional credits of the spring campaign")
            grant = IssueGrant(name, CreditType.PROMOTIONAL, 2_000 * MICRO, reason, campaign=f"spring {month.year}")
            receipt = self._ledger.execute(grant, actor=FUNDER, key=f"spring:{name}:{month}")
            self._available[name] = receipt.available_after_micro
        self._buy_if_low(number, name, month, self._cost(name, month) * 6 // 5)

    def _buy_if_low(self, number: int, name: str, month: date, needed: int) -> None:
        if self._available[name] >= needed:
            return
        months_ahead = 14 if number % 5 == 0 else 2
        busiest = max(self._cost(name, add_months(month, n)) for n in range(months_ahead + 1))
        wanted = needed + busiest * months_ahead
        thousands = max(-(-wanted // (SMALLEST_PURCHASE * MICRO)), 1)
        top_up = RecordTopUp(
            name,
            thousands * SMALLEST_PURCHASE * MICRO,
            Money(thousands * CENTS_PER_1000, "USD"),
            f"PO-{name}-{self._clock.now():%Y%m%d}",
            Reason("bank transfer", "Prepaid for the coming months"),
        )
        receipt = self._ledger.execute(top_up, actor=FUNDER, key=f"buy:{top_up.reference}")
        self._available[name] = receipt.available_after_micro

    def _use(self, name: str, month: date) -> None:
        events = self._events[name].get(month)
        if not events:
            return
        receipt = self._ledger.execute(RecordUsageBulk(name, tuple(events)), actor=SYSTEM, key=f"use:{name}:{month}")
        if receipt.refusals:
            raise FileFault(f"{name} in {month:%Y-%m}: {receipt.refusals[0].message}")
        self._available[name] = receipt.available_after_micro

    def _cost(self, name: str, month: date) -> int:
        return sum(PRICES[event.feature] * event.quantity_micro for event in self._events[name].get(month, ()))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)

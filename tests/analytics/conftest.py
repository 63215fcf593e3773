"""A small company with known answers, on both databases, in Europe/Berlin."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from ledger import (
    AdjustBalance,
    Command,
    CreditType,
    ExpireDue,
    IssueGrant,
    Ledger,
    Money,
    OpenAccount,
    Reason,
    RecordTopUp,
    RecordUsage,
    RecordUsageBulk,
    SetFeaturePrice,
    UsageEvent,
    credits_to_micro,
)
from ledger.clock import FixedClock
from ledger.core.policy import SYSTEM

WHY = Reason("test", "said in enough words", "T-1")

Do = Callable[[Command, datetime], None]


@pytest.fixture
def do(ledger: Ledger, clock: FixedClock) -> Do:
    """Executes a command at an instant, each with a key of its own."""
    keys = iter(range(10_000))

    def execute(command: Command, at: datetime) -> None:
        clock.set(at)
        ledger.execute(command, actor=SYSTEM, key=f"key_{next(keys)}%")

    return execute


@pytest.fixture
def company(ledger: Ledger, do: Do) -> Ledger:
    """Two customers and one empty one; the last event is on 10 March 2026. See the tests for the answers."""

    def day(month: int, number: int, hour: int = 11, *, year: int = 2026) -> datetime:
        return datetime(year, month, number, hour, tzinfo=UTC)

    do(OpenAccount("cus_acme", "Acme 100%", "acme@example.com", "Europe/Berlin", tier="pro"), day(12, 1, year=2025))
    do(OpenAccount("cus_bolt", "Bolt", "bolt@example.com", "America/New_York"), day(12, 1, year=2025))
    do(OpenAccount("cus_void", "Void"), day(12, 1, year=2025))
    do(SetFeaturePrice("image", credits_to_micro(5), "Image", "picture"), day(12, 1, year=2025))
    do(SetFeaturePrice("text", credits_to_micro("0.5"), "Text", "page"), day(12, 1, year=2025))
    # Bolt's promotion ends on 1 March and is never swept; Acme's is due on 10 April.
    do(IssueGrant("cus_bolt", CreditType.PROMOTIONAL, credits_to_micro(60), WHY), day(12, 1, year=2025))
    do(top_up("cus_acme", 1000, 10_00, "pay_1"), day(1, 10))
    do(IssueGrant("cus_acme", CreditType.PROMOTIONAL, credits_to_micro(300), WHY, campaign="spring"), day(1, 10))
    do(use("cus_acme", "e1", "image", 20, day(2, 10)), day(2, 10))
    do(top_up("cus_bolt", 200, 3_00, "pay_3"), day(2, 20))
    do(top_up("cus_acme", 400, 4_01, "pay_2"), day(3, 2))
    rollover = IssueGrant("cus_acme", CreditType.ROLLOVER, credits_to_micro(70), WHY, effective_at=day(4, 1))
    do(rollover, day(3, 3))
    do(use("cus_acme", "e2", "text", 10, day(3, 5)), day(3, 5))
    # 22:00 UTC on the 8th is eleven in the evening in Berlin, 23:00 is already the 9th.
    late = (event("e3", "image", 2, day(3, 8, 22)), event("e4", "image", 1, day(3, 8, 23)))
    do(RecordUsageBulk("cus_acme", late), day(3, 9))
    do(AdjustBalance("cus_bolt", credits_to_micro(-50), WHY), day(3, 9))
    do(ExpireDue("cus_acme"), day(3, 10))
    return ledger


@pytest.fixture
def connection(company: Ledger) -> Iterator[sa.Connection]:
    with company.database.reader.connect() as opened:
        yield opened


@pytest.fixture
def empty(ledger: Ledger) -> Iterator[sa.Connection]:
    with ledger.database.reader.connect() as opened:
        yield opened


def event(event_id: str, feature: str, quantity: int, at: datetime) -> UsageEvent:
    return UsageEvent(event_id, feature, at, quantity * 1_000_000)


def use(account: str, event_id: str, feature: str, quantity: int, at: datetime) -> RecordUsage:
    return RecordUsage(account, event(event_id, feature, quantity, at))


def top_up(account: str, amount: int, cents: int, reference: str) -> RecordTopUp:
    return RecordTopUp(account, credits_to_micro(amount), Money(cents, "EUR"), reference, WHY)

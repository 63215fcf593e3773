"""Alerts about money: a rule that stopped, a payment that is blocked or disputed, told once and closed with it."""

from datetime import timedelta

import sqlalchemy as sa

from ledger import DefinePackage, Ledger, Money, ResumeRecharge
from ledger.clock import FixedClock
from ledger.gateways.mock import GOOD_CARD, LATER_DECLINED_CARD, MockGateway
from ledger.selling.follow import follow
from ledger.selling.recharging import recharge_due
from service.alerts import find_alerts
from tests.kit.factories import ADMIN, MICRO, REASON, open_account
from tests.kit.paying import buy, define_package, open_checkout, row_of, start
from tests.kit.recharging import save_card, set_rule
from tests.operations.books import all_rows


def told(ledger: Ledger) -> list[tuple[str, str, str, bool]]:
    """Alerts about money: kind, subject without what it names, severity, whether it is over."""
    return [
        (row["kind"], row["subject"].partition(":")[0], row["severity"], row["recovered_at"] is not None)
        for row in all_rows(ledger)["alert"]
        if row["kind"] in ("recharge_stopped", "payment_blocked", "dispute_open")
    ]


def mails(ledger: Ledger, template: str) -> set[str]:
    return {row["to_address"] for row in all_rows(ledger)["mail"] if row["template"] == template}


def test_a_stopped_rule_tells_at_once_and_is_over_when_resumed(
    ledger: Ledger, mock: MockGateway, clock: FixedClock
) -> None:
    open_account(ledger)
    define_package(ledger)
    save_card(ledger, mock, LATER_DECLINED_CARD)
    set_rule(ledger, below=150, stop_after=1)
    find_alerts(ledger)
    recharge_due(ledger)
    find_alerts(ledger)
    stopped = ("recharge_stopped", "stopped", "critical", False)
    assert told(ledger) == [stopped]
    assert mails(ledger, "recharge_stopped") == {"mara@example.com", "billing@acme.example"}
    assert find_alerts(ledger)["raised"] == 0
    ledger.execute(ResumeRecharge("acme", REASON), actor=ADMIN, key="resume")
    find_alerts(ledger)
    assert told(ledger) == [(*stopped[:3], True)]
    # The next stop is another one, however soon.
    clock.advance(timedelta(hours=1))
    recharge_due(ledger)
    find_alerts(ledger)
    assert told(ledger) == [(*stopped[:3], True), stopped]


def test_a_blocked_payment_tells_although_no_credits_moved(ledger: Ledger, mock: MockGateway) -> None:
    open_account(ledger)
    define_package(ledger)
    name = start(ledger)
    ref = open_checkout(ledger, mock, name)
    off_sale = DefinePackage("team", "Team", 100 * MICRO, Money(10_000, "EUR"), per_customer_limit=1)
    buy(ledger, mock)
    ledger.clock.advance(timedelta(seconds=1))  # type: ignore[attr-defined]
    ledger.execute(off_sale, actor=ADMIN, key="limit")
    find_alerts(ledger)
    mock.pay(ref, GOOD_CARD)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE payment SET package_id = 2 WHERE name = :name"), {"name": name})
    follow(ledger, name)
    assert row_of(ledger, name=name).state == "blocked"
    assert find_alerts(ledger)["raised"] == 1
    assert told(ledger) == [("payment_blocked", "payment", "critical", False)]
    assert mails(ledger, "payment_needs_you") == {"mara@example.com"}


def test_a_dispute_tells_and_is_over_when_it_is_won(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    open_account(ledger)
    define_package(ledger)
    name, ref = buy(ledger, mock)
    find_alerts(ledger)
    dispute = mock.dispute(ref)
    clock.advance(timedelta(minutes=1))
    follow(ledger, name)
    find_alerts(ledger)
    assert ("dispute_open", "payment", "warning", False) in told(ledger)
    mock.close_dispute(ref, dispute, is_won=True)
    clock.advance(timedelta(minutes=1))
    follow(ledger, name)
    find_alerts(ledger)
    assert told(ledger) == [("dispute_open", "payment", "warning", True)]

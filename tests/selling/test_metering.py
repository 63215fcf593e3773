"""Use beyond the credits is told to the meter once, whatever fails; the mirror adds up to what the shelf is worth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger import MICRO, AccountType, GiveBack, Ledger, Money, Provider, ProviderUnavailable
from ledger.clock import FixedClock
from ledger.comparing import compare
from ledger.gateways.mock import MockGateway
from ledger.reconcile import reconcile
from ledger.selling import metering, mirroring
from ledger.selling.follow import follow_ref
from ledger.selling.subscriptions import follow_subscription
from ledger.settings import settings
from tests.kit.billing import Shop, pass_time
from tests.kit.factories import (
    ADMIN,
    NOW,
    REASON,
    allow_overdraft,
    grant,
    open_account,
    price_feature,
    run,
    top_up,
    use,
)
from tests.operations.books import all_rows, audit


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> Shop:
    made = Shop(ledger, mock)
    made.plan("basic", 100, per_thousand=2_000)
    price_feature(ledger)
    return made


def hybrid(shop: Shop, account: str = "acme", *, account_type: AccountType = AccountType.HYBRID) -> str:
    """A customer on the plan who may owe 200 credits; answers the subscription."""
    open_account(shop.ledger, account, account_type=account_type)
    allow_overdraft(shop.ledger, account, credits=200)
    ref = shop.mock.subscribe(account, shop.prices["basic"])
    follow_subscription(shop.ledger, Provider.MOCK, ref)
    return ref


def told(shop: Shop) -> list[int]:
    """What the meter was told, in whole credits."""
    with shop.mock.store.turn() as turn:
        return sorted(one["micro"] // MICRO for one in turn.all("meter event"))


def test_each_use_beyond_the_credits_is_told_once(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    hybrid(shop)
    use(ledger, quantity=130)
    for _ in range(2):
        metering.meter(ledger)
    assert told(shop) == [30]
    clock.advance(timedelta(hours=1))
    use(ledger, quantity=5)
    use(ledger, quantity=7)
    assert metering.meter(ledger) == metering.Sent(made=1, sent=1, failed=0)
    assert told(shop) == [12, 30]
    entries = [row for row in all_rows(ledger)["entry"] if row["from_bucket"] == "owed"]
    events = sorted(row["through_entry_id"] for row in all_rows(ledger)["meter_event"])
    assert events == [entries[0]["id"], entries[-1]["id"]]


def test_what_is_given_back_comes_off_the_next_event(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    hybrid(shop)
    use(ledger, quantity=130, event_id="first")
    metering.meter(ledger)
    run(ledger, GiveBack("acme", event_id="first", reason=REASON))
    assert metering.meter(ledger).made == 0
    clock.advance(timedelta(hours=1))
    use(ledger, quantity=150)
    metering.meter(ledger)
    # 30 were told and given back, so of the 50 beyond the credits 20 are left to tell.
    assert told(shop) == [20, 30]


def test_only_hybrid_customers_with_a_billed_plan_are_metered(shop: Shop, ledger: Ledger) -> None:
    hybrid(shop, "prepaid", account_type=AccountType.PREPAID)
    open_account(ledger, "loose", account_type=AccountType.HYBRID)
    allow_overdraft(ledger, "loose", credits=50)
    use(ledger, "prepaid", quantity=110)
    use(ledger, "loose", quantity=10)
    assert metering.meter(ledger) == metering.Sent(0, 0, 0)


def test_an_outage_is_waited_for_and_a_refusal_is_kept_to_be_seen(
    shop: Shop, ledger: Ledger, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hybrid(shop)
    use(ledger, quantity=110)
    answered = MockGateway.send_meter_event

    def lost(self: MockGateway, **what: Any) -> None:
        answered(self, **what)
        raise ProviderUnavailable(provider="mock", detail="the answer was lost")

    monkeypatch.setattr(MockGateway, "send_meter_event", lost)
    assert metering.meter(ledger) == metering.Sent(1, 0, 0)
    assert metering.meter(ledger) == metering.Sent(0, 0, 0)
    monkeypatch.setattr(MockGateway, "send_meter_event", answered)
    clock.advance(timedelta(minutes=2))
    assert metering.meter(ledger) == metering.Sent(0, 1, 0)
    assert told(shop) == [10]
    monkeypatch.setenv("METER_EVENT_NAME", "unheard_of")
    settings.cache_clear()
    use(ledger, quantity=1)
    assert metering.meter(ledger) == metering.Sent(1, 0, 1)
    (_, failed) = all_rows(ledger)["meter_event"]
    assert (failed["state"], "no meter" in failed["error"]) == ("failed", True)
    monkeypatch.delenv("METER_EVENT_NAME")
    settings.cache_clear()
    assert metering.retry(ledger) == 1
    assert metering.meter(ledger).sent == 1


def test_a_month_of_metered_use_is_billed_and_repays_the_debt(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = hybrid(shop)
    use(ledger, quantity=160)
    metering.meter(ledger)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow_subscription(ledger, Provider.MOCK, ref)
    clock.advance(timedelta(days=1))
    pass_time(ledger, clock, clock.now() + timedelta(days=1))
    (owner,) = all_rows(ledger)["account"]
    assert (owner["owed_micro"], owner["available_micro"]) == (0, 100 * MICRO)
    assert metering.meter(ledger).made == 0
    assert audit(ledger) == []


@pytest.fixture
def mirrored(monkeypatch: pytest.MonkeyPatch, mock: MockGateway) -> MockGateway:
    monkeypatch.setenv("MIRROR_BALANCE", "true")
    settings.cache_clear()
    return mock


def balance(mock: MockGateway) -> int:
    """The provider's balance, in cents to the customer's credit."""
    return -mock.balance(next(iter(mock.customers())).ref).money.cents


def known(ledger: Ledger, mock: MockGateway) -> None:
    """Let the provider know the customer: by a subscription, whose plan gives 100 credits, worth 10 each 1,000."""
    shop = Shop(ledger, mock)
    shop.plan("basic", 100)
    follow_subscription(ledger, Provider.MOCK, mock.subscribe("acme", shop.prices["basic"]))


def test_the_mirror_is_off_unless_wanted(ledger: Ledger, mock: MockGateway) -> None:
    open_account(ledger)
    known(ledger, mock)
    assert mirroring.mirror(ledger) == mirroring.Mirrored(0, 0, 0)


def test_movements_are_mirrored_one_by_one_and_use_by_the_day(
    ledger: Ledger, mirrored: MockGateway, clock: FixedClock
) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=1_000, price=Money(900, "EUR"))
    known(ledger, mirrored)
    mirroring.mirror(ledger)
    # 900 cents for what was paid, 100 free credits at 1,000 cents each thousand.
    assert balance(mirrored) == 900 + 100
    clock.advance(timedelta(minutes=5))
    grant(ledger, credits=50)
    for _ in range(2):
        mirroring.mirror(ledger)
    assert balance(mirrored) == 1_050
    move = mirrored.balance(next(iter(mirrored.customers())).ref).moves[0]
    assert (move.metadata["type"], move.metadata["source"], move.money.cents) == ("promotional", "manual", -50)
    assert move.metadata["expires_at"].startswith("2026-")
    use(ledger, quantity=33)
    use(ledger, quantity=33)
    mirroring.mirror(ledger)
    assert balance(mirrored) == 1_050
    clock.advance(timedelta(days=1))
    for _ in range(2):
        mirroring.mirror(ledger)
    assert balance(mirrored) == 1_050 - 66
    kinds = [row["kind"] for row in all_rows(ledger)["balance_mirror"]]
    assert kinds == ["opening", "movement", "usage"]


def test_the_mirror_adds_up_to_the_shelf_through_rounding_and_lost_answers(
    ledger: Ledger, mirrored: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_account(ledger)
    price_feature(ledger)
    known(ledger, mirrored)
    mirroring.mirror(ledger)
    answered = MockGateway.move_balance

    def lost(self: MockGateway, *given: Any, **what: Any) -> None:
        answered(self, *given, **what)
        raise ProviderUnavailable(provider="mock", detail="the answer was lost")

    for day in range(6):
        clock.advance(timedelta(days=1))
        top_up(ledger, credits=7, price=Money(5, "EUR"))
        for _ in range(3):
            use(ledger, quantity=3)
        monkeypatch.setattr(MockGateway, "move_balance", lost if day % 2 else answered)
        mirroring.mirror(ledger)
    monkeypatch.setattr(MockGateway, "move_balance", answered)
    clock.advance(timedelta(days=2))
    mirroring.mirror(ledger)
    rows = [row for row in all_rows(ledger)["batch"] if row["remaining_micro"]]
    worth = sum(
        round(row["remaining_micro"] * row["cost_cents"] / row["granted_micro"])
        if row["cost_cents"]
        else round(row["remaining_micro"] / MICRO)
        for row in rows
    )
    assert balance(mirrored) == worth
    assert {row["state"] for row in all_rows(ledger)["balance_mirror"]} == {"sent"}


def test_a_comparison_finds_nothing_wrong_with_invoices(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = hybrid(shop)
    use(ledger, quantity=130)
    metering.meter(ledger)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow_subscription(ledger, Provider.MOCK, ref)
    clock.advance(timedelta(days=2))
    done = compare(ledger, Provider.MOCK, since=NOW - timedelta(days=1), until=clock.now(), by=ADMIN)
    # The first invoice is of the plan alone, the second one of 30 credits, too.
    assert (done.findings, done.others, done.objects) == (0, 1, 2)
    with ledger.database.reading() as connection:
        assert reconcile(connection).findings == ()


def test_money_of_an_invoice_that_goes_back_takes_its_share_of_what_was_metered(
    shop: Shop, ledger: Ledger, clock: FixedClock
) -> None:
    ref = hybrid(shop)
    use(ledger, quantity=140)
    metering.meter(ledger)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow_subscription(ledger, Provider.MOCK, ref)
    (paid,) = all_rows(ledger)["payment"]
    clock.advance(timedelta(hours=1))
    shop.mock.give_back(paid["payment_ref"], paid["total_cents"] // 4)
    follow_ref(ledger, Provider.MOCK, payment_ref=paid["payment_ref"])
    (after,) = all_rows(ledger)["payment"]
    assert after["claimed_micro"] + after["taken_micro"] == 10 * MICRO
    assert audit(ledger) == []

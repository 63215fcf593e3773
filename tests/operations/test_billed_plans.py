"""Plans that a provider bills give the same credits however late, often or out of order it is followed."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger import (
    MICRO,
    CancelPlan,
    ChangePlan,
    ClosePeriod,
    DefinePlan,
    Ledger,
    LinkPlanPrice,
    Money,
    NotAllowedNow,
    NotFound,
    NotPermitted,
    Provider,
    StartPlan,
)
from ledger.clock import FixedClock
from ledger.core.billed import PaidPeriod, next_midnight, whole_days
from ledger.core.plans import Period
from ledger.core.policy import SYSTEM
from ledger.gateways.billing import InvoiceFacts
from ledger.gateways.mock import MockGateway
from ledger.operations.billed_plans import FollowSubscription
from ledger.selling.subscriptions import follow_billed, follow_invoice, follow_subscription, plan_payment
from tests.kit.billing import Shop, night, pass_time
from tests.kit.factories import ADMIN, NOW, REASON, allow_overdraft, fresh_key, open_account, price_feature, run, use
from tests.operations.books import all_rows, audit

START = NOW


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> Shop:
    made = Shop(ledger, mock)
    made.plan("basic", 100, rollover=40)
    made.plan("pro", 400, rollover=100)
    open_account(ledger, zone="America/New_York")
    return made


def follow(ledger: Ledger, ref: str) -> None:
    follow_subscription(ledger, Provider.MOCK, ref)


def given(ledger: Ledger) -> list[tuple[str, str, str, str, int]]:
    """What plans gave: kind, plan, days of the period, whole credits."""
    rows = all_rows(ledger)
    codes = {row["id"]: row["code"] for row in rows["plan"]}
    return sorted(
        (str(row["period_start"]), str(row["period_end"]), row["kind"], codes[row["plan_id"]], row["amount_micro"])
        for row in rows["allocation"]
    )


def shelf(ledger: Ledger) -> list[tuple[str, ...]]:
    """Every batch with its dates."""
    kept = ("source", "credit_type", "granted_micro", "effective_at", "expires_at")
    return sorted(tuple(str(row[name]) for name in kept) for row in all_rows(ledger)["batch"])


def subscribed(ledger: Ledger) -> dict[str, Any]:
    (row,) = all_rows(ledger)["subscription"]
    return row


def test_a_paid_invoice_gives_the_credits_of_its_period_once(shop: Shop, ledger: Ledger) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    for _ in range(3):
        follow(ledger, ref)
    assert given(ledger) == [("2026-03-10", "2026-04-11", "allowance", "basic", 100 * MICRO)]
    row = subscribed(ledger)
    assert (row["provider"], row["provider_ref"], row["state"]) == ("mock", ref, "active")
    assert len(all_rows(ledger)["billed_invoice"]) == 1
    assert audit(ledger) == []


def test_an_unpaid_subscription_gives_nothing(shop: Shop, ledger: Ledger) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"], pays=False)
    follow(ledger, ref)
    assert (given(ledger), all_rows(ledger)["subscription"]) == ([], [])


def test_the_next_period_begins_where_the_last_one_ends_though_it_was_paid_before(
    shop: Shop, ledger: Ledger, clock: FixedClock
) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow(ledger, ref)
    # The day is not over in New York: the credits of the first period are still there, those of the next are not.
    assert len(given(ledger)) == 1
    clock.set(datetime(2026, 4, 11, 4, tzinfo=UTC))
    night(ledger)
    assert given(ledger)[1:] == [
        ("2026-04-11", "2026-05-11", "allowance", "basic", 100 * MICRO),
        ("2026-04-11", "2026-05-11", "rollover", "basic", 40 * MICRO),
    ]
    assert shelf(ledger)[0][3:] != shelf(ledger)[1][3:]
    assert audit(ledger) == []


def test_without_a_payment_no_period_begins_and_the_month_can_be_closed(
    shop: Shop, ledger: Ledger, clock: FixedClock, finance: Any
) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    invoice = shop.mock.renew(ref, pays=False)
    assert invoice is not None
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 5, 2, 12, tzinfo=UTC))
    assert len(given(ledger)) == 1
    ledger.execute(ClosePeriod(date(2026, 4, 30), REASON), actor=finance, key=fresh_key())
    shop.mock.pay_invoice(invoice)
    follow_invoice(ledger, Provider.MOCK, invoice)
    late = given(ledger)[1:]
    assert late == [
        ("2026-04-11", "2026-05-11", "allowance", "basic", 100 * MICRO),
        ("2026-04-11", "2026-05-11", "rollover", "basic", 40 * MICRO),
    ]
    starts = {row["effective_at"] for row in all_rows(ledger)["batch"]}
    assert starts == {START, datetime(2026, 5, 2, 12, tzinfo=UTC)}
    assert audit(ledger) == []


def test_what_is_paid_after_its_period_is_over_gives_nothing(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    unpaid = shop.mock.renew(ref, pays=False)
    assert unpaid is not None
    pass_time(ledger, clock, datetime(2026, 5, 10, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 5, 20, 12, tzinfo=UTC))
    shop.mock.pay_invoice(unpaid)
    follow(ledger, ref)
    assert [row for row in given(ledger) if row[0] < "2026-05"] == [
        ("2026-03-10", "2026-04-11", "allowance", "basic", 100 * MICRO),
        ("2026-04-11", "2026-05-11", "allowance", "basic", 0),
    ]
    assert audit(ledger) == []


def test_an_upgrade_gives_the_difference_for_the_days_left_when_it_is_paid(
    shop: Shop, ledger: Ledger, clock: FixedClock
) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    pass_time(ledger, clock, datetime(2026, 3, 26, 12, tzinfo=UTC))
    invoice = shop.mock.change_price(ref, shop.prices["pro"], pays=False)
    assert invoice is not None
    follow(ledger, ref)
    assert len(given(ledger)) == 1
    assert subscribed(ledger)["next_plan_code"] == "pro"
    shop.mock.pay_invoice(invoice)
    follow(ledger, ref)
    # 16 of the 32 days from 10 March through 10 April.
    assert ("2026-03-10", "2026-04-11", "upgrade", "pro", 150 * MICRO) in given(ledger)
    shop.mock.change_price(ref, shop.prices["basic"])
    follow(ledger, ref)
    assert len(given(ledger)) == 2
    assert subscribed(ledger)["next_plan_code"] == "basic"


def test_a_cancelled_subscription_ends_with_its_period(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    shop.mock.cancel_subscription(ref)
    follow(ledger, ref)
    assert subscribed(ledger)["state"] == "cancelled"
    pass_time(ledger, clock, datetime(2026, 4, 12, 12, tzinfo=UTC))
    shop.mock.renew(ref)
    follow_billed(ledger)
    row = subscribed(ledger)
    assert (row["state"], len(given(ledger))) == ("ended", 1)
    again = shop.mock.subscribe("acme", shop.prices["pro"])
    follow(ledger, again)
    assert subscribed(ledger)["provider_ref"] == again
    assert given(ledger)[-1][2:] == ("allowance", "pro", 400 * MICRO)


@pytest.mark.parametrize(
    "said", [{"status": "canceled"}, {"ended_at": NOW}, {"ends_at_period_end": True}], ids=lambda said: next(iter(said))
)
def test_a_subscription_is_cancelled_by_any_of_the_words_for_it(
    shop: Shop, ledger: Ledger, said: dict[str, Any]
) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    facts = shop.mock.subscription(ref)
    assert facts is not None
    over = FollowSubscription("acme", Provider.MOCK, replace(facts, **said), tuple(shop.mock.invoices(ref)))
    ledger.execute(over, actor=SYSTEM, key=fresh_key())
    assert subscribed(ledger)["state"] == "cancelled"


def test_a_plan_by_the_calendar_is_taken_over(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    run(ledger, StartPlan("acme", "basic", REASON))
    clock.advance(timedelta(days=3))
    ref = shop.mock.subscribe("acme", shop.prices["pro"])
    follow(ledger, ref)
    assert subscribed(ledger)["provider_ref"] == ref
    assert [row[3] for row in given(ledger)] == ["basic", "pro"]
    with pytest.raises(NotAllowedNow, match="billed by mock"):
        run(ledger, ChangePlan("acme", "basic", REASON))
    with pytest.raises(NotAllowedNow, match="billed by mock"):
        run(ledger, CancelPlan("acme", REASON))
    second = shop.mock.subscribe("acme", shop.prices["basic"])
    with pytest.raises(NotAllowedNow, match="one subscription at a time"):
        follow(ledger, second)


def test_a_price_has_to_be_linked_first(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    open_account(ledger)
    price = mock.make_price("basic", Money(900, "EUR"))
    ref = mock.subscribe("acme", price)
    with pytest.raises(NotAllowedNow, match="stands for no plan"):
        follow(ledger, ref)
    with pytest.raises(NotFound):
        run(ledger, LinkPlanPrice(Provider.MOCK, price, "basic"))
    run(ledger, DefinePlan("basic", "Basic", 100 * MICRO, Money(900, "EUR")))
    run(ledger, LinkPlanPrice(Provider.MOCK, price, "basic"))
    follow(ledger, ref)
    assert len(given(ledger)) == 1
    assert run(ledger, LinkPlanPrice(Provider.MOCK, price, "basic")).transaction_id is None
    run(ledger, LinkPlanPrice(Provider.MOCK, price, None))
    clock.advance(timedelta(minutes=1))
    with pytest.raises(NotAllowedNow):
        follow(ledger, ref)


def test_a_stranger_is_nobody_here_and_people_follow_nothing(ledger: Ledger, mock: MockGateway) -> None:
    ref = mock.subscribe("stranger", mock.make_price("basic", Money(900, "EUR")))
    answer = follow_subscription(ledger, Provider.MOCK, ref)
    assert not answer.is_matched
    with pytest.raises(NotFound):
        follow(ledger, "sub_unknown")
    facts = mock.subscription(ref)
    assert facts is not None
    with pytest.raises(NotPermitted):
        ledger.execute(FollowSubscription("stranger", Provider.MOCK, facts), actor=ADMIN, key=fresh_key())


def test_a_subscription_stays_with_whom_it_bills(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    open_account(ledger, "bolt")
    with shop.mock.store.turn() as turn:
        known = turn.get("subscription", ref)
        assert known is not None
        turn.put("subscription", ref, known | {"account": "bolt"})
    clock.advance(timedelta(minutes=1))
    assert follow_subscription(ledger, Provider.MOCK, ref).account == "acme"


def test_an_answer_asked_for_earlier_is_ignored(shop: Shop, ledger: Ledger, clock: FixedClock) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    before = shop.mock.subscription(ref)
    assert before is not None
    clock.advance(timedelta(minutes=1))
    shop.mock.cancel_subscription(ref)
    follow(ledger, ref)
    old = FollowSubscription("acme", Provider.MOCK, before, tuple(shop.mock.invoices(ref)))
    assert ledger.execute(old, actor=SYSTEM, key=fresh_key()).transaction_id is None
    assert subscribed(ledger)["state"] == "cancelled"


def test_what_was_metered_is_bought_and_repays_the_debt(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    shop = Shop(ledger, mock)
    shop.plan("basic", 100, per_thousand=2_000)
    open_account(ledger)
    price_feature(ledger)
    ref = mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    allow_overdraft(ledger, credits=50)
    use(ledger, quantity=130)
    customer = next(iter(mock.customers())).ref
    mock.make_meter(event_name="credits_beyond", label="Beyond", key="meter")
    mock.send_meter_event(
        event_name="credits_beyond", customer_ref=customer, value="30", identifier="a", at=clock.now()
    )
    pass_time(ledger, clock, datetime(2026, 4, 10, 12, tzinfo=UTC))
    invoice = mock.renew(ref)
    assert invoice is not None
    for _ in range(2):
        follow(ledger, ref)
    bought = [row for row in all_rows(ledger)["batch"] if row["credit_type"] == "purchased"]
    assert [(row["granted_micro"], row["remaining_micro"], row["cost_cents"]) for row in bought] == [
        (30 * MICRO, 0, 60)
    ]
    (paid,) = all_rows(ledger)["payment"]
    assert (paid["purpose"], paid["state"], paid["batch_id"]) == ("invoice", "credited", bought[0]["id"])
    assert plan_payment(ledger, Provider.MOCK, paid["payment_ref"]) == ("acme", invoice)
    (owner,) = all_rows(ledger)["account"]
    assert owner["owed_micro"] == 0
    assert audit(ledger) == []


def test_days_of_a_period_are_whole_days_where_the_customer_is() -> None:
    zone = ZoneInfo("America/New_York")
    noon = datetime(2026, 4, 10, 12, tzinfo=UTC)
    midnight = datetime(2026, 4, 10, 4, tzinfo=UTC)
    assert (next_midnight(noon, zone), next_midnight(midnight, zone)) == (date(2026, 4, 11), date(2026, 4, 10))
    paid = PaidPeriod("in", "basic", noon, datetime(2026, 5, 10, 12, tzinfo=UTC), noon)
    assert paid.follows(Period(date(2026, 3, 10), date(2026, 4, 11)), zone)
    assert not paid.follows(Period(date(2026, 3, 10), date(2026, 4, 10)), zone)
    assert paid.days(zone) == Period(date(2026, 4, 10), date(2026, 5, 11))
    assert whole_days(Period(date(2026, 4, 1), date(2026, 5, 1)), months=1) == 30
    assert whole_days(Period(date(2026, 4, 21), date(2026, 5, 1)), months=1) == 30
    assert whole_days(Period(date(2026, 4, 10), date(2027, 4, 11)), months=12) == 366


def test_the_last_invoice_may_bill_nothing_but_what_was_used(ledger: Ledger, mock: MockGateway) -> None:
    shop = Shop(ledger, mock)
    shop.plan("basic", 100)
    open_account(ledger)
    price_feature(ledger)
    ref = mock.subscribe("acme", shop.prices["basic"])
    follow(ledger, ref)
    allow_overdraft(ledger, credits=50)
    use(ledger, quantity=120)
    (first,), facts = tuple(mock.invoices(ref)), mock.subscription(ref)
    assert facts is not None
    last = InvoiceFacts(
        "in_last",
        first.customer_ref,
        True,
        Money(40, "EUR"),
        START,
        START,
        subscription_ref=ref,
        paid_at=START,
        payment_ref="pi_last",
        metered_micro=20 * MICRO,
        metered_cents=40,
    )
    for _ in range(2):
        ended = FollowSubscription("acme", Provider.MOCK, replace(facts, status="canceled"), (first, last))
        ledger.execute(ended, actor=SYSTEM, key=fresh_key())
    (owner,) = all_rows(ledger)["account"]
    assert (owner["owed_micro"], owner["available_micro"], len(given(ledger))) == (0, 0, 1)
    assert audit(ledger) == []


def test_followers_at_once_give_once(shop: Shop, ledger: Ledger) -> None:
    ref = shop.mock.subscribe("acme", shop.prices["basic"])
    together = threading.Barrier(4)

    def one() -> None:
        together.wait()
        follow(ledger, ref)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(one) for _ in range(4)]:
            done.result()
    assert len(given(ledger)) == 1
    assert audit(ledger) == []

"""Auto-recharge: the saved card is charged when the line is crossed, once, within its caps, and it stops in time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from ledger import (
    MICRO,
    SYSTEM,
    CreditType,
    DefinePackage,
    InvalidCommand,
    IssueGrant,
    Ledger,
    Money,
    NotAllowedNow,
    NotFound,
    PlaceHold,
    Provider,
    ProviderUnavailable,
    RechargeTerms,
    ResumeRecharge,
    SetRechargeRule,
    StartRecharge,
)
from ledger.clock import FixedClock
from ledger.gateways.mock import CONFIRMED_CARD, LATER_DECLINED_CARD, MockGateway
from ledger.gateways.provider import ChargeRequest, PaymentFacts
from ledger.models import forecast_run, saved_card
from ledger.selling.follow import follow, follow_facts
from ledger.selling.recharging import CONFIRM_WITHIN, due, recharge_due
from tests.kit.factories import ADMIN, NOW, REASON, fresh_key, open_account, price_feature, use
from tests.kit.paying import define_package
from tests.kit.recharging import recharges, rule_row, save_card, set_rule
from tests.operations.books import all_rows, audit


@pytest.fixture
def shop(ledger: Ledger, mock: MockGateway) -> Iterator[MockGateway]:
    """Acme has a hundred credits, bought with a card that is kept; a hundred more cost 100.00 EUR."""
    open_account(ledger)
    price_feature(ledger)
    define_package(ledger)
    save_card(ledger, mock)
    yield mock
    assert audit(ledger) == []


def test_a_crossed_line_is_closed_by_one_charge(ledger: Ledger, shop: MockGateway) -> None:
    set_rule(ledger, below=350)
    assert recharge_due(ledger) == {"begun": 1, "paid": 1}
    (made,) = recharges(ledger)
    assert (made.state, made.quantity, made.credits_micro, made.price_cents) == ("credited", 3, 300 * MICRO, 30_000)
    assert all_rows(ledger)["batch"][-1]["cost_cents"] == 30_000
    assert recharge_due(ledger) == {}


def test_the_line_itself_is_not_below(ledger: Ledger, shop: MockGateway) -> None:
    set_rule(ledger, below=100)
    assert due(ledger) == []
    use(ledger, quantity=1)
    assert due(ledger) == ["acme"]
    assert recharge_due(ledger) == {"begun": 1, "paid": 1}
    assert recharges(ledger)[0].quantity == 1


def test_held_credits_and_later_ones_do_not_count(ledger: Ledger, shop: MockGateway) -> None:
    later = IssueGrant(
        "acme", CreditType.PROMOTIONAL, 500 * MICRO, REASON, effective_at=datetime(2026, 5, 1, tzinfo=UTC)
    )
    ledger.execute(later, actor=ADMIN, key="later")
    ledger.execute(PlaceHold("acme", "work", "images", 60 * MICRO), actor=ADMIN, key="hold")
    set_rule(ledger, below=40)
    assert due(ledger) == []
    set_rule(ledger, below=41)
    assert due(ledger) == ["acme"]


def test_days_of_runway_are_a_line_by_the_stored_forecast(ledger: Ledger, shop: MockGateway, clock: FixedClock) -> None:
    set_rule(ledger, below=None, days=10)
    # Nothing is known of the pace.
    assert due(ledger) == []
    body = {"as_of": "2026-03-09", "mean_daily_credits": [30.0] * 90}
    with ledger.database.engine.begin() as connection:
        connection.execute(
            sa.insert(forecast_run).values(account_id=1, as_of=date(2026, 3, 9), computed_at=clock.now(), body=body)
        )
    # Ten days take 300 credits, a hundred are there.
    assert recharge_due(ledger) == {"begun": 1, "paid": 1}
    assert recharges(ledger)[0].quantity == 2
    clock.advance(timedelta(days=46))
    use(ledger, quantity=250)
    assert due(ledger) == []


@pytest.mark.parametrize(
    ("day_cap", "month_cap", "days", "charged"),
    [
        pytest.param(25_000, 100_000, [10, 10, 11], [2, 0, 2], id="day"),
        pytest.param(25_000, 35_000, [10, 11, 12, 32], [2, 1, 0, 2], id="month"),
    ],
)
def test_caps_hold_per_day_and_month(
    ledger: Ledger,
    shop: MockGateway,
    clock: FixedClock,
    day_cap: int,
    month_cap: int,
    days: list[int],
    charged: list[int],
) -> None:
    set_rule(ledger, below=2_000, day_cap=day_cap, month_cap=month_cap)
    for day, count in zip(days, charged, strict=True):
        # Two hours later on the same day: the rest is over, the cap is not.
        wanted = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(days=day - 1)
        clock.advance(max(timedelta(hours=2), wanted - clock.now()))
        before = len(recharges(ledger))
        recharge_due(ledger)
        assert sum(row.quantity for row in recharges(ledger)[before:]) == count


def test_the_day_of_a_cap_is_the_customers(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    open_account(ledger, "tokyo", zone="Asia/Tokyo")
    define_package(ledger)
    save_card(ledger, mock, account="tokyo")
    set_rule(ledger, "tokyo", below=2_000, day_cap=10_000, month_cap=100_000)
    recharge_due(ledger)
    # 21:00 of the day in Tokyo when it was charged, then 01:00 of the next one there and 17:00 of the same in Berlin.
    clock.advance(timedelta(hours=2))
    assert recharge_due(ledger) == {}
    clock.advance(timedelta(hours=2))
    assert recharge_due(ledger) == {"begun": 1, "paid": 1}


def test_a_rule_rests_after_each_try_whatever_became_of_it(
    ledger: Ledger, mock: MockGateway, clock: FixedClock
) -> None:
    open_account(ledger)
    define_package(ledger)
    save_card(ledger, mock, LATER_DECLINED_CARD)
    set_rule(ledger, below=150, stop_after=3)
    for tries in (1, 2, 3):
        assert recharge_due(ledger) == {"begun": 1, "declined": 1}
        assert rule_row(ledger).declines == tries
        clock.advance(timedelta(minutes=59))
        assert recharge_due(ledger) == {}
        clock.advance(timedelta(minutes=1))
    stopped = rule_row(ledger)
    assert stopped.stopped_at is not None
    assert stopped.stopped_because == "the card was declined (card declined)"
    assert recharge_due(ledger) == {}
    assert [row.state for row in recharges(ledger)] == ["failed"] * 3
    ledger.execute(ResumeRecharge("acme", REASON), actor=ADMIN, key="again")
    assert (rule_row(ledger).declines, rule_row(ledger).stopped_at) == (0, None)
    assert recharge_due(ledger) == {"begun": 1, "declined": 1}


def test_a_new_rule_does_not_end_the_rest(ledger: Ledger, mock: MockGateway) -> None:
    open_account(ledger)
    define_package(ledger)
    save_card(ledger, mock, LATER_DECLINED_CARD)
    set_rule(ledger, below=150)
    recharge_due(ledger)
    set_rule(ledger, below=200)
    assert rule_row(ledger).declines == 0
    assert recharge_due(ledger) == {}


def test_a_charge_that_went_well_forgives_declines(ledger: Ledger, shop: MockGateway, clock: FixedClock) -> None:
    set_rule(ledger, below=150)
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE recharge_rule SET declines = 2"))
    recharge_due(ledger)
    assert rule_row(ledger).declines == 0


def test_a_confirmation_is_asked_for_once_and_waited_for(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    open_account(ledger)
    define_package(ledger)
    save_card(ledger, mock, CONFIRMED_CARD)
    set_rule(ledger, below=150)
    assert recharge_due(ledger) == {"begun": 1, "to_confirm": 1, "told": 1}
    clock.advance(timedelta(hours=5))
    assert recharge_due(ledger) == {}
    (made,) = recharges(ledger)
    mails = [row for row in all_rows(ledger)["mail"] if row["template"] == "confirm_payment"]
    assert [row["to_address"] for row in mails] == ["billing@acme.example"]
    assert mails[0]["variables"]["link"] == made.url != ""
    mock.confirm(made.payment_ref)
    follow(ledger, made.name)
    assert recharges(ledger)[0].state == "credited"
    assert recharge_due(ledger) == {}


def test_a_charge_that_nobody_confirms_ends_as_declined(ledger: Ledger, mock: MockGateway, clock: FixedClock) -> None:
    open_account(ledger)
    define_package(ledger)
    save_card(ledger, mock, CONFIRMED_CARD)
    set_rule(ledger, below=150)
    recharge_due(ledger)
    clock.advance(CONFIRM_WITHIN - timedelta(minutes=1))
    assert recharge_due(ledger) == {}
    clock.advance(timedelta(minutes=1))
    assert recharge_due(ledger) == {"given_up": 1}
    (made,) = recharges(ledger)
    assert (made.state, rule_row(ledger).declines) == ("failed", 1)
    assert mock.look(payment_ref=made.payment_ref).failure_code == "abandoned"
    # The next turn may charge again: nothing is in flight any more.
    assert recharge_due(ledger) == {"begun": 1, "to_confirm": 1, "told": 1}


class Unsteady:
    """The mock provider behind a line that breaks before or after it hears of a charge."""

    def __init__(self, inner: MockGateway, breaks: list[str]) -> None:
        self._inner, self.breaks = inner, breaks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def charge_saved_card(self, request: ChargeRequest) -> PaymentFacts:
        how = self.breaks.pop(0) if self.breaks else ""
        if how != "before":
            facts = self._inner.charge_saved_card(request)
        if how:
            raise ProviderUnavailable(provider="mock", detail="timed out")
        return facts


def test_an_answer_that_was_lost_charges_once(
    ledger: Ledger, shop: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaks = ["before", "after", "after"]
    unsteady = Unsteady(shop, list(breaks))
    monkeypatch.setattr("ledger.selling.recharging.registry.gateway", lambda *_: unsteady)
    set_rule(ledger, below=150)
    assert recharge_due(ledger) == {"begun": 1, "later": 1}
    for _ in breaks[1:]:
        clock.advance(timedelta(hours=2))
        assert recharge_due(ledger) == {"later": 1}
    clock.advance(timedelta(minutes=1))
    assert recharge_due(ledger) == {"paid": 1}
    assert len(recharges(ledger)) == 1
    since = datetime(2026, 1, 1, tzinfo=UTC)
    paid = [one for one in shop.payments(since=since, until=since + timedelta(days=365)) if one.payment]
    assert sum(one.total.cents for one in paid) == 20_000


def test_a_crash_after_each_step_is_mended_by_the_next_turn(ledger: Ledger, shop: MockGateway) -> None:
    set_rule(ledger, below=150)
    # The process dies after the payment was begun.
    receipt = ledger.execute(StartRecharge("acme"), actor=SYSTEM, key="crashed")
    assert receipt.money == Money(10_000, "EUR")
    assert recharge_due(ledger) == {"paid": 1}
    assert [row.state for row in recharges(ledger)] == ["credited"]


def test_a_charge_that_was_never_answered_is_given_up(
    ledger: Ledger, shop: MockGateway, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsteady = Unsteady(shop, ["after"] * 2)
    monkeypatch.setattr("ledger.selling.recharging.registry.gateway", lambda *_: unsteady)
    set_rule(ledger, below=150)
    recharge_due(ledger)
    clock.advance(timedelta(hours=21))
    assert recharge_due(ledger) == {"declined": 1}
    assert recharges(ledger)[0].error == "Mock did not answer for 20 hours"
    # Its money was taken after all, and the provider tells of it later.
    since = datetime(2026, 1, 1, tzinfo=UTC)
    late = [one for one in shop.payments(since=since, until=clock.now()) if one.payment == recharges(ledger)[0].name]
    clock.advance(timedelta(seconds=1))
    follow_facts(ledger, next(iter(late)))
    follow(ledger, recharges(ledger)[0].name)
    assert recharges(ledger)[0].state == "credited"


OTHER = DefinePackage("team", "Team", 100 * MICRO, Money(10_000, "EUR"))
BROKEN = [
    pytest.param({"ends_at": NOW}, "the package team is not for sale", id="not-sold"),
    pytest.param(
        {"per_customer_limit": 5}, "the package team can be bought a limited number of times only", id="limited"
    ),
    pytest.param(
        {"price": Money(10_000, "USD")},
        "the package team is sold in USD, and the caps are in EUR",
        id="currency",
    ),
    pytest.param(None, "no card is saved at Mock any more", id="no-card"),
]


@pytest.mark.parametrize(("change", "why"), BROKEN)
def test_a_rule_that_cannot_charge_any_more_stops(
    ledger: Ledger, shop: MockGateway, clock: FixedClock, change: dict[str, Any] | None, why: str
) -> None:
    set_rule(ledger, below=150)
    clock.advance(timedelta(hours=2))
    if change is None:
        with ledger.database.engine.begin() as connection:
            connection.execute(sa.delete(saved_card))
    else:
        until = {"ends_at": clock.now()} if "ends_at" in change else {}
        ledger.execute(replace(OTHER, **(change | until)), actor=ADMIN, key="changed")
    assert recharge_due(ledger) == {"stopped": 1}
    assert rule_row(ledger).stopped_because == why
    assert (recharges(ledger), recharge_due(ledger)) == ([], {})


def test_a_card_that_went_between_begin_and_charge_is_a_decline(ledger: Ledger, shop: MockGateway) -> None:
    set_rule(ledger, below=150)
    ledger.execute(StartRecharge("acme"), actor=SYSTEM, key="begun")
    with ledger.database.engine.begin() as connection:
        connection.execute(sa.delete(saved_card))
    assert recharge_due(ledger) == {"declined": 1}
    assert rule_row(ledger).declines == 1


def test_switched_off_is_off(ledger: Ledger, shop: MockGateway) -> None:
    set_rule(ledger, below=150)
    off = SetRechargeRule("acme", None, Provider.MOCK, REASON)
    assert ledger.execute(off, actor=ADMIN, key="off").notes == ("Auto-recharge is off.",)
    assert recharge_due(ledger) == {}
    assert ledger.execute(off, actor=ADMIN, key="off-again").transaction_id is None
    with pytest.raises(NotAllowedNow, match="is off"):
        ledger.execute(ResumeRecharge("acme", REASON), actor=ADMIN, key="resume")
    set_rule(ledger, below=150)
    assert recharge_due(ledger) == {"begun": 1, "paid": 1}


TERMS = RechargeTerms("team", 50 * MICRO, None, 10_000, 20_000)
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"threshold_micro": None}, InvalidCommand, "credits, or days of runway"),
    ({"threshold_micro": 0}, InvalidCommand, "more than 0"),
    ({"runway_days": 91}, InvalidCommand, "1 to 90"),
    ({"day_cap_cents": 0}, InvalidCommand, "day_cap: must be more than 0"),
    ({"month_cap_cents": 9_999}, InvalidCommand, "at least the cap of a day"),
    ({"day_cap_cents": 9_999}, InvalidCommand, "less than one package"),
    ({"cool_down": timedelta(seconds=90)}, InvalidCommand, "whole minutes"),
    ({"stop_after": 11}, InvalidCommand, "1 to 10"),
    ({"package": "gone"}, NotFound, "gone"),
    ({"package": "welcome"}, NotAllowedNow, "limited number of times"),
]


def test_a_rule_that_makes_no_sense_is_refused(ledger: Ledger, shop: MockGateway) -> None:
    define_package(ledger, "welcome", limit=1, cents=5_000)
    for changed, error, says in WRONG:
        wrong = SetRechargeRule("acme", replace(TERMS, **changed), Provider.MOCK, REASON)
        with pytest.raises(error, match=says):
            ledger.execute(wrong, actor=ADMIN, key="wrong")
    assert all_rows(ledger)["recharge_rule"] == []


def test_without_a_saved_card_there_is_no_rule(ledger: Ledger, mock: MockGateway) -> None:
    open_account(ledger)
    define_package(ledger)
    with pytest.raises(NotAllowedNow, match="has no saved card at Mock"):
        ledger.execute(SetRechargeRule("acme", TERMS, Provider.MOCK, REASON), actor=ADMIN, key=fresh_key())

"""What pages read of holds and give-backs, on both databases."""

from datetime import timedelta

import pandas as pd
import pytest

from analytics import balances, frames
from ledger import MICRO, CreditType, Ledger, NotFound
from ledger.clock import FixedClock
from ledger.sweep import expire_due_everywhere
from tests.kit.factories import NOW, grant, open_account, price_feature, use
from tests.kit.holding import capture, give_back, place, release

HOUR = timedelta(hours=1)


@pytest.fixture
def busy(ledger: Ledger, clock: FixedClock) -> Ledger:
    """Acme: 150 credits, five holds placed within the last day, one of them timed out and not booked."""
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=50)
    grant(ledger, credits=100, credit_type=CreditType.REFERRAL)
    place(ledger, "captured", 20, hours=30)
    place(ledger, "released", 10, hours=30)
    place(ledger, "lapsed", 5, hours=20)
    place(ledger, "for-ever", 7, hours=None)
    clock.advance(2 * HOUR)
    place(ledger, "soon", 9, hours=24, member="maya")
    capture(ledger, "captured", 15, event_id="call-1")
    release(ledger, "released")
    clock.advance(20 * HOUR)
    return ledger


def test_open_and_past_holds_are_told_apart_by_the_instant(busy: Ledger) -> None:
    at = busy.clock.now()
    with busy.database.reading() as connection:
        found = frames.load_open_holds(connection, at=at, account="acme")
        assert found["reference"].tolist() == ["soon", "for-ever"]
        assert found["member"].tolist() == ["maya", ""]
        assert pd.isna(found["expires_at"][1])
        assert frames.load_open_holds(connection, at=at, limit=1, offset=1)["reference"].tolist() == ["for-ever"]
        assert frames.load_open_holds_total(connection, at=at) == (2, 16 * MICRO)
        past = frames.load_past_holds(connection, account="acme", at=at)
        assert past[["reference", "state"]].to_numpy().tolist() == [
            ["lapsed", "lapsed"],
            ["released", "released"],
            ["captured", "captured"],
        ]
        assert past["captured_micro"].tolist() == [0, 0, 15 * MICRO]
        assert past["ended_at"].tolist()[0] == NOW + 20 * HOUR
        assert past["resolved_by_id"].isna().tolist() == [True, False, False]
    expire_due_everywhere(busy)
    with busy.database.reading() as connection:
        again = frames.load_past_holds(connection, account="acme", at=at)
    assert again.drop(columns="resolved_by_id").equals(past.drop(columns="resolved_by_id"))


def test_what_is_held_stays_on_the_shelf_in_the_history(busy: Ledger) -> None:
    give_back(busy, "call-1", 5)
    with busy.database.reading() as connection:
        history = frames.load_history(connection, account="acme")
    moved = dict(zip(history["words"], history["amount_micro"] // MICRO, strict=True))
    assert moved == {
        "Given back for images": 5,
        "Hold timed out, 5 credits no longer held": 0,
        "Hold released, 10 credits no longer held": 0,
        "Hold captured, used for images": -15,
        "Held 9 credits": 0,
        "Held 7 credits": 0,
        "Held 5 credits": 0,
        "Held 10 credits": 0,
        "Held 20 credits": 0,
        "Granted referral credits": 100,
        "Granted promotional credits": 50,
    }


def test_a_use_says_who_paid_and_what_came_back(busy: Ledger) -> None:
    use(busy, quantity=60, event_id="call-2")
    give_back(busy, "call-2", 42)
    with busy.database.reading() as connection:
        event = frames.load_event(connection, account="acme", event_id="call-2")
        assert (event.cost_micro, event.given_back_micro, event.left_micro) == (60 * MICRO, 42 * MICRO, 18 * MICRO)
        parts = frames.load_event_parts(connection, account="acme", event_id="call-2")
        assert parts["credit_type"].tolist() == ["referral", "promotional"]
        assert (parts["taken_micro"] - parts["given_back_micro"]).tolist() == [0, 18 * MICRO]
        day = event.occurred_at.astimezone(busy.company_zone).date()
        listed = frames.load_events(connection, account="acme", on=day, zone=busy.company_zone)
        assert listed.set_index("event_id")["given_back_micro"].tolist()[-1] == 42 * MICRO
        with pytest.raises(NotFound, match="no usage event of acme, 'call-3'"):
            frames.load_event(connection, account="acme", event_id="call-3")


def test_the_past_balance_knows_holds_and_give_backs(busy: Ledger, clock: FixedClock) -> None:
    """Held credits leave the line when they were set aside and still are; what was given back was never used."""
    clock.advance(timedelta(days=3))
    give_back(busy, "call-1", 5)
    at = busy.clock.now()
    today = at.astimezone(busy.company_zone).date()
    with busy.database.reading() as connection:
        since = at - timedelta(days=9)
        moved = frames.load_account_movements(connection, account="acme", since=since, at=at, zone=busy.company_zone)
        usage = frames.load_daily_usage(connection, since=since.date(), until=today + timedelta(days=1), account="acme")
        held = frames.load_holdings(connection, account="acme", at=at, zone=busy.company_zone)
    past = balances.past(
        usage, moved, held.batches, available_micro=held.available_micro, today=today, days=8, zone=busy.company_zone
    )
    # 150 given on 10 March, 15 - 5 used, 7 held for ever; the hold until the 11th is over.
    assert (past["available_micro"] // MICRO).tolist() == [0, 0, 0, 133, 133, 133, 133, 133]
    assert held.available_micro == 133 * MICRO

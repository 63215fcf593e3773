"""The forecast job: makes what is missing, once a day, for whom it was asked."""

from datetime import date, timedelta

import pytest

from analytics import frames
from ledger import Ledger
from ledger.clock import FixedClock
from ledger.derived import StoredForecast, save_forecasts
from service.forecasts import Refreshed, refresh
from tests.kit import factories

# The last complete day of the `clock` fixture in Europe/Berlin.
YESTERDAY = date(2026, 3, 9)


@pytest.fixture
def used(ledger: Ledger) -> Ledger:
    factories.price_feature(ledger)
    for account in ("acme", "beta"):
        factories.open_account(ledger, account)
        factories.top_up(ledger, account, 100)
    for back in (5, 4, 2):
        factories.use(ledger, "acme", 3, occurred_at=ledger.clock.now() - timedelta(days=back))
    return ledger


def stored(ledger: Ledger) -> dict[str, tuple[date, dict[str, object]]]:
    with ledger.database.reader.connect() as connection:
        found = frames.load_forecasts(connection, as_of=date(2030, 1, 1))
    return {row["account"]: (row["as_of"].date(), row["body"]) for row in found.to_dict("records")}


def test_every_customer_gets_a_forecast_of_the_last_complete_day(used: Ledger) -> None:
    assert refresh(used, processes=1) == Refreshed(YESTERDAY, made=2, present=0)
    found = stored(used)
    assert {name: as_of for name, (as_of, _) in found.items()} == {"acme": YESTERDAY, "beta": YESTERDAY}
    # Nine credits on the five days since the first use.
    assert found["acme"][1]["mean_daily_credits"] == [1.8] * 90
    assert found["beta"][1]["method"] == "none"


def test_a_second_run_on_the_same_day_makes_nothing(used: Ledger) -> None:
    refresh(used, processes=1)
    assert refresh(used, processes=1) == Refreshed(YESTERDAY, made=0, present=2)


def test_the_next_day_makes_them_anew(used: Ledger, clock: FixedClock) -> None:
    refresh(used, processes=1)
    clock.advance(timedelta(days=1))
    assert refresh(used, processes=1) == Refreshed(date(2026, 3, 10), made=2, present=0)


def test_it_can_be_limited_to_some_customers(used: Ledger) -> None:
    assert refresh(used, accounts=["acme"], processes=1) == Refreshed(YESTERDAY, made=1, present=0)
    assert set(stored(used)) == {"acme"}


def test_without_customers_there_is_nothing_to_do(ledger: Ledger) -> None:
    assert refresh(ledger, processes=1) == Refreshed(YESTERDAY, made=0, present=0)


def test_storing_the_same_day_again_replaces_what_was_stored(used: Ledger, clock: FixedClock) -> None:
    refresh(used, processes=1)
    clock.advance(timedelta(minutes=1))
    save_forecasts(used, [StoredForecast("acme", YESTERDAY, {"made": "again"})])
    assert stored(used)["acme"] == (YESTERDAY, {"made": "again"})
    with used.database.reader.connect() as connection:
        assert frames.load_forecast_head(connection) == clock.now()

"""What a rule would have done: the charges of the past, by the arithmetic of the job."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from analytics import frames
from analytics.recharge_past import paces, would_have_fired
from ledger import MICRO, Ledger, Money, RechargeTerms
from ledger.clock import FixedClock
from ledger.core.packages import Package
from tests.kit.factories import allow_overdraft, grant, open_account, price_feature, top_up, use

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
TEAM = Package(1, "team", "Team", "standard", 100 * MICRO, Money(4_000, "USD"), None, START, None)


def steps(*nets: int, every: timedelta = timedelta(days=1)) -> pd.DataFrame:
    """Balances in whole credits, one after the other."""
    at = pd.to_datetime([START + place * every for place in range(len(nets))], utc=True)
    return pd.DataFrame({"at": at, "net_micro": [net * MICRO for net in nets]})


def fired(frame: pd.DataFrame, terms: RechargeTerms, pace: dict[date, int] | None = None) -> list[tuple[int, int]]:
    """Day of the month and packages of each charge."""
    found = would_have_fired(
        frame, terms, TEAM, until=START + timedelta(days=30), zone=UTC_ZONE, pace_by_day=pace or {}
    )
    return [(one.at.day, one.quantity) for one in found]


TERMS = RechargeTerms("team", 50 * MICRO, None, 100_000, 300_000)


@pytest.mark.parametrize(
    ("nets", "expected"),
    [
        pytest.param([90, 60, 50], [], id="never-below"),
        pytest.param([90, 49, 20, -40], [(2, 1)], id="one-charge-lasts"),
        pytest.param([90, 49, -60], [(2, 1), (3, 1)], id="again"),
        pytest.param([90, -180], [(2, 3)], id="the-whole-gap-at-once"),
        pytest.param([40, 200, 140, 45], [(1, 1)], id="what-was-bought-counts-on"),
        pytest.param([], [], id="nothing-happened"),
    ],
)
def test_the_line_is_crossed(nets: list[int], expected: list[tuple[int, int]]) -> None:
    assert fired(steps(*nets), TERMS) == expected


def test_caps_of_a_day_and_of_a_month_stretch_it() -> None:
    # Five packages are missing, two a day and four a month are allowed; April has its own four.
    terms = RechargeTerms("team", 500 * MICRO, None, 8_000, 16_000)
    assert fired(steps(1, 0), terms) == [(1, 2), (2, 2)]
    late = would_have_fired(steps(1), terms, TEAM, until=START + timedelta(days=45), zone=UTC_ZONE, pace_by_day={})
    assert [(one.at.date(), one.quantity, one.is_capped) for one in late] == [
        (date(2026, 3, 1), 2, True),
        (date(2026, 3, 2), 2, True),
        (date(2026, 4, 1), 1, False),
    ]
    assert sum(one.price.cents for one in late) == 20_000


def test_the_rest_after_a_charge_holds() -> None:
    terms = RechargeTerms("team", 50 * MICRO, None, 100_000, 300_000, cool_down=timedelta(days=3))
    assert fired(steps(0, -100, -200), terms) == [(1, 1), (4, 2)]


def test_days_of_runway_by_the_pace_of_the_weeks_before() -> None:
    days = [START.date() + timedelta(days=place) for place in range(3)]
    used = {START.date() - timedelta(days=back): 28 * MICRO for back in range(1, 15)}
    pace = paces(used, days, runway_days=5)
    assert pace == {days[0]: 70 * MICRO, days[1]: 70 * MICRO, days[2]: 70 * MICRO}
    terms = RechargeTerms("team", None, 5, 100_000, 300_000)
    assert fired(steps(70, 69, 69), terms, pace) == [(2, 1)]
    assert paces(used, days, runway_days=None) == {}


def test_the_balance_that_a_rule_watches_is_that_of_the_books(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    price_feature(ledger)
    grant(ledger, credits=100)
    clock.advance(timedelta(days=1))
    since = clock.now()
    clock.advance(timedelta(days=1))
    allow_overdraft(ledger, "acme", 50)
    use(ledger, quantity=80)
    use(ledger, quantity=60)
    top_up(ledger, credits=100)
    with ledger.database.reading() as connection:
        found = frames.load_balance_steps(connection, account="acme", since=since)
        everything = frames.load_balance_steps(connection, account="acme", since=since - timedelta(days=9))
    assert [net // MICRO for net in found["net_micro"]] == [100, 20, 0, -40, 60, 60]
    assert found["at"].iloc[0] == since
    assert len(everything) == 6

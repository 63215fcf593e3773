"""The five KPIs of the company in conftest.py, by hand, and of a company without anything."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa

from analytics import balances, frames, kpis
from analytics.figures import Change, Figure, Unit, change
from analytics.kpis import Kpi, Scorecard, State
from analytics.periods import Period, months_back
from ledger import Money

BERLIN = ZoneInfo("Europe/Berlin")
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
CREDIT = 1_000_000
FEBRUARY = Period(date(2026, 2, 1), date(2026, 3, 1))
MARCH = Period(date(2026, 3, 1), date(2026, 3, 11))
WINTER = Period(date(2025, 12, 1), date(2026, 3, 11))


def cards(connection: sa.Connection, *periods: Period, revenue: Money | None = None) -> list[Scorecard]:
    customers = frames.load_customers(connection, at=AT, zone=BERLIN)
    return kpis.load_scorecards(
        connection, periods, at=AT, zone=BERLIN, currency="EUR", customers=customers, total_revenue=revenue
    )


def test_scores_by_hand(connection: sa.Connection) -> None:
    winter, february, march = cards(connection, WINTER, FEBRUARY, MARCH, revenue=Money(50_00, "EUR"))
    # Nothing of the purchased credits was used: promotional ones burn first.
    used = winter.score(Kpi.UTILIZATION)
    assert (used.figure.value, used.figure.denominator, used.state) == (0, 1600 * CREDIT, State.OFF_TARGET)
    # 60 expired on 1 March without a sweep; 1,600 + 360 were issued, the scheduled 70 not yet.
    gone = winter.score(Kpi.EXPIRATION_RATE)
    assert (gone.figure.numerator, gone.figure.denominator) == (60 * CREDIT, 1960 * CREDIT)
    assert gone.state is State.ON_TARGET
    # Both bought, Acme twice.
    assert winter.score(Kpi.TOP_UP_RATE).figure.value == 0.5
    assert february.score(Kpi.TOP_UP_RATE).figure.value == 0
    assert march.score(Kpi.TOP_UP_RATE).figure.value == 1
    # 120 in 28 days leave 1,580 for 368.7 days.
    runway = march.score(Kpi.RUNWAY)
    assert runway.figure.value == pytest.approx(1580 / (120 / 28))
    assert march.runway.share_short.value == 0
    assert winter.score(Kpi.REVENUE_SHARE).figure.value == pytest.approx(1701 / 5000)
    assert winter.score(Kpi.REVENUE_SHARE).state is State.NO_TARGET
    other = march.score(Kpi.REVENUE_SHARE)
    assert (other.figure.value, other.figure.numerator, other.state) == (None, 401, State.NOT_ENOUGH_DATA)


def test_sums_of_stretches_add_up_to_the_whole(connection: sa.Connection) -> None:
    whole = cards(connection, WINTER)[0]
    split = cards(connection, WINTER, *months_back(date(2026, 3, 10), 4))
    assert split[0].scores == whole.scores
    issued = [card.score(Kpi.EXPIRATION_RATE).figure.denominator or 0 for card in split]
    assert issued[0] == sum(issued[1:])
    table = kpis.series(split[1:])
    assert len(table) == 16
    assert table.loc[table["value"].isna(), "reason"].notna().all()


def test_empty_company_has_reasons_and_no_zeros(empty: sa.Connection) -> None:
    card = cards(empty, MARCH)[0]
    for score in card.scores:
        assert score.figure.value is None
        assert score.figure.reason
        assert score.state is State.NOT_ENOUGH_DATA
    assert card.runway.median_days.value is None


def test_change_of_figures() -> None:
    def share(value: float) -> Figure:
        return Figure(value, Unit.SHARE)

    assert change(share(0.5), share(0.25)) == Change(0.25, is_points=True)
    assert change(Figure(3, Unit.MICRO), Figure(0, Unit.MICRO)).is_new
    assert change(Figure(0, Unit.MICRO), Figure(0, Unit.MICRO)) == Change(0.0)
    assert change(Figure(None, Unit.SHARE, "why"), share(1)).reason == "why"
    with pytest.raises(ValueError, match="either"):
        Figure(None, Unit.SHARE)


def test_past_balance_is_worked_back_from_now(connection: sa.Connection) -> None:
    since = datetime(2025, 11, 30, tzinfo=BERLIN)
    today = date(2026, 3, 10)
    for account, now in (("cus_acme", 1580), ("cus_bolt", 150)):
        table = balances.past(
            frames.load_daily_usage(connection, since=since.date(), until=date(2026, 3, 11), account=account),
            frames.load_account_movements(connection, account=account, since=since, at=AT, zone=BERLIN),
            frames.load_batches(connection, account=account, at=AT),
            available_micro=now * CREDIT,
            today=today,
            days=101,
            zone=BERLIN,
        ).set_index("day")
        credits = table["available_micro"] // CREDIT
        if account == "cus_acme":
            assert credits["2026-01-09":"2026-01-10"].tolist() == [0, 1300]
            assert credits["2026-03-08":"2026-03-10"].tolist() == [1585, 1580, 1580]
        else:
            assert credits["2025-11-30":"2025-12-02"].tolist() == [0, 60, 60]
            assert credits["2026-02-20"] == 260
            # New York's midnight after 1 March is the morning of the 2nd in Berlin.
            assert credits["2026-03-01":"2026-03-02"].tolist() == [260, 200]
            assert credits.iloc[-1] == 150
        assert np.all(np.asarray(credits) >= 0)

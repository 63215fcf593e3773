"""Burn: calendars without gaps, shares, trends."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from analytics import burn
from analytics.figures import Unit
from analytics.frames import ACCOUNT_DAILY_USAGE, DAILY_USAGE
from analytics.periods import Period

MARCH = Period(date(2026, 3, 27), date(2026, 4, 1))


def usage(*rows: tuple[str, str, str, int, int]) -> pd.DataFrame:
    """Rows of day, feature, credit type, credits, events."""
    names = DAILY_USAGE.names
    values = [(date.fromisoformat(d), f, t, credits * 1_000_000, n) for d, f, t, credits, n in rows]
    return DAILY_USAGE.frame(dict(zip(names, zip(*values, strict=True), strict=True)) if rows else {})


ROWS = usage(
    ("2026-03-26", "image", "purchased", 99, 1),
    ("2026-03-28", "image", "purchased", 6, 3),
    ("2026-03-28", "text", "promotional", 2, 4),
    ("2026-03-30", "image", "promotional", 2, 1),
    ("2026-04-01", "image", "purchased", 50, 1),
)


def test_daily_has_every_day_also_where_clocks_change() -> None:
    table = burn.daily(ROWS, MARCH)
    assert [day.day for day in table["day"]] == [27, 28, 29, 30, 31]
    assert (table["used_micro"] // 1_000_000).tolist() == [0, 8, 0, 2, 0]
    assert burn.daily(DAILY_USAGE.empty(), MARCH)["used_micro"].tolist() == [0] * 5


def test_by_type_always_has_five_and_by_feature_the_rest_as_other() -> None:
    table = burn.daily_by_type(ROWS, MARCH)
    assert len(table) == 25 and table["used_micro"].sum() == 10_000_000
    shares = burn.by_type(ROWS, MARCH)
    assert shares["share"].tolist()[:2] == [0.6, 0.4]
    many = usage(*(("2026-03-28", f"f{number}", "purchased", number + 1, 1) for number in range(10)))
    split = burn.daily_by_feature(many, MARCH)
    names = list(dict.fromkeys(split["feature"]))
    assert names == ["f9", "f8", "f7", "f6", "f5", "f4", "f3", "other"]
    assert split["used_micro"].sum() == 55_000_000
    assert burn.daily_by_feature(DAILY_USAGE.empty(), MARCH).empty
    assert burn.by_type(DAILY_USAGE.empty(), MARCH)["share"].isna().all()


def test_rate_names_its_window_and_change() -> None:
    rate = burn.rate(ROWS, MARCH)
    assert rate.value == 2_000_000 and rate.unit is Unit.MICRO_PER_DAY
    assert (rate.numerator, rate.denominator) == (10_000_000, 5)
    before = Period(date(2026, 3, 26), date(2026, 3, 27))
    assert burn.rate_change(ROWS, MARCH, before).value == pytest.approx(2 / 99 - 1)
    never = Period(date(2026, 1, 1), date(2026, 1, 2))
    assert burn.rate_change(ROWS, MARCH, never).is_new
    assert burn.rate_change(ROWS, never, never).value == 0
    assert burn.rate_change(ROWS, MARCH, None).reason == "no period to compare with"


def test_by_feature_tells_share_change_and_price_per_use() -> None:
    before = Period(date(2026, 3, 26), date(2026, 3, 27))
    table = burn.by_feature(ROWS, MARCH, before).set_index("feature")
    assert table.loc["image", "share"] == 0.8 and table.loc["image", "credits_per_use"] == 2
    assert table.loc["image", "change"] == pytest.approx(8 / 5 / 99 - 1)
    assert np.isnan(table.loc["text", "change"]), "new"
    assert set(table["trend"]) == {"not enough data"}
    assert burn.by_feature(DAILY_USAGE.empty(), MARCH).empty
    assert burn.by_feature(ROWS, MARCH)["change"].isna().all()


@pytest.mark.parametrize(
    ("daily", "word"),
    [
        ([1] * 13, "not enough data"),
        ([0] * 14, "steady"),
        ([10] * 14, "steady"),
        ([100] * 7 + [115] * 7, "steady"),
        ([100] * 7 + [116] * 7, "rising"),
        ([100] * 7 + [84] * 7, "falling"),
        ([0] * 7 + [1] * 7, "rising"),
        ([9] * 5 + [5, 0, 0, 5, 5, 5, 5] * 2, "steady"),
        ([999] * 7 + [10] * 14, "steady"),
    ],
    ids=["13 days", "never", "even", "at +15 %", "over", "under", "new", "weekends", "odd first week"],
)
def test_trend_word_compares_whole_weeks(daily: list[int], word: str) -> None:
    assert burn.trend_word(np.array(daily)) == word


def test_histories_are_gapless_per_account() -> None:
    start = date(2026, 3, 1)
    rows = [("a", start + timedelta(days=1), 5, 1), ("b", start, 7, 1), ("a", start - timedelta(days=1), 9, 1)]
    table = ACCOUNT_DAILY_USAGE.frame(dict(zip(ACCOUNT_DAILY_USAGE.names, zip(*rows, strict=True), strict=True)))
    found = burn.histories(table, ["a", "b", "c"], Period(start, start + timedelta(days=3)))
    assert {name: frame["used_micro"].tolist() for name, frame in found.items()} == {
        "a": [0, 5, 0],
        "b": [7, 0, 0],
        "c": [0, 0, 0],
    }
    assert found["a"]["day"].dtype == "datetime64[us]"

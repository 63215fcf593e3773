"""Charts as data: order of types, readable axes, twins that say the same numbers, sentences that say the finding."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from analytics import burn, charts, expiry
from analytics.charts import Theme
from analytics.frames import BATCHES, DAILY_USAGE, EXPIRING
from analytics.frames.schema import Schema
from analytics.kpis import Kpi
from analytics.periods import Period

MARCH = Period(date(2026, 3, 6), date(2026, 3, 9))
FIVE = ["Purchased", "Promotional", "Referral", "Compensation", "Rollover"]
CREDIT = 1_000_000


def usage() -> pd.DataFrame:
    rows = [
        (date(2026, 3, 6), "image", "promotional", 5 * CREDIT, 1),
        (date(2026, 3, 8), "text", "purchased", 2_500_000, 1),
    ]
    return DAILY_USAGE.frame(dict(zip(DAILY_USAGE.names, zip(*rows, strict=True), strict=True)))


def made_up(schema: Schema, rows: list[dict[str, object]]) -> pd.DataFrame:
    blank = {"int64": 0, "Int64": None, "str": ""}
    return schema.frame(
        {c.name: [row.get(c.name, blank.get(c.dtype)) for row in rows] for c in schema.columns} if rows else {}
    )


def past(*amounts: int) -> pd.DataFrame:
    days = pd.date_range("2026-03-01", periods=len(amounts), unit="us")
    return pd.DataFrame({"day": days, "available_micro": [a * CREDIT for a in amounts], "expired_micro": 0})


@pytest.mark.parametrize("theme", list(Theme))
def test_daily_burn_draws_all_five_types_in_order(theme: Theme) -> None:
    chart = charts.daily_burn_by_type(burn.daily_by_type(usage(), MARCH), zone="Europe/Berlin", theme=theme)
    assert [trace.name for trace in chart.figure.data] == FIVE
    assert all(trace.marker.color is None for trace in chart.figure.data), "colours come from the theme"
    assert chart.figure.layout.xaxis.title.text == "Day (Europe/Berlin)"
    assert chart.figure.layout.xaxis.tickfont.color == {"light": "#334155", "dark": "#E2E8F0"}[theme]
    assert chart.figure.layout.yaxis.rangemode == "tozero"
    assert len(chart.figure.layout.shapes) == 2, "Saturday and Sunday are shaded"
    assert chart.table["total"].tolist() == [5.0, 0.0, 2.5]
    assert chart.alt == "7.50 credits used on 3 days, 2.50 a day; the most on 6 Mar 2026 with 5."


def test_patterns_and_average_line() -> None:
    daily = burn.daily_by_feature(usage(), MARCH)
    chart = charts.daily_burn_by_feature(
        daily, zone="UTC", theme=Theme.LIGHT, labels={}, patterns=True, average_micro=3e6
    )
    assert [trace.name for trace in chart.figure.data] == ["image", "text", "Mean day before"]
    assert chart.figure.data[1].marker.pattern.shape == "/"
    assert list(chart.figure.data[2].y) == [3.0] * 3


def test_nothing_used_says_so() -> None:
    by_type = charts.daily_burn_by_type(burn.daily_by_type(DAILY_USAGE.empty(), MARCH), zone="UTC", theme=Theme.DARK)
    by_feature = charts.daily_burn_by_feature(
        burn.daily_by_feature(DAILY_USAGE.empty(), MARCH), zone="UTC", theme=Theme.DARK, labels={}
    )
    assert by_type.alt == by_feature.alt == "No credits were used on these days."


def test_features_are_drawn_under_their_labels_as_typed() -> None:
    labels = {"image": "<b>Pictures</b> & %{x}", "text": "total"}
    chart = charts.daily_burn_by_feature(
        burn.daily_by_feature(usage(), MARCH), zone="UTC", theme=Theme.LIGHT, labels=labels
    )
    # A figure reads its texts as HTML and hover templates as templates.
    assert [trace.name for trace in chart.figure.data] == ["&lt;b&gt;Pictures&lt;/b&gt; &amp; %{x}", "total"]
    assert all("Pictures" not in trace.hovertemplate for trace in chart.figure.data)
    # The twin is a table and shows text as it is; a label never takes the place of another column.
    assert list(chart.table.columns) == ["day", "<b>Pictures</b> & %{x}", "total (text)", "total"]
    assert chart.typed == {"<b>Pictures</b> & %{x}", "total (text)"}
    assert chart.table["total"].tolist() == [5.0, 0.0, 2.5]


def test_balance_timeline_joins_past_and_forecast() -> None:
    days = pd.date_range("2026-03-03", periods=3, unit="us")
    ahead = pd.DataFrame(
        {"day": days, "likely": [4.0, 2.0, 0.0], "low_80": [3.0, 0.0, 0.0], "high_80": [5.0, 4.0, 3.0]}
    )
    wasted = pd.DataFrame({"batch_id": [7, 8], "expires_on": [days[1].date()] * 2, "wasted_likely": [1.0, 0.0]})
    markers = charts.waste_markers(wasted, made_up(BATCHES, [{"batch_id": 7, "credit_type": "promotional"}]))
    now = pd.Timestamp("2026-03-03 12:00")
    chart = charts.balance_timeline(past(9, 8, 6), ahead, markers, now=now, zone="Europe/Berlin", theme=Theme.LIGHT)
    names = [trace.name for trace in chart.figure.data]
    assert names == ["Available", None, "80 % range", "Likely", "Expires unused"]
    assert chart.figure.data[0].line.shape == "hv"
    assert pd.Timestamp(chart.figure.data[0].x[-1]) == now
    assert chart.figure.data[3].y[0] == 6.0, "the forecast begins at what is there"
    assert chart.figure.data[2].fillcolor == "rgba(14, 74, 211, 0.2)"
    assert list(chart.figure.data[4].text) == ["−1 promotional"]
    assert chart.alt == (
        "6 credits available now, 9 at the start; most likely nothing is left at the end of 5 Mar 2026."
    )
    assert chart.table["likely"].notna().sum() == 3
    alone = charts.balance_timeline(past(9), None, now=now, zone="UTC", theme=Theme.DARK)
    assert alone.alt.endswith("no forecast.")


def test_expiring_buckets_and_batches() -> None:
    empty = expiry.by_bucket(expiry.with_waste(EXPIRING.empty(), {}, {}, at=pd.Timestamp("2026-03-01", tz="UTC")))
    chart = charts.expiring_buckets(empty, theme=Theme.LIGHT)
    assert [trace.name for trace in chart.figure.data] == FIVE
    assert chart.alt == "No credits end within 90 days."
    assert len(chart.table) == 5
    base = {"granted_micro": 10 * CREDIT, "credit_type": "promotional"}
    rows = [
        {**base, "batch_id": 3, "left_micro": 4 * CREDIT, "burn_number": 1, "state": "open"},
        {**base, "batch_id": 4, "left_micro": 10 * CREDIT, "state": "scheduled"},
        {**base, "batch_id": 5, "state": "expired"},
    ]
    bars = charts.batches_bar(made_up(BATCHES, rows), theme=Theme.LIGHT)
    assert bars.table["batch"].tolist() == ["1. Promotional #3", "Promotional #4"]
    assert bars.table["gone"].tolist() == [6.0, 0.0]
    assert charts.batches_bar(made_up(BATCHES, []), theme=Theme.LIGHT).alt == "No batch has credits left."


def test_runway_histogram_counts_customers_with_use() -> None:
    days = pd.Series([0.0, 6.9, 7.0, 30.0, 400.0, np.nan])
    chart = charts.runway_histogram(days, theme=Theme.LIGHT)
    assert chart.table["customers"].tolist() == [1, 1, 1, 0, 1, 0, 1]
    assert chart.alt == "3 of 5 customers with use have less than 30 days left."
    assert "no runway" in charts.runway_histogram(days[5:], theme=Theme.LIGHT).alt


def test_kpi_months_leave_gaps_for_months_without_a_figure() -> None:
    series = pd.DataFrame(
        {
            "since": pd.date_range("2026-01-01", periods=2, freq="MS", unit="us"),
            "kpi": ["utilization"] * 2,
            "value": [0.5, np.nan],
            "reason": [None, "none bought"],
        }
    )
    chart = charts.kpi_months(series, Kpi.UTILIZATION, theme=Theme.LIGHT)
    assert chart.alt == "Credit utilization was 50.0% in January 2026."
    assert np.isnan(chart.figure.data[0].y[1])
    assert list(chart.figure.data[1].y) == [90.0, 90.0]

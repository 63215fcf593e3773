"""Plotly figures from tidy frames, one palette. Each answers a `Chart`: figure, same numbers as a table, a sentence.

Credit types are always all drawn, in the order of CreditType, so that a type keeps its colour; colours of traces are
left to the Streamlit theme (chartCategoricalColors) wherever it can give them.
"""

from analytics.charts.balance import balance_timeline, batches_bar, expiring_buckets, waste_markers
from analytics.charts.base import PALETTE, TYPE_LABELS, Chart, Theme
from analytics.charts.burn import daily_burn_by_feature, daily_burn_by_type
from analytics.charts.portfolio import RUNWAY_BUCKETS, kpi_months, runway_buckets, runway_histogram

__all__ = [
    "PALETTE",
    "RUNWAY_BUCKETS",
    "TYPE_LABELS",
    "Chart",
    "Theme",
    "balance_timeline",
    "batches_bar",
    "daily_burn_by_feature",
    "daily_burn_by_type",
    "expiring_buckets",
    "kpi_months",
    "runway_buckets",
    "runway_histogram",
    "waste_markers",
]

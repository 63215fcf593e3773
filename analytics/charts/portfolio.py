"""Charts of the whole portfolio: runways, KPIs over months."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analytics.charts.base import Chart, Theme, finish, quiet_colour
from analytics.figures import Unit
from analytics.kpis import LABELS, TARGETS, Kpi

_RUNWAY_ENDS = (7, 14, 30, 60, 90)
RUNWAY_BUCKETS = ("out now", "under 7", "7–14", "14–30", "30–60", "60–90", "90 and more")


def runway_buckets(runway_days: pd.Series) -> pd.Series:
    """The bucket of each runway in words, in the order given; NaN (no use) stays NaN. Lower ends are included."""
    days = runway_days.to_numpy(dtype=np.float64)
    place = np.where(days <= 0, 0, 1 + np.searchsorted(_RUNWAY_ENDS, days, side="right"))
    words = [None if np.isnan(value) else RUNWAY_BUCKETS[at] for value, at in zip(days, place, strict=True)]
    return pd.Series(pd.array(words, dtype="str"), index=runway_days.index, name="bucket")


def runway_histogram(runway_days: pd.Series, *, theme: Theme) -> Chart:
    """Bars: how many customers with use have how many days left. Args: kpis.runway_days, NaN without use."""
    counts = runway_buckets(runway_days).value_counts().reindex(RUNWAY_BUCKETS, fill_value=0)
    figure = go.Figure()
    figure.add_bar(
        x=list(RUNWAY_BUCKETS),
        y=counts.to_numpy(),
        name="Customers",
        hovertemplate="%{x} days: %{y} customers<extra></extra>",
    )
    finish(figure, theme=theme, x_title="Runway, days at today's pace", y_title="Customers", legend=False)
    if counts.max() < 10:
        figure.update_yaxes(dtick=1)
    table = pd.DataFrame({"runway": list(RUNWAY_BUCKETS), "customers": counts.to_numpy(dtype=np.int64)})
    with_use = int(counts.sum())
    if with_use == 0:
        return Chart(figure, table, "No customer used credits lately, so there is no runway to show.")
    short = int(counts.iloc[:4].sum())
    return Chart(figure, table, f"{short} of {with_use} customers with use have less than 30 days left.")


def kpi_months(series: pd.DataFrame, kpi: Kpi, *, theme: Theme) -> Chart:
    """A line of one KPI by month with its target dashed; months without a figure leave a gap.

    Args: a frame of kpis.series over months.
    """
    rows = series[series["kpi"] == kpi.value]
    values = rows["value"].to_numpy() * 100
    figure = go.Figure()
    figure.add_scatter(
        x=rows["since"],
        y=values,
        name=LABELS[kpi],
        mode="lines+markers",
        hovertemplate="%{x|%B %Y}: %{y:.1f} %<extra></extra>",
    )
    target = TARGETS.get(kpi)
    if target is not None:
        figure.add_scatter(
            x=rows["since"],
            y=[target.level * 100] * len(rows),
            name="Target",
            mode="lines",
            line={"dash": "dash", "color": quiet_colour(theme), "width": 2},
            hovertemplate="Target: %{y:.0f} %<extra></extra>",
        )
    finish(figure, theme=theme, x_title="Month", y_title=f"{LABELS[kpi]}, %")
    table = pd.DataFrame({"month": rows["since"].to_numpy(), Unit.SHARE.value: rows["value"].to_numpy()})
    known = rows[rows["value"].notna()]
    if known.empty:
        return Chart(figure, table, f"{LABELS[kpi]} is not known for any month.")
    last = known.iloc[-1]
    return Chart(figure, table, f"{LABELS[kpi]} was {last['value']:.1%} in {last['since']:%B %Y}.")

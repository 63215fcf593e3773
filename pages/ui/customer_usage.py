"""Usage of one customer: a period against another, by feature, by day."""

from datetime import timedelta

import streamlit as st

from analytics import burn, charts, frames
from analytics.periods import Period
from pages.ui import parts, period, pictures, usage_table
from pages.ui.customer_overview import View
from pages.ui.figures import change_words, figure_text
from pages.ui.text import escape

CHART_DAYS_MAX = 92


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    with st.sidebar:
        span = period.pick(visit)
    wanted = span.period
    since = wanted.since if span.other is None else min(wanted.since, span.other.since)
    usage = visit.ask(frames.load_daily_usage, since=since, until=wanted.until, account=view.account)
    st.caption(escape(span.label + (f", compared with {span.other_label}" if span.other else "")))
    if usage.empty:
        st.markdown(f"No credits were used {'then' if view.outlook.forecast.days_with_use else 'in the last year'}.")
        return
    used, rate = burn.used_micro(usage, wanted), burn.rate(usage, wanted)
    moved = burn.rate_change(usage, wanted, span.other)
    with st.grid(3, min_column_width=200):
        parts.tile("Used", figure_text(used, visit.locale))
        parts.tile("Per day", figure_text(rate, visit.locale))
        parts.tile("Uses", f"{int(burn.daily(usage, wanted)['events'].sum()):,}")
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    table = burn.by_feature(usage, wanted, span.other)
    if not table.empty:
        st.markdown(
            usage_table.finding(table, labels, moved_words=change_words(moved, visit.locale), locale=visit.locale)
        )
    shown = Period(max(wanted.since, wanted.until - timedelta(days=CHART_DAYS_MAX)), wanted.until)
    theme = pictures.theme()
    chart = visit.kept(
        "customer burn",
        lambda: charts.daily_burn_by_feature(
            burn.daily_by_feature(usage, shown),
            zone=visit.zone.key,
            theme=theme,
            labels=labels,
            patterns=view.patterns,
        ),
        view.account,
        shown,
        theme,
        view.patterns,
    )
    pictures.show(chart, key="usage-chart")
    if shown != wanted:
        st.caption(f"The chart shows the last {CHART_DAYS_MAX} days of the period.")
    usage_table.draw(visit, table, labels, span, key="features", whose=view.account)

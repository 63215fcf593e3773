"""Usage & features: what are credits spent on, and what changed?"""

from collections.abc import Mapping
from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import burn, charts, frames
from analytics.periods import Period
from ledger import Permission
from pages.ui import address, first_steps, links, parts, period, pictures, portfolio, usage_table
from pages.ui.figures import change_words, figure_text
from pages.ui.guard import Visit, guard
from pages.ui.text import credit_text, day_text, escape, money_text

CHART_DAYS_MAX = 92
CUSTOMERS_SHOWN = 50
PRICE_DAYS = 365


def main(visit: Visit) -> None:
    with st.sidebar:
        span = period.pick(visit)
        patterns = pictures.patterns_switch()
    parts.header(visit, "Usage & features", period=span.label)
    since = span.period.since if span.other is None else min(span.period.since, span.other.since)
    usage = visit.ask(frames.load_daily_usage, since=since, until=span.period.until)
    who = visit.ask(frames.load_feature_accounts, since=span.period.since, until=span.period.until)
    table = burn.by_feature(usage, span.period, span.other)
    if not table["used_micro"].sum():
        nothing_used(visit)
        return
    tiles(visit, usage, who, span)
    table["customers"] = table["feature"].map(who.groupby("feature")["account"].nunique()).fillna(0).astype("int64")
    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    moved = burn.rate_change(usage, span.period, span.other)
    st.markdown(usage_table.finding(table, labels, moved_words=change_words(moved, visit.locale), locale=visit.locale))
    daily(visit, usage, labels, span, patterns)
    links.entries_link("Use booked in the period", kinds=("usage",))
    st.caption("Select a feature for its customers.")
    picked = usage_table.draw(
        visit, table, labels, span, key="features", on_select="rerun", selection_mode="single-row"
    )
    feature(visit, table, labels, who, picked.selection.rows)


def nothing_used(visit: Visit) -> None:
    first = visit.ask(frames.load_first_used_day)
    customers = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    if first is None and first_steps.is_new(customers):
        first_steps.checklist(visit, customers)
    elif first is None:
        st.markdown("No use has been reported yet.")
    else:
        parts.nothing_matches(
            [f"this period; the first use was on {day_text(first, visit.locale)}"],
            clear=address.clear("period", "from", "to"),
            what="No use",
        )


def tiles(visit: Visit, usage: pd.DataFrame, who: pd.DataFrame, span: period.Span) -> None:
    used, rate = burn.used_micro(usage, span.period), burn.rate(usage, span.period)
    prices = visit.made(portfolio.cents_per_thousand, since=visit.at - timedelta(days=PRICE_DAYS), until=visit.at)
    price = " · ".join(money_text(cents, currency, visit.locale) for currency, cents in prices.items())
    moved = change_words(burn.rate_change(usage, span.period, span.other), visit.locale)
    compared = f"{moved} against {span.other_label}" if span.other and moved else "Not compared"
    with st.grid(4, min_column_width=200):
        parts.tile("Credits used", figure_text(used, visit.locale), note=escape(span.label))
        parts.tile("Per day", figure_text(rate, visit.locale), note=escape(compared))
        parts.tile(
            "Price of 1,000 credits",
            escape(price) or None,
            absent=f"No top-up in {PRICE_DAYS} days.",
            note=f"Mean of {PRICE_DAYS} days' top-ups" if price else "",
        )
        parts.tile(
            "Active customers",
            f"{who['account'].nunique():,}",
            help="Customers with use in the period",
            note="With use in the period",
        )


def daily(visit: Visit, usage: pd.DataFrame, labels: Mapping[str, str], span: period.Span, patterns: bool) -> None:
    shown = Period(max(span.period.since, span.period.until - timedelta(days=CHART_DAYS_MAX)), span.period.until)
    average = None if span.other is None else burn.rate(usage, span.other).value
    theme = pictures.theme()
    chart = visit.kept(
        "burn by feature",
        lambda: charts.daily_burn_by_feature(
            burn.daily_by_feature(usage, shown),
            zone=visit.zone.key,
            theme=theme,
            labels=labels,
            patterns=patterns,
            average_micro=average,
        ),
        span,
        theme,
        patterns,
    )
    pictures.show(chart, key="usage-chart")
    words = [f"The last {CHART_DAYS_MAX} days of the period"] if shown != span.period else []
    words += ["weekends shaded"] + (["dashed: mean day of the period before"] if average else [])
    prices = visit.ask(frames.load_feature_prices)
    days = prices["effective_at"].dt.tz_convert(visit.zone).dt.date
    changed = prices[(days >= span.period.since) & (days < span.period.until)]
    st.caption(escape("; ".join(words).capitalize()) + ".")
    if not changed.empty:
        named = ", ".join(
            f"{escape(labels.get(name, name))} on {day_text(day, visit.locale)}"
            for name, day in zip(changed["feature"], days[changed.index], strict=True)
        )
        st.caption(f"Prices that changed in the period: {named}.")


def feature(visit: Visit, table: pd.DataFrame, labels: Mapping[str, str], who: pd.DataFrame, rows: list[int]) -> None:
    """The customers of the selected feature; the selection is in the address."""
    if rows:
        address.put("feature", str(table.iloc[rows[0]]["feature"]))
    chosen = address.get("feature")
    found = who[who["feature"] == chosen].reset_index(drop=True)
    if not chosen or found.empty:
        address.put("feature", None)
        return
    names = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone).set_index("account")["name"]
    total = int(found["used_micro"].sum())
    label = labels.get(chosen, chosen)
    st.subheader(f"Customers using {escape(label)}", anchor=False)
    shown = found.head(CUSTOMERS_SHOWN)
    parts.table(
        links.with_customer_columns(
            shown.assign(
                name=shown["account"].map(names),
                used=parts.whole_credits(shown["used_micro"]),
                percent=(shown["used_micro"] / total * 100).round(1),
            )
        ),
        key="feature-customers",
        alt=f"Customers using {label}, most first",
        totals=f"**{len(found):,} customer{'s' * (len(found) != 1)} · {credit_text(total, visit.locale)} credits**"
        + (f", the first {CUSTOMERS_SHOWN} shown" if len(found) > CUSTOMERS_SHOWN else ""),
        columns={
            "name": st.column_config.TextColumn("Customer", pinned=True, width="medium"),
            "open": links.customer_columns("feature-customers")["open"],
            "used": parts.credits_column("Credits"),
            "percent": st.column_config.NumberColumn("Share", format="%.1f %%"),
            "events": st.column_config.NumberColumn("Uses", format="localized"),
        },
    )
    links.follow("feature-customers", shown["account"], tab="Usage")


visit = guard(Permission.VIEW_PORTFOLIO)
main(visit)

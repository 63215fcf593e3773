"""Overview: is anything on fire, and what do I do first?"""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import burn, charts, frames, kpis
from analytics.depletion import Cause
from analytics.periods import Period
from ledger import Permission
from pages.ui import address, advice, first_steps, outlook, overview_tiles, parts, period, pictures, portfolio
from pages.ui.figures import kpi_tile, number_text, rough_text
from pages.ui.guard import Visit, guard
from pages.ui.links import customer_link, entries_link
from pages.ui.text import credit_text, days_text, escape

CHART_DAYS = 30
WASTE_DAYS = 90
SHOWN = 5
FAILED_DAYS = 7


def main(visit: Visit) -> None:
    customers = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    with st.sidebar:
        span = period.pick(visit)
        patterns = pictures.patterns_switch()
    parts.header(visit, "Overview", period=span.label)
    if first_steps.is_new(customers):
        first_steps.checklist(visit, customers)
        return
    fleet = outlook.fleet(visit, customers)
    waste = portfolio.waste(visit, customers, within_days=WASTE_DAYS)
    shown = Period(visit.today - timedelta(days=CHART_DAYS - 1), visit.today + timedelta(days=1))
    before = Period(shown.since - timedelta(days=CHART_DAYS), shown.since)
    periods = (span.period,) if span.other is None else (span.period, span.other)
    # One statement for the chart and the key figures: the days of all customers are the costly part of this page.
    usage = visit.ask(
        frames.load_daily_usage_by_type,
        since=min(before.since, *(one.since for one in periods)),
        until=max(shown.until, *(one.until for one in periods)),
    )
    failed(visit)
    overview_tiles.draw(visit, customers, fleet, waste, waste_days=WASTE_DAYS)
    # Below each other where names would be cut off side by side.
    with st.grid(2, min_column_width=400, gap="medium"):
        with st.container():
            runs_out_soonest(visit, customers, fleet)
        with st.container():
            wasted_soonest(visit, waste)
    kpi_tiles(visit, span, periods, customers, usage)
    burn_chart(visit, usage, shown, before, patterns)


def failed(visit: Visit) -> None:
    """What of the product's traffic failed in the last days; nothing for people who can do nothing about it."""
    if not visit.may(Permission.MANAGE_PAYMENTS):
        return
    found = visit.ask_now(frames.load_failures, since=visit.ledger.clock.now() - timedelta(days=FAILED_DAYS))
    if not found.count:
        return
    counts = {
        "payment{} waiting for a decision": found.blocked,
        "payment{} failed": found.payments,
        "message{} of providers failed": found.messages,
        "mail{} not delivered": found.mails,
    }
    told = [f"{count:,} {words.format('s' * (count != 1))}" for words, count in counts.items() if count]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge("Failed", icon=":material/error:", color="red")
        st.markdown(f"{', '.join(told)}, in the last {FAILED_DAYS} days.", width="content")
        if found.count > found.mails:
            st.page_link(
                "system/settings.py",
                label="Payments",
                icon=":material/payments:",
                query_params=address.link(tab="Payments"),
                width="content",
            )
        if found.mails:
            st.page_link(
                "customers/alerts.py",
                label="E-mails",
                icon=":material/mail:",
                query_params=address.link(tab="E-mail log", mails="undelivered"),
                width="content",
            )


def kpi_tiles(
    visit: Visit, span: period.Span, periods: tuple[Period, ...], customers: pd.DataFrame, usage: pd.DataFrame
) -> None:
    now, *before = portfolio.scorecards(visit, periods, customers, usage)
    st.subheader("Key figures", anchor=False)
    compared = f", compared with {span.other_label}" if span.other else ""
    st.caption(escape(f"{span.label}{compared}"))
    with st.grid(4, min_column_width=200):
        for score in now.scores:
            if score.kpi is not kpis.Kpi.REVENUE_SHARE:
                kpi_tile(visit, score, before[0] if before else None, span)
    entries_link("Entries of the period")


def burn_chart(visit: Visit, usage: pd.DataFrame, now: Period, before: Period, patterns: bool) -> None:
    average, theme = burn.rate(usage, before), pictures.theme()
    chart = visit.kept(
        "burn by type",
        lambda: charts.daily_burn_by_type(
            burn.daily_by_type(usage, now),
            zone=visit.zone.key,
            theme=theme,
            patterns=patterns,
            average_micro=average.value,
        ),
        theme,
        patterns,
    )
    st.subheader("Credits used per day", anchor=False)
    st.markdown(chart.alt)
    pictures.show(chart, key="burn")
    st.caption(
        f"Last {CHART_DAYS} days, {escape(visit.zone.key)}; today is not over yet. Dashed: mean day of the "
        f"{CHART_DAYS} days before, {number_text(average.value or 0, average.unit, visit.locale)} credits."
    )


def runs_out_soonest(visit: Visit, customers: pd.DataFrame, fleet: outlook.Fleet) -> None:
    st.subheader("Runs out soonest", anchor=False)
    names = customers.set_index("account")["name"]
    rows = fleet.frame[
        ~fleet.frame["is_out"] & fleet.frame["likely"].notna() & fleet.frame["account"].isin(names.index)
    ]
    if not fleet.computed:
        parts.not_enough("No forecast has been computed yet.")
    elif rows.empty:
        st.markdown("No customer is likely to run out within 90 days.")
    soonest = rows.sort_values(["likely", "low_80", "account"]).head(SHOWN)
    soonest = soonest.merge(customers[["account", "balance_micro", "held_micro"]], on="account")
    for row, package in zip(soonest.to_dict("records"), advice.column(visit, soonest), strict=True):
        name, when = st.columns([2, 3], vertical_alignment="center")
        customer_link(names[row["account"]], row["account"], place=name)
        text = outlook.run_out_text(row, visit.locale, last_day=outlook.last_day(visit))
        text += ", by expiry" if row["cause"] == Cause.EXPIRY else ""
        when.markdown(f"{text} · suggested: {escape(package)}" if package else text)
    outlook.missing_note(visit, fleet)
    st.page_link(
        "finance/forecasts.py", label="All forecasts", icon=":material/trending_down:", query_params=address.link()
    )


def wasted_soonest(visit: Visit, waste: pd.DataFrame) -> None:
    st.subheader("Wasted soonest", anchor=False)
    rows = waste[waste["wasted_micro"] > 0].head(SHOWN)
    if rows.empty:
        st.markdown(f"At today's pace nothing expires unused within {WASTE_DAYS} days.")
    for row in rows.to_dict("records"):
        name, what = st.columns([2, 3], vertical_alignment="center")
        customer_link(row["name"], row["account"], tab="Batches", place=name)
        wasted, left = rough_text(row["wasted_micro"], visit.locale), credit_text(row["left_micro"], visit.locale)
        what.markdown(f"{wasted} of {left} {row['credit_type']}, {days_text(row['days_left'])}")
    st.page_link(
        "customers/expiring.py", label="All expiring", icon=":material/hourglass_bottom:", query_params=address.link()
    )


visit = guard(Permission.VIEW_PORTFOLIO)
main(visit)

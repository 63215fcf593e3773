"""Overview of one customer: balance, by type, the balance over time, values ahead, what to use first."""

from dataclasses import dataclass
from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import balances, charts, frames
from analytics.charts import TYPE_LABELS, waste_markers
from analytics.depletion import BalanceStatus
from analytics.depletion import sentence as run_out_sentence
from analytics.forecast import HORIZON_DAYS
from analytics.frames import SOON_DAYS
from analytics.outlook import Outlook
from analytics.outlook import values_ahead as ahead_of
from ledger import MICRO, Permission
from ledger.core.lifecycle import last_day
from ledger.core.packages import in_force
from pages.ui import address, advice, debt, explain, parts, pictures, scopes
from pages.ui import outlook as outlooks
from pages.ui.figures import rough_text
from pages.ui.guard import Visit
from pages.ui.text import credit_help, credit_text, day_text, days_text, escape, money_text, percent_text

PAST_DAYS = 90
USE_FIRST = 5
_STATUS_BADGES = {"covered": ":material/check_circle:", "at risk": ":material/warning:", "out": ":material/error:"}


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One customer as one person sees it: what every tab draws from."""

    visit: Visit
    customer: frames.Customer
    outlook: Outlook
    patterns: bool

    @property
    def account(self) -> str:
        """The external id."""
        return self.customer.account

    def holdings(self) -> frames.Holdings:
        """What the customer holds, in total, by type and by batch."""
        return self.visit.ask(frames.load_holdings, account=self.account, at=self.visit.at, zone=self.visit.zone)

    def batches(self) -> pd.DataFrame:
        """The customer's batches: see frames.BATCHES."""
        return self.holdings().batches


def sentence(view: View) -> str:
    """What is left, how fast it goes, and when it ends: the first thing on the page."""
    visit, forecast, projection = view.visit, view.outlook.forecast, view.outlook.projection
    available = credit_text(projection.available_micro, visit.locale)
    pace = forecast.mean_per_day * MICRO
    owing = debt.sentence(visit, debt.overdraft_of(visit, view.account))
    words = f"{owing}**{available} credits available**"
    words += f", expected use {rough_text(pace, visit.locale)} a day. " if pace else ". "
    words += escape(run_out_sentence(projection, locale=str(visit.locale)))
    if forecast.reason and pace:
        words += f" Estimate: {escape(forecast.reason)}."
    return words


def draw(view: View) -> None:
    """The tab."""
    summary(view)
    st.subheader("Balance over time", anchor=False)
    timeline(view)
    left, right = st.columns([3, 2], gap="large")
    with left:
        values_ahead(view)
        by_type(view)
    with right:
        use_first(view)
        package(view)


def summary(view: View) -> None:
    visit, held = view.visit, view.holdings()
    money = " · ".join(money_text(cents, currency, visit.locale) for currency, cents in held.value_cents.items())
    worth = f"Paid for: {escape(money)}" if money else "Nothing of it was paid for"
    overdraft = debt.overdraft_of(visit, view.account)
    if overdraft.owed_micro:
        worth = debt.in_short(visit, overdraft)
    with st.grid(4, min_column_width=200):
        for label, amount, words in (
            ("Balance", held.balance_micro - overdraft.owed_micro, worth),
            ("Held", held.held_micro, "Reserved for work under way"),
            ("Available", held.available_micro, _later(visit, held)),
            (f"Expiring within {SOON_DAYS} days", held.expiring_30d_micro, _next_expiry(visit, held)),
        ):
            parts.tile(label, credit_text(amount, visit.locale), help=credit_help(amount), note=words)
    explain.why_balance(
        visit, view.account, view.customer.name, opened=explain.opened_day(view.customer.opened_at, visit)
    )
    if only := scopes.sentence(visit, held.batches):
        st.markdown(only)


def _later(visit: Visit, held: frames.Holdings) -> str:
    later = held.balance_micro - held.available_micro - held.held_micro
    return f"{credit_text(later, visit.locale)} more usable later" if later else "All of it usable now"


def _next_expiry(visit: Visit, held: frames.Holdings) -> str:
    if held.next_expiry_at is None:
        return "Nothing expires"
    day = last_day(held.next_expiry_at, visit.zone)
    return f"Next: {day_text(day, visit.locale)}, {days_text((day - visit.today).days)}"


def timeline(view: View, *, horizon_days: int = HORIZON_DAYS) -> None:
    """Past balance, today, and the forecast with its band and what expires unused."""
    visit, projection = view.visit, view.outlook.projection
    since = visit.today - timedelta(days=PAST_DAYS - 1)
    until = visit.today + timedelta(days=1)
    usage = visit.ask(frames.load_daily_usage_by_type, since=since, until=until, account=view.account)
    moved = visit.ask(
        frames.load_account_movements,
        account=view.account,
        since=visit.at - timedelta(days=PAST_DAYS + 1),
        at=visit.at,
        zone=visit.zone,
    )
    batches = view.batches()
    past = balances.past(
        usage,
        moved,
        batches,
        available_micro=projection.available_micro,
        today=visit.today,
        days=PAST_DAYS,
        zone=visit.zone,
    )
    theme = pictures.theme()
    chart = visit.kept(
        "timeline",
        lambda: charts.balance_timeline(
            past,
            projection.balance.head(horizon_days),
            waste_markers(projection.wasted, batches),
            now=pd.Timestamp(visit.at.astimezone(visit.zone).replace(tzinfo=None)),
            zone=visit.zone.key,
            theme=theme,
        ),
        view.account,
        view.outlook.forecast.as_of,
        horizon_days,
        theme,
    )
    pictures.show(chart, key="timeline")
    as_of, ahead = day_text(view.outlook.forecast.as_of, visit.locale), min(horizon_days, projection.days_covered)
    st.caption(
        f"Past {PAST_DAYS} days and the next {ahead}, {escape(visit.zone.key)}, if nothing is added. "
        f"Forecast from the days up to {escape(as_of)}: {outlooks.METHOD_WORDS[view.outlook.forecast.method]}. "
        "The band is the 80 % range."
    )
    if (past["available_micro"] < 0).any():
        st.caption("Below zero in the past: use counts on its own day, also when it was reported after a later top-up.")


def values_ahead(view: View) -> None:
    projection, visit = view.outlook.projection, view.visit
    st.subheader("Balance ahead", anchor=False)
    rows = [_status_row(visit, label, status) for label, status in ahead_of(projection)]
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt="Balance ahead with its 80 % range")


def _status_row(visit: Visit, label: str, status: BalanceStatus) -> dict[str, str]:
    low, likely, high = (
        credit_text(round(amount) * MICRO, visit.locale) for amount in (status.low, status.likely, status.high)
    )
    return {
        "When": label,
        "Day": escape(day_text(status.day, visit.locale)),
        "Likely": likely,
        "80 % range": f"{low} – {high}",
        "State": f"{_STATUS_BADGES[status.word]} {status.word}",
    }


def by_type(view: View) -> None:
    visit = view.visit
    found = view.holdings().by_type
    total = int(found["available_micro"].sum())
    rows = [
        {
            "Type": TYPE_LABELS[row["credit_type"]],
            "Available": credit_text(row["available_micro"], visit.locale),
            "Share": percent_text(row["available_micro"] / total, visit.locale) if total else "–",
            "Next expiry": "–"
            if pd.isna(row["next_expiry_at"])
            else escape(day_text(last_day(row["next_expiry_at"].to_pydatetime(), visit.zone), visit.locale)),
            "Batches": str(row["batches"]),
        }
        for row in found.to_dict("records")
    ]
    st.subheader("By type", anchor=False)
    st.table(pd.DataFrame(rows), hide_index=True, border="horizontal", alt="Available credits by type")


def use_first(view: View) -> None:
    visit, batches = view.visit, view.batches()
    st.subheader("Use first", anchor=False)
    order = batches[batches["burn_number"].notna()].sort_values("burn_number").head(USE_FIRST)
    if order.empty:
        st.markdown("No batch has credits that can be used now.")
        return
    wasted = dict(
        zip(view.outlook.projection.wasted["batch_id"], view.outlook.projection.wasted["wasted_likely"], strict=True)
    )
    st.markdown("Credits burn in this order by themselves:")
    for row in order.to_dict("records"):
        words = f"{credit_text(row['left_micro'], visit.locale)} {row['credit_type']}"
        if pd.isna(row["expires_at"]):
            words += ", never expire"
        else:
            day = last_day(row["expires_at"].to_pydatetime(), visit.zone)
            words += f", until {escape(day_text(day, visit.locale))} ({days_text((day - visit.today).days)})"
        lost = wasted.get(row["batch_id"], 0.0)
        if lost >= 1:
            words += f". **{rough_text(lost * MICRO, visit.locale)} of it will probably expire unused**"
        st.markdown(f"{row['burn_number']}. {words}")


def package(view: View) -> None:
    """The package that would make the credits last, with its sum; nothing where no package is for sale."""
    visit = view.visit
    if not in_force(visit.ask(frames.load_packages), visit.at):
        return
    st.subheader("Next top-up", anchor=False)
    st.markdown(advice.sentence(visit, advice.for_customer(visit, view.account)))
    if visit.may(Permission.RECORD_TOP_UP) or visit.may(Permission.SELL):
        st.page_link(
            "credits/top_ups.py",
            label="Packages and top-up",
            icon=":material/payments:",
            query_params=address.link(customer=view.account),
        )

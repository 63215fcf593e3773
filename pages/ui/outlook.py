"""Stored forecasts on pages: lists show what is stored, one customer's missing forecast is made when first needed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st
from babel import Locale
from babel.dates import format_skeleton

from analytics import frames, outlook
from analytics.forecast import HORIZON_DAYS, Method
from ledger import Permission
from ledger.derived import StoredForecast, save_forecasts
from pages.ui.guard import Visit

METHOD_WORDS = {
    Method.NONE.value: "No use to go by",
    Method.MEAN.value: "Plain mean",
    Method.LEGS_WITHOUT_TREND.value: "Weekly rhythm",
    Method.LEGS.value: "Rhythm and level",
}
METHOD_HELP = (
    "How the daily use ahead was estimated. *Rhythm and level*: the mean of two fits that keep the last level and the "
    "weekly rhythm. *Weekly rhythm*: the same, from less than six weeks of use. *Plain mean*: too little history for a "
    "fit, so the range is wide."
)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Outlooks of all customers that have a stored forecast, and how many have none for the last complete day."""

    frame: pd.DataFrame
    customers: int
    missing: int
    known_until: date

    @property
    def computed(self) -> int:
        """Number of customers with an outlook."""
        return len(self.frame)


def fleet(visit: Visit, customers: pd.DataFrame, *, horizon_days: int = HORIZON_DAYS) -> Fleet:
    """The outlook of every customer in a frame of frames.CUSTOMERS; nothing is fitted here."""
    known_until = outlook.as_of(visit.today)
    frame = visit.made(
        outlook.load_fleet, at=visit.at, zone=visit.zone, stored_at=_stored_at(visit), horizon_days=horizon_days
    )
    fresh = frame.loc[frame["as_of"] >= pd.Timestamp(known_until), "account"]
    return Fleet(frame, len(customers), len(customers) - int(customers["account"].isin(fresh).sum()), known_until)


def of_customer(visit: Visit, account: str) -> outlook.Outlook:
    """The outlook of one customer; its forecast is made and stored first when no run has done it for yesterday."""
    known_until = outlook.as_of(visit.today)
    found = _stored(visit, account)
    if found is not None and found.forecast.as_of >= known_until:
        return found
    with st.status("Computing the forecast of this customer", expanded=False) as status:
        forecast = visit.ask_now(outlook.make_one, account=account, known_until=known_until)
        save_forecasts(visit.ledger, [StoredForecast(account, known_until, forecast.to_body())])
        status.update(label="Forecast computed and stored", state="complete")
    return visit.ask_now(outlook.spend_one, account=account, forecast=forecast, at=visit.at, zone=visit.zone)


def missing_note(visit: Visit, found: Fleet) -> None:
    """Say how many customers have no forecast for the last complete day, and what an admin can do about it."""
    if not found.missing:
        return
    stale = found.computed - (found.customers - found.missing)
    older = f", {stale:,} of them still shown from an older one" if stale > 0 else ""
    words = f"{found.missing:,} of {found.customers:,} customers have no forecast for the last complete day{older}."
    if visit.may(Permission.RUN_JOBS):
        words += " `python -m service.cli forecast` makes them all; opening a customer makes that one."
    else:
        words += " Opening a customer makes that customer's; an admin can make them all."
    st.info(words, icon=":material/hourglass_empty:")


def run_out_text(row: Mapping[Any, Any], locale: Locale, *, last_day: date, confidence: int = 80) -> str:
    """The run-out day of a row of OUTLOOK as a range with the likely day; never a day without its range."""
    if row["is_out"]:
        return "Nothing available now"
    low, likely, high = (_day(row[name]) for name in (f"low_{confidence}", "likely", f"high_{confidence}"))
    if low is None:
        return f"Beyond {short_day(last_day, locale)}"
    if likely is None:
        return f"{short_day(low, locale)} at the earliest"
    until = "later" if high is None else short_day(high, locale)
    if isinstance(row["cannot_say"], str):
        return f"{short_day(low, locale)} – {until}, day uncertain"
    if low == high:
        return f"{short_day(low, locale)}, no other day in the range"
    return f"{short_day(low, locale)} – {until}, likely {short_day(likely, locale)}"


def run_out_texts(visit: Visit, found: Fleet) -> dict[str, str]:
    """The run-out day of each customer with an outlook, in words, by account."""
    end = last_day(visit)
    return {row["account"]: run_out_text(row, visit.locale, last_day=end) for row in found.frame.to_dict("records")}


def short_day(day: date, locale: Locale) -> str:
    """A day without its year, such as "Dec 20"."""
    return str(format_skeleton("MMMd", day, locale=locale))


def last_day(visit: Visit, horizon_days: int = HORIZON_DAYS) -> date:
    """The last day that an outlook of that horizon covers."""
    return visit.today + timedelta(days=horizon_days - 1)


def _day(value: pd.Timestamp) -> date | None:
    return None if pd.isna(value) else value.date()


def _stored(visit: Visit, account: str) -> outlook.Outlook | None:
    return visit.made(outlook.load_one, account=account, at=visit.at, zone=visit.zone, stored_at=_stored_at(visit))


def _stored_at(visit: Visit) -> datetime | None:
    # Asked anew each time, because storing a forecast does not move the head of the books.
    return visit.ask_now(frames.load_forecast_head)

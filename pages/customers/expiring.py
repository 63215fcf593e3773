"""Expiring: what ends soon, and what of it will be wasted?"""

import pandas as pd
import streamlit as st

from analytics import charts, expiry, frames
from analytics.frames import RATE_DAYS
from ledger import MICRO, CreditType, Permission
from pages.ui import address, alert_inbox, links, parts, pictures, portfolio
from pages.ui.figures import rough_text
from pages.ui.guard import Visit, guard
from pages.ui.text import TYPE_WORDS, credit_text, escape, money_text

PER_PAGE = 100
FILTERS = ("within", "type", "owner", "wasted")
EXTEND = "expiring:extend"


def main(visit: Visit) -> None:
    customers = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    waste = portfolio.waste(visit, customers, within_days=expiry.BUCKETS[-1])
    with st.sidebar:
        within = address.select(
            "within",
            "Ends within",
            list(expiry.BUCKETS),
            default=expiry.BUCKETS[-1],
            format_func=lambda days: f"{days} days",
        )
        types = address.multiselect(
            "type", "Credit type", list(CreditType), to_text=lambda kind: kind.value, format_func=TYPE_WORDS.__getitem__
        )
        owners = address.multiselect("owner", "Account manager", sorted(set(waste["owner"]) - {""}))
        only_wasted = address.toggle("wasted", "Only what will be wasted")
        patterns = pictures.patterns_switch()
    parts.header(visit, "Expiring")
    if waste.empty:
        st.markdown(f"No credits end within {expiry.BUCKETS[-1]} days.")
        return
    words = [f"ends within {within} days"] if within != expiry.BUCKETS[-1] else []
    keep = waste["days_left"] <= within
    if types:
        words.append(f"credit type = {' or '.join(kind.value for kind in types)}")
        keep &= waste["credit_type"].isin([kind.value for kind in types])
    if owners:
        words.append(f"account manager = {' or '.join(owners)}")
        keep &= waste["owner"].isin(owners)
    if only_wasted:
        words.append("only what will be wasted")
        keep &= waste["wasted_micro"] > 0
    chosen = waste[keep].reset_index(drop=True)
    if chosen.empty:
        parts.nothing_matches(words, clear=address.clear(*FILTERS), what="No batch")
        return
    theme = pictures.theme()
    chart = visit.kept(
        "expiring",
        lambda: charts.expiring_buckets(expiry.by_bucket(chosen), theme=theme, patterns=patterns),
        within,
        types,
        owners,
        only_wasted,
        theme,
        patterns,
    )
    st.markdown(said(visit, chosen))
    pictures.show(chart, key="expiring-chart")
    st.caption(f"Today's pace is the mean day of the last {RATE_DAYS} complete days, spent in burn order.")
    listed(visit, chosen, resets=tuple(words))


def said(visit: Visit, chosen: pd.DataFrame) -> str:
    """The finding in one sentence, with money where there is some."""
    left, lost = (int(chosen[f"{name}_micro"].sum()) for name in ("left", "wasted"))
    customers = chosen["account"].nunique()
    value = chosen.dropna(subset=["value_cents"]).groupby("currency")["value_cents"].sum()
    money = " and ".join(money_text(int(cents), str(name), visit.locale) for name, cents in value.items() if cents)
    words = (
        f"**{credit_text(left, visit.locale)} credits of {customers:,} customer{'s' * (customers != 1)} end**; "
        f"at today's pace {rough_text(lost, visit.locale)} of them expire unused."
    )
    return words + (f" Paid for what ends: {escape(money)}." if money else "")


def listed(visit: Visit, chosen: pd.DataFrame, *, resets: tuple[str, ...]) -> None:
    place = st.container()
    number = address.page_number(len(chosen), per_page=PER_PAGE, resets=resets)
    shown = chosen.iloc[(number - 1) * PER_PAGE : number * PER_PAGE]
    left = credit_text(int(chosen["left_micro"].sum()), visit.locale)
    lost = rough_text(int(chosen["wasted_micro"].sum()), visit.locale)
    with place:
        parts.table(
            links.with_customer_columns(readable(visit, shown)),
            key="expiring",
            alt="Batches that end soon, soonest first, with what will be wasted",
            totals=f"**{len(chosen):,} batch{'es' * (len(chosen) != 1)} · {left} credits end · {lost} wasted**",
            columns=columns(visit),
            download=parts.Download(visit, "expiring", lambda: exported(chosen)),
            height="content",
        )
    links.follow("expiring", shown["account"], tab="Batches")
    if click := st.session_state.get(EXTEND):
        batch = shown.iloc[click["row"]]
        wanted = address.link(kind="extend", customer=batch["account"], batch=int(batch["batch_id"]))
        st.switch_page("credits/adjustments.py", query_params=wanted)


def readable(visit: Visit, shown: pd.DataFrame) -> pd.DataFrame:
    values = [
        "" if pd.isna(cents) else money_text(int(cents), currency, visit.locale)
        for cents, currency in zip(shown["value_cents"], shown["currency"], strict=True)
    ]
    told = alert_inbox.told_of_batches(visit)
    return shown.assign(
        extend="Extend",
        type=shown["credit_type"].str.capitalize(),
        left=parts.whole_credits(shown["left_micro"]),
        needed=(shown["needed_micro"] / MICRO).round(),
        wasted=(shown["wasted_micro"] / MICRO).round(),
        value=values,
        told=[told.get(int(batch), "") for batch in shown["batch_id"]],
        ends=(shown["expires_at"] - pd.Timedelta(seconds=1)).dt.tz_convert(visit.zone).dt.date,
    )


def columns(visit: Visit) -> dict[str, object]:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    acts = {"open": links.customer_columns("expiring")["open"]}
    if visit.may_start(Permission.EXTEND_EXPIRY):
        acts["extend"] = st.column_config.ButtonColumn("Extend", key=EXTEND, type="tertiary", width=85)
    return {
        "name": text("Customer", pinned=True, width=180),
        **acts,
        "type": text("Type", width=110),
        "left": parts.credits_column("Left"),
        "wasted": parts.credits_column("Wasted", help="Will expire unused at today's pace, about"),
        "needed": parts.credits_column("Will be used", help="At today's pace, about"),
        "ends": st.column_config.DateColumn("Last day", format="localized", help="Usable through this day"),
        "days_left": number("Days left", format="%d", help="0 ends today"),
        "value": text("Value", alignment="right", width=105, help="Paid for the credits that are left"),
        "told": text("Alert", width=80, help="The latest level at which the end of the batch was told"),
        "campaign": text("Campaign"),
        "owner": text("Account manager"),
        "batch_id": number("Batch", format="%d"),
    }


def exported(chosen: pd.DataFrame) -> pd.DataFrame:
    amounts = {
        f"{name}_credits": portfolio.exact_credits(chosen[f"{name}_micro"]) for name in ("left", "needed", "wasted")
    }
    plain = ["account", "name", "owner", "batch_id", "credit_type", "campaign", "expires_at", "days_left"]
    return pd.DataFrame({**chosen[plain], **amounts, **chosen[["value_cents", "currency"]]})


visit = guard(Permission.VIEW_PORTFOLIO)
main(visit)

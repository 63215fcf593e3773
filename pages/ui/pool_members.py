"""The members of one pool: limits and what is used of them, use by member, and limits that are only tried out."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import MICRO, Permission
from ledger.core.limits import Period
from pages.ui import address, forms, parts, pool_forms
from pages.ui.guard import Visit
from pages.ui.period import Span
from pages.ui.review import receipt_panel, review
from pages.ui.text import credit_text

PERIOD_WORDS = {Period.HOUR: "this hour", Period.DAY: "today", Period.MONTH: "this month"}


def members(visit: Visit, account: str) -> None:
    """Members with limits and use; below it, for admins, the table in which they are changed."""
    zone = forms.customer_zone(visit, account)
    found = visit.ask(frames.load_members, account=account, at=visit.at, zone=zone)
    if found.empty:
        parts.first_use("This pool has no members yet, so nobody can use it.")
    else:
        _table(visit, account, found)
    if visit.may(Permission.MANAGE_POOLS):
        _change(visit, account, found)


def _table(visit: Visit, account: str, found: pd.DataFrame) -> None:
    rows = found.to_dict("records")
    shown = found.assign(
        state=found["is_active"].map({True: "active", False: "not active"}),
        fullest=pd.Series([_fullest(row) for row in rows], dtype="Float64") * 100,
        **{period.value: [_used_of(visit, row, period) for row in rows] for period in Period},
    )
    columns = {
        "label": st.column_config.TextColumn("Name", pinned=True),
        "member": st.column_config.TextColumn("Member", help="As usage names it"),
        "state": st.column_config.TextColumn("State", width=90),
        "fullest": st.column_config.ProgressColumn(
            "Used of limit", format="%.0f %%", min_value=0, max_value=100, help="Of the limit that is used most"
        ),
        **{
            period.value: st.column_config.TextColumn(f"Used {PERIOD_WORDS[period]}", help="Of the limit, if any")
            for period in Period
        },
    }
    count = f"**{len(found):,} member{'s' * (len(found) != 1)}**"
    parts.table(
        shown,
        key="members",
        alt="Members of the pool with their limits and what they used",
        totals=f"{count}, {int(found['is_active'].sum()):,} of them active",
        columns=columns,
        placeholder="no limit",
        download=parts.Download(visit, "pool_members", lambda: _exported(found), whose=account),
    )


def _used_of(visit: Visit, row: Mapping[Any, Any], period: Period) -> str:
    used, limit = (row[f"{period}_{what}_micro"] for what in ("used", "limit"))
    return credit_text(used, visit.locale) + ("" if pd.isna(limit) else f" of {credit_text(limit, visit.locale)}")


def _exported(found: pd.DataFrame) -> pd.DataFrame:
    amounts = {
        f"{period}_{what}": [
            None if pd.isna(micro) else Decimal(micro) / MICRO for micro in found[f"{period}_{what}_micro"].tolist()
        ]
        for period in Period
        for what in ("limit", "used")
    }
    return pd.DataFrame({**found[["member", "label", "is_active", "joined_at"]], **amounts})


def _fullest(row: Mapping[Any, Any]) -> float | None:
    """How much of a member's limits is used, of the fullest one; None without limits, 1 when nothing is allowed."""
    shares = [
        min(1.0, row[f"{period}_used_micro"] / limit) if limit else 1.0
        for period in Period
        if pd.notna(limit := row[f"{period}_limit_micro"])
    ]
    return max(shares, default=None)


def _change(visit: Visit, account: str, found: pd.DataFrame) -> None:
    panel = st.expander(
        "Change or add members", key="change-members", on_change="rerun", icon=":material/edit:", expanded=found.empty
    )
    if not panel.open:
        return
    with panel:
        form = forms.open_form(visit, f"members_{account}")
        receipt = forms.outcome(form)
        if receipt is not None:
            names = forms.customer_names(visit)
            receipt_panel(form, receipt, done="Changed.", name=names.get(account, account))
            return
        command, act = pool_forms.edit(form, account, found)
        review(form, command, act)


def usage(visit: Visit, account: str, span: Span) -> None:
    """Who used how much in the period."""
    since, until = span.instants(visit)
    found = visit.ask(frames.load_member_usage, account=account, since=since, until=until)
    if found.empty:
        parts.nothing_matches(
            [f"period = {span.label}"], clear=address.clear("period", "from", "to"), what="No use of this pool"
        )
        return
    whole = int(found["used_micro"].sum())
    shown = found.assign(
        member=found["member"].replace("", "nobody named"),
        used=parts.whole_credits(found["used_micro"]),
        share=found["used_micro"] / max(whole, 1),
    )
    parts.table(
        shown,
        key="member-usage",
        alt="Credits used by member in the period, most first",
        totals=f"**{credit_text(whole, visit.locale)} credits used**, {span.label}, less what was given back",
        columns={
            "member": st.column_config.TextColumn("Member", pinned=True),
            "used": parts.credits_column("Credits"),
            "share": st.column_config.ProgressColumn("Share", format="percent", min_value=0, max_value=1),
            "events": st.column_config.NumberColumn("Uses", format="localized"),
            "last_used_at": parts.instant_column("Last use", visit.zone),
        },
        download=parts.Download(
            visit,
            "member_usage",
            lambda: _use_exported(found),
            whose=account,
            since=span.period.since,
            until=span.period.until,
        ),
    )


def _use_exported(found: pd.DataFrame) -> pd.DataFrame:
    used = [Decimal(micro) / MICRO for micro in found["used_micro"].tolist()]
    return pd.DataFrame({"member": found["member"], "credits": used, **found[["events", "last_used_at"]]})


def stopped(visit: Visit, account: str) -> None:
    """Who would have been stopped today if everybody had these limits; nothing is changed by trying."""
    st.caption("Try limits for everybody: nothing is changed. Leave one empty for no limit.")
    limits: dict[str, int | None] = {}
    for column, period in zip(st.columns(len(Period)), Period, strict=True):
        with column:
            limits[f"{period}_limit_micro"] = _limit(period)
    zone = forms.customer_zone(visit, account)
    found = visit.ask(frames.load_stopped, account=account, at=visit.at, zone=zone, **limits)
    if found.empty:
        st.markdown("Nobody has used this pool this month.")
        return
    count = int(found["stopped_by"].ne("").sum())
    verb = "would have been stopped" if count else "would have been stopped; everybody stayed within these limits"
    shown = found.assign(
        stopped=["by the " + period if period else "no" for period in found["stopped_by"]],
        **{period.value: parts.whole_credits(found[f"{period}_used_micro"]) for period in Period},
    )
    parts.table(
        shown,
        key="stopped",
        alt="Members with use this month and which of the tried limits would have stopped them",
        totals=f"**{count or 'Nobody'}** {f'of {len(found)} ' if count else ''}{verb}",
        columns={
            "member": st.column_config.TextColumn("Member", pinned=True),
            "stopped": st.column_config.TextColumn("Stopped"),
            "hour": parts.credits_column("Most in an hour of today"),
            "day": parts.credits_column("Used today"),
            "month": parts.credits_column("Used this month"),
        },
    )


def _limit(period: Period) -> int | None:
    value = address.text(f"try_{period}", f"Per {period}", max_chars=12, placeholder="no limit")
    if not value.strip():
        return None
    if not value.strip().isdecimal():
        st.error("Write whole credits, such as 250", icon=":material/error:")
        return None
    return int(value) * MICRO

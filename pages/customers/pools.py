"""Pools: accounts that members share, each within limits."""

import pandas as pd
import streamlit as st

from analytics import frames
from ledger import Permission
from pages.ui import address, forms, links, parts, period, pool_forms, pool_members
from pages.ui.guard import Visit, guard
from pages.ui.review import receipt_panel, review
from pages.ui.text import credit_text, escape

VIEWS = {"members": "Members", "usage": "Usage by member", "limits": "Who would be stopped"}


def main(visit: Visit) -> None:
    with st.sidebar:
        span = period.pick(visit, compare=False)
    parts.header(visit, "Pools")
    pools = visit.ask(frames.load_pools, at=visit.at, since=visit.today.replace(day=1))
    if pools.empty:
        whom = "Open the first one below." if visit.may(Permission.MANAGE_POOLS) else "Ask an admin to open one."
        parts.first_use(f"No pool yet. A pool is an account whose credits several people use within limits. {whom}")
    else:
        listed(visit, pools)
        names = dict(zip(pools["account"], pools["name"], strict=True))
        chosen = address.select(
            "pool",
            "Pool",
            list(names),
            default=next(iter(names)),
            format_func=lambda account: f"{names[account]} · {account}",
        )
        one_pool(visit, pools.set_index("account").loc[chosen].to_dict() | {"account": chosen}, span)
    if visit.may(Permission.MANAGE_POOLS):
        open_another(visit, is_first=pools.empty)


def listed(visit: Visit, pools: pd.DataFrame) -> None:
    """Every pool with what it has."""
    shown = pools.assign(
        available=parts.whole_credits(pools["available_micro"]), used=parts.whole_credits(pools["used_micro"])
    )
    columns = {
        "name": st.column_config.TextColumn("Pool", pinned=True),
        "organisation": st.column_config.TextColumn("Organisation"),
        "members": st.column_config.NumberColumn("Members"),
        "active": st.column_config.NumberColumn("Active"),
        "available": parts.credits_column("Available"),
        "used": parts.credits_column("Used this month"),
        "owner": st.column_config.TextColumn("Account manager"),
        **links.customer_columns("pools"),
    }
    total = credit_text(int(pools["available_micro"].sum()), visit.locale)
    totals = f"**{len(pools):,} pool{'s' * (len(pools) != 1)} · {total} credits available**"
    parts.table(links.with_customer_columns(shown), key="pools", alt="Pools by name", columns=columns, totals=totals)
    links.follow("pools", pools["account"])


def one_pool(visit: Visit, pool: dict[str, object], span: period.Span) -> None:
    """One pool: what it has, how credits get in and out, and one view at a time."""
    account = str(pool["account"])
    st.subheader(escape(pool["name"]), anchor=False)
    available, used = (credit_text(int(str(pool[f"{what}_micro"])), visit.locale) for what in ("available", "used"))
    st.markdown(
        f"**{available} credits available**, {used} used this month. {pool['active']} of {pool['members']} members are "
        f"active; limits are cut in {escape(pool['zone'])}."
    )
    if visit.may_start(Permission.TRANSFER):
        with st.container(horizontal=True):
            for label, icon, side in (("Move credits in", "input", "to"), ("Move credits out", "output", "customer")):
                st.page_link(
                    "credits/adjustments.py",
                    label=label,
                    icon=f":material/{icon}:",
                    query_params=address.link(kind="transfer", **{side: account}),
                    width="content",
                )
    view = address.radio("view", "Show", list(VIEWS), default="members", format_func=VIEWS.__getitem__)
    if view == "usage":
        pool_members.usage(visit, account, span)
    elif view == "limits":
        pool_members.stopped(visit, account)
    else:
        pool_members.members(visit, account)


def open_another(visit: Visit, *, is_first: bool) -> None:
    """The form that opens a pool."""
    panel = st.expander(
        "Open a pool", expanded=is_first, key="open-pool", on_change="rerun", icon=":material/group_add:"
    )
    if not panel.open:
        return
    with panel:
        form = forms.open_form(visit, "open_pool")
        receipt = forms.outcome(form)
        if receipt is not None:
            receipt_panel(
                form, receipt, done="Opened.", name=forms.customer_names(visit).get(receipt.account or "", "")
            )
            return
        forms.offer_draft(form)
        left, right = forms.columns()
        with left:
            command, act = pool_forms.open_fields(form)
        with right:
            review(form, command, act)


visit = guard(Permission.VIEW_CUSTOMER)
main(visit)

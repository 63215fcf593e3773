"""What an admin does about pools: open one, change its members."""

from decimal import Decimal
from typing import Any

import pandas as pd
import streamlit as st

from ledger import MICRO, Command, OpenPool, PoolMember, SetPoolMembers, credits_to_micro, micro_to_text
from ledger.core.limits import Period
from pages.ui.forms import Form
from pages.ui.review import Act
from pages.ui.text import escape

LIMITS = {period: f"{period}_limit_micro" for period in Period}


def open_fields(form: Form) -> tuple[Command | None, Act]:
    """The fields of a new pool; the command, or None while it cannot be made, and the act in words."""
    visit = form.visit
    name = form.text("name", "Name", required=True, max_chars=200)
    account = form.text("account", "Account id", required=True, max_chars=120, help="By which usage names the pool")
    organisation = form.text(
        "organisation", "Organisation", max_chars=200, help="Credits move between accounts of one organisation"
    )
    zone = form.text("zone", "Time zone", max_chars=60, placeholder=visit.zone.key, help="Of hours, days and months")
    owner = form.text("owner", "Account manager", max_chars=200, help="E-mail")
    if not name or not account:
        return None, Act("Open the pool")
    command = OpenPool(account, name, organisation=organisation, zone=zone or visit.zone.key, owner=owner)
    facts = {"Pool": escape(f"{name} · {account}"), "Limits are cut in": escape(command.zone)}
    return command, Act(f"Open the pool {escape(name)}", facts=facts)


def edit(form: Form, account: str, members: pd.DataFrame) -> tuple[Command | None, Act]:
    """A table of members to change or add to; the command holds only those that differ, named in the act's facts."""
    st.caption("Change limits in whole or part credits; an empty limit is no limit, 0 allows nothing. Add rows below.")
    shown = pd.DataFrame(
        {
            "member": members["member"],
            "label": members["label"],
            **{period.value: _credits(members[column]) for period, column in LIMITS.items()},
            "is_active": members["is_active"],
        }
    )
    limit: dict[str, Any] = {
        period.value: st.column_config.NumberColumn(f"Per {period}", min_value=0, format="localized")
        for period in Period
    }
    edited = st.data_editor(
        shown,
        key=f"{form.state.key}:members",
        num_rows="add",
        hide_index=True,
        placeholder="no limit",
        alt="Members with their limits, to be changed",
        column_config={
            "member": st.column_config.TextColumn("Member", required=True, max_chars=200, help="As usage names it"),
            "label": st.column_config.TextColumn("Name", max_chars=200),
            **limit,
            "is_active": st.column_config.CheckboxColumn("Active", default=True),
        },
    )
    known = {one.member: one for one in _members(shown)}
    changed = tuple(one for one in _members(edited) if known.get(one.member) != one)
    if not changed:
        form.missing["members"] = "a change in the table"
        return None, Act("Change members")
    renamed = known.keys() - {one.member for one in _members(edited)}
    if renamed:
        form.faults["members"] = (
            f"{', '.join(sorted(renamed))} cannot be renamed; add a new member and stop the old one"
        )
    facts = {escape(one.member): _change(known.get(one.member), one) for one in changed}
    number = f"{len(changed)} member{'s' * (len(changed) != 1)}"
    return SetPoolMembers(account, changed), Act(f"Change {number}", facts=facts)


def _members(frame: pd.DataFrame) -> list[PoolMember]:
    return [
        PoolMember(
            _text(row["member"]),
            _text(row["label"]),
            _micro(row["hour"]),
            _micro(row["day"]),
            _micro(row["month"]),
            bool(row["is_active"]) if pd.notna(row["is_active"]) else True,
        )
        for row in frame.to_dict("records")
        if _text(row["member"])
    ]


def _change(old: PoolMember | None, new: PoolMember) -> str:
    will = _terms(new)
    if old is None:
        return f"Joins: {will}"
    was = _terms(old)
    return f"{was} → {will}" if was != will else f"Is called {escape(new.label)}"


def _terms(one: PoolMember) -> str:
    limits = [f"{micro_to_text(limit)} per {period}" for period, limit in one.limits.items() if limit is not None]
    return (", ".join(limits) or "no limit") + ("" if one.is_active else ", not active")


def _credits(micro: "pd.Series[int]") -> "pd.Series[float]":
    return micro.astype("Float64") / MICRO


def _micro(value: Any) -> int | None:
    if pd.isna(value):
        return None
    # What the browser sends is a number; the sixth decimal is the smallest part of a credit.
    return credits_to_micro(Decimal(str(value)).quantize(Decimal("0.000001")))


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value).strip()

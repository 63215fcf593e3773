"""Customers: who has how much, uses how much, and when does it end?"""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import charts, frames, kpis
from analytics.frames import SOON_DAYS
from ledger import AccountType, Permission
from pages.ui import address, customer_forms, customer_table, first_steps, forms, links, outlook, parts, portfolio
from pages.ui.guard import Visit, guard
from pages.ui.review import receipt_panel, review
from pages.ui.text import credit_text, escape, money_text

PER_PAGE = 100
IDLE_DAYS = 30
NO_USE = "no use"
FILTERS = ("q", "owner", "tier", "type", "runway", "expiring", "negative", "idle")
# Word in the address → what people read, column, whether the smallest comes first.
SORTS = {
    "runway": ("Runway, shortest first", "runway_days", True),
    "name": ("Name", "sort_name", True),
    "available": ("Available, most first", "net_micro", False),
    "owed": ("Owed, most first", "owed_micro", False),
    "value": ("Value, most first", "value_cents", False),
    "expiring": ("Expiring, most first", "expiring_30d_micro", False),
    "burn": ("Burn, most first", "used_28d_micro", False),
    "top_up": ("Last top-up, longest ago first", "last_top_up_at", True),
}


def main(visit: Visit) -> None:
    customers = visit.ask(frames.load_customers, at=visit.at, zone=visit.zone)
    fleet = outlook.fleet(visit, customers)
    customers["runway_days"] = kpis.runway_days(customers)
    customers["runway"] = charts.runway_buckets(customers["runway_days"]).fillna(NO_USE)
    customers["net_micro"] = customers["available_micro"] - customers["owed_micro"]
    customers["sort_name"] = customers["name"].str.casefold()
    with st.sidebar:
        chosen, words = picked(visit, customers)
        sort = address.select("sort", "Sort by", list(SORTS), default="runway", format_func=lambda word: SORTS[word][0])
    parts.header(visit, "Customers")
    if customers.empty:
        first_steps.checklist(visit, customers)
    elif chosen.empty:
        parts.nothing_matches(words, clear=address.clear(*FILTERS), what="No customer")
    else:
        _, column, ascending = SORTS[sort]
        chosen = chosen.sort_values([column, "account"], ascending=[ascending, True], ignore_index=True)
        listed(visit, chosen, fleet, resets=(*words, sort))
        outlook.missing_note(visit, fleet)
    if visit.may(Permission.MANAGE_CUSTOMERS):
        open_another(visit, is_first=customers.empty)


def picked(visit: Visit, customers: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The customers that the filters let through, and the filters in words."""
    names = {column: sorted(set(customers[column]) - {""}) for column in ("owner", "tier")}
    wanted = address.text("q", "Search", placeholder="Name, id or e-mail")
    owners = address.multiselect("owner", "Account manager", names["owner"])
    tiers = address.multiselect("tier", "Tier", names["tier"])
    types = address.multiselect(
        "type", "Account type", [kind.value for kind in AccountType], format_func=str.capitalize
    )
    runways = address.multiselect("runway", "Runway in days", [*charts.RUNWAY_BUCKETS, NO_USE])
    expiring = address.toggle("expiring", f"Credits expire within {SOON_DAYS} days")
    negative = address.toggle("negative", "Negative: owes credits")
    idle = address.toggle("idle", f"No use for {IDLE_DAYS} days")
    words, keep = [], pd.Series(True, index=customers.index)
    if wanted.strip():
        words.append(f"search = {wanted.strip()}")
        text = customers[["name", "account", "email"]].agg("\n".join, axis=1).str.casefold()
        keep &= text.str.contains(wanted.strip().casefold(), regex=False)
    for label, column, values in (
        ("account manager", "owner", owners),
        ("tier", "tier", tiers),
        ("account type", "account_type", types),
        ("runway", "runway", runways),
    ):
        if values:
            words.append(f"{label} = {' or '.join(values)}")
            keep &= customers[column].isin(values)
    if expiring:
        words.append(f"credits expire within {SOON_DAYS} days")
        keep &= customers["expiring_30d_micro"] > 0
    if negative:
        words.append("owes credits")
        keep &= customers["owed_micro"] > 0
    if idle:
        words.append(f"no use for {IDLE_DAYS} days")
        keep &= portfolio.is_idle_since(customers, visit.today - timedelta(days=IDLE_DAYS))
    return customers[keep], words


def listed(visit: Visit, chosen: pd.DataFrame, fleet: outlook.Fleet, *, resets: tuple[str, ...]) -> None:
    runs_out = outlook.run_out_texts(visit, fleet)
    chosen = chosen.assign(runs_out=[runs_out.get(account, "No forecast yet") for account in chosen["account"]])
    pages = st.container()
    place = st.container()
    number = address.page_number(len(chosen), per_page=PER_PAGE, resets=resets)
    shown = chosen.iloc[(number - 1) * PER_PAGE : number * PER_PAGE]
    total = credit_text(int(chosen["available_micro"].sum()), visit.locale)
    noun = "customer" if len(chosen) == 1 else "customers"
    kept = visit.ask(frames.load_values, at=visit.at)
    values = kept[kept["account"].isin(chosen["account"])].groupby("currency")["value_cents"].sum()
    paid = " · ".join(money_text(int(cents), str(name), visit.locale) for name, cents in values.items())
    owed = int(chosen["owed_micro"].sum())
    debt = f" · {credit_text(owed, visit.locale)} owed" if owed else ""
    pages.markdown(
        f"**{len(chosen):,} {noun} · {total} credits available{debt}**"
        + (f" · {escape(paid)} paid for them" if paid else "")
    )
    if len(chosen) > PER_PAGE:
        pages.caption(f"Page {number}: {(number - 1) * PER_PAGE + 1:,} to {(number - 1) * PER_PAGE + len(shown):,}")
    with place:
        parts.table(
            links.with_customer_columns(customer_table.readable(visit, shown)),
            key="customers",
            alt="Customers with balance, value, burn and runway",
            columns=customer_table.columns(visit),
            download=parts.Download(visit, "customers", lambda: customer_table.exported(chosen)),
            height="content",
        )
    links.follow("customers", shown["account"])


def open_another(visit: Visit, *, is_first: bool) -> None:
    """The form that opens a customer or a lead."""
    panel = st.expander(
        "Open a customer", expanded=is_first, key="open-customer", on_change="rerun", icon=":material/person_add:"
    )
    if not panel.open:
        return
    with panel:
        form = forms.open_form(visit, "open_customer")
        receipt = forms.outcome(form)
        if receipt is not None:
            name = forms.customer_names(visit).get(receipt.account or "", "")
            receipt_panel(form, receipt, done="Opened.", name=name)
            return
        forms.offer_draft(form)
        left, right = forms.columns()
        with left:
            command, act = customer_forms.open_fields(form)
        with right:
            review(form, command, act)


visit = guard(Permission.VIEW_CUSTOMER)
main(visit)

"""Batches of one customer: in burn order, what is left of each, and the lines behind one."""

import pandas as pd
import streamlit as st

from analytics import charts, frames
from ledger import Permission
from pages.ui import address, drawer, parts, pictures, portfolio, scopes
from pages.ui.corrections import open_kinds
from pages.ui.customer_overview import View
from pages.ui.guard import Visit
from pages.ui.text import money_text

LINES = 200
# Kind of correction, label, icon.
ACTS = (
    ("extend", "Extend", ":material/event_upcoming:"),
    ("adjust", "Take from it", ":material/remove_circle:"),
    ("void", "Void", ":material/block:"),
)
NEEDS_CREDITS = ("adjust", "void")


def draw(view: View) -> None:
    """The tab."""
    visit, batches = view.visit, view.batches()
    if batches.empty:
        parts.first_use("This customer has no credits yet.", **_first_act(visit))
        return
    live = batches[batches["state"].isin(["open", "scheduled"])]
    if not live.empty:
        theme = pictures.theme()
        chart = view.visit.kept(
            "batches",
            lambda: charts.batches_bar(batches, theme=theme, patterns=view.patterns),
            view.account,
            theme,
            view.patterns,
        )
        st.markdown(chart.alt)
        pictures.show(chart, key="batches-chart")
    is_all = address.toggle("all", f"Also the {len(batches) - len(live):,} batches that are used up or expired")
    shown = (batches if is_all else live).reset_index(drop=True)
    if shown.empty:
        st.markdown("No batch has credits left.")
        return
    st.caption("In burn order. Select a row for the lines behind it.")
    picked = parts.table(
        _readable(view, shown),
        key="batches",
        alt="Batches in burn order with what is left of each",
        columns=_columns(view, shown),
        on_select="rerun",
        selection_mode="single-row",
        download=parts.Download(visit, "batches", lambda: _exported(batches), whose=view.account),
        height="content",
    )
    if rows := picked.selection.rows:
        _lines(visit, shown.iloc[rows[0]], view.account)


def _first_act(visit: Visit) -> dict[str, str]:
    if visit.may_start(Permission.ISSUE_GRANT):
        return {"page": "credits/grants.py", "label": "Issue the first credits"}
    return {}


def _readable(view: View, shown: pd.DataFrame) -> pd.DataFrame:
    amounts = {
        name: parts.whole_credits(shown[f"{name}_micro"]) for name in ("granted", "used", "expired", "removed", "left")
    }
    cost = [
        "" if pd.isna(cents) else money_text(int(cents), currency, view.visit.locale)
        for cents, currency in zip(shown["cost_cents"], shown["currency"], strict=True)
    ]
    return shown.assign(
        type=shown["credit_type"].str.capitalize(),
        source=shown["campaign"].where(shown["campaign"] != "", shown["source"]),
        cost=cost,
        only_for=scopes.named(view.visit, shown["only_for"]),
        ends=(shown["expires_at"] - pd.Timedelta(seconds=1)).dt.tz_convert(view.customer.zone).dt.date,
        **amounts,
    )


def _columns(view: View, shown: pd.DataFrame) -> dict[str, object]:
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    zone = view.customer.zone.key
    has_scope = bool(shown["only_for"].notna().any())
    return {
        "burn_number": number("Order", format="%d", width=65, help="1 burns first"),
        "batch_id": number("Batch", format="%d", width=65),
        "type": text("Type", width=115),
        "left": parts.credits_column("Left"),
        "granted": parts.credits_column("Granted"),
        "used": parts.credits_column("Used"),
        "expired": parts.credits_column("Expired"),
        "removed": parts.credits_column("Removed", help="Taken away by corrections, refunds and transfers"),
        "ends": st.column_config.DateColumn(
            "Last day",
            format="localized",
            help=f"Last usable day in the customer's own zone, {zone}; empty means never",
        ),
        "state": text("State", width=90),
        **(
            {"only_for": text("Only for", help="The only features that these pay for; empty: all")} if has_scope else {}
        ),
        "source": text("Source", help="Campaign, or how it came in"),
        "cost": text("Paid", alignment="right"),
    }


def _exported(batches: pd.DataFrame) -> pd.DataFrame:
    amounts = {
        f"{name}_credits": portfolio.exact_credits(batches[f"{name}_micro"])
        for name in ("granted", "used", "expired", "removed", "held", "left")
    }
    plain = ["batch_id", "credit_type", "state", "source", "campaign", "reference", "effective_at", "expires_at"]
    last = ["cost_cents", "currency", "transaction_id", "only_for"]
    return pd.DataFrame({**batches[plain], **amounts, **batches[last]})


def _acts(visit: Visit, batch: pd.Series, account: str) -> None:
    """What can be done with one batch, by what this person may do or ask for."""
    kinds = open_kinds(visit)
    with st.container(horizontal=True):
        for word, label, icon in ACTS:
            if word not in kinds or (batch["left_micro"] == 0 and word in NEEDS_CREDITS):
                continue
            st.page_link(
                "credits/adjustments.py",
                label=label,
                icon=icon,
                query_params=address.link(kind=word, customer=account, batch=int(batch["batch_id"])),
            )


def _lines(visit: Visit, batch: pd.Series, account: str) -> None:
    found = visit.ask(frames.load_batch_entries, batch_id=int(batch["batch_id"]), limit=LINES)
    st.subheader(f"Lines of batch {batch['batch_id']}", anchor=False)
    _acts(visit, batch, account)

    def open_row() -> None:
        drawer.open_entry(int(found.iloc[st.session_state["batch-line"].row]["transaction_id"]))

    labels = visit.ask(frames.load_feature_labels, at=visit.at)
    words = drawer.BUCKET_WORDS
    moves = zip(found["from_bucket"], found["to_bucket"], strict=True)
    sign = found["to_bucket"].map(lambda bucket: 1 if bucket == "available" else -1)
    parts.table(
        found.assign(
            open="Open",
            words=[f"{words[source]} → {words[target]}" for source, target in moves],
            credits=parts.whole_credits(found["amount_micro"] * sign),
            label=[labels.get(feature, feature) for feature in found["feature"]],
        ),
        key="batch-lines",
        alt="Lines that moved credits of this batch, newest first",
        columns={
            "effective_at": parts.instant_column("True from", visit.zone),
            "words": "Move",
            "credits": parts.credits_column("Credits"),
            "label": "Feature",
            "transaction_id": st.column_config.NumberColumn("Entry", format="%d"),
            "open": st.column_config.ButtonColumn("Open", key="batch-line", on_click=open_row, width=80),
        },
    )
    if len(found) == LINES:
        st.caption(f"The newest {LINES} lines are shown; the ledger has all.")

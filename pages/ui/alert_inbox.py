"""The inbox of alerts: filters, the list, and what can be done about the chosen ones."""

from datetime import timedelta

import pandas as pd
import streamlit as st

from analytics import frames
from analytics.alert_words import KIND_WORDS, SEVERITY_WORDS, said
from ledger import AlertKind, Command, LedgerError, MarkAlerts, Permission, Receipt, SnoozeAlerts
from ledger.core.alerts import Severity
from ledger.core.lifecycle import end_of_day
from pages.ui import address, forms, links, parts
from pages.ui.guard import Visit
from pages.ui.text import day_text, escape

PER_PAGE = 100
# More than that is not read, and an old done one is found with its customer.
NEWEST = 2_000
STATES = {"open": "Open", "snoozed": "Snoozed", "done": "Done"}
STATE_WORDS = {"new": "New", "seen": "Seen", "snoozed": "Snoozed", "done": "Done"}
FILTERS = ("state", "severity", "kind", "owner", "q")
_ANSWER, _KEY = "alerts:answer", "alerts:key"


def draw(visit: Visit) -> None:
    """The tab."""
    head = visit.ask_now(frames.load_alert_head)
    alerts = visit.ask(frames.load_alerts, head=head, limit=NEWEST)
    _last_answer()
    chosen, words = _filtered(visit, alerts)
    if alerts.empty:
        parts.first_use("No alert was raised yet. The tab Rules says which lines are watched.")
        return
    if chosen.empty:
        parts.nothing_matches(words, clear=address.clear(*FILTERS), what="No alert")
        return
    place = st.container()
    number = address.page_number(len(chosen), per_page=PER_PAGE, resets=tuple(words))
    shown = chosen.iloc[(number - 1) * PER_PAGE : number * PER_PAGE].reset_index(drop=True)
    with place:
        rows = _table(visit, shown, len(chosen), key=f"alerts:{visit.moment.head}:{head}")
        links.follow("alerts", shown["account"], tab="Alerts")
        _acts(visit, shown.iloc[rows])


def _filtered(visit: Visit, alerts: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        state = address.radio("state", "State", list(STATES), default="open", format_func=STATES.__getitem__)
        severities = address.multiselect(
            "severity", "Severity", list(Severity)[::-1], to_text=str, format_func=SEVERITY_WORDS.__getitem__
        )
        kinds = address.multiselect("kind", "Kind", list(AlertKind), to_text=str, format_func=KIND_WORDS.__getitem__)
        owners = address.multiselect("owner", "Account manager", sorted(set(alerts["owner"]) - {""}))
        wanted = address.text("q", "Customer", placeholder="Name or id").strip()
    states = ["new", "seen"] if state == "open" else [state]
    keep, words = alerts["state"].isin(states), [f"state = {STATES[state].lower()}"]
    for label, column, values in (
        ("severity", "severity", [one.value for one in severities]),
        ("kind", "kind", [one.value for one in kinds]),
        ("account manager", "owner", owners),
    ):
        if values:
            words.append(f"{label} = {' or '.join(values)}")
            keep &= alerts[column].isin(values)
    if wanted:
        words.append(f"customer = {wanted}")
        text = (alerts["name"] + "\n" + alerts["account"]).str.casefold()
        keep &= text.str.contains(wanted.casefold(), regex=False)
    chosen = alerts[keep]
    # Own customers first, then what is worst; the order of the database, newest first, breaks ties.
    rank = chosen["severity"].map({one.value: number for number, one in enumerate(list(Severity)[::-1])})
    order = chosen.assign(others=chosen["owner"] != visit.actor.id, rank=rank)
    return order.sort_values(["others", "rank"], kind="stable"), words


def told_of_batches(visit: Visit) -> dict[int, str]:
    """Batches about whose end was told, with the latest level: such as "14 days"."""
    head = visit.ask_now(frames.load_alert_head)
    alerts = visit.ask(frames.load_alerts, head=head, limit=NEWEST)
    told = alerts[alerts["kind"] == AlertKind.EXPIRING.value]
    levels = told.groupby("subject")["level"].min()
    return {int(str(subject).partition(":")[2]): f"{level} days" for subject, level in levels.items()}


def readable(visit: Visit, alerts: pd.DataFrame) -> pd.DataFrame:
    """Alerts as a table shows them: words for kind, level and figures."""
    told = [
        said(AlertKind(kind), int(level), figures, visit.locale)
        for kind, level, figures in zip(alerts["kind"], alerts["level"], alerts["figures"], strict=True)
    ]
    return alerts.assign(
        what=[one.title for one in told],
        detail=[one.detail for one in told],
        kind_words=[KIND_WORDS[AlertKind(kind)] for kind in alerts["kind"]],
        severity_words=[SEVERITY_WORDS[Severity(one)] for one in alerts["severity"]],
        state_words=alerts["state"].map(STATE_WORDS),
    )


def alert_columns(visit: Visit, *, with_customer: bool = True) -> dict[str, object]:
    """Columns of a table of alerts."""
    text = st.column_config.TextColumn
    customer = {}
    if with_customer:
        customer = {"name": text("Customer", pinned=True, width=170), "open": links.customer_columns("alerts")["open"]}
    return {
        **customer,
        "severity_words": text("Severity", width=95),
        "kind_words": text("Kind", width=150),
        "what": text("What", width=285),
        "raised_at": parts.instant_column("Since", visit.zone),
        "state_words": text("State", width=80),
        "detail": text("More", width=330),
        "owner": text("Account manager", width=190),
        "snoozed_until": parts.instant_column("Snoozed until", visit.zone),
        "handled_by": text("By", width=160, help="Who saw, snoozed or closed it; system: the line was left behind"),
    }


def _table(visit: Visit, shown: pd.DataFrame, in_all: int, *, key: str) -> list[int]:
    picked = parts.table(
        links.with_customer_columns(readable(visit, shown)),
        key=key,
        alt="Alerts, those about your customers first, then the worst, the newest first",
        totals=f"**{in_all:,} alert{'s' * (in_all != 1)}**, those of your customers first, then the worst.",
        columns=alert_columns(visit),
        on_select="rerun",
        selection_mode="multi-row",
        height="content",
    )
    return [row for row in picked.selection.rows if row < len(shown)]


def _acts(visit: Visit, chosen: pd.DataFrame) -> None:
    """What can be done about the rows that are ticked."""
    if not visit.may(Permission.HANDLE_ALERTS):
        return
    if chosen.empty:
        st.caption("Tick rows to mark them as seen or done, or to snooze them.")
        return
    ids = tuple(int(one) for one in chosen["alert_id"])
    key = st.session_state.setdefault(_KEY, forms.new_key("alerts"))
    count = f"{len(ids)} alert{'s' * (len(ids) != 1)}"
    with st.container(border=True, horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**{count} chosen**")
        tomorrow = visit.today + timedelta(days=1)
        last = visit.today + timedelta(days=365)
        through = st.date_input("Snooze through", value=tomorrow, min_value=visit.today, max_value=last)
        acts: dict[str, Command] = {"Seen": MarkAlerts(ids, is_done=False)}
        acts[f"Snooze through {day_text(through, visit.locale)}"] = SnoozeAlerts(ids, end_of_day(through, visit.zone))
        acts["Done"] = MarkAlerts(ids, is_done=True)
        for label, command in acts.items():
            # The key names the attempt: a double click, or an answer that was lost, books once.
            st.button(label, on_click=carry_out, args=(visit, command, f"{key}-{command.kind}-{label[:4]}"))


def carry_out(visit: Visit, command: Command, key: str) -> None:
    """Carry out an act on alerts; the next draw says what became of it."""
    try:
        receipt = visit.ledger.execute(command, actor=visit.actor, key=key)
    except LedgerError as error:
        st.session_state[_ANSWER] = str(error)
        return
    st.session_state[_ANSWER] = receipt
    st.session_state.pop(_KEY, None)


def _last_answer() -> None:
    answer = st.session_state.pop(_ANSWER, None)
    if isinstance(answer, Receipt):
        entry = f" Entry {answer.transaction_id}." if answer.transaction_id else ""
        st.success(f"{' '.join(answer.notes)}{entry}", icon=":material/check_circle:")
    elif answer:
        st.error(f"{escape(answer)} Nothing was changed.", title="Not done")

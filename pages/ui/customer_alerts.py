"""Alerts of one customer: what is open, what comes next, which rules hold, what there was."""

from datetime import date, timedelta

import pandas as pd
import streamlit as st

from analytics import frames, watch
from analytics.alert_words import KIND_WORDS
from ledger import AlertKind, Permission
from ledger.core.alerts import LineKey
from pages.ui import address, alert_inbox, alert_rules, parts
from pages.ui.customer_overview import View
from pages.ui.text import credit_text, day_text, days_text, instant_text

NEWEST = 100


def draw(view: View) -> None:
    """The tab."""
    visit = view.visit
    head = visit.ask_now(frames.load_alert_head)
    raised = visit.ask(frames.load_alerts, head=head, account=view.account, limit=NEWEST)
    is_open = raised["state"] != "done"
    count = int(is_open.sum())
    st.markdown(f"**{count} open alert{'s' * (count != 1)}**" if count else "**No open alert.**")
    columns = alert_inbox.alert_columns(visit, with_customer=False)
    del columns["owner"]
    if count:
        shown = alert_inbox.readable(visit, raised[is_open])
        parts.table(shown, key="open-alerts", alt="Open alerts", columns=columns, height="content")
    standings = visit.ask(watch.standings, at=visit.at, zone=visit.zone, account=view.account)
    _coming(view, standings)
    rules = visit.ask(frames.load_alert_rules, account=view.account)
    own = {one.rule.kind for one in rules if one.account is not None}
    in_force = [one for one in rules if one.account is not None or one.rule.kind not in own]
    st.subheader("Rules in force", anchor=False)
    alert_rules.table(visit, in_force, key="rules", with_customer=False)
    if visit.may(Permission.MANAGE_ALERTS):
        link = address.link(tab="Rules", customer=view.account)
        st.page_link("customers/alerts.py", label="Change a rule", icon=":material/tune:", query_params=link)
    if not is_open.all():
        st.subheader("Earlier alerts", anchor=False)
        shown = alert_inbox.readable(visit, raised[~is_open])
        parts.table(shown, key="past-alerts", alt="Alerts that are done", columns=columns, height="content")


def _coming(view: View, standings: list[watch.Standing]) -> None:
    """Each line with what has to happen for it to tell, or since when it has told."""
    st.subheader("Lines", anchor=False)
    if not standings:
        st.caption("No line is watched yet: this customer was never given credits.")
        return
    rows = [(_what(one.line.key), *_when(view, one)) for one in standings]
    rows.sort(key=lambda row: row[2])
    frame = pd.DataFrame({"what": [row[0] for row in rows], "when": [row[1] for row in rows]})
    columns = {
        "what": st.column_config.TextColumn("Line", width=330),
        "when": st.column_config.TextColumn("Tells", width="large"),
    }
    totals = "Lines that were crossed first, then those with a day, soonest first, then the rest."
    parts.table(frame, key="lines", alt="Lines of this customer", columns=columns, totals=totals, height="content")


def _what(key: LineKey) -> str:
    subject, _, which = key.subject.partition(":")
    of = {
        "batch": f" of batch {which}",
        "feature": f" of {which}",
        "own": f" in {which}",
        "payment": f" of {which}",
    }.get(subject, "")
    unit = {AlertKind.EXPIRING: " days", AlertKind.OWN_LINE: ""}.get(key.kind, " %")
    return f"{KIND_WORDS[key.kind]}{of}" + (f", {key.level}{unit}" if key.level or subject == "batch" else "")


def _when(view: View, standing: watch.Standing) -> tuple[str, tuple[int, date]]:
    """In words, and what to sort by."""
    visit, line, known = view.visit, standing.line, standing.watch
    if not known.is_armed and known.crossed_at is not None:
        better = ", better since" if known.better_since else ""
        since = f" {instant_text(known.better_since, visit.zone, visit.locale)}" if known.better_since else ""
        return f"Crossed {instant_text(known.crossed_at, visit.zone, visit.locale)}{better}{since}", (0, date.max)
    if standing.tells_now:
        return "With the next look, within a minute", (1, date.min)
    if line.is_crossed:
        return "Crossed; something worse told, or it told not long ago", (1, date.max)
    day, words = _condition(view, standing)
    return words, (2, day)


def _condition(view: View, standing: watch.Standing) -> tuple[date, str]:
    visit, key, figures = view.visit, standing.line.key, standing.line.figures

    def credits(micro: int) -> str:
        return f"{credit_text(micro, visit.locale)} credits"

    never = date.max
    match key.kind:
        case AlertKind.OUT_OF_CREDITS:
            return never, "When nothing is left to use"
        case AlertKind.OVERDRAWN:
            return never, "When credits are owed"
        case AlertKind.LOW_BALANCE:
            return never, f"At {credits(figures['funding_micro'] * key.level // 100)} or less"
        case AlertKind.OWN_LINE if "limit_days" in figures:
            return never, f"At {figures['limit_days']} days of runway or less"
        case AlertKind.OWN_LINE:
            return never, f"At {credits(figures['threshold_micro'])} or less"
        case AlertKind.RUN_OUT:
            before = day_text(date.fromisoformat(figures["before"]), visit.locale)
            return never, f"When a run-out before {before} is at least {key.level} % likely"
        case AlertKind.EXPIRING:
            day = date.fromisoformat(figures["last_day"]) - timedelta(days=key.level)
            return day, f"On {day_text(day, visit.locale)}, {days_text((day - visit.today).days)}, if credits are left"
        case AlertKind.PLAN_LIMIT:
            return never, f"When {credits(figures['allowance_micro'] * key.level // 100)} of the allowance are used"
        case AlertKind.UNUSUAL_USE:
            return never, f"When a day is far from the usual {credits(figures['usual_micro'])}"
        case AlertKind.RECHARGE_STOPPED | AlertKind.PAYMENT_BLOCKED | AlertKind.DISPUTE_OPEN:
            return never, "Until somebody has looked after it"

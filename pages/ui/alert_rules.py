"""Rules of alerts: what is watched for everybody and for single customers, the form to change it, and a rehearsal."""

from collections import Counter

import pandas as pd
import streamlit as st

from analytics import frames, watch
from analytics.alert_words import ABOUT, KIND_WORDS, TELLS_WORDS, UNITS, said
from ledger import Addressee, AlertKind, Command, DropAlertRule, Permission, SetAlertRule, credits_to_micro
from ledger.core.alerts import LEVELS_ALLOWED, RUNWAY_DAYS_ALLOWED, Rule
from pages.ui import address, forms, parts
from pages.ui.amounts import AmountUnclear, parse_amount
from pages.ui.forms import Form
from pages.ui.guard import Visit
from pages.ui.review import Act, receipt_panel, review
from pages.ui.text import credit_text, escape

SWITCH = {"on": "Raise alerts", "off": "Do not"}
EVERYBODY = ""
LISTED = 50


def draw(visit: Visit) -> None:
    """The tab."""
    rules = visit.ask(frames.load_alert_rules)
    st.markdown("Rules of everybody hold for each customer that has none of its own.")
    table(visit, rules, key="rules", with_customer=True)
    if visit.may(Permission.MANAGE_ALERTS):
        _form(visit, rules)
    else:
        st.caption("Rules are changed by an admin.")


def table(visit: Visit, rules: list[frames.OwnRule], *, key: str, with_customer: bool) -> None:
    """Rules as rows."""
    text = st.column_config.TextColumn
    shown = pd.DataFrame(
        {
            "whose": ["Everybody" if one.account is None else f"{one.name} ({one.account})" for one in rules],
            "kind": [KIND_WORDS[one.rule.kind] for one in rules],
            "lines": [lines_text(visit, one.rule) for one in rules],
            "tells": [tells_text(one.rule) for one in rules],
            "about": [ABOUT[one.rule.kind] for one in rules],
        }
    )
    columns = {
        "whose": text("For", pinned=True, width=170),
        "kind": text("Kind", width=140),
        "lines": text("Tells at", width=220),
        "tells": text("By mail to", width=220),
        "about": text("What it is", width="large"),
    }
    if not with_customer:
        columns["whose"] = text("Rule of", pinned=True, width=170)
    parts.table(shown, key=key, alt="Rules of alerts", columns=columns, height="content")


def lines_text(visit: Visit, rule: Rule) -> str:
    """The lines of a rule, such as "20, 10, 5 %"."""
    if not rule.is_on:
        return "Off"
    own = [] if rule.threshold_micro is None else [f"{credit_text(rule.threshold_micro, visit.locale)} credits"]
    own += [] if rule.runway_days is None else [f"{rule.runway_days} days of runway"]
    if rule.kind is AlertKind.OWN_LINE:
        return " or ".join(own) or "No line set"
    levels = ", ".join(map(str, rule.levels))
    return f"{levels} {UNITS[rule.kind]}" if levels else "As soon as it is so"


def tells_text(rule: Rule) -> str:
    """Who is told by mail."""
    return ", ".join(TELLS_WORDS[one] for one in Addressee if one in rule.tells) or "Nobody, inbox only"


def _form(visit: Visit, rules: list[frames.OwnRule]) -> None:
    st.subheader("Change a rule", anchor=False)
    people = forms.customer_names(visit)
    with st.container(horizontal=True):
        words = {EVERYBODY: "Everybody"} | {account: f"{name} · {account}" for account, name in people.items()}
        account = address.select("customer", "For", list(words), default=EVERYBODY, format_func=words.__getitem__)
        kind = address.select(
            "rule", "Kind", list(AlertKind), default=AlertKind.LOW_BALANCE, format_func=KIND_WORDS.__getitem__
        )
    in_force = next(one.rule for one in rules if one.account is None and one.rule.kind is kind)
    own = next((one.rule for one in rules if account and one.account == account and one.rule.kind is kind), None)
    form = forms.open_form(visit, f"alert_rule.{kind.value}.{account}")
    receipt = forms.outcome(form)
    name = escape(people.get(account, "everybody"))
    if receipt is not None:
        receipt_panel(form, receipt, done="The rule is in force.", name=name)
        return
    left, right = forms.columns()
    with left:
        st.caption(ABOUT[kind])
        command = _fields(form, kind, account or None, own or in_force, can_drop=own is not None)
    with right:
        facts = {"Rule": KIND_WORDS[kind], "Holds for": name}
        if isinstance(command, SetAlertRule):
            facts |= {"Tells at": lines_text(visit, _rule(command)), "By mail to": tells_text(_rule(command))}
        elif isinstance(command, DropAlertRule):
            facts |= {"From now on": f"As for everybody: {lines_text(visit, in_force)}"}
        review(form, command, Act(f"Set the rule “{KIND_WORDS[kind]}” for {name}", facts=facts))
        if isinstance(command, SetAlertRule) and not form.faults and not command.faults():
            _rehearse(visit, command)


def _fields(form: Form, kind: AlertKind, account: str | None, now: Rule, *, can_drop: bool) -> Command | None:
    _start(form, switch="on" if now.is_on else "off", tells=[one.value for one in Addressee if one in now.tells])
    options = SWITCH | ({"everybody": "As for everybody"} if can_drop else {})
    switch = form.choice("switch", "Alerts of this kind", list(options), words=options)
    if switch == "everybody" and account is not None:
        return DropAlertRule(kind, account)
    levels, threshold, days = now.levels, now.threshold_micro, now.runway_days
    if kind in LEVELS_ALLOWED:
        _start(form, levels=", ".join(map(str, now.levels)))
        levels = _levels(form, kind)
    if kind is AlertKind.OWN_LINE:
        _start(form, days="" if days is None else str(days))
        threshold = _threshold(form, now)
        least, most = RUNWAY_DAYS_ALLOWED[0], RUNWAY_DAYS_ALLOWED[-1]
        label = "Or at most so many days of runway"
        days = form.number("days", label, least=least, most=most, required=False, help="Empty: no such line")
    tells = form.several("tells", "By mail to", {one.value: TELLS_WORDS[one].capitalize() for one in Addressee})
    return SetAlertRule(kind, switch == "on", levels, tuple(map(Addressee, tells)), threshold, days, account)


def _start(form: Form, **values: object) -> None:
    """Begin with the rule in force."""
    for name, value in values.items():
        if form.filled(name) is None:
            form.fill(**{name: value})


def _levels(form: Form, kind: AlertKind) -> tuple[int, ...]:
    unit = "per cent" if UNITS[kind] == "%" else UNITS[kind]
    typed = form.text("levels", f"Levels in {unit}", required=True, max_chars=60, help="Numbers, separated by commas")
    words = [one.strip() for one in typed.split(",") if one.strip()]
    if not all(one.isdecimal() and len(one) < 6 for one in words):
        form.faults["levels"] = "must be whole numbers, separated by commas, such as 20, 10, 5"
        return ()
    return tuple(int(one) for one in words)


def _threshold(form: Form, now: Rule) -> int | None:
    _start(form, threshold="" if now.threshold_micro is None else credit_text(now.threshold_micro, form.visit.locale))
    typed = form.text("threshold", "At or below so many credits", max_chars=40, help="Empty: no such line")
    if not typed:
        return None
    try:
        return credits_to_micro(parse_amount(typed, form.visit.locale))
    except (AmountUnclear, ValueError) as error:
        form.faults["threshold"] = str(error)
        return None


def _rule(command: SetAlertRule) -> Rule:
    tells = frozenset(command.tells)
    return Rule(command.alert, command.is_on, command.levels, command.threshold_micro, command.runway_days, tells)


def _rehearse(visit: Visit, command: SetAlertRule) -> None:
    """What the rule as typed would tell if a look were taken now."""
    if not st.button("Test: what would tell now?", icon=":material/experiment:", help="Nothing is raised or mailed"):
        return
    found = visit.ask_now(
        watch.standings, at=visit.at, zone=visit.zone, account=command.account, instead=_rule(command)
    )
    found = [one for one in found if one.line.key.kind is command.alert]
    telling = [one for one in found if one.tells_now]
    crossed = Counter(one.line.is_crossed for one in found)
    st.markdown(f"**{len(telling)} would tell now.** {crossed[True]} lines are crossed, {crossed[False]} are not.")
    names = forms.customer_names(visit)
    for one in telling[:LISTED]:
        words = said(one.line.key.kind, one.line.key.level, one.line.figures, visit.locale)
        st.markdown(f"- {escape(names.get(one.account, one.account))}: {escape(words.title)}, {escape(words.detail)}")

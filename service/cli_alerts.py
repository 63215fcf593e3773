"""Verbs about alerts: find them, list them, and the rules in force."""

import click
import pandas as pd

from analytics import frames
from analytics.alert_words import KIND_WORDS, UNITS, said
from ledger import Addressee, AlertKind, micro_to_text
from ledger.core.alerts import Rule
from service import show
from service.alert_mails import LOCALE
from service.alerts import find_alerts
from service.cli_kit import opened_ledger, refusing_clearly


@click.group()
def alerts() -> None:
    """Alerts: lines that customers crossed, and which lines are watched."""


@alerts.command("find")
@refusing_clearly
def alerts_find() -> None:
    """Look at what moved since the last look, raise what crossed a line, queue the mails. Safe to repeat."""
    for name, count in find_alerts(opened_ledger()).items():
        click.echo(f"{name}: {count}")


@alerts.command("list")
@click.option("--account", help="Only those of this customer.")
@click.option("--all", "with_done", is_flag=True, help="Also those that are done.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@refusing_clearly
def alerts_list(account: str | None, with_done: bool, limit: int) -> None:
    """Open alerts, newest first."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        if account is not None:
            frames.load_customer(connection, account)
        found = frames.load_alerts(connection, account=account, open_only=not with_done, limit=limit)
    said_of = [
        said(AlertKind(kind), int(level), figures, LOCALE)
        for kind, level, figures in zip(found["kind"], found["level"], found["figures"], strict=True)
    ]
    what = pd.Series([f"{one.title}; {one.detail}" for one in said_of], dtype="str")
    kinds = pd.Series([KIND_WORDS[AlertKind(kind)] for kind in found["kind"]], dtype="str")
    names = {"alert_id": "no.", "raised_at": "since", "severity": "severity", "account": "account"}
    shown = found.assign(what=what, kind=kinds)
    show.table(shown, names | {"kind": "kind", "what": "what", "state": "state"})


@alerts.command("rules")
@click.argument("account", required=False)
@refusing_clearly
def alerts_rules(account: str | None) -> None:
    """The rules of everybody, and those that customers have of their own; of ACCOUNT alone if given."""
    ledger = opened_ledger()
    with ledger.database.reading() as connection:
        if account is not None:
            frames.load_customer(connection, account)
        rules = frames.load_alert_rules(connection, account=account)
    shown = {
        "whose": [one.account or "everybody" for one in rules],
        "kind": [one.rule.kind.value for one in rules],
        "lines": [_lines(one.rule) for one in rules],
        "tells": [", ".join(who.value for who in Addressee if who in one.rule.tells) for one in rules],
    }
    show.table(pd.DataFrame(shown), {"whose": "for", "kind": "kind", "lines": "tells at", "tells": "mail to"})


def _lines(rule: Rule) -> str:
    if not rule.is_on:
        return "off"
    own = [] if rule.threshold_micro is None else [f"{micro_to_text(rule.threshold_micro)} credits"]
    own += [] if rule.runway_days is None else [f"{rule.runway_days} days"]
    levels = ", ".join(map(str, rule.levels)) + f" {UNITS.get(rule.kind, '')}"
    return " or ".join(own) or (levels if rule.levels else "-")

"""Alerts that were raised, the rules in force, and what is counted of them."""

from dataclasses import dataclass

import pandas as pd
import sqlalchemy as sa

from analytics.frames.asking import ask
from analytics.frames.schema import Schema, instant, text, value, whole
from ledger import queries
from ledger.alerts import rules_of
from ledger.core.alerts import AlertKind, Rule

ALERTS = Schema(
    "one alert, newest first",
    (
        whole("alert_id", "number"),
        text("account", "external id"),
        text("name", "customer"),
        text("owner", "account manager, or empty"),
        text("kind", "see ledger.core.alerts.AlertKind"),
        whole("level", "days, per cent, or 0"),
        text("subject", "batch:<id>, period:<day>, feature:<key>, own:<unit>, or empty"),
        text("severity", "info, warning or critical"),
        instant("raised_at", "when it was raised"),
        value("figures", "what was seen then, a dictionary"),
        text("state", "new, seen, snoozed or done"),
        instant("snoozed_until", "NaT unless snoozed"),
        instant("recovered_at", "when the line was left behind; NaT before"),
        text("handled_by", "who saw, snoozed or closed it; NaN when nobody did"),
        instant("handled_at", "when; NaT when nobody did"),
    ),
)


@dataclass(frozen=True, slots=True)
class OpenAlerts:
    """Alerts that are neither done nor snoozed: of the customers of one account manager, and in all."""

    mine: int
    all: int


@dataclass(frozen=True, slots=True)
class OwnRule:
    """A rule of one customer; ``account`` and ``name`` are None for the rule of everybody."""

    account: str | None
    name: str | None
    rule: Rule


def load_alerts(
    connection: sa.Connection,
    *,
    head: tuple[int, ...] = (),  # noqa: ARG001 - names the version for whoever keeps the answer
    account: str | None = None,
    open_only: bool = False,
    limit: int | None = None,
) -> pd.DataFrame:
    """Alerts of one customer or of all: see ALERTS. ``head`` is `load_alert_head`."""
    return ALERTS.load(ask(connection, queries.alerts, account_name=account, open_only=open_only, limit=limit))


def load_alert_head(connection: sa.Connection) -> tuple[int, int]:
    """What moves when an alert is raised or closed; what people do with alerts moves the head of the books."""
    row = ask(connection, queries.alert_head).one()
    return (row.last, row.open)


def load_open_alerts(connection: sa.Connection, *, owner: str) -> OpenAlerts:
    """How many alerts are open."""
    row = ask(connection, queries.alert_counts, owner=owner).one()
    return OpenAlerts(row.mine, row.open)


def load_alert_rules(connection: sa.Connection, *, account: str | None = None) -> list[OwnRule]:
    """The rules of everybody, all kinds in their order, then those that customers have of their own, by name.

    ``account`` leaves out the other customers.
    """
    found = rules_of(connection)
    people = {row.id: row for row in ask(connection, queries.alert_customers)}
    own = [
        OwnRule(people[id_].external_id, people[id_].name, rule)
        for id_, rules in found.items()
        if id_ is not None and account in (None, people[id_].external_id)
        for rule in rules.values()
    ]
    order = list(AlertKind)
    own.sort(key=lambda one: (str(one.name).casefold(), str(one.account), order.index(one.rule.kind)))
    return [OwnRule(None, None, found[None][kind]) for kind in order] + own

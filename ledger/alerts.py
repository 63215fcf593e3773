"""The door for alerts: what a look found, where lines stand and whom it tells, written in one transaction.

This module is the only writer of alert_watch and alert_look, and the only one that makes alerts (docs/decisions/0008);
what people do with an alert is a command (ledger/operations/alerts.py). Two runners take turns; what a slower one saw
earlier than the other is dropped.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ledger.core.alerts import DEFAULT_RULES, Addressee, AlertKind, LineKey, Rule, Seen, Severity
from ledger.core.crossings import Found, Letter, Waiting, Watch, find, mail_day, plan_letters
from ledger.database import answering
from ledger.facade import Ledger
from ledger.models import account, alert, alert_look, alert_rule, alert_watch, customer, mail
from ledger.outbox import NewMail, insert_mails

# Who closed an alert whose line was left behind, or that a worse one replaced.
CLOSED_BY = "system"
# One look at a time; any number that nothing else locks.
_TURN = sa.text("SELECT pg_advisory_xact_lock(40004)")


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as a mail tells of it. ``figures`` as in `ledger.core.alerts.Line`."""

    id: int
    account_id: int
    account: str
    customer: str
    key: LineKey
    crossing: int
    severity: Severity
    raised_at: datetime
    figures: Mapping[str, Any]


# Writes the mail to an address: the mail's key, the address, who it is, what it is told.
Compose = Callable[[str, str, Addressee, Sequence[Told]], NewMail]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a look wrote: accounts looked at, alerts raised, alerts that are over, mails queued."""

    looked: int
    raised: int
    over: int
    mails: int


def record_look(
    ledger: Ledger, seen: Iterable[Seen], *, at: datetime, compose: Compose, operators: Sequence[str] = ()
) -> Recorded:
    """Write what was seen at an instant: alerts, where lines stand, mails. Twice is once.

    ``operators`` are the addresses behind that word in a rule. Mails of alerts that waited for their day go as well, so
    a look that saw nobody may still queue some.
    """
    with answering(), ledger.database.engine.begin() as connection:
        if not ledger.database.is_sqlite:
            connection.execute(_TURN)
        fresh = _fresh(connection, seen, at)
        found = find_all(connection, fresh, at)
        raised = _raise_alerts(connection, fresh, found, at, operators)
        over = _close(connection, found, at)
        _remember(connection, fresh, found, at=at, day=at.astimezone(ledger.company_zone).date())
        connection.execute(_wake(at))
        mails = _write_letters(connection, at, mail_day(at, ledger.company_zone), compose)
    return Recorded(len(fresh), raised, over, mails)


def find_all(connection: sa.Connection, seen: Sequence[Seen], at: datetime) -> dict[int, Found]:
    """What a look finds, by account id; nothing is written."""
    rules, watches = rules_of(connection), watches_of(connection, [one.account_id for one in seen])
    default = rules[None]
    return {
        one.account_id: find(one, default | rules.get(one.account_id, {}), watches.get(one.account_id, {}), at)
        for one in seen
    }


def watches_of(connection: sa.Connection, ids: Sequence[int]) -> dict[int, dict[LineKey, Watch]]:
    """Where the lines of some accounts stand, as far as they were ever crossed."""
    watches: dict[int, dict[LineKey, Watch]] = {}
    for row in connection.execute(sa.select(alert_watch).where(_among(alert_watch.c.account_id, ids))):
        key = LineKey(AlertKind(row.kind), row.level, row.subject)
        watch = Watch(row.is_armed, row.crossing, row.crossed_at, row.better_since)
        watches.setdefault(row.account_id, {})[key] = watch
    return watches


def rules_of(connection: sa.Connection) -> dict[int | None, dict[AlertKind, Rule]]:
    """The rules in force: under None those of everybody, all kinds; under an account's id what differs for it."""
    rules: dict[int | None, dict[AlertKind, Rule]] = {None: dict(DEFAULT_RULES)}
    for row in connection.execute(sa.select(alert_rule)):
        kind = AlertKind(row.kind)
        rules.setdefault(row.account_id, {})[kind] = Rule(
            kind,
            row.is_on,
            tuple(row.levels),
            row.threshold_micro,
            row.runway_days,
            frozenset(map(Addressee, row.tells)),
        )
    return rules


def _among(column: sa.ColumnElement[int], ids: Sequence[int]) -> sa.ColumnElement[bool]:
    # A database takes some thousand values in a list; beyond, reading all rows is the shorter way anyway.
    return column.in_(ids) if len(ids) <= 1_000 else sa.true()


def _fresh(connection: sa.Connection, seen: Iterable[Seen], at: datetime) -> list[Seen]:
    """Without the accounts that somebody else looked at since."""
    all_seen = list(seen)
    ids = [one.account_id for one in all_seen]
    later = sa.select(alert_look.c.account_id).where(_among(alert_look.c.account_id, ids), alert_look.c.looked_at > at)
    looked = set(connection.execute(later).scalars())
    return [one for one in all_seen if one.account_id not in looked]


def _raise_alerts(
    connection: sa.Connection, seen: Sequence[Seen], found: Mapping[int, Found], at: datetime, operators: Sequence[str]
) -> int:
    raising = [one.account_id for one in seen if found[one.account_id].raised]
    if not raising:
        return 0
    people = sa.select(customer.c.account_id, customer.c.owner, customer.c.email)
    rows = connection.execute(people.where(_among(customer.c.account_id, raising)))
    addresses = {row.account_id: _addresses(row.owner, row.email, operators) for row in rows}
    alerts = [
        {
            "account_id": account_id,
            "kind": new.line.key.kind.value,
            "level": new.line.key.level,
            "subject": new.line.key.subject,
            "crossing": new.crossing,
            "batch_id": new.line.batch_id,
            "severity": new.severity.value,
            "raised_at": at,
            "figures": dict(new.line.figures),
            "state": "new",
            "untold": {
                address: who.value
                for who in Addressee
                if who in new.tells
                for address in addresses[account_id].get(who, ())
            }
            or None,
        }
        for account_id in raising
        for new in found[account_id].raised
    ]
    connection.execute(sa.insert(alert), alerts)
    return len(alerts)


def _addresses(owner: str, email: str, operators: Sequence[str]) -> dict[Addressee, tuple[str, ...]]:
    return {
        # Later ones win where an address is several of them: a colleague reads more than a customer does.
        Addressee.CUSTOMER: (email,) if email else (),
        Addressee.OPERATORS: tuple(operators),
        Addressee.OWNER: (owner,) if owner else (),
    }


def _close(connection: sa.Connection, found: Mapping[int, Found], at: datetime) -> int:
    """Alerts whose line was left behind, or that a worse one replaced, are done; whoever was not told is not."""
    over = [
        {"of": account_id, "of_kind": key.kind.value, "of_level": key.level, "of_subject": key.subject}
        for account_id, one in found.items()
        for key in one.over
    ]
    # Not those that were raised just now: they are on another level.
    statement = (
        sa.update(alert)
        .where(
            alert.c.account_id == sa.bindparam("of"),
            alert.c.kind == sa.bindparam("of_kind"),
            alert.c.level == sa.bindparam("of_level"),
            alert.c.subject == sa.bindparam("of_subject"),
            alert.c.recovered_at.is_(None),
        )
        .values(
            recovered_at=at,
            state="done",
            snoozed_until=None,
            untold=sa.null(),
            handled_by=sa.case((alert.c.state == "done", alert.c.handled_by), else_=CLOSED_BY),
            handled_at=sa.case((alert.c.state == "done", alert.c.handled_at), else_=at),
        )
    )
    return sum(connection.execute(statement, one).rowcount for one in over)


def _remember(
    connection: sa.Connection, seen: Sequence[Seen], found: Mapping[int, Found], *, at: datetime, day: date
) -> None:
    watches = [
        {
            "account_id": account_id,
            "kind": key.kind.value,
            "level": key.level,
            "subject": key.subject,
            "is_armed": watch.is_armed,
            "crossing": watch.crossing,
            "crossed_at": watch.crossed_at,
            "better_since": watch.better_since,
        }
        for account_id, one in found.items()
        for key, watch in one.watches.items()
    ]
    looks = [
        {
            "account_id": one.account_id,
            "version": one.version,
            "looked_at": at,
            "looked_on": day,
            "again_at": found[one.account_id].again_at,
            "forecast_as_of": None if one.ahead is None else one.ahead.as_of,
        }
        for one in seen
    ]
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    if watches:
        fresh = insert(alert_watch)
        moved = {name: fresh.excluded[name] for name in ("is_armed", "crossing", "crossed_at", "better_since")}
        keys = ["account_id", "kind", "level", "subject"]
        connection.execute(fresh.on_conflict_do_update(index_elements=keys, set_=moved), watches)
    if looks:
        fresh = insert(alert_look)
        # A look without a forecast leaves it to a later one to take up what is stored.
        newest: Any = sa.func.coalesce(fresh.excluded.forecast_as_of, alert_look.c.forecast_as_of)
        names = ("version", "looked_at", "looked_on", "again_at")
        moved = {name: fresh.excluded[name] for name in names} | {"forecast_as_of": newest}
        connection.execute(fresh.on_conflict_do_update(index_elements=["account_id"], set_=moved), looks)


def _wake(at: datetime) -> sa.Update:
    """Alerts whose snooze is over are new again."""
    return (
        sa.update(alert)
        .where(sa.text("state <> 'done'"), alert.c.state == "snoozed", alert.c.snoozed_until <= at)
        .values(state="new", snoozed_until=None)
    )


def _write_letters(connection: sa.Connection, at: datetime, day: date, compose: Compose) -> int:
    rows = connection.execute(
        sa.select(alert, account.c.external_id, customer.c.name)
        .join(account, account.c.id == alert.c.account_id)
        .join(customer, customer.c.account_id == alert.c.account_id)
        .where(sa.text("alert.untold IS NOT NULL"), alert.c.state.in_(("new", "seen")))
        .order_by(alert.c.raised_at, alert.c.id)
    ).all()
    if not rows:
        return 0
    told = {row.id: _told(row) for row in rows}
    untold: dict[int, dict[str, str]] = {row.id: dict(row.untold) for row in rows}
    waiting = [Waiting(row.id, Severity(row.severity), tuple(row.untold)) for row in rows]
    keys = {_day_key(day, address): address for one in waiting for address in one.addresses}
    sent = connection.execute(sa.select(mail.c.key).where(mail.c.key.in_(keys))).scalars()
    mails, moved = [], set()
    for letter in plan_letters(waiting, {keys[key] for key in sent}, day):
        of = [told[id_] for id_ in letter.alerts]
        who = Addressee(untold[letter.alerts[0]][letter.address])
        mails.append(compose(_mail_key(letter, of), letter.address, who, of))
        for id_ in letter.alerts:
            del untold[id_][letter.address]
            moved.add(id_)
    if moved:
        left = [{"of": id_, "left": untold[id_] or None} for id_ in sorted(moved)]
        statement = sa.update(alert).where(alert.c.id == sa.bindparam("of"))
        connection.execute(statement.values(untold=sa.bindparam("left", type_=alert.c.untold.type)), left)
    return insert_mails(connection, mails, at)


def _told(row: Any) -> Told:
    return Told(
        row.id,
        row.account_id,
        row.external_id,
        row.name,
        LineKey(AlertKind(row.kind), row.level, row.subject),
        row.crossing,
        Severity(row.severity),
        row.raised_at,
        row.figures,
    )


def _day_key(day: date, address: str) -> str:
    return f"alerts:{day.isoformat()}:{address}"


def _mail_key(letter: Letter, of: Sequence[Told]) -> str:
    """One mail a day to an address; what goes at once is named after the crossing that it tells of."""
    if letter.day is not None:
        return _day_key(letter.day, letter.address)
    one = of[0]
    line = f"{one.account_id}:{one.key.kind.value}:{one.key.level}:{one.key.subject}:{one.crossing}"
    return f"alert:{line}:{letter.address}"

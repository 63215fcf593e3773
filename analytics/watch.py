"""What the alerts look at: everything that is known now about the accounts that have to be looked at.

A handful of statements, whatever the number of accounts. Forecasts are spent through the batches only where a new one
is stored, unusual use is judged once a day, so that a turn of the job costs by what moved.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import sqlalchemy as sa

from analytics import frames, outlook, unusual
from analytics.forecast import HORIZON_DAYS, Forecast
from analytics.frames.asking import plain_rows
from analytics.scopes import is_scoped
from ledger import queries
from ledger.alerts import rules_of, watches_of
from ledger.core.alerts import Ahead, AlertKind, DayOfUse, Ending, Line, PlanUse, Rule, Seen, Trouble, lines
from ledger.core.burn import available_micro
from ledger.core.crossings import Watch, find
from ledger.core.lifecycle import last_day
from ledger.core.records import Batch, CreditType

# How far is looked for a run-out where no next credits are known of.
LOOK_AHEAD_DAYS = 14
# A forecast that is older says nothing any more.
FORECAST_DAYS_MAX = 45
_DAY = timedelta(days=1)
_TYPES = {kind.value: kind for kind in CreditType}


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a look saw, by account id, with the batches of each."""

    at: datetime
    zone: ZoneInfo
    seen: Mapping[int, Seen]
    batches: Mapping[int, Sequence[Batch]]
    # First day of the next billing period, where a plan renews.
    renewals: Mapping[int, date]


@dataclass(frozen=True, slots=True)
class _Due:
    id: int
    account: str
    version: int
    owed_micro: int
    overdraft_micro: int
    is_new_day: bool
    has_new_forecast: bool


def look_due(connection: sa.Connection, *, at: datetime, zone: ZoneInfo) -> Look:
    """A look at the accounts that moved since the last one, or that a day, a forecast or a time is due for.

    ``zone`` is the company zone, in which days are counted.
    """
    today = frames.today(at, zone)
    due = queries.due_looks(at=at, today=today, forecasts_since=today - timedelta(days=FORECAST_DAYS_MAX))
    return _look(connection, _due(connection, due, at), at=at, zone=zone)


def look_all(connection: sa.Connection, *, at: datetime, zone: ZoneInfo, account: str | None = None) -> Look:
    """A look at one account, or at every one, with everything that can be looked at, due or not."""
    return _look(connection, _due(connection, queries.all_looks(account), at), at=at, zone=zone)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands to one line: ``tells_now`` if a look at this moment would tell; ``watch`` what is known."""

    account: str
    line: Line
    watch: Watch
    tells_now: bool


def standings(
    connection: sa.Connection, *, at: datetime, zone: ZoneInfo, account: str | None = None, instead: Rule | None = None
) -> list[Standing]:
    """How one account, or every one, stands to the lines of its rules, as if a look were taken now; nothing is written.

    ``instead`` is in force in place of the rules of its kind: what would a rule do that somebody thinks about?
    """
    seen = list(look_all(connection, at=at, zone=zone, account=account).seen.values())
    rules, watches = rules_of(connection), watches_of(connection, [one.account_id for one in seen])
    found = []
    for one in seen:
        own = rules[None] | rules.get(one.account_id, {}) | ({} if instead is None else {instead.kind: instead})
        stood = watches.get(one.account_id, {})
        told = {new.line.key for new in find(one, own, stood, at).raised}
        found += [
            Standing(one.account, line, stood.get(line.key, Watch()), line.key in told) for line in lines(one, own)
        ]
    return found


def _due(connection: sa.Connection, statement: sa.Select[Any], at: datetime) -> list[_Due]:
    return [
        _Due(
            row.id,
            row.external_id,
            row.version,
            row.owed_micro,
            # An overdraft that has ended lets nobody owe more.
            0 if row.overdraft_until is not None and row.overdraft_until <= at else row.overdraft_limit_micro,
            bool(row.is_new_day),
            bool(row.has_new_forecast),
        )
        for row in connection.execute(statement)
    ]


def _look(connection: sa.Connection, due: Sequence[_Due], *, at: datetime, zone: ZoneInfo) -> Look:
    if not due:
        return Look(at, zone, {}, {}, {})
    ids, today = [one.id for one in due], frames.today(at, zone)
    names = {one.account: one.id for one in due}
    batches = _batches(connection, ids, names, at)
    fundings: dict[int, int] = dict(plain_rows(connection.execute(queries.fundings(ids, at=at))))
    plans, renewals = _plans(connection, ids, today)
    days = _days(connection, [one.id for one in due if one.is_new_day], today)
    troubles = _troubles(connection, ids)
    seen = {
        one.id: Seen(
            one.id,
            one.account,
            one.version,
            available_micro(batches.get(one.id, ()), at=at),
            one.owed_micro,
            fundings.get(one.id),
            _endings(batches.get(one.id, ()), at, zone),
            plans.get(one.id),
            days=tuple(days.get(one.id, ())) if one.is_new_day else None,
            overdraft_left_micro=max(0, one.overdraft_micro - one.owed_micro),
            troubles=tuple(troubles.get(one.id, ())),
        )
        for one in due
    }
    look = Look(at, zone, seen, batches, renewals)
    return with_forecasts(connection, look, [one.id for one in due if one.has_new_forecast])


def _troubles(connection: sa.Connection, ids: Sequence[int]) -> dict[int, list[Trouble]]:
    """Rules that stopped, payments that are blocked or disputed, by account."""
    found: dict[int, list[Trouble]] = {}
    for row in connection.execute(queries.stopped_recharges(ids)):
        # Each stop is another one.
        subject = f"stopped:{row.stopped_at.isoformat()}"
        figures: dict[str, Any] = {"because": row.stopped_because, "declines": row.declines}
        found.setdefault(row.account_id, []).append(Trouble(AlertKind.RECHARGE_STOPPED, subject, figures))
    for row in connection.execute(queries.troubles(ids)):
        is_dispute = row.disputed_cents > 0
        kind = AlertKind.DISPUTE_OPEN if is_dispute else AlertKind.PAYMENT_BLOCKED
        figures = {
            "payment": row.name,
            "price_cents": row.disputed_cents if is_dispute else row.total_cents,
            "currency": row.paid_currency,
            "amount_micro": row.credits_micro,
            "because": "" if is_dispute else row.error,
        }
        found.setdefault(row.account_id, []).append(Trouble(kind, f"payment:{row.name}", figures))
    return found


def with_forecasts(connection: sa.Connection, look: Look, ids: Sequence[int]) -> Look:
    """The same look, with the run-out of some accounts; those without a usable forecast stay without."""
    wanted = [id_ for id_ in ids if look.seen[id_].ahead is None]
    if not wanted:
        return look
    names = {look.seen[id_].account: id_ for id_ in wanted}
    forecasts: dict[str, Forecast] = {}
    for id_, body in plain_rows(connection.execute(queries.watched_forecasts(wanted))):
        if id_ in look.seen and look.seen[id_].account in names:
            forecasts[look.seen[id_].account] = Forecast.from_body(body)
    batches = {name: look.batches.get(id_, ()) for name, id_ in names.items()}
    mixes = {}
    if any(map(is_scoped, batches.values())):
        mixes = frames.load_feature_mix(connection, today=frames.today(look.at, look.zone))
    fleet = outlook.fleet(batches, forecasts, at=look.at, zone=look.zone, horizon_days=HORIZON_DAYS, mixes=mixes)
    seen, today = dict(look.seen), frames.today(look.at, look.zone)
    for row in fleet.to_dict("records"):
        id_ = names[row["account"]]
        grant_on = _next_grant(look, id_)
        low, high = _maybe_day(row["low_80"]), _maybe_day(row["high_80"])
        seen[id_] = replace(
            seen[id_],
            ahead=Ahead(
                as_of=row["as_of"].date(),
                runway_days=None if pd.isna(row["runway_days"]) else int(row["runway_days"]),
                low=low,
                likely=_maybe_day(row["likely"]),
                high=high,
                next_grant_on=grant_on or today + timedelta(days=LOOK_AHEAD_DAYS),
                has_grant=grant_on is not None,
                is_vague=not pd.isna(row["cannot_say"]),
                low_days=None if low is None else (low - today).days + 1,
                high_days=None if high is None else (high - today).days + 1,
            ),
        )
    return replace(look, seen=seen)


def _maybe_day(at: pd.Timestamp) -> date | None:
    return None if pd.isna(at) else at.date()


def _next_grant(look: Look, id_: int) -> date | None:
    """The day of the next credits that are known of: a batch that begins later, or the next period of a plan."""
    begins = [
        frames.today(one.effective_at, look.zone) for one in look.batches.get(id_, ()) if one.effective_at > look.at
    ]
    days = begins + ([look.renewals[id_]] if id_ in look.renewals else [])
    return min(days, default=None)


def _batches(
    connection: sa.Connection, ids: Sequence[int], names: Mapping[str, int], at: datetime
) -> dict[int, list[Batch]]:
    found: dict[int, list[Batch]] = {}
    rows = plain_rows(connection.execute(queries.watched_batches(ids, at=at)))
    for name, number, kind, remaining, held, priority, starts, ends, scope in rows:
        if name in names:
            only = None if scope is None else frozenset(scope)
            one = Batch(number, _TYPES[kind], remaining, held, priority, starts, ends, only)
            found.setdefault(names[name], []).append(one)
    return found


def _endings(batches: Iterable[Batch], at: datetime, zone: ZoneInfo) -> tuple[Ending, ...]:
    """Open batches with free credits that will end."""
    today = frames.today(at, zone)
    found = []
    for one in batches:
        if one.expires_at is not None and one.is_open(at) and one.free_micro > 0:
            last = last_day(one.expires_at, zone)
            found.append(Ending(one.id, one.credit_type.value, one.free_micro, last, (last - today).days))
    return tuple(found)


def _plans(connection: sa.Connection, ids: Sequence[int], today: date) -> tuple[dict[int, PlanUse], dict[int, date]]:
    plans, renewals = {}, {}
    for id_, label, state, start, end, given, left in connection.execute(queries.plan_uses(ids, today=today)):
        plans[id_] = PlanUse(label, start, end, given, given - left)
        if state == "active":
            renewals[id_] = end
    return plans, renewals


def _days(connection: sa.Connection, ids: Sequence[int], today: date) -> dict[int, list[DayOfUse]]:
    """Yesterday's use of each feature that can be judged."""
    if not ids:
        return {}
    since = today - timedelta(days=unusual.WINDOW_DAYS + 1)
    rows = plain_rows(connection.execute(queries.feature_days(ids, since=since, until=today)))
    wanted, yesterday = set(ids), today - _DAY
    found: dict[int, list[DayOfUse]] = {}
    for one in unusual.judge_day((row for row in rows if row[0] in wanted), yesterday):
        day = DayOfUse(one.feature, yesterday, one.used_micro, one.usual_micro, one.is_unusual)
        found.setdefault(one.account_id, []).append(day)
    return found

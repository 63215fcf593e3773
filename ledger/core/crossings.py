"""When a crossed line tells: once per crossing, and again only after recovery with margin and time, and a rest.

Pure: what is known about a line (`Watch`) and what is seen of it now (`Line`) give what to remember and whom to tell.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from ledger.core.alerts import (
    REARM,
    Addressee,
    AlertKind,
    Line,
    LineKey,
    Rearm,
    Rule,
    Seen,
    Severity,
    lines,
    severity,
    subjects,
    worst_first,
)

# The hour of the company zone at which a day of mails begins: what was found at night is in the morning's mail.
MAIL_DAY_HOUR = 7


@dataclass(frozen=True, slots=True)
class Watch:
    """Where a line stands. Armed: not crossed, or recovered since. ``crossing`` counts how often it told."""

    is_armed: bool = True
    crossing: int = 0
    crossed_at: datetime | None = None
    better_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What one look did to a line. ``again_at``: look again then, even if nothing moves."""

    watch: Watch
    is_raised: bool = False
    is_recovered: bool = False
    again_at: datetime | None = None


def step(watch: Watch, line: Line, at: datetime, rearm: Rearm) -> Step:
    """One look at one line.

    An armed line that is crossed is raised, unless it told within the rest; then it waits for the end of the rest.
    A line that was raised is armed again once it was better by the margin for long enough without a break.
    """
    if watch.is_armed:
        if not line.is_crossed:
            return Step(watch)
        rests_until = at if watch.crossed_at is None else watch.crossed_at + rearm.rest
        if at < rests_until:
            return Step(watch, again_at=rests_until)
        return Step(Watch(False, watch.crossing + 1, at), is_raised=True)
    if not line.is_better:
        return Step(replace(watch, better_since=None))
    since = watch.better_since or at
    if at - since < rearm.better_for:
        return Step(replace(watch, better_since=since), again_at=since + rearm.better_for)
    return Step(replace(watch, is_armed=True, better_since=None), is_recovered=True)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A line that tells."""

    line: Line
    crossing: int
    severity: Severity
    tells: frozenset[Addressee]


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at one account found: watches that changed, lines that tell, and lines whose alerts are over."""

    watches: Mapping[LineKey, Watch] = field(default_factory=dict)
    raised: tuple[NewAlert, ...] = ()
    over: frozenset[LineKey] = frozenset()
    again_at: datetime | None = None


# What says less than "out of credits" about the same balance.
_QUIET_WHEN_OUT = frozenset({AlertKind.LOW_BALANCE, AlertKind.OWN_LINE, AlertKind.RUN_OUT})


def find(seen: Seen, rules: Mapping[AlertKind, Rule], watches: Mapping[LineKey, Watch], at: datetime) -> Found:
    """What a look at one account finds.

    Of several levels of one kind and subject only the worst tells; the milder ones count as crossed in silence, and so
    does what an empty account makes true besides.
    """
    now = {line.key: line for line in lines(seen, rules)}
    steps = {key: step(watches.get(key, Watch()), line, at, REARM[key.kind]) for key, line in now.items()}
    raised = [key for key, made in steps.items() if made.is_raised and not _is_quiet(key, steps)]
    over = {key for key, made in steps.items() if made.is_recovered} | _ended(seen, watches)
    for key in raised:
        # A worse level, or an empty account, takes the place of what was told before.
        over |= {old for old, watch in watches.items() if watch.crossing and _takes_place_of(key, old)}
    again = [made.again_at for made in steps.values() if made.again_at is not None]
    return Found(
        watches={key: made.watch for key, made in steps.items() if made.watch != watches.get(key, Watch())},
        raised=tuple(
            NewAlert(now[key], steps[key].watch.crossing, severity(key, rules[key.kind]), rules[key.kind].tells)
            for key in raised
        ),
        over=frozenset(over),
        again_at=min(again, default=None),
    )


def _is_quiet(key: LineKey, steps: Mapping[LineKey, Step]) -> bool:
    """Whether something worse about the same matter is told now, or was and has not recovered."""
    if key.kind in _QUIET_WHEN_OUT and any(
        other.kind is AlertKind.OUT_OF_CREDITS and not made.watch.is_armed for other, made in steps.items()
    ):
        return True
    same = [other for other in steps if (other.kind, other.subject) == (key.kind, key.subject)]
    order = worst_first(same)
    return any(not steps[worse].watch.is_armed for worse in order[: order.index(key)])


def _takes_place_of(new: LineKey, old: LineKey) -> bool:
    if new.kind is AlertKind.OUT_OF_CREDITS and old.kind in _QUIET_WHEN_OUT:
        return True
    return (new.kind, new.subject) == (old.kind, old.subject) and new != old


def _ended(seen: Seen, watches: Mapping[LineKey, Watch]) -> set[LineKey]:
    """Lines about batches that are gone and billing periods that are over."""
    there = subjects(seen)
    return {
        key
        for key, watch in watches.items()
        if key.kind in there and key.subject not in there[key.kind] and not watch.is_armed
    }


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alert of which some addresses are still to be told."""

    id: int
    severity: Severity
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to be: what it tells of, to whom. ``day`` is None for what goes at once."""

    address: str
    alerts: tuple[int, ...]
    day: date | None


def mail_day(at: datetime, zone: ZoneInfo) -> date:
    """The day of mails that an instant belongs to: it begins at seven in the morning of the company zone."""
    return (at.astimezone(zone).replace(tzinfo=None) - timedelta(hours=MAIL_DAY_HOUR)).date()


def plan_letters(waiting: Sequence[Waiting], had_today: Iterable[str], day: date) -> list[Letter]:
    """Which mails go now. What is critical goes at once, each by itself; the rest is one mail a day to an address.

    ``had_today`` are the addresses that got the day's mail already; what is new for them waits for the next day.
    """
    letters = []
    collected: dict[str, list[int]] = {}
    had = set(had_today)
    for alert in waiting:
        for address in alert.addresses:
            if alert.severity is Severity.CRITICAL:
                letters.append(Letter(address, (alert.id,), None))
            elif address not in had:
                collected.setdefault(address, []).append(alert.id)
    return letters + [Letter(address, tuple(alerts), day) for address, alerts in collected.items()]

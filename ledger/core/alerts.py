"""Alerts: the lines that an account can cross, and which of them it is beyond at an instant.

A line has a kind, a level and a subject (one batch, one feature, one billing period). Whether a crossed line tells
somebody is decided in ledger/core/crossings.py. Source of the kinds and levels: docs/alerts.md.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

from ledger.core.amounts import MICRO


class AlertKind(StrEnum):
    """What is told. The order is that of the page of rules."""

    OUT_OF_CREDITS = "out_of_credits"
    OVERDRAWN = "overdrawn"
    LOW_BALANCE = "low_balance"
    OWN_LINE = "own_line"
    RUN_OUT = "run_out"
    EXPIRING = "expiring"
    PLAN_LIMIT = "plan_limit"
    UNUSUAL_USE = "unusual_use"
    RECHARGE_STOPPED = "recharge_stopped"
    PAYMENT_BLOCKED = "payment_blocked"
    DISPUTE_OPEN = "dispute_open"


class Addressee(StrEnum):
    """Who can be told by mail."""

    OWNER = "owner"
    CUSTOMER = "customer"
    OPERATORS = "operators"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Rule:
    """Which lines of a kind are watched, and who is told. Levels are days or per cent, by kind.

    ``threshold_micro`` and ``runway_days`` are the customer's own lines and belong to AlertKind.OWN_LINE alone.
    """

    kind: AlertKind
    is_on: bool = True
    levels: tuple[int, ...] = ()
    threshold_micro: int | None = None
    runway_days: int | None = None
    tells: frozenset[Addressee] = frozenset({Addressee.OWNER})


_BOTH = frozenset({Addressee.OWNER, Addressee.CUSTOMER})
_COLLEAGUES = frozenset({Addressee.OWNER, Addressee.OPERATORS})
# In force until somebody says otherwise. Source: docs/alerts.md.
DEFAULT_RULES: dict[AlertKind, Rule] = {
    rule.kind: rule
    for rule in (
        Rule(AlertKind.OUT_OF_CREDITS, tells=_BOTH),
        Rule(AlertKind.OVERDRAWN),
        Rule(AlertKind.LOW_BALANCE, levels=(20, 10, 5), tells=_BOTH),
        Rule(AlertKind.OWN_LINE, tells=_BOTH),
        Rule(AlertKind.RUN_OUT, levels=(50, 90)),
        Rule(AlertKind.EXPIRING, levels=(30, 14, 3), tells=_BOTH),
        Rule(AlertKind.PLAN_LIMIT, levels=(80, 90, 100), tells=_BOTH),
        Rule(AlertKind.UNUSUAL_USE),
        Rule(AlertKind.RECHARGE_STOPPED, tells=_BOTH),
        Rule(AlertKind.PAYMENT_BLOCKED, tells=_COLLEAGUES),
        Rule(AlertKind.DISPUTE_OPEN, tells=_COLLEAGUES),
    )
}
# Levels that a rule may have; kinds that are not here have none. A stored forecast answers for these chances only.
LEVELS_ALLOWED: dict[AlertKind, tuple[int, ...]] = {
    AlertKind.LOW_BALANCE: tuple(range(1, 100)),
    AlertKind.RUN_OUT: (10, 50, 90),
    AlertKind.EXPIRING: tuple(range(366)),
    AlertKind.PLAN_LIMIT: tuple(range(1, 201)),
}
RUNWAY_DAYS_ALLOWED = range(1, 91)  # as far as forecasts reach
# Where a lower level is the worse one.
_LOWER_IS_WORSE = frozenset({AlertKind.LOW_BALANCE, AlertKind.EXPIRING})


@dataclass(frozen=True, slots=True)
class Rearm:
    """How far (``margin``, in the unit of the kind) and how long a line must be left behind before it may tell again.

    After that no line tells twice within ``rest``: what is crossed before then is told when the rest is over.
    """

    margin: int
    better_for: timedelta
    rest: timedelta


# About money that somebody has to look after, instead of a balance.
TROUBLES = (AlertKind.RECHARGE_STOPPED, AlertKind.PAYMENT_BLOCKED, AlertKind.DISPUTE_OPEN)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
REARM: dict[AlertKind, Rearm] = {
    # Per cent of the last funding.
    AlertKind.OUT_OF_CREDITS: Rearm(1, 6 * _HOUR, _DAY),
    # Nothing owed.
    AlertKind.OVERDRAWN: Rearm(0, 6 * _HOUR, _DAY),
    # Percentage points.
    AlertKind.LOW_BALANCE: Rearm(5, _DAY, 3 * _DAY),
    # Per cent of the own line.
    AlertKind.OWN_LINE: Rearm(20, _DAY, 3 * _DAY),
    # Days by which the day of running out has to lie behind the next grant.
    AlertKind.RUN_OUT: Rearm(3, 2 * _DAY, 7 * _DAY),
    # Days.
    AlertKind.EXPIRING: Rearm(2, _DAY, _DAY),
    # Percentage points.
    AlertKind.PLAN_LIMIT: Rearm(5, _DAY, _DAY),
    # Days of usual use are counted by better_for.
    AlertKind.UNUSUAL_USE: Rearm(0, 3 * _DAY, 14 * _DAY),
    # Each stop and each payment is a subject of its own, which ends with it: nothing is armed again.
    **dict.fromkeys(TROUBLES, Rearm(0, _HOUR, _HOUR)),
}
# Money was taken and nothing given for it, or nothing comes any more where somebody relies on it.
_CRITICAL = frozenset({AlertKind.OUT_OF_CREDITS, AlertKind.RECHARGE_STOPPED, AlertKind.PAYMENT_BLOCKED})


@dataclass(frozen=True, slots=True)
class Ending:
    """A batch that will end: free credits, the last usable local day, and how many days that is away (0: today)."""

    batch_id: int
    credit_type: str
    left_micro: int
    last_day: date
    days_left: int


@dataclass(frozen=True, slots=True)
class PlanUse:
    """The running billing period of a plan: what it gave, and what is gone of that."""

    label: str
    period_start: date
    period_end: date
    allowance_micro: int
    used_micro: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """When the credits run out: days through the likely run-out day, and the days at 10, 50 and 90 %; None: beyond.

    ``next_grant_on`` is the day that is asked about: of the next credits that are known of, or the end of the look
    ahead, as ``has_grant`` says.
    """

    as_of: date
    runway_days: int | None
    low: date | None
    likely: date | None
    high: date | None
    next_grant_on: date
    has_grant: bool
    # The range is wider than the runway: no single number of days should be told.
    is_vague: bool = False
    # Days through those at 10 and 90 %; None: beyond.
    low_days: int | None = None
    high_days: int | None = None


@dataclass(frozen=True, slots=True)
class DayOfUse:
    """What a feature took on the last complete day, against what is usual on such a day."""

    feature: str
    day: date
    used_micro: int
    usual_micro: int
    is_unusual: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """Money that somebody has to look after. ``subject`` names it for as long as it lasts; ``figures`` as in `Line`."""

    kind: AlertKind
    subject: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """All that is known about one account at an instant. What was not looked at, or cannot be said, is None.

    ``funding_micro`` is what was on the shelf right after the last funding (docs/alerts.md); None: never funded.
    """

    account_id: int
    account: str
    version: int
    available_micro: int
    owed_micro: int
    funding_micro: int | None
    endings: tuple[Ending, ...] = ()
    plan: PlanUse | None = None
    ahead: Ahead | None = None
    days: tuple[DayOfUse, ...] | None = None
    # How much more an approved overdraft allows.
    overdraft_left_micro: int = 0
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class LineKey:
    """Which line of an account."""

    kind: AlertKind
    level: int
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as seen: whether the account is beyond it, and whether it is on the good side by the margin.

    ``figures`` are plain JSON values, stored with the alert.
    """

    key: LineKey
    is_crossed: bool
    is_better: bool
    figures: Mapping[str, Any] = field(default_factory=dict)
    batch_id: int | None = None


def worst_first(keys: Iterable[LineKey]) -> list[LineKey]:
    """Lines of one kind and subject, the worst level first."""
    return sorted(keys, key=lambda key: key.level if key.kind in _LOWER_IS_WORSE else -key.level)


def severity(key: LineKey, rule: Rule) -> Severity:
    """What cannot wait is critical; the mildest of several levels is for information; everything else is a warning."""
    if key.kind in _CRITICAL:
        return Severity.CRITICAL
    mildest = worst_first(LineKey(key.kind, level) for level in rule.levels)
    is_mildest = len(mildest) > 1 and mildest[-1].level == key.level
    return Severity.INFO if is_mildest else Severity.WARNING


def lines(seen: Seen, rules: Mapping[AlertKind, Rule]) -> list[Line]:
    """Every watched line of an account about which something can be said, by kind and level."""
    return [line for kind, look in _LOOKS.items() if rules[kind].is_on for line in look(seen, rules[kind])]


def subjects(seen: Seen) -> dict[AlertKind, frozenset[str]]:
    """The subjects that still exist, of kinds whose subjects end: batches, billing periods, troubles with money."""
    return {
        AlertKind.EXPIRING: frozenset(_batch_subject(one) for one in seen.endings),
        AlertKind.PLAN_LIMIT: frozenset() if seen.plan is None else frozenset({_period_subject(seen.plan)}),
        **{kind: frozenset(one.subject for one in seen.troubles if one.kind is kind) for kind in TROUBLES},
    }


def _batch_subject(ending: Ending) -> str:
    return f"batch:{ending.batch_id}"


def _period_subject(plan: PlanUse) -> str:
    return f"period:{plan.period_start.isoformat()}"


def _balance(seen: Seen, **more: Any) -> dict[str, Any]:
    """The figures of a line about the balance, with the days until they run out where those are known."""
    figures = {"available_micro": seen.available_micro, "funding_micro": seen.funding_micro, **more}
    if seen.ahead is not None:
        figures["runway_days"] = None if seen.ahead.is_vague else seen.ahead.runway_days
        figures |= {"low_days": seen.ahead.low_days, "high_days": seen.ahead.high_days}
    return figures


def _out_of_credits(seen: Seen, rule: Rule) -> Iterator[Line]:
    if seen.funding_micro is None:
        return
    is_better = seen.available_micro * 100 > seen.funding_micro * REARM[rule.kind].margin
    yield Line(LineKey(rule.kind, 0), seen.available_micro <= 0, is_better, _overdraft(seen))


def _overdraft(seen: Seen) -> dict[str, Any]:
    return _balance(seen, owed_micro=seen.owed_micro, overdraft_left_micro=seen.overdraft_left_micro)


def _overdrawn(seen: Seen, rule: Rule) -> Iterator[Line]:
    yield Line(LineKey(rule.kind, 0), seen.owed_micro > 0, seen.owed_micro == 0, _overdraft(seen))


def _low_balance(seen: Seen, rule: Rule) -> Iterator[Line]:
    if not seen.funding_micro:
        return
    for level in rule.levels:
        left = seen.available_micro * 100
        is_better = left > seen.funding_micro * (level + REARM[rule.kind].margin)
        yield Line(LineKey(rule.kind, level), left <= seen.funding_micro * level, is_better, _balance(seen))


def _own_line(seen: Seen, rule: Rule) -> Iterator[Line]:
    more = 100 + REARM[rule.kind].margin
    if rule.threshold_micro is not None and seen.funding_micro is not None:
        # Another line is another level, so that moving it does not inherit where the old one stood.
        key = LineKey(rule.kind, -(-rule.threshold_micro // MICRO), "own:credits")
        is_better = seen.available_micro * 100 > rule.threshold_micro * more
        figures = _balance(seen, threshold_micro=rule.threshold_micro)
        yield Line(key, seen.available_micro <= rule.threshold_micro, is_better, figures)
    if rule.runway_days is not None and seen.ahead is not None:
        days = seen.ahead.runway_days
        key = LineKey(rule.kind, rule.runway_days, "own:days")
        is_crossed = days is not None and days <= rule.runway_days
        is_better = days is None or days * 100 > rule.runway_days * more
        yield Line(key, is_crossed, is_better, _balance(seen, limit_days=rule.runway_days))


def _run_out(seen: Seen, rule: Rule) -> Iterator[Line]:
    ahead = seen.ahead
    # Credits that were never there cannot run out.
    if ahead is None or seen.funding_micro is None:
        return
    days = {10: ahead.low, 50: ahead.likely, 90: ahead.high}
    figures = _balance(seen, before=ahead.next_grant_on.isoformat(), has_grant=ahead.has_grant)
    for level in rule.levels:
        day = days[level]
        is_crossed = day is not None and day < ahead.next_grant_on
        is_better = day is None or day >= ahead.next_grant_on + timedelta(days=REARM[rule.kind].margin)
        yield Line(LineKey(rule.kind, level), is_crossed, is_better, figures)


def _expiring(seen: Seen, rule: Rule) -> Iterator[Line]:
    for one in seen.endings:
        figures = {
            "batch": one.batch_id,
            "credit_type": one.credit_type,
            "left_micro": one.left_micro,
            "last_day": one.last_day.isoformat(),
            "days_left": one.days_left,
        }
        for level in rule.levels:
            key = LineKey(rule.kind, level, _batch_subject(one))
            is_better = one.days_left > level + REARM[rule.kind].margin
            yield Line(key, one.days_left <= level, is_better, figures, one.batch_id)


def _plan_limit(seen: Seen, rule: Rule) -> Iterator[Line]:
    plan = seen.plan
    if plan is None or not plan.allowance_micro:
        return
    figures = {
        "plan": plan.label,
        "used_micro": plan.used_micro,
        "allowance_micro": plan.allowance_micro,
        "period_end": plan.period_end.isoformat(),
    }
    for level in rule.levels:
        used = plan.used_micro * 100
        is_better = used < plan.allowance_micro * (level - REARM[rule.kind].margin)
        key = LineKey(rule.kind, level, _period_subject(plan))
        yield Line(key, used >= plan.allowance_micro * level, is_better, figures)


def _unusual_use(seen: Seen, rule: Rule) -> Iterator[Line]:
    for one in seen.days or ():
        figures = {
            "feature": one.feature,
            "day": one.day.isoformat(),
            "used_micro": one.used_micro,
            "usual_micro": one.usual_micro,
        }
        key = LineKey(rule.kind, 0, f"feature:{one.feature}")
        yield Line(key, one.is_unusual, not one.is_unusual, figures)


def _trouble(seen: Seen, rule: Rule) -> Iterator[Line]:
    for one in seen.troubles:
        if one.kind is rule.kind:
            figures = {"available_micro": seen.available_micro, **one.figures}
            yield Line(LineKey(rule.kind, 0, one.subject), is_crossed=True, is_better=False, figures=figures)


_LOOKS: dict[AlertKind, Callable[[Seen, Rule], Iterator[Line]]] = {
    AlertKind.OUT_OF_CREDITS: _out_of_credits,
    AlertKind.OVERDRAWN: _overdrawn,
    AlertKind.LOW_BALANCE: _low_balance,
    AlertKind.OWN_LINE: _own_line,
    AlertKind.RUN_OUT: _run_out,
    AlertKind.EXPIRING: _expiring,
    AlertKind.PLAN_LIMIT: _plan_limit,
    AlertKind.UNUSUAL_USE: _unusual_use,
    **dict.fromkeys(TROUBLES, _trouble),
}

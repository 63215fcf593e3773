"""Lines and crossings: told once, again only after recovery with margin and time; worse levels win; mails of a day."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.alerts import (
    DEFAULT_RULES,
    LEVELS_ALLOWED,
    REARM,
    Addressee,
    Ahead,
    AlertKind,
    DayOfUse,
    Ending,
    LineKey,
    PlanUse,
    Rule,
    Seen,
    Severity,
    lines,
    severity,
)
from ledger.core.amounts import MICRO
from ledger.core.crossings import Found, Letter, Waiting, Watch, find, mail_day, plan_letters

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TODAY = date(2026, 3, 10)


def seen(available: int = 100, *, funding: int | None = 100, owed: int = 0, **more: object) -> Seen:
    """An account as seen, in whole credits."""
    funded = None if funding is None else funding * MICRO
    return Seen(1, "acme", 1, available * MICRO, owed * MICRO, funded, **more)  # type: ignore[arg-type]


def ahead(*days: int | None, runway: int | None = None) -> Ahead:
    """A run-out after so many days at 10, 50 and 90 %; the next credits come after ten."""
    low, likely, high = (None if one is None else TODAY + timedelta(days=one) for one in days)
    return Ahead(TODAY, runway, low, likely, high, TODAY + timedelta(days=10), has_grant=True)


def ending(days: int, number: int = 5) -> Ending:
    return Ending(number, "promotional", 50 * MICRO, TODAY + timedelta(days=days), days)


def plan(used: int) -> PlanUse:
    return PlanUse("Basic", date(2026, 3, 1), date(2026, 4, 1), 100 * MICRO, used * MICRO)


def told(found: Found) -> list[tuple[str, int]]:
    return [(new.line.key.kind.value, new.line.key.level) for new in found.raised]


def rules_with(*rules: Rule) -> dict[AlertKind, Rule]:
    return DEFAULT_RULES | {rule.kind: rule for rule in rules}


ODD = DayOfUse("images", TODAY, 90 * MICRO, 10 * MICRO, is_unusual=True)
OWN = Rule(AlertKind.OWN_LINE, threshold_micro=50 * MICRO, runway_days=7)
FIRST_LOOKS = [
    pytest.param(seen(100), DEFAULT_RULES, [], id="plenty"),
    pytest.param(seen(20), DEFAULT_RULES, [("low_balance", 20)], id="at-the-line-is-crossed"),
    pytest.param(seen(21), DEFAULT_RULES, [], id="above-the-line"),
    pytest.param(seen(7), DEFAULT_RULES, [("low_balance", 10)], id="only-the-worst-level"),
    pytest.param(seen(0), DEFAULT_RULES, [("out_of_credits", 0)], id="empty-says-all"),
    pytest.param(seen(0, funding=None), DEFAULT_RULES, [], id="never-funded"),
    pytest.param(seen(0, owed=5), DEFAULT_RULES, [("out_of_credits", 0), ("overdrawn", 0)], id="on-debt"),
    pytest.param(seen(50), rules_with(OWN), [("own_line", 50)], id="own-credits"),
    pytest.param(seen(99, ahead=ahead(None, None, None, runway=7)), rules_with(OWN), [("own_line", 7)], id="own-days"),
    pytest.param(seen(99, ahead=ahead(None, None, None)), rules_with(OWN), [], id="runway-beyond"),
    pytest.param(seen(ahead=ahead(3, 9, 11)), DEFAULT_RULES, [("run_out", 50)], id="likely-before-the-next-credits"),
    pytest.param(seen(ahead=ahead(3, 6, 9)), DEFAULT_RULES, [("run_out", 90)], id="nearly-certain"),
    pytest.param(seen(0, funding=None, ahead=ahead(3, 6, 9)), DEFAULT_RULES, [], id="never-had-credits"),
    pytest.param(seen(ahead=ahead(3, 10, 20)), DEFAULT_RULES, [], id="on-the-day-of-the-next-credits"),
    pytest.param(seen(endings=(ending(31),)), DEFAULT_RULES, [], id="a-month-and-a-day"),
    pytest.param(
        seen(endings=(ending(30), ending(2, 6))), DEFAULT_RULES, [("expiring", 30), ("expiring", 3)], id="each-batch"
    ),
    pytest.param(seen(plan=plan(79)), DEFAULT_RULES, [], id="plan-below"),
    pytest.param(seen(plan=plan(100)), DEFAULT_RULES, [("plan_limit", 100)], id="plan-used-up"),
    pytest.param(seen(days=(ODD,)), DEFAULT_RULES, [("unusual_use", 0)], id="an-odd-day"),
    pytest.param(seen(5), rules_with(Rule(AlertKind.LOW_BALANCE, is_on=False, levels=(20,))), [], id="switched-off"),
]


@pytest.mark.parametrize(("one", "rules", "expected"), FIRST_LOOKS)
def test_a_first_look_tells_of(one: Seen, rules: dict[AlertKind, Rule], expected: list[tuple[str, int]]) -> None:
    assert told(find(one, rules, {}, AT)) == expected


def test_out_of_credits_is_critical_and_the_mildest_level_is_for_information() -> None:
    low = DEFAULT_RULES[AlertKind.LOW_BALANCE]
    assert [severity(LineKey(low.kind, level), low) for level in low.levels] == [
        Severity.INFO,
        Severity.WARNING,
        Severity.WARNING,
    ]
    assert severity(LineKey(AlertKind.OUT_OF_CREDITS, 0), DEFAULT_RULES[AlertKind.OUT_OF_CREDITS]) is Severity.CRITICAL
    single = Rule(AlertKind.EXPIRING, levels=(30,))
    assert severity(LineKey(AlertKind.EXPIRING, 30), single) is Severity.WARNING


def test_a_worse_level_takes_the_place_of_the_milder_and_an_empty_account_of_both() -> None:
    watches: dict[LineKey, Watch] = {}
    for available, tells in ((18, ("low_balance", 20)), (9, ("low_balance", 10)), (0, ("out_of_credits", 0))):
        found = find(seen(available), DEFAULT_RULES, watches, AT)
        watches |= found.watches
        assert told(found) == [tells]
    assert {(key.kind.value, key.level) for key in found.over} >= {("low_balance", 20), ("low_balance", 10)}


def test_a_batch_that_is_gone_closes_its_alerts() -> None:
    first = find(seen(endings=(ending(10),)), DEFAULT_RULES, {}, AT)
    later = find(seen(), DEFAULT_RULES, first.watches, AT + HOUR)
    assert {key.level for key in later.over} == {30, 14}


def test_what_was_not_looked_at_stays_as_it_stood() -> None:
    first = find(seen(days=(ODD,), ahead=ahead(1, 2, 3)), DEFAULT_RULES, {}, AT)
    later = find(seen(), DEFAULT_RULES, first.watches, AT + 30 * HOUR)
    assert (later.watches, later.raised, later.over) == ({}, (), frozenset())


# A balance in per cent of the funding, and hours until the next look.
WALKS = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 60)), min_size=1, max_size=60)
LEVELS = (20, 10, 5)


def walk(steps: list[tuple[int, int]]) -> list[tuple[datetime, int, Found]]:
    """Looks at a balance that moves."""
    at, watches, looks = AT, dict[LineKey, Watch](), []
    for balance, hours in steps:
        found = find(seen(balance), DEFAULT_RULES, watches, at)
        watches |= found.watches
        looks.append((at, balance, found))
        at += timedelta(hours=hours)
    return looks


@given(WALKS)
def test_a_line_tells_again_only_after_recovery_with_margin_and_time_and_a_rest(steps: list[tuple[int, int]]) -> None:
    looks = walk(steps)
    for kind, margins in ((AlertKind.LOW_BALANCE, LEVELS), (AlertKind.OUT_OF_CREDITS, (0,))):
        rearm = REARM[kind]
        for level in margins:
            raised = [
                number
                for number, (_, _, found) in enumerate(looks)
                if LineKey(kind, level) in {new.line.key for new in found.raised}
            ]
            for before, after in pairwise(raised):
                assert looks[after][0] - looks[before][0] >= rearm.rest
                # Somewhere between them the balance was better by the margin for long enough without a break.
                runs, since = [timedelta()], None
                for at, balance, _ in looks[before : after + 1]:
                    is_better = balance > level + rearm.margin
                    since = (since or at) if is_better else None
                    runs.append(at - since if since else timedelta())
                assert max(runs) >= rearm.better_for


@given(WALKS)
def test_a_crossing_is_told_of_at_once_unless_something_worse_or_a_rest_is_the_reason(
    steps: list[tuple[int, int]],
) -> None:
    ever: set[AlertKind] = set()
    for _, balance, found in walk(steps):
        kinds = {new.line.key.kind for new in found.raised}
        assert len(found.raised) <= 1
        if balance == 0 and AlertKind.OUT_OF_CREDITS not in ever:
            assert kinds == {AlertKind.OUT_OF_CREDITS}
        if 0 < balance <= 20 and not ever:
            assert kinds == {AlertKind.LOW_BALANCE}
        ever |= kinds


@given(WALKS, st.data())
def test_a_look_that_is_repeated_finds_nothing_more(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    at, watches = AT, dict[LineKey, Watch]()
    for balance, hours in steps:
        first = find(seen(balance), DEFAULT_RULES, watches, at)
        watches |= first.watches
        if data.draw(st.booleans()):
            again = find(seen(balance), DEFAULT_RULES, watches, at)
            assert (again.raised, again.watches) == ((), {})
        at += timedelta(hours=hours)


@given(st.integers(0, 120), st.integers(0, 40), st.integers(0, 120))
def test_a_worse_level_is_crossed_only_where_the_milder_is(balance: int, days: int, used: int) -> None:
    one = seen(balance, endings=(ending(days),), plan=plan(used))
    crossed = {line.key: line.is_crossed for line in lines(one, DEFAULT_RULES)}
    for kind in (AlertKind.LOW_BALANCE, AlertKind.EXPIRING, AlertKind.PLAN_LIMIT):
        levels = [is_crossed for key, is_crossed in crossed.items() if key.kind is kind]
        # Rules list the mildest level first: once one is not crossed, no worse one is.
        assert levels == sorted(levels, reverse=True)
    for line in lines(one, DEFAULT_RULES):
        assert not (line.is_crossed and line.is_better)


def test_a_balance_that_hovers_around_a_line_tells_once_in_a_month() -> None:
    hovering = [(20 + (-1) ** hour * (hour % 4), 1) for hour in range(24 * 31)]
    assert [told(found) for _, _, found in walk(hovering) if found.raised] == [[("low_balance", 20)]]


def test_an_armed_line_that_rests_tells_when_the_rest_is_over() -> None:
    watches = find(seen(18), DEFAULT_RULES, {}, AT).watches
    for hours in (1, 26):
        watches = dict(watches) | find(seen(90), DEFAULT_RULES, watches, AT + hours * HOUR).watches
    early = find(seen(18), DEFAULT_RULES, watches, AT + 30 * HOUR)
    assert early.raised == ()
    assert early.again_at == AT + REARM[AlertKind.LOW_BALANCE].rest
    assert told(find(seen(18), DEFAULT_RULES, watches, early.again_at)) == [("low_balance", 20)]


def test_every_default_level_is_allowed() -> None:
    for kind, rule in DEFAULT_RULES.items():
        assert set(rule.levels) <= set(LEVELS_ALLOWED.get(kind, ()))


def test_the_day_of_mails_begins_in_the_morning_of_the_company() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    assert mail_day(datetime(2026, 3, 10, 5, 59, tzinfo=UTC), berlin) == date(2026, 3, 9)
    assert mail_day(datetime(2026, 3, 10, 6, 0, tzinfo=UTC), berlin) == date(2026, 3, 10)
    # Summer time began in the night before.
    assert mail_day(datetime(2026, 3, 29, 5, 0, tzinfo=UTC), berlin) == date(2026, 3, 29)


def test_what_is_critical_goes_at_once_and_the_rest_is_one_mail_a_day() -> None:
    waiting = [
        Waiting(1, Severity.INFO, ("mara", "acme")),
        Waiting(2, Severity.CRITICAL, ("mara", "bolt")),
        Waiting(3, Severity.WARNING, ("mara",)),
    ]
    at_once = [Letter("mara", (2,), None), Letter("bolt", (2,), None)]
    assert plan_letters(waiting, (), TODAY) == [*at_once, Letter("mara", (1, 3), TODAY), Letter("acme", (1,), TODAY)]
    assert plan_letters(waiting, ("mara",), TODAY) == [*at_once, Letter("acme", (1,), TODAY)]


DOCUMENT = (Path(__file__).parents[2] / "docs/alerts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", list(AlertKind), ids=str)
def test_the_document_names_the_rules_and_times_in_force(kind: AlertKind) -> None:
    told_of, rearmed = (line for line in DOCUMENT.splitlines() if line.startswith(f"| `{kind.value}` |"))
    rule, rearm = DEFAULT_RULES[kind], REARM[kind]
    assert ", ".join(map(str, rule.levels)) in told_of
    assert [who.value in told_of.split("|")[4] for who in Addressee] == [who in rule.tells for who in Addressee]
    hours = [int(cell.split()[0]) for cell in rearmed.split("|")[3:5]]
    assert hours == [rearm.better_for // HOUR, rearm.rest // HOUR]
    assert not rearm.margin or re.search(rf"\b{rearm.margin}\b", rearmed.split("|")[2])

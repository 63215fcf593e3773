"""Limits of members: windows cut in a zone, and which limit binds."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.limits import (
    Allowance,
    Member,
    Period,
    Window,
    binding_limit,
    limit_reached,
    stopped_by,
    window,
    windows,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 10, 12, 34, 56, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("period", "zone", "instant", "starts", "resets"),
    [
        (Period.HOUR, "Europe/Berlin", "2026-03-10T12:34+00:00", "2026-03-10T12:00+00:00", "2026-03-10T13:00+00:00"),
        (Period.HOUR, "UTC", "2026-03-10T12:34:56.789+00:00", "2026-03-10T12:00+00:00", "2026-03-10T13:00+00:00"),
        # Clocks go back by half an hour: the hour from 1:00 lasts for ninety minutes.
        (
            Period.HOUR,
            "Australia/Lord_Howe",
            "2026-04-04T14:45+00:00",
            "2026-04-04T14:00+00:00",
            "2026-04-04T15:00+00:00",
        ),
        (
            Period.HOUR,
            "Australia/Lord_Howe",
            "2026-04-04T15:10+00:00",
            "2026-04-04T14:00+00:00",
            "2026-04-04T15:30+00:00",
        ),
        # Half past in UTC is a full hour in Kolkata.
        (Period.HOUR, "Asia/Kolkata", "2026-03-10T12:40+00:00", "2026-03-10T12:30+00:00", "2026-03-10T13:30+00:00"),
        (Period.DAY, "Asia/Tokyo", "2026-03-10T16:00+00:00", "2026-03-10T15:00+00:00", "2026-03-11T15:00+00:00"),
        # The night without 2:30, the day of 23 hours, and the hour that comes twice.
        (Period.DAY, "Europe/Berlin", "2026-03-29T12:00+00:00", "2026-03-28T23:00+00:00", "2026-03-29T22:00+00:00"),
        (Period.HOUR, "Europe/Berlin", "2026-10-25T00:30+00:00", "2026-10-25T00:00+00:00", "2026-10-25T01:00+00:00"),
        (Period.HOUR, "Europe/Berlin", "2026-10-25T01:30+00:00", "2026-10-25T01:00+00:00", "2026-10-25T02:00+00:00"),
        (Period.MONTH, "Europe/Berlin", "2026-03-10T12:00+00:00", "2026-02-28T23:00+00:00", "2026-03-31T22:00+00:00"),
        (
            Period.MONTH,
            "America/New_York",
            "2026-02-01T02:00+00:00",
            "2026-01-01T05:00+00:00",
            "2026-02-01T05:00+00:00",
        ),
    ],
)
def test_a_window_is_cut_in_the_zone(period: Period, zone: str, instant: str, starts: str, resets: str) -> None:
    assert window(period, at(instant), ZoneInfo(zone)) == Window(period, at(starts), at(resets))


ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "UTC")


# Bounds of this strategy are local times by its own rule.
@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)), st.sampled_from(ZONES))  # noqa: DTZ001
def test_an_instant_lies_in_its_windows_and_their_last_instant_in_no_other(instant: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    for one in windows(instant, zone):
        assert one.starts_at <= instant < one.resets_at
        assert window(one.period, one.starts_at, zone) == one
        assert window(one.period, one.resets_at, zone).starts_at == one.resets_at


def member(*limits: int | None, used: int = 0, held: int = 0) -> Member:
    cuts = windows(NOW, BERLIN)
    allowances = tuple(Allowance(cut, limit, used) for cut, limit in zip(cuts, limits, strict=True))
    return Member("ana", "Ana", True, allowances, held)


@pytest.mark.parametrize(
    ("limits", "used", "binds"),
    [
        ((None, None, None), 0, None),
        ((10, 20, 30), 0, Period.HOUR),
        ((30, 20, 10), 0, Period.MONTH),
        ((None, 20, 30), 5, Period.DAY),
        # All are used up: the one that lasts longest is what the member has to wait for.
        ((5, 5, 5), 5, Period.MONTH),
        ((5, 3, None), 9, Period.DAY),
    ],
)
def test_the_limit_with_the_least_left_binds(limits: tuple[int | None, ...], used: int, binds: Period | None) -> None:
    found = binding_limit(member(*limits, used=used))
    assert (found and found.window.period) == binds


@pytest.mark.parametrize(
    ("amount", "available", "reached"),
    [(10, 100, False), (11, 100, True), (11, 10, True), (11, 9, False), (10, 0, False)],
)
def test_a_limit_is_the_reason_only_when_the_balance_leaves_as_much(amount: int, available: int, reached: bool) -> None:
    found = limit_reached(member(None, 10, None), amount, available_micro=available)
    assert (found is not None) is reached


def test_what_is_held_counts_as_used() -> None:
    found = binding_limit(member(None, 10, None, used=3, held=5))
    assert found is not None
    assert (found.used_micro, found.left_micro) == (8, 2)


def test_use_counts_in_every_window_and_returns_in_those_that_run() -> None:
    used = member(10, 20, 30).with_used(7)
    assert [one.used_micro for one in used.allowances] == [7, 7, 7]
    later = set(windows(NOW + timedelta(hours=1), BERLIN)) & {one.window for one in used.allowances}
    assert [one.used_micro for one in used.with_used(-2, later).allowances] == [7, 5, 5]


def test_who_would_be_stopped_is_told_by_the_shortest_period() -> None:
    used = {Period.HOUR: [3, 5, 2], Period.DAY: [10], Period.MONTH: [40]}
    assert stopped_by({Period.HOUR: 4, Period.DAY: 5, Period.MONTH: None}, used) is Period.HOUR
    assert stopped_by({Period.HOUR: 5, Period.DAY: 9}, used) is Period.DAY
    assert stopped_by({Period.HOUR: 5, Period.DAY: 10, Period.MONTH: 40}, used) is None
    assert stopped_by({}, used) is None

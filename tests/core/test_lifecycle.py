"""Dates of credits: what a type gives by default, what is allowed, and when a local day really ends."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.core.lifecycle import add_months, allowed_expiry, default_expiry, end_of_day, last_day, month_end
from ledger.core.records import CreditType

DEFAULTS = [
    pytest.param("purchased", date(2026, 3, 10), date(2027, 3, 10), id="purchased-12-months"),
    pytest.param("purchased", date(2028, 2, 29), date(2029, 2, 28), id="bought-on-a-leap-day"),
    pytest.param("compensation", date(2027, 2, 28), date(2028, 2, 28), id="compensation-12-months-into-a-leap-year"),
    pytest.param("promotional", date(2026, 3, 10), date(2026, 6, 8), id="promotional-90-days"),
    pytest.param("promotional", date(2027, 12, 1), date(2028, 2, 29), id="promotional-counts-the-leap-day"),
    pytest.param("referral", date(2026, 8, 31), date(2027, 2, 28), id="referral-6-months-into-february"),
    pytest.param("referral", date(2027, 8, 31), date(2028, 2, 29), id="referral-6-months-into-a-leap-february"),
    pytest.param("rollover", date(2026, 1, 31), date(2026, 2, 28), id="rollover-from-the-31st"),
    pytest.param("rollover", date(2026, 12, 1), date(2027, 1, 31), id="rollover-over-the-year"),
]


@pytest.mark.parametrize(("credit_type", "effective_on", "expected"), DEFAULTS)
def test_default_expiry(credit_type: str, effective_on: date, expected: date) -> None:
    assert default_expiry(CreditType(credit_type), effective_on) == expected


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        pytest.param(date(2026, 1, 31), 1, date(2026, 2, 28), id="short-month"),
        pytest.param(date(2028, 1, 31), 1, date(2028, 2, 29), id="short-month-in-a-leap-year"),
        pytest.param(date(2026, 12, 15), 1, date(2027, 1, 15), id="over-the-year"),
        pytest.param(date(2026, 1, 15), 11, date(2026, 12, 15), id="into-december"),
        pytest.param(date(2026, 3, 31), -1, date(2026, 2, 28), id="backwards"),
        pytest.param(date(2026, 3, 31), 0, date(2026, 3, 31), id="no-month"),
    ],
)
def test_months_later(day: date, months: int, expected: date) -> None:
    assert add_months(day, months) == expected


def test_the_end_of_february() -> None:
    assert month_end(date(2028, 2, 1)) == date(2028, 2, 29)
    assert month_end(date(2100, 2, 1)) == date(2100, 2, 28)


# The first instant after a local day, in UTC. Clocks change at midnight in Havana, Beirut and (until 2018) São Paulo.
ENDS = [
    pytest.param("UTC", date(2026, 3, 10), "2026-03-11T00:00", id="utc"),
    pytest.param("Europe/Berlin", date(2026, 3, 10), "2026-03-10T23:00", id="berlin-winter"),
    pytest.param("Europe/Berlin", date(2026, 3, 28), "2026-03-28T23:00", id="berlin-day-before-summer-time"),
    pytest.param("Europe/Berlin", date(2026, 3, 29), "2026-03-29T22:00", id="berlin-23-hour-day"),
    pytest.param("Europe/Berlin", date(2026, 10, 24), "2026-10-24T22:00", id="berlin-day-before-winter-time"),
    pytest.param("Europe/Berlin", date(2026, 10, 25), "2026-10-25T23:00", id="berlin-25-hour-day"),
    pytest.param("America/New_York", date(2026, 3, 8), "2026-03-09T04:00", id="new-york-23-hour-day"),
    pytest.param("America/New_York", date(2026, 11, 1), "2026-11-02T05:00", id="new-york-25-hour-day"),
    pytest.param("America/St_Johns", date(2026, 1, 1), "2026-01-02T03:30", id="half-hour-zone"),
    pytest.param("Pacific/Kiritimati", date(2026, 1, 1), "2026-01-01T10:00", id="fourteen-hours-ahead"),
    pytest.param("America/Sao_Paulo", date(2018, 11, 3), "2018-11-04T03:00", id="the-next-midnight-does-not-exist"),
    pytest.param("America/Havana", date(2026, 10, 31), "2026-11-01T04:00", id="the-next-midnight-happens-twice"),
    pytest.param("Asia/Beirut", date(2026, 3, 28), "2026-03-28T22:00", id="beirut-without-midnight"),
]


@pytest.mark.parametrize(("zone", "day", "expected"), ENDS)
def test_a_local_day_ends(zone: str, day: date, expected: str) -> None:
    assert end_of_day(day, ZoneInfo(zone)) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "America/Havana", "Asia/Beirut", "Pacific/Kiritimati", "Asia/Kolkata"]
).map(ZoneInfo)


@given(st.dates(date(2015, 1, 1), date(2035, 12, 31)), zones)
def test_credits_last_through_their_last_day_and_not_longer(day: date, zone: ZoneInfo) -> None:
    end = end_of_day(day, zone)
    just_before = end - timedelta(microseconds=1)
    assert just_before.astimezone(zone).date() == day
    assert end.astimezone(zone).date() > day
    assert last_day(end, zone) == day


@given(st.sampled_from(CreditType), st.dates(date(2015, 1, 1), date(2035, 12, 31)))
def test_the_default_is_always_allowed_and_later_than_the_start(credit_type: CreditType, day: date) -> None:
    default = default_expiry(credit_type, day)
    assert default > day
    assert allowed_expiry(credit_type, day).allows(default)


START = date(2026, 3, 10)
ALLOWED = [
    pytest.param("promotional", 29, False, id="promotional-29-days"),
    pytest.param("promotional", 30, True, id="promotional-30-days"),
    pytest.param("promotional", 90, True, id="promotional-90-days"),
    pytest.param("promotional", 91, False, id="promotional-91-days"),
    pytest.param("promotional", None, False, id="promotional-never"),
    pytest.param("purchased", -1, False, id="yesterday"),
    pytest.param("purchased", 0, True, id="the-same-day"),
    pytest.param("purchased", 4000, True, id="purchased-years-ahead"),
    pytest.param("purchased", None, True, id="purchased-never"),
    pytest.param("referral", None, True, id="referral-never"),
    pytest.param("compensation", None, True, id="compensation-never"),
    pytest.param("rollover", None, True, id="rollover-never"),
]


@pytest.mark.parametrize(("credit_type", "days", "is_allowed"), ALLOWED)
def test_allowed_expiry(credit_type: str, days: int | None, is_allowed: bool) -> None:
    day = None if days is None else START + timedelta(days=days)
    assert allowed_expiry(CreditType(credit_type), START).allows(day) is is_allowed

"""Mails that sum a time up: whose customers used what last week, and that a month can be closed; each told once."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from ledger import ClosePeriod, Ledger
from ledger.clock import FixedClock
from ledger.core.policy import Actor, Role
from ledger.mail import render
from ledger.models import mail
from ledger.settings import settings
from service.jobs.summaries import _runways, tell
from tests.kit.factories import MICRO, REASON, fresh_key, grant, open_account, price_feature, use

# A Wednesday; the week before it is that of 2 to 8 March.
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def finance(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FINANCE_MAIL", "fiona@example.com")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def company(ledger: Ledger, clock: FixedClock) -> Ledger:
    """Two customers of Max, one of Ida, one of nobody; Max's used 10 in February, and 3 and 4 in the week."""
    clock.set(datetime(2026, 2, 10, 12, tzinfo=UTC))
    price_feature(ledger)
    for account, owner in (("acme", "max"), ("bolt", "max"), ("crow", "ida"), ("dune", "")):
        open_account(ledger, account, owner=f"{owner}@example.com" if owner else "")
        grant(ledger, account, 100)
    use(ledger, "acme", 10)
    for day, account, quantity in ((3, "acme", 3), (8, "bolt", 4), (9, "crow", 5)):
        clock.set(datetime(2026, 3, day, 12, tzinfo=UTC))
        use(ledger, account, quantity)
    clock.set(NOW)
    return ledger


def queued(ledger: Ledger, template: str) -> dict[str, dict[str, Any]]:
    """What the queued mails of a template are filled with, by address; each can be written."""
    with ledger.database.reading() as connection:
        rows = connection.execute(sa.select(mail).where(mail.c.template == template)).all()
    for row in rows:
        filled = {"company": "Test", "public_url": "https://credits.example", "zone": ledger.company_zone}
        assert render(template, row.variables, **filled).text
    return {row.to_address: row.variables for row in rows}


def test_each_account_manager_hears_of_the_week_once(company: Ledger, clock: FixedClock) -> None:
    assert tell(company, lambda *_: None)["weekly_mails"] == 2
    found = queued(company, "weekly_digest")
    assert set(found) == {"max@example.com", "ida@example.com"}
    told = found["max@example.com"]
    assert (told["first_day"], told["last_day"], told["used_micro"]) == ("2026-03-02", "2026-03-08", 7 * MICRO)
    assert [(one["account"], one["used_micro"]) for one in told["customers"]] == [
        ("bolt", 4 * MICRO),
        ("acme", 3 * MICRO),
    ]
    assert told["customers"][1]["balance_micro"] == 87 * MICRO
    # No forecast is stored, so nothing is said of how long it lasts.
    assert {one["runway"] for one in told["customers"]} == {""}
    assert found["ida@example.com"]["used_micro"] == 0
    for _ in range(3):
        clock.advance(timedelta(days=1))
        assert tell(company, lambda *_: None) == {"weekly_mails": 0, "monthly_mails": 0}
    clock.set(NOW + timedelta(days=7))
    assert tell(company, lambda *_: None)["weekly_mails"] == 2


def test_how_long_credits_last_is_said_where_it_can_be() -> None:
    day, later = pd.Timestamp("2026-03-20"), pd.Timestamp("2026-04-02")
    fleet = pd.DataFrame(
        [
            {"account": "sure", "runway_days": 12, "cannot_say": None, "low_80": day},
            {"account": "vague", "runway_days": 12, "cannot_say": "too wide", "low_80": later},
            {"account": "beyond", "runway_days": None, "cannot_say": None, "low_80": pd.NaT},
        ]
    )
    assert _runways(fleet, NOW.date()) == {"sure": "about 12 days", "vague": "at least 22 days"}


def test_finance_hears_of_the_month_once(company: Ledger) -> None:
    assert tell(company, lambda *_: None)["monthly_mails"] == 1
    assert tell(company, lambda *_: None)["monthly_mails"] == 0
    told = queued(company, "month_ready")["fiona@example.com"]
    assert (told["month"], told["consumed_micro"], told["issued_micro"]) == ("February 2026", 10 * MICRO, 400 * MICRO)
    assert told["expired_micro"] == 0
    assert told["transactions"] == 10


def test_a_closed_month_and_an_empty_one_are_not_announced(company: Ledger, clock: FixedClock) -> None:
    fiona = Actor("fiona@example.com", Role.FINANCE)
    through = datetime(2026, 2, 28, tzinfo=UTC).date()
    company.execute(ClosePeriod(through, REASON), actor=fiona, key=fresh_key("close"))
    assert tell(company, lambda *_: None)["monthly_mails"] == 0
    clock.set(datetime(2026, 5, 2, 12, tzinfo=UTC))
    assert tell(company, lambda *_: None)["monthly_mails"] == 0
    assert queued(company, "month_ready") == {}

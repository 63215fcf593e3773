"""The balance report says what the page says: a golden text, the figures behind it, what is absent and why."""

import os
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import sqlalchemy as sa
from babel import Locale

from analytics import frames
from analytics.forecast import Forecast, Method, Regularity
from analytics.outlook import Outlook, spend_one
from analytics.report import Absent, Report, load_report
from analytics.report_markdown import escape, to_markdown
from ledger import (
    DefinePackage,
    IssueGrant,
    Ledger,
    Money,
    NotFound,
    OpenAccount,
    PlaceHold,
    credits_to_micro,
)
from ledger.core.records import CreditType
from tests.analytics.conftest import WHY, Do

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
GOLDEN = Path(__file__).parents[2] / "tests/analytics/goldens/report.md"
HOSTILE = "![x](http://evil.invalid/x.png) | **b** <script> $x$ www.evil.invalid eve@evil.invalid\n# h"


def outlook_of(connection: sa.Connection, account: str, *, a_day: float = 4.0) -> Outlook:
    """An outlook from a forecast that needs no fit, so that the text is the same on every machine."""
    forecast = Forecast(
        as_of=date(2026, 3, 9),
        method=Method.LEGS if a_day else Method.NONE,
        days_of_history=100,
        days_with_use=90,
        regularity=Regularity.REGULAR,
        mean_daily=np.full(90, a_day),
        unit_f=a_day / 4,
        reason=None if a_day else "no use in 365 days",
    )
    return spend_one(connection, account=account, forecast=forecast, at=NOW, zone=BERLIN)


def report_of(ledger: Ledger, account: str, *, a_day: float = 4.0) -> Report:
    with ledger.database.reading() as connection:
        return load_report(
            connection,
            account=account,
            at=NOW,
            zone=BERLIN,
            outlook=outlook_of(connection, account, a_day=a_day),
            public_url="https://credits.example/",
        )


@pytest.fixture
def shop(company: Ledger, do: Do) -> Ledger:
    """The company with two packages, a hold, and credits of Acme that end soon and cannot all be used."""
    do(DefinePackage("starter", "Starter", credits_to_micro(100), Money(1000, "EUR")), NOW - timedelta(hours=2))
    do(DefinePackage("large", "Large", credits_to_micro(1000), Money(8000, "EUR")), NOW - timedelta(hours=2))
    last = date(2026, 4, 8)
    do(
        IssueGrant("cus_acme", CreditType.REFERRAL, credits_to_micro(600), WHY, campaign="easter", expires_on=last),
        NOW - timedelta(hours=2),
    )
    do(PlaceHold("cus_acme", "job-1", "image", credits_to_micro(50)), NOW - timedelta(hours=1))
    return company


def test_the_report_is_the_reviewed_text(shop: Ledger) -> None:
    # The two databases hand out different numbers.
    text = re.sub(r"(#|entry )\d+", r"\1N", to_markdown(report_of(shop, "cus_acme", a_day=16)))
    # Written anew by `make goldens`, reviewed as a diff.
    if os.environ.get("UPDATE_GOLDENS"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_its_figures_are_those_of_the_page(shop: Ledger) -> None:
    report = report_of(shop, "cus_acme")
    with shop.database.reading() as connection:
        held = frames.load_holdings(connection, account="cus_acme", at=NOW, zone=BERLIN)
        row = frames.load_customers(connection, at=NOW, zone=BERLIN, account="cus_acme").iloc[0]
    found = report.summary
    assert (found.available.amount_micro, found.held.amount_micro) == (row["available_micro"], row["held_micro"])
    assert found.balance.amount_micro == held.balance_micro == row["balance_micro"]
    assert found.expiring.amount_micro == row["expiring_30d_micro"] == sum(one.left_micro for one in report.expiring)
    assert found.balance.money == (Money(int(row["value_cents"]), "EUR"),)
    shares = [line.share for line in report.by_type]
    assert sum(share for share in shares if not isinstance(share, Absent)) == pytest.approx(1)
    assert report.usage.used.value == sum(line.used_micro for line in report.by_feature)
    assert report.usage.used.value == sum(line.used_micro for line in report.days)
    assert [line.day for line in report.days] == [date(2026, 2, 9) + timedelta(days=n) for n in range(30)]


def test_what_was_paid_is_split_without_loss(shop: Ledger, do: Do) -> None:
    report = report_of(shop, "cus_acme")
    parts = [report.summary.held, report.summary.available]
    # Nothing of Acme's purchased credits becomes usable later.
    assert sum(money.cents for part in parts for money in part.money) == report.summary.balance.money[0].cents


def test_a_customer_with_nothing_gets_reasons_and_no_invented_zero(company: Ledger) -> None:
    report = report_of(company, "cus_void", a_day=0)
    assert report.summary.balance.money == ()
    assert {line.share for line in report.by_type} == {Absent("no credits are available")}
    assert report.usage.paid_per_credit == Absent("no credits were bought")
    assert report.advice == Absent("no package is for sale")
    assert report.ahead.method_reason == "no use in 365 days"
    text = to_markdown(report)
    assert "Paid per credit: not known, no credits were bought." in text
    assert "Nothing of the balance was paid for" in text
    assert "cannot be suggested, no package is for sale" in text
    assert "No credits were used in these days." in text
    assert "No credits expire in the next 30 days." in text


def test_what_people_typed_is_shown_and_never_read(company: Ledger, do: Do) -> None:
    do(OpenAccount("cus evil|*", HOSTILE, tier="<b>"), NOW)
    text = to_markdown(report_of(company, "cus evil|*", a_day=0))
    name = next(line for line in text.splitlines() if line.startswith("**Customer**"))
    assert "![" not in name and "<script>" not in name and " | " not in name.replace("\\|", "")
    assert "http://evil" not in text and "eve@evil" not in text and "www.evil" not in text
    assert "\n# h" not in text
    assert "**Customer ID**: cus evil\\|\\*" in text
    assert escape("a_b") == "a\\_b"


def test_numbers_and_days_follow_the_readers_locale(company: Ledger) -> None:
    text = to_markdown(report_of(company, "cus_acme"), Locale("de", "DE"))
    assert "10.03.2026" in text and "€" in text


def test_an_unknown_customer_is_not_found(company: Ledger) -> None:
    with company.database.reading() as connection, pytest.raises(NotFound):
        load_report(
            connection,
            account="cus_nobody",
            at=NOW,
            zone=BERLIN,
            outlook=outlook_of(connection, "cus_acme"),
            public_url="https://credits.example",
        )

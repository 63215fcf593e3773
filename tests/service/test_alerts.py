"""The job that finds alerts, end to end: what is raised, whom it tells, and that twice is once."""

from datetime import date, timedelta

from ledger import Ledger
from ledger.clock import FixedClock
from service.alerts import find_alerts
from tests.kit.factories import grant, open_account, price_feature, top_up, use
from tests.operations.books import all_rows


def mails(ledger: Ledger) -> list[tuple[str, str]]:
    return [(row["template"], row["to_address"]) for row in all_rows(ledger)["mail"]]


def kinds(ledger: Ledger) -> list[tuple[str, int]]:
    return [(row["kind"], row["level"]) for row in all_rows(ledger)["alert"]]


def test_a_low_balance_tells_once(ledger: Ledger) -> None:
    open_account(ledger)
    price_feature(ledger)
    top_up(ledger, credits=100)
    assert find_alerts(ledger)["raised"] == 0
    use(ledger, quantity=91)
    assert find_alerts(ledger) == {"looked": 1, "raised": 1, "over": 0, "mails": 2}
    assert kinds(ledger) == [("low_balance", 10)]
    assert mails(ledger) == [
        ("low_credit_balance", "mara@example.com"),
        ("low_credit_balance", "billing@acme.example"),
    ]
    assert find_alerts(ledger) == {"looked": 0, "raised": 0, "over": 0, "mails": 0}


def test_an_expiring_batch_tells_at_each_level(ledger: Ledger, clock: FixedClock) -> None:
    open_account(ledger)
    grant(ledger, credits=100, expires_on=date(2026, 4, 20))
    for _ in range(45):
        find_alerts(ledger)
        clock.advance(timedelta(days=1))
    assert kinds(ledger) == [("expiring", 30), ("expiring", 14), ("expiring", 3), ("out_of_credits", 0)]
    assert mails(ledger).count(("expiring_soon", "mara@example.com")) == 3
